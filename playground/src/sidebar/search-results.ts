import type { Conversation, Message } from 'lumen-comm';
import type { Session } from '../app/session.ts';
import { textOf } from '../attachments/message-files.ts';
import { h, on, setChildren } from '../lib/dom.ts';
import { exactTime, listTime } from '../lib/format.ts';
import { nameOf, titleOf } from '../lib/people.ts';
import { highlighted } from '../lib/rich-text.ts';
import { childAbort, type Cell } from '../lib/watch.ts';
import { conversationAvatar } from '../ui/avatar.ts';
import { reasonOf } from '../ui/toast.ts';
import { moveByArrows } from './arrow-keys.ts';

const PAUSE_MS = 180;
const MOST = 40;

/** Messages of all conversations that match the query; selecting one opens it. */
export function searchResults(session: Session, query: Cell<string>): HTMLElement {
  const { client, signal } = session;
  const found = h('ul', { class: 'search-results', 'aria-label': 'Messages found' });
  const note = h('p', { class: 'sidebar-note', role: 'status' });
  const element = h(
    'section',
    { class: 'search-section', hidden: true },
    h('h2', { class: 'section-title' }, 'Messages'),
    found,
    note,
  );
  moveByArrows(found, '.search-result');
  let search = new AbortController();
  let timer = 0;

  const run = async (words: string): Promise<void> => {
    search = childAbort(signal);
    try {
      const messages = await client.messages.search({ query: words, limit: MOST }, { signal: search.signal });
      setChildren(found, ...messages.map((message) => result(session, message, words)));
      setChildren(note, messages.length === 0 ? 'No messages found.' : '');
    } catch (error) {
      if (!search.signal.aborted) setChildren(note, `Search failed: ${reasonOf(error)}.`);
    }
  };
  query.subscribe(() => {
    clearTimeout(timer);
    search.abort();
    const words = query.value;
    element.hidden = words === '';
    if (words === '') setChildren(found);
    else timer = window.setTimeout(() => void run(words), PAUSE_MS);
    setChildren(note, words === '' ? '' : found.childElementCount === 0 ? 'Searching…' : '');
  });
  return element;
}

function result({ client, userId, presence, route }: Session, message: Message, words: string): HTMLElement {
  const { conversations } = client.conversations.inbox.getSnapshot();
  const conversation: Conversation | undefined = conversations.find(({ id }) => id === message.conversationId);
  const picture = conversationAvatar('small');
  const other = conversation?.participants.find((each) => each.userId !== userId);
  if (conversation !== undefined) picture.update(conversation, userId, other && presence.of(other));
  const title = conversation === undefined ? nameOf(message.senderId) : titleOf(conversation, userId);
  const sender = message.senderId === userId ? 'You' : nameOf(message.senderId);
  const row = h(
    'button',
    { type: 'button', class: 'search-result' },
    picture.element,
    h(
      'span',
      { class: 'row-text' },
      h(
        'span',
        { class: 'row-top' },
        h('span', { class: 'row-title' }, title),
        h(
          'time',
          { class: 'row-time', datetime: message.createdAt, title: exactTime(message.createdAt) },
          listTime(message.createdAt),
        ),
      ),
      h('span', { class: 'search-snippet' }, `${sender}: `, ...highlighted(textOf(message), words)),
    ),
  );
  on(row, 'click', () => route.open(message.conversationId, message.id));
  return h('li', {}, row);
}
