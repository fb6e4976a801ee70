import type { Conversation, ConversationView } from 'lumen-comm';
import type { Session } from '../app/session.ts';
import { h, on, setChildren, setText } from '../lib/dom.ts';
import { count, fullDate, lastSeen } from '../lib/format.ts';
import { icon, type IconName } from '../lib/icons.ts';
import { KeyedList } from '../lib/keyed-list.ts';
import { isManager, rulesOf } from '../groups/group-rules.ts';
import { otherIn, PRESENCE_LABELS, titleOf } from '../lib/people.ts';
import { watch } from '../lib/watch.ts';
import { conversationAvatar } from '../ui/avatar.ts';
import { button, iconButton } from '../ui/button.ts';
import { attempt, openPanel } from '../ui/toast.ts';
import { addMembers, renameGroup } from './group-dialogs.ts';
import { leaveGroup, pins } from './conversation-menu.ts';
import { memberRow, type Member } from './member-row.ts';

/** The details of a conversation: flags and members, with the actions that the user may perform. */
export function detailsPanel(
  session: Session,
  view: ConversationView,
  close: () => void,
  signal: AbortSignal,
): HTMLElement {
  const { client, userId, presence, blocks } = session;
  const { conversations } = client;
  const { id } = view;
  const current = (): Conversation | undefined => view.getSnapshot().conversation;
  const picture = conversationAvatar('large');
  const title = h('h2', { class: 'details-title' });
  const subtitle = h('p', { class: 'muted' });
  const rename = button({ label: 'Rename', icon: 'edit', class: 'button-small' }, () =>
    renameGroup(session, current()),
  );
  const about = h('p', { class: 'details-about', dir: 'auto', hidden: true });
  const rules = h('ul', { class: 'details-rules', 'aria-label': 'Rules', hidden: true });
  const settings = button({ label: 'Settings', icon: 'settings', class: 'button-small' }, () =>
    withConversation('The settings', async (conversation) => {
      const { editGroup } = await import('../groups/group-settings.ts');
      editGroup(session, conversation);
    }),
  );
  const bans = button({ label: 'Banned people', icon: 'block', class: 'button-small' }, () =>
    withConversation('The list', async (conversation) => {
      const { showBans } = await import('../groups/bans-dialog.ts');
      showBans(session, conversation);
    }),
  );
  const withConversation = (what: string, open: (conversation: Conversation) => Promise<void>): void => {
    const conversation = current();
    if (conversation !== undefined) void openPanel(open(conversation), what);
  };
  const pinned = button(
    { label: 'Pinned messages', icon: 'pin', class: 'button-small' },
    () => void openPanel(pins(session, id), 'The list'),
  );
  const flags = [
    flag('pin', 'Pinned', (on) => attempt('Could not pin', conversations.pin(id, on))),
    flag('bell-off', 'Muted', (on) => attempt('Could not mute', conversations.mute(id, on))),
    flag('archive', 'Archived', (on) => attempt('Could not archive', conversations.archive(id, on))),
  ] as const;
  const memberTitle = h('h3', { class: 'section-title' });
  const add = button({ label: 'Add people', icon: 'add', class: 'button-small' }, () => addMembers(session, current()));
  const rows = h('ul', { class: 'people', 'aria-labelledby': 'member-title' });
  memberTitle.id = 'member-title';
  const list = new KeyedList<Member>(
    rows,
    ({ participant }) => participant.userId,
    () => memberRow(session),
  );
  const leave = button({ label: 'Leave group', icon: 'leave', class: 'button-danger-quiet' }, () => {
    const conversation = current();
    if (conversation !== undefined) void leaveGroup(session, conversation);
  });
  const members = h(
    'section',
    { class: 'details-section' },
    h('div', { class: 'details-row' }, memberTitle, add),
    rows,
    leave,
  );
  const actions = h('div', { class: 'details-actions' }, rename, settings, pinned, bans);
  const closeButton = iconButton({ label: 'Close details', icon: 'close' }, close);
  const element = h(
    'aside',
    { class: 'details', 'aria-label': 'Details' },
    h('header', { class: 'details-header' }, h('span', {}, 'Details'), closeButton),
    h(
      'div',
      { class: 'details-scroller' },
      h('div', { class: 'details-hero' }, picture.element, title, subtitle, about, rules, actions),
      h('section', { class: 'details-section details-flags' }, ...flags.map((each) => each.element)),
      members,
    ),
  );
  on(element, 'keydown', (event) => {
    if (event.key === 'Escape') close();
  });
  queueMicrotask(() => closeButton.focus());
  watch(
    [view.subscribe, presence.subscribe, blocks.blocked.subscribe],
    () => {
      const conversation = current();
      if (conversation === undefined) return;
      const other = otherIn(conversation, userId);
      const isGroup = conversation.type === 'group';
      picture.update(conversation, userId, other && presence.of(other));
      setText(title, titleOf(conversation, userId));
      const status = other && presence.of(other);
      const seen =
        status === 'offline'
          ? lastSeen(presence.update(other?.userId ?? '')?.lastSeen)
          : PRESENCE_LABELS[status ?? 'offline'];
      setText(subtitle, isGroup ? `Created on ${fullDate(conversation.createdAt)}` : seen);
      const own = conversation.participants.find((each) => each.userId === userId);
      const mayManage = isGroup && isManager(own);
      for (const each of [rename, settings, bans, add]) each.hidden = !mayManage;
      setText(about, conversation.description ?? '');
      about.hidden = conversation.description === undefined;
      const inWords = rulesOf(conversation);
      rules.hidden = inWords.length === 0;
      setChildren(rules, ...inWords.map((each) => h('li', { class: 'tag' }, each)));
      leave.hidden = !isGroup;
      flags[0].set(conversation.pinned === true);
      flags[1].set(conversation.muted === true);
      flags[2].set(conversation.archived === true);
      setText(memberTitle, count(conversation.participants.length, 'member', 'members'));
      list.render(conversation.participants.map((participant) => ({ participant, conversation, own })));
    },
    signal,
  );
  return element;
}

function flag(
  name: IconName,
  label: string,
  change: (on: boolean) => Promise<unknown>,
): { element: HTMLElement; set(on: boolean): void } {
  const box = h('input', { type: 'checkbox', role: 'switch', class: 'switch' });
  let held = false;
  on(box, 'change', () => {
    // The switch shows the state of the server: it changes when the server has answered and stays if the request fails.
    const wanted = box.checked;
    void change(wanted).finally(() => {
      box.checked = held;
    });
  });
  const element = h('label', { class: 'switch-line' });
  setChildren(element, icon(name, 18), h('span', {}, label), box);
  return {
    element,
    set: (isOn) => {
      held = isOn;
      box.checked = isOn;
    },
  };
}
