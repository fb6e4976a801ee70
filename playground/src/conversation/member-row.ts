import type { Conversation, Participant, Role } from 'lumen-comm';
import type { Session } from '../app/session.ts';
import { h, setText } from '../lib/dom.ts';
import { lastSeen } from '../lib/format.ts';
import type { ItemView } from '../lib/keyed-list.ts';
import { nameOf, PRESENCE_LABELS } from '../lib/people.ts';
import { avatar, presenceDot, showPerson } from '../ui/avatar.ts';
import { iconButton } from '../ui/button.ts';
import { openMenu, type MenuItem } from '../ui/menu.ts';
import { attempt } from '../ui/toast.ts';
import { banMember, removeMember } from './conversation-menu.ts';

export interface Member {
  participant: Participant;
  conversation: Conversation;
  /** This user's own membership. */
  own: Participant | undefined;
}

const ROLE_LABELS: Readonly<Record<Role, string>> = { owner: 'Owner', admin: 'Admin', member: '' };

/** A member of a conversation, with a menu of the actions that the user may perform. */
export function memberRow(session: Session): ItemView<Member> {
  const { userId, presence } = session;
  const picture = avatar('');
  const dot = presenceDot();
  const name = h('strong', {});
  const status = h('span', { class: 'muted' });
  const role = h('span', { class: 'tag' });
  let held: Member | undefined;
  const more = iconButton({ label: 'Manage', icon: 'more', attributes: { 'aria-haspopup': 'menu' } }, () => {
    if (held !== undefined) openMenu(more, nameOf(held.participant.userId), itemsFor(session, held));
  });
  const frame = h('span', { class: 'avatar-frame' }, picture, dot.element);
  const element = h(
    'li',
    { class: 'person-line' },
    frame,
    h('span', { class: 'person-text' }, name, status),
    role,
    more,
  );
  return {
    element,
    update(member) {
      held = member;
      const { participant } = member;
      const shown = presence.of(participant);
      showPerson(picture, participant.userId);
      dot.update(shown);
      setText(name, participant.userId === userId ? `${nameOf(userId)} (you)` : nameOf(participant.userId));
      const seen = presence.update(participant.userId)?.lastSeen;
      setText(status, shown === 'offline' ? lastSeen(seen) : PRESENCE_LABELS[shown]);
      const label = ROLE_LABELS[participant.role ?? 'member'];
      setText(role, label);
      role.hidden = label === '';
      more.hidden = itemsFor(session, member).length === 0;
      more.setAttribute('aria-label', `Manage ${nameOf(participant.userId)}`);
    },
  };
}

/** Owners can manage all other members, admins all other members except owners. Everyone can block the others. */
function itemsFor(session: Session, { participant, conversation, own }: Member): MenuItem[] {
  const { conversations } = session.client;
  const { userId, role = 'member' } = participant;
  const isOwner = own?.role === 'owner';
  const mayAct =
    conversation.type === 'group' &&
    userId !== session.userId &&
    (isOwner || (own?.role === 'admin' && role !== 'owner'));
  if (userId === session.userId) return [];
  const block = session.blocks.menuItem(userId);
  if (!mayAct) return [block];
  const name = nameOf(userId);
  const make = (wanted: Role, label: string): MenuItem => ({
    label,
    icon: 'person',
    select: () =>
      void attempt(`The role of ${name} could not be changed`, conversations.setRole(conversation.id, userId, wanted)),
  });
  const items: MenuItem[] = [];
  if (role !== 'admin') items.push(make('admin', 'Make admin'));
  if (role !== 'member') items.push(make('member', 'Make member'));
  if (isOwner && role !== 'owner') items.push(make('owner', 'Make owner'));
  return [
    ...items,
    'separator',
    {
      label: 'Remove from group',
      icon: 'trash',
      danger: true,
      select: () => void removeMember(session, conversation, userId),
    },
    {
      label: 'Ban from group',
      icon: 'leave',
      danger: true,
      select: () => void banMember(session, conversation, userId),
    },
    block,
  ];
}
