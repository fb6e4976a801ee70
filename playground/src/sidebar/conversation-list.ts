import type { Conversation } from 'lumen-comm';
import { addressOf } from '../app/sign-in.ts';
import type { Session } from '../app/session.ts';
import { h, setAttributes, setChildren, setText } from '../lib/dom.ts';
import { icon } from '../lib/icons.ts';
import { KeyedList } from '../lib/keyed-list.ts';
import { nameOf, SUGGESTED_PEOPLE, titleOf } from '../lib/people.ts';
import { onProfile } from '../lib/profiles.ts';
import { Cell, watch } from '../lib/watch.ts';
import { button } from '../ui/button.ts';
import { attempt } from '../ui/toast.ts';
import { moveByArrows } from './arrow-keys.ts';
import { InboxSearch } from './inbox-search.ts';
import { conversationRow } from './conversation-row.ts';

const MINUTE_MS = 60_000;

/** The conversations: pinned ones first, then by last activity; archived ones on a separate page. */
export function conversationList(
  session: Session,
  { query, newChat }: { query: Cell<string>; newChat: () => void },
): HTMLElement {
  const { client, userId, presence, outbox, route, signal } = session;
  const { inbox } = client.conversations;
  let showsArchive = false;
  const search = new InboxSearch(session);
  const unreadOnly = new Cell(false);
  const filterButton = button({ label: 'Unread', class: 'button-small filter' }, () =>
    unreadOnly.set(!unreadOnly.value),
  );
  const readAll = button(
    { label: 'Mark all as read', icon: 'check-double', class: 'button-small button-quiet' },
    () => {
      void attempt('Not everything was marked as read', client.conversations.markAllRead());
    },
  );
  const filters = h('div', { class: 'inbox-filters', role: 'group', 'aria-label': 'Filter' }, filterButton, readAll);
  const look = (): void => search.look({ query: query.value, unread: unreadOnly.value });
  query.subscribe(look);
  unreadOnly.subscribe(look);
  const rows = h('ul', { class: 'conversation-rows', 'aria-label': 'Chats' });
  const list = new KeyedList<Conversation>(
    rows,
    ({ id }) => id,
    () => conversationRow(session),
  );
  const archiveButton = button({ label: '', icon: 'archive', class: 'archive-toggle' }, () => {
    showsArchive = !showsArchive;
    scheduleRender();
  });
  const archiveLabel = h('span', {});
  archiveButton.append(archiveLabel);
  const more = button({ label: 'Show more', class: 'button-quiet' }, () => {
    void attempt('More chats could not be loaded', inbox.loadMore());
  });
  const note = h('div', { class: 'sidebar-note' });
  const welcome = welcomeNote(session, newChat);
  const element = h(
    'nav',
    { class: 'conversation-list', 'aria-label': 'Chats' },
    filters,
    archiveButton,
    rows,
    more,
    note,
  );
  moveByArrows(rows, '.conversation-row');

  const render = (): void => {
    const { conversations, loading, hasMore, error } = inbox.getSnapshot();
    const words = query.value.toLowerCase();
    const archived = conversations.filter((each) => each.archived === true);
    if (archived.length === 0) showsArchive = false;
    const isShown = (each: Conversation): boolean =>
      words !== ''
        ? titleOf(each, userId).toLowerCase().includes(words)
        : (unreadOnly.value || (each.archived === true) === showsArchive) && (!unreadOnly.value || isUnread(each));
    const shown = conversations.filter(isShown);
    const others = search.found.value.filter(({ id }) => !conversations.some((each) => each.id === id));
    list.render([...shown, ...others].sort((a, b) => Number(b.pinned === true) - Number(a.pinned === true)));
    const hasUnread = conversations.some(isUnread);
    setAttributes(filterButton, { 'aria-pressed': String(unreadOnly.value) });
    filters.hidden = words !== '' || (!hasUnread && !unreadOnly.value);
    readAll.hidden = !hasUnread;
    setAttributes(archiveButton, {
      hidden: archived.length === 0 || words !== '' || unreadOnly.value,
      'aria-pressed': String(showsArchive),
    });
    setText(archiveLabel, showsArchive ? 'Back to all chats' : `Archived (${archived.length})`);
    more.hidden = !hasMore || words !== '';
    const isNew = conversations.length === 0 && !loading && words === '';
    const isAllRead = unreadOnly.value && words === '' && shown.length + others.length === 0;
    const status = isAllRead
      ? 'Everything is read.'
      : loading && conversations.length === 0
        ? 'Loading…'
        : error === undefined
          ? ''
          : 'The chats could not be loaded.';
    setChildren(note, isNew && client.status === 'connected' && error === undefined ? welcome : status);
    note.hidden = note.childNodes.length === 0 || note.textContent === '';
  };
  const onStatus = (listener: () => void): (() => void) => client.on('status', listener);
  const onTyping = (listener: () => void): (() => void) => client.on('typing:update', listener);
  const sources = [
    inbox.subscribe,
    query.subscribe,
    unreadOnly.subscribe,
    search.found.subscribe,
    route.place.subscribe,
    presence.subscribe,
    onProfile,
    session.blocks.blocked.subscribe,
    outbox.waiting.subscribe,
    onStatus,
    onTyping,
  ];
  const scheduleRender = watch(sources, render, signal);
  // Updates relative times such as "5 min ago".
  const timer = setInterval(scheduleRender, MINUTE_MS);
  signal.addEventListener('abort', () => clearInterval(timer));
  return element;
}

/** Returns whether a conversation has unread messages, or unread replies in threads. */
function isUnread({ unreadCount, unreadThreads = 0, unreadMentions = 0 }: Conversation): boolean {
  return unreadCount + unreadThreads + unreadMentions > 0;
}

/** Shown to users without conversations. */
function welcomeNote({ client, userId, route }: Session, newChat: () => void): HTMLElement {
  const other = SUGGESTED_PEOPLE.find((id) => id !== userId) ?? 'bob';
  const start = button({ label: `Chat with ${nameOf(other)}`, class: 'button-primary' }, () => {
    const creating = client.conversations.create({ type: 'direct', participantIds: [other] });
    void attempt('The chat could not be started', creating).then((made) => made && route.open(made.id));
  });
  return h(
    'div',
    { class: 'welcome' },
    h('h2', {}, `Hello, ${nameOf(userId)}`),
    h('p', {}, 'You have no chats yet. Start one, then open a second window and reply as the other person.'),
    start,
    button({ label: 'Choose people', class: 'button-quiet' }, newChat),
    h(
      'a',
      { class: 'welcome-link', href: addressOf(other), target: '_blank' },
      icon('window', 18),
      `Open a window as ${nameOf(other)}`,
    ),
  );
}
