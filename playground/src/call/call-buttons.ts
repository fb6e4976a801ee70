import type { CallType, ConversationView } from 'lumen-comm';
import type { Session } from '../app/session.ts';
import { setAttributes } from '../lib/dom.ts';
import { titleOf } from '../lib/people.ts';
import { watch } from '../lib/watch.ts';
import { button, iconButton } from '../ui/button.ts';
import { MAX_PARTICIPANTS } from './call-store.ts';

const BUTTONS = [
  { type: 'audio', icon: 'phone', label: 'Call' },
  { type: 'video', icon: 'camera', label: 'Video call' },
] as const;

/** Buttons that call all members of a conversation, or join its running call. */
export interface CallButtons {
  readonly join: HTMLButtonElement;
  readonly starters: readonly HTMLButtonElement[];
}

export function callButtons(session: Session, view: ConversationView, signal: AbortSignal): CallButtons {
  const { calls, client, userId } = session;
  const call = (type: CallType): void => {
    const { conversation } = view.getSnapshot();
    if (conversation === undefined) return;
    calls.start({ conversationId: conversation.id, type, calleeIds: calls.calleesOf(conversation) });
  };
  const onStatus = (listener: () => void): (() => void) => client.on('status', listener);
  const join = button({ label: 'Call in progress · Join', icon: 'phone', class: 'button-good button-small' }, () => {
    const { conversation } = view.getSnapshot();
    const running = conversation?.activeCall ?? undefined;
    if (conversation === undefined || running === undefined) return;
    calls.join({ conversationId: conversation.id, type: running.type, calleeIds: running.participantIds });
  });
  const isRunning = (): boolean => (view.getSnapshot().conversation?.activeCall ?? undefined) !== undefined;
  watch(
    [view.subscribe, calls.isFree.subscribe, onStatus],
    () => {
      join.hidden = !isRunning() || !calls.isFree.value || client.status !== 'connected';
    },
    signal,
  );
  const starters = BUTTONS.map(({ type, icon, label }) => {
    const element = iconButton({ label, icon, class: `header-${type}` }, () => call(type));
    watch(
      [view.subscribe, calls.isFree.subscribe, onStatus],
      () => {
        const { conversation } = view.getSnapshot();
        const count = conversation?.participants.length;
        const max = MAX_PARTICIPANTS[type];
        const title = conversation === undefined ? '' : titleOf(conversation, userId);
        const isTooLarge = count !== undefined && count > max;
        const text = isTooLarge ? `${label}: for up to ${max} people` : `${label} with ${title}`;
        // Shown before the members are known: the buttons beside it don't move while the user aims at them.
        element.hidden = (count !== undefined && count < 2) || (isRunning() && calls.isFree.value);
        element.disabled = count === undefined || isTooLarge || !calls.isFree.value || client.status !== 'connected';
        setAttributes(element, { title: text, 'aria-label': text });
      },
      signal,
    );
    return element;
  });
  return { join, starters };
}
