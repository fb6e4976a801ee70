import type { CallSession, Conversation } from 'lumen-comm';
import type { Session } from '../app/session.ts';
import { nameOf } from '../lib/people.ts';
import { openMenu, type MenuItem } from '../ui/menu.ts';
import { attempt } from '../ui/toast.ts';
import { MAX_PARTICIPANTS } from './call-store.ts';

/** Opens the menu of {@link participantItems}. */
export function openParticipantsMenu(anchor: HTMLElement, session: Session, call: CallSession): void {
  openMenu(anchor, 'People in this call', participantItems(session, call));
}

function conversationOf({ client }: Session, call: CallSession): Conversation | undefined {
  const { conversationId } = call.getSnapshot();
  return client.conversations.inbox.getSnapshot().conversations.find(({ id }) => id === conversationId);
}

/** Whether participants can be added to a call. */
export function isGroupCall(session: Session, call: CallSession): boolean {
  return conversationOf(session, call)?.type === 'group';
}

/** Returns menu items that add members of the conversation and, for the caller, remove participants. */
export function participantItems(session: Session, call: CallSession): MenuItem[] {
  const { userId } = session;
  const { participants, callerId, type } = call.getSnapshot();
  const conversation = conversationOf(session, call);
  if (conversation?.type !== 'group') return [];
  const inside = participants.map((each) => each.userId);
  const outside = conversation.participants.map((each) => each.userId).filter((id) => !inside.includes(id));
  const items: MenuItem[] = [];
  if (inside.length < MAX_PARTICIPANTS[type]) {
    for (const id of outside) {
      const name = nameOf(id);
      items.push({
        label: `Ring ${name}`,
        icon: 'add',
        select: () => void attempt(`${name} could not be rung`, call.addParticipant(id)),
      });
    }
  }
  if (callerId === userId && inside.length > 2) {
    if (items.length > 0) items.push('separator');
    for (const id of inside.filter((each) => each !== userId)) {
      const name = nameOf(id);
      items.push({
        label: `Remove ${name}`,
        icon: 'hang-up',
        danger: true,
        select: () => void attempt(`${name} could not be removed`, call.removeParticipant(id)),
      });
    }
  }
  return items;
}
