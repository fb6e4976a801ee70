import { ObservableValue, type Observable } from '../../lib/observable.ts';
import type { Conversation } from '../../protocol/conversations.ts';
import type { CommError } from '../../protocol/errors.ts';
import type { ClientContext } from '../context.ts';

/** The loaded part of the list of conversations. Frozen; unchanged parts are the same objects as before. */
export interface InboxSnapshot {
  /** Newest activity first. */
  readonly conversations: readonly Conversation[];
  /** True until the first page has loaded and while another page loads. */
  readonly loading: boolean;
  /** True while `conversations` are those of an earlier session: shown until the first page has loaded. */
  readonly stale: boolean;
  /** True if `loadMore()` would load another page. */
  readonly hasMore: boolean;
  /** Sum of `unreadCount` of the loaded conversations. */
  readonly totalUnread: number;
  /** Why the last page could not be loaded; removed by the next page that loads. */
  readonly error?: CommError | undefined;
}

/** The user's list of conversations with last messages and unread counts, kept up to date. */
export interface Inbox extends Observable<InboxSnapshot> {
  /** Loads the next page. Concurrent calls share one request. */
  loadMore(): Promise<void>;
}

/** The part of the inbox that is in a chunk of its own. */
interface InboxSource {
  show(show: (snapshot: InboxSnapshot) => void): void;
  loadMore(): Promise<void>;
}

const UNKNOWN: InboxSnapshot = Object.freeze({
  conversations: Object.freeze([]),
  loading: true,
  stale: false,
  hasMore: false,
  totalUnread: 0,
});

/** Loads the inbox's chunk and its first page with the first subscription. */
export function lazyInbox(context: ClientContext, load: () => Promise<InboxSource>): Inbox {
  const snapshot = new ObservableValue(UNKNOWN, context.report);
  let isLoading = false;
  return Object.freeze({
    getSnapshot: snapshot.getSnapshot,
    getServerSnapshot: snapshot.getServerSnapshot,
    subscribe: (listener: () => void) => {
      const stop = snapshot.subscribe(listener);
      if (isLoading) return stop;
      isLoading = true;
      load().then(
        (inbox) => inbox.show((next) => snapshot.set(next)),
        (error: unknown) => {
          isLoading = false;
          context.report(error);
        },
      );
      return stop;
    },
    loadMore: async () => (await load()).loadMore(),
  });
}
