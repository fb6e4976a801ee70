import type { CallSession } from 'lumen-comm';
import type { Session } from '../app/session.ts';
import { nameOf } from '../lib/people.ts';
import { openMenu, type MenuItem } from '../ui/menu.ts';
import { attempt } from '../ui/toast.ts';
import { MOST_IN_CALL } from './call-desk.ts';

export function openPeopleMenu(anchor: HTMLElement, session: Session, call: CallSession): void {
  openMenu(anchor, 'People in this call', peopleItems(session, call));
}

/** Whoever is of the conversation can be rung; whoever called can also take people out. */
export function peopleItems({ client, userId }: Session, call: CallSession): MenuItem[] {
  const { participants, conversationId, callerId, type } = call.getSnapshot();
  const { conversations } = client.conversations.inbox.getSnapshot();
  const conversation = conversations.find(({ id }) => id === conversationId);
  if (conversation?.type !== 'group') return [];
  const inside = participants.map((each) => each.userId);
  const outside = conversation.participants.map((each) => each.userId).filter((id) => !inside.includes(id));
  const items: MenuItem[] = [];
  if (inside.length < MOST_IN_CALL[type]) {
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
