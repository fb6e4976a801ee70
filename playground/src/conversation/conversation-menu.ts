import type { Conversation } from 'lumen-comm';
import type { Session } from '../app/session.ts';
import { openGreenRoom } from '../call/green-room.ts';
import { MAX_PARTICIPANTS } from '../call/call-store.ts';
import { nameOf } from '../lib/people.ts';
import { confirm } from '../ui/dialog.ts';
import type { MenuItem } from '../ui/menu.ts';
import { attempt } from '../ui/toast.ts';

/** The actions of a conversation that affect only this user. */
export function conversationMenu(session: Session, conversation: Conversation): MenuItem[] {
  const { id, pinned = false, muted = false, archived = false, type } = conversation;
  const { conversations } = session.client;
  const items: MenuItem[] = [
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

export async function leaveGroup({ client, userId }: Session, { id }: Conversation): Promise<void> {
  const text = 'You will no longer receive its messages. An admin can add you again.';
  if (!(await confirm({ title: 'Leave this group?', text, action: 'Leave' }))) return;
  await attempt('Could not leave', client.conversations.removeParticipant(id, userId));
}

export async function removeMember({ client }: Session, { id }: Conversation, member: string): Promise<void> {
  const name = nameOf(member);
  const text = `${name} will no longer receive its messages.`;
  if (!(await confirm({ title: `Remove ${name}?`, text, action: 'Remove' }))) return;
  await attempt(`Could not remove ${name}`, client.conversations.removeParticipant(id, member));
}
