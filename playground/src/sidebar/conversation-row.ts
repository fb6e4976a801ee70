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

const BLOCKED_TEXT = 'Message of a person you have blocked';

/** A conversation in the list. The context menu key or a right click opens its menu. */
export function conversationRow(session: Session): ItemView<Conversation> {
  const { client, userId, presence, outbox, route, blocks } = session;
  const picture = conversationAvatar();
  const title = h('span', { class: 'row-title' });
  const time = h('time', { class: 'row-time' });
  // A row is updated by many events. Its elements stay, because replacing the one that is pressed would cancel the click.
  const preview = h('span', { class: 'row-preview' });
  const previewText = h('span', { class: 'row-preview-text', dir: 'auto' });
  const status = statusIcon();
  const marks = h('span', { class: 'row-marks' });
  const mutedMark = mark('bell-off', 'Muted');
  const pinnedMark = mark('pin', 'Pinned');
  const repliesMark = mark('thread', 'Unread replies');
  const mentionMark = mentionBadge();
  const badge = unreadBadge();
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
      // Shows a queued message at once, as the conversation does.
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
      const isBlocked = conversation.type === 'group' && blocks.blocked.value.has(last?.senderId ?? '');
      setText(
        previewText,
        isBlocked && typing.length === 0 ? BLOCKED_TEXT : previewOf(conversation, last, userId, typing),
      );
      const hasStatus = typing.length === 0 && last !== undefined && showsStatus(last, userId);
      if (hasStatus) status.update(last.status);
      setChildren(preview, hasStatus && status.element, previewText);
      const { muted, pinned, unreadCount, unreadMentions = 0, unreadThreads = 0 } = conversation;
      badge.update(unreadCount);
      setChildren(
        marks,
        muted === true && mutedMark,
        pinned === true && pinnedMark,
        unreadThreads > 0 && repliesMark,
        unreadMentions > 0 && mentionMark,
        unreadCount > 0 && badge.element,
      );
    },
  };
}

function previewOf(
  { type, participants }: Conversation,
  last: Message | undefined,
  ownId: string,
  typing: readonly string[],
): string {
  const isGroup = type === 'group';
  if (typing.length > 0) {
    return isGroup ? `${listNames(typing.map(nameOf), 2)} ${typing.length === 1 ? 'is' : 'are'} typing…` : 'typing…';
  }
  if (last === undefined) return isGroup ? count(participants.length, 'member', 'members') : 'No messages yet';
  const sender = isGroup && !isPlain(last) ? `${last.senderId === ownId ? 'You' : nameOf(last.senderId)}: ` : '';
  return `${sender}${summaryOf(last, ownId)}`;
}

function isPlain(message: Message): boolean {
  return isNotice(message) || message.deletedAt !== undefined;
}

function showsStatus(message: Message, ownId: string): boolean {
  return message.senderId === ownId && !isPlain(message) && message.undecrypted === undefined;
}

function unreadBadge(): { element: HTMLElement; update(unread: number): void } {
  const number = h('span', { 'aria-hidden': 'true' });
  const label = hiddenText('');
  const element = h('span', { class: 'badge' }, number, label);
  return {
    element,
    update(unread) {
      const words = count(unread, 'unread message', 'unread messages');
      setText(number, unread > 99 ? '99+' : String(unread));
      setText(label, words);
      setAttributes(element, { title: words });
    },
  };
}

function mentionBadge(): HTMLElement {
  const label = 'You are mentioned';
  return h('span', { class: 'badge', title: label }, h('span', { 'aria-hidden': 'true' }, '@'), hiddenText(label));
}

function mark(name: 'bell-off' | 'pin' | 'thread', label: string): HTMLElement {
  return h('span', { class: 'row-mark', title: label }, icon(name, 15), hiddenText(label));
}
