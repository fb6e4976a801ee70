import type { CallType, ConversationView } from 'lumen-comm';
import type { Session } from '../app/session.ts';
import { setAttributes } from '../lib/dom.ts';
import { titleOf } from '../lib/people.ts';
import { watch } from '../lib/watch.ts';
import { iconButton } from '../ui/button.ts';
import { MOST_IN_CALL } from './call-desk.ts';

const BUTTONS = [
  { type: 'audio', icon: 'phone', label: 'Call' },
  { type: 'video', icon: 'camera', label: 'Video call' },
] as const;

/** Calls everybody in a conversation. */
export function callButtons(session: Session, view: ConversationView, signal: AbortSignal): HTMLElement[] {
  const { calls, client, userId } = session;
  const call = (type: CallType): void => {
    const { conversation } = view.getSnapshot();
    if (conversation === undefined) return;
    calls.start({ conversationId: conversation.id, type, calleeIds: calls.calleesOf(conversation) });
  };
  const onStatus = (listener: () => void): (() => void) => client.on('status', listener);
  return BUTTONS.map(({ type, icon, label }) => {
    const element = iconButton({ label, icon }, () => call(type));
    watch(
      [view.subscribe, calls.isFree.subscribe, onStatus],
      () => {
        const { conversation } = view.getSnapshot();
        const people = conversation?.participants.length ?? 0;
        const most = MOST_IN_CALL[type];
        const title = conversation === undefined ? '' : titleOf(conversation, userId);
        const words = people > most ? `${label}: for up to ${most} people` : `${label} with ${title}`;
        element.hidden = people < 2;
        element.disabled = people > most || !calls.isFree.value || client.status !== 'connected';
        setAttributes(element, { title: words, 'aria-label': words });
      },
      signal,
    );
    return element;
  });
}
