import type { Conversation, Message } from 'lumen-comm';
import type { Session } from '../app/session.ts';
import { h, hiddenText, on, setAttributes, setChildren, setText } from '../lib/dom.ts';
import { count, exactTime, listNames, listTime } from '../lib/format.ts';
import { icon } from '../lib/icons.ts';
import type { ItemView } from '../lib/keyed-list.ts';
import { nameOf, otherIn, summaryOf, titleOf } from '../lib/people.ts';
import { conversationMenu } from '../conversation/conversation-menu.ts';
import { isNotice } from '../conversation/rows.ts';
import { statusIcon } from '../conversation/status-icon.ts';
import { conversationAvatar } from '../ui/avatar.ts';
import { openMenu } from '../ui/menu.ts';

/** One conversation in the list; its menu opens by the context menu's key or click. */
export function conversationRow(session: Session): ItemView<Conversation> {
  const { client, userId, presence, outbox, route } = session;
  const picture = conversationAvatar();
  const title = h('span', { class: 'row-title' });
  const time = h('time', { class: 'row-time' });
  const preview = h('span', { class: 'row-preview' });
  const marks = h('span', { class: 'row-marks' });
  const row = h(
    'button',
    { type: 'button', class: 'conversation-row' },
    picture.element,
    h(
      'span',
      { class: 'row-text' },
      h('span', { class: 'row-top' }, title, time),
      h('span', { class: 'row-bottom' }, preview, marks),
    ),
  );
  let held: Conversation | undefined;
  on(row, 'click', () => {
    if (held !== undefined) route.open(held.id);
  });
  on(row, 'contextmenu', (event) => {
    event.preventDefault();
    if (held !== undefined) openMenu(row, titleOf(held, userId), conversationMenu(session, held));
  });
  return {
    element: h('li', {}, row),
    update(conversation) {
      held = conversation;
      const other = otherIn(conversation, userId);
      picture.update(conversation, userId, other && client.status === 'connected' ? presence.of(other) : undefined);
      const name = titleOf(conversation, userId);
      setText(title, name);
      // What one has just written stands here at once, as it does in the conversation.
      const last = outbox.lastIn(conversation.id) ?? conversation.lastMessage;
      const at = last?.createdAt ?? conversation.createdAt;
      setText(time, listTime(at));
      setAttributes(time, { datetime: at, title: exactTime(at) });
      const isOpen = route.place.value.conversationId === conversation.id;
      setAttributes(row, {
        'aria-current': isOpen ? 'true' : undefined,
        'data-unread': conversation.unreadCount > 0,
        'data-muted': conversation.muted === true,
      });
      const typing = client.typing.in(conversation.id);
      setAttributes(preview, { 'data-typing': typing.length > 0 });
      setChildren(preview, ...previewOf(conversation, last, userId, typing));
      setChildren(marks, ...marksOf(conversation));
    },
  };
}

function previewOf(
  { type, participants }: Conversation,
  last: Message | undefined,
  ownId: string,
  typing: readonly string[],
): (Node | string)[] {
  const isGroup = type === 'group';
  if (typing.length > 0) {
    return [isGroup ? `${listNames(typing.map(nameOf), 2)} ${typing.length === 1 ? 'is' : 'are'} typing…` : 'typing…'];
  }
  if (last === undefined) return [isGroup ? count(participants.length, 'member', 'members') : 'No messages yet'];
  const isOwn = last.senderId === ownId;
  const isPlain = isNotice(last) || last.deletedAt !== undefined;
  const sender = isGroup && !isPlain ? `${isOwn ? 'You' : nameOf(last.senderId)}: ` : '';
  const text = h('span', { class: 'row-preview-text', dir: 'auto' }, `${sender}${summaryOf(last, ownId)}`);
  return isOwn && !isPlain && last.undecrypted === undefined ? [statusIcon(last.status), text] : [text];
}

function marksOf({ pinned, muted, unreadCount }: Conversation): Node[] {
  const marks: Node[] = [];
  if (muted === true) marks.push(mark('bell-off', 'Muted'));
  if (pinned === true) marks.push(mark('pin', 'Pinned'));
  if (unreadCount > 0) {
    const words = count(unreadCount, 'unread message', 'unread messages');
    const number = h('span', { 'aria-hidden': 'true' }, unreadCount > 99 ? '99+' : String(unreadCount));
    marks.push(h('span', { class: 'badge', title: words }, number, hiddenText(words)));
  }
  return marks;
}

function mark(name: 'bell-off' | 'pin', label: string): HTMLElement {
  return h('span', { class: 'row-mark', title: label }, icon(name, 15), hiddenText(label));
}
