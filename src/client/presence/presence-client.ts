import type { AbortOptions } from '../../lib/abort.ts';
import { lazyMethods, type Lazy } from '../../lib/lazy.ts';
import type { PresenceStatus } from '../../protocol/constants.ts';
import type { PresenceUpdate } from '../../protocol/presence.ts';
import type { ClientContext } from '../context.ts';
import { requireIds } from '../validation.ts';
import type { PresenceTracker } from './presence-tracker.ts';

/** Publishes the user's own presence and follows that of others. */
export interface PresenceClient {
  /**
   * Sets the user's status on all of their devices until they set another one. `online` returns to automatic presence;
   * `offline` appears offline to others.
   */
  set(status: PresenceStatus, options?: AbortOptions): Promise<void>;
  /**
   * Keeps the presence of these users up to date in `get()` and reports changes by the event `presence:changed`. Watches
   * are counted per user. Users who share no conversation with this user stay unknown.
   * @returns a function that ends the watch
   */
  watch(userIds: readonly string[]): () => void;
  /** Returns the last known presence of a watched user, or `undefined`. */
  get(userId: string): PresenceUpdate | undefined;
}

/** Creates the part that apps call. The tracker loads with the connection, or with its first use before that. */
export function createPresenceClient(context: ClientContext, tracker: Lazy<PresenceTracker>): PresenceClient {
  return Object.freeze({
    ...lazyMethods(tracker, ['set']),
    watch(userIds: readonly string[]): () => void {
      requireIds('userIds', userIds);
      let isOpen = true;
      let end: (() => void) | undefined;
      const begin = (loaded: PresenceTracker): void => {
        if (isOpen) end = loaded.watch(userIds);
      };
      if (tracker.current !== undefined) begin(tracker.current);
      // If the chunk could not be fetched, it is loaded again once there is a connection.
      else
        tracker()
          .catch(() => context.untilConnected(undefined).then(tracker))
          .then(begin, context.report);
      return () => {
        isOpen = false;
        end?.();
      };
    },
    get: (userId: string) => tracker.current?.get(userId),
  });
}
