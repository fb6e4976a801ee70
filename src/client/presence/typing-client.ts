import type { Lazy } from '../../lib/lazy.ts';
import { requireId } from '../validation.ts';
import type { TypingTracker } from './typing-tracker.ts';

/** Sends typing indicators and lists the users who are typing. */
export interface TypingClient {
  /** Sends that the user is typing. Call it on each keystroke: requests are throttled, and the indicator expires. */
  start(conversationId: string): void;
  /** Ends the user's own indicator before it expires. Sending a message does so too. */
  stop(conversationId: string): void;
  /** Returns the ids of the other users who are typing, in the order in which they started. */
  in(conversationId: string): readonly string[];
}

/** Creates the part that apps call. The tracker loads with the connection: without one there is nothing to send or list. */
export function createTypingClient(tracker: Lazy<TypingTracker>): TypingClient {
  return Object.freeze({
    start(conversationId: string): void {
      requireId('conversationId', conversationId);
      tracker.current?.start(conversationId);
    },
    stop: (conversationId: string) => tracker.current?.stop(conversationId),
    in: (conversationId: string) => tracker.current?.in(conversationId) ?? NONE,
  });
}

const NONE: readonly string[] = Object.freeze([]);
