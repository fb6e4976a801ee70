import type { Conversation, ConversationView } from 'lumen-comm';
import type { Session } from '../app/session.ts';
import type { Timeline } from './timeline.ts';

/**
 * Marks the conversation or thread as read while the page is visible and focused and the newest message is in view.
 *
 * @param isUnread - returns whether there is something to mark
 */
export function markWhenSeen(
  { client }: Session,
  view: ConversationView,
  timeline: Timeline,
  isUnread: (conversation: Conversation) => boolean,
  signal: AbortSignal,
): void {
  let isRunning = false;
  const look = (): void => {
    const { conversation, messages, hasNewer, loading } = view.getSnapshot();
    const isSeen = document.visibilityState === 'visible' && document.hasFocus() && timeline.atNewest;
    if (isRunning || signal.aborted || !isSeen || loading || hasNewer || client.status !== 'connected') return;
    if (conversation === undefined || !isUnread(conversation)) return;
    isRunning = true;
    const newest = messages.at(-1)?.id;
    // A failed request is repeated at the next trigger.
    view
      .markRead()
      .catch(() => undefined)
      .finally(() => {
        isRunning = false;
        // Messages that arrived during the request have not been marked yet.
        if (view.getSnapshot().messages.at(-1)?.id !== newest) look();
      });
  };
  const stop = view.subscribe(look);
  signal.addEventListener('abort', stop);
  timeline.onScroll = look;
  window.addEventListener('focus', look, { signal });
  document.addEventListener('visibilitychange', look, { signal });
  client.on('status', look, { signal });
  look();
}
