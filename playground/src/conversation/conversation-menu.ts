import type { Conversation } from 'lumen-comm';
import type { Session } from '../app/session.ts';
import { openGreenRoom } from '../call/green-room.ts';
import { MAX_PARTICIPANTS } from '../call/call-store.ts';
import { nameOf, otherIn } from '../lib/people.ts';
import { confirm } from '../ui/dialog.ts';
import type { MenuItem } from '../ui/menu.ts';
import { attempt, openPanel } from '../ui/toast.ts';

/** The actions of a conversation that affect only this user. */
export function conversationMenu(session: Session, conversation: Conversation): MenuItem[] {
  const { id, pinned = false, muted = false, archived = false, type, lastMessage } = conversation;
  const { conversations } = session.client;
  const items: MenuItem[] = [
    ...readingItem(session, conversation),
    {
      label: pinned ? 'Unpin' : 'Pin',
      icon: 'pin',
      select: () => void attempt('Could not pin', conversations.pin(id, !pinned)),
    },
    {
      label: muted ? 'Unmute' : 'Mute',
      icon: muted ? 'bell' : 'bell-off',
      select: () => void attempt('Could not mute', conversations.mute(id, !muted)),
    },
    {
      label: archived ? 'Unarchive' : 'Archive',
      icon: 'archive',
      select: () => void attempt('Could not archive', conversations.archive(id, !archived)),
    },
  ];
  if (lastMessage !== undefined) {
    items.push({ label: 'Pinned messages', icon: 'pin', select: () => void openPanel(pins(session, id), 'The list') });
  }
  const other = otherIn(conversation, session.userId);
  if (other !== undefined) items.push(session.blocks.menuItem(other.userId));
  const { calls } = session;
  const calleeIds = calls.calleesOf(conversation);
  if (calls.isFree.value && calleeIds.length > 0 && calleeIds.length < MAX_PARTICIPANTS.video) {
    items.push({
      label: 'Preview a video call',
      icon: 'camera',
      select: () => void openGreenRoom(session, { conversationId: id, type: 'video', calleeIds }),
    });
  }
  if (type === 'group') {
    items.push('separator', {
      label: 'Leave group',
      icon: 'leave',
      danger: true,
      select: () => void leaveGroup(session, conversation),
    });
  }
  return items;
}

/** Opens the list of pinned messages. */
export async function pins(session: Session, conversationId: string): Promise<void> {
  const { showPins } = await import('../pins/pins-dialog.ts');
  showPins(session, conversationId);
}

function readingItem({ client, route }: Session, { id, unreadCount, lastMessage }: Conversation): MenuItem[] {
  if (lastMessage === undefined) return [];
  if (unreadCount > 0) {
    const read = (): Promise<void> => client.messages.markRead({ conversationId: id, messageId: lastMessage.id });
    return [
      { label: 'Mark as read', icon: 'check-double', select: () => void attempt('Could not mark as read', read()) },
    ];
  }
  return [{ label: 'Mark as unread', icon: 'unread', select: () => void markUnread({ client, route }, id) }];
}

/** Marks a message and all later ones as unread. @param messageId - default: the last message */
export async function markUnread(
  { client, route }: Pick<Session, 'client' | 'route'>,
  id: string,
  messageId?: string,
): Promise<void> {
  // An open conversation is marked as read when its end is visible.
  if (route.place.value.conversationId === id) route.close();
  await attempt('Could not mark as unread', client.conversations.markUnread(id, messageId));
}

export async function leaveGroup({ client, userId }: Session, { id }: Conversation): Promise<void> {
  const text = 'You will no longer receive its messages. An admin can add you again.';
  if (!(await confirm({ title: 'Leave this group?', text, action: 'Leave' }))) return;
  await attempt('Could not leave', client.conversations.removeParticipant(id, userId));
}

export async function banMember({ client }: Session, { id }: Conversation, member: string): Promise<void> {
  const name = nameOf(member);
  const text = `${name} is removed from the group and can't become a member again.`;
  if (!(await confirm({ title: `Ban ${name}?`, text, action: 'Ban' }))) return;
  await attempt(`Could not ban ${name}`, client.conversations.ban(id, member, true));
}

export async function removeMember({ client }: Session, { id }: Conversation, member: string): Promise<void> {
  const name = nameOf(member);
  const text = `${name} will no longer receive its messages.`;
  if (!(await confirm({ title: `Remove ${name}?`, text, action: 'Remove' }))) return;
  await attempt(`Could not remove ${name}`, client.conversations.removeParticipant(id, member));
}
