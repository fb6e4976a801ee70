import type { Conversation, ConversationView } from 'lumen-comm';
import type { Session } from '../app/session.ts';
import { callButtons } from '../call/call-buttons.ts';
import { lockButton, openEncryptionMenu } from '../encryption/lock-button.ts';
import { h, on, setAttributes, setText } from '../lib/dom.ts';
import { count, lastSeen } from '../lib/format.ts';
import { icon } from '../lib/icons.ts';
import { otherIn, PRESENCE_LABELS, titleOf } from '../lib/people.ts';
import { watch, type Cell } from '../lib/watch.ts';
import { conversationAvatar } from '../ui/avatar.ts';
import { iconButton } from '../ui/button.ts';
import { openMenu, type MenuItem } from '../ui/menu.ts';
import { conversationMenu } from './conversation-menu.ts';
import type { Side } from './side.ts';

export function conversationHeader(
  session: Session,
  view: ConversationView,
  side: Cell<Side | undefined>,
  signal: AbortSignal,
): HTMLElement {
  const { client, userId, presence, route, keys } = session;
  const picture = conversationAvatar();
  const title = h('h1', { class: 'header-title' });
  const subtitle = h('span', { class: 'header-subtitle' });
  const encrypted = h(
    'span',
    { class: 'header-lock', role: 'img', 'aria-label': 'Encrypted', hidden: true },
    icon('lock', 13),
  );
  const info = h(
    'button',
    { type: 'button', class: 'header-info', title: 'Details' },
    picture.element,
    h('span', { class: 'header-text' }, title, h('span', { class: 'header-line' }, encrypted, subtitle)),
  );
  const toggle = (): void => side.set(side.value === 'details' ? undefined : 'details');
  on(info, 'click', toggle);
  const back = iconButton({ label: 'Back to all chats', icon: 'back', class: 'header-back' }, () => route.close());
  const details = iconButton({ label: 'Details', icon: 'info', class: 'header-details' }, toggle);
  const more = iconButton(
    { label: 'More about this chat', icon: 'more', attributes: { 'aria-haspopup': 'menu' } },
    () => {
      const { conversation } = view.getSnapshot();
      if (conversation !== undefined)
        openMenu(more, 'This chat', [...hidden(), ...conversationMenu(session, conversation)]);
    },
  );
  const lock = lockButton(session, view, signal);
  const calls = callButtons(session, view, signal);
  /** On phones there is room for the title, but not for all buttons. */
  const hidden = (): MenuItem[] => {
    const items: MenuItem[] = calls.starters
      .filter((each) => !each.hidden && !each.disabled && !each.checkVisibility())
      .map((each) => ({ label: 'Video call', icon: 'camera', select: () => each.click() }));
    if (!lock.checkVisibility())
      items.push({ label: 'Encryption', icon: 'lock', select: () => openEncryptionMenu(session, view, more) });
    return items.length === 0 ? [] : [...items, 'separator'];
  };
  watch(
    [view.subscribe, presence.subscribe, keys.subscribe, side.subscribe, (listener) => client.on('status', listener)],
    () => {
      const { conversation } = view.getSnapshot();
      setAttributes(details, { 'aria-pressed': String(side.value === 'details') });
      more.disabled = conversation === undefined;
      encrypted.hidden = !keys.isRequired(view.id);
      if (conversation === undefined) return;
      const other = otherIn(conversation, userId);
      const isConnected = client.status === 'connected';
      picture.update(conversation, userId, other && isConnected ? presence.of(other) : undefined);
      setText(title, titleOf(conversation, userId));
      setText(subtitle, isConnected ? subtitleOf(conversation, session) : memberCount(conversation));
    },
    signal,
  );
  return h('header', { class: 'pane-header' }, back, info, lock, calls.join, ...calls.starters, details, more);
}

function memberCount({ type, participants }: Conversation): string {
  return type === 'direct' ? '' : count(participants.length, 'member', 'members');
}

function subtitleOf(conversation: Conversation, { userId, presence }: Session): string {
  const other = otherIn(conversation, userId);
  if (other !== undefined) {
    const status = presence.of(other);
    return status === 'offline' ? lastSeen(presence.update(other.userId)?.lastSeen) : PRESENCE_LABELS[status];
  }
  const online = conversation.participants.filter(
    (each) => each.userId !== userId && presence.of(each) !== 'offline',
  ).length;
  return online === 0 ? memberCount(conversation) : `${memberCount(conversation)}, ${online} online`;
}
