import type { Message } from '../../protocol/messages.ts';

/** Selects a page of history: the newest one, or the one given by at most one of `before`, `after` and `around`. */
export interface HistoryQuery {
  /** Id of the conversation. */
  conversationId: string;
  /**
   * Id of the root of a thread, to read its replies.
   * @defaultValue the main timeline
   */
  threadId?: string | undefined;
  /** @defaultValue 50, at most 200 */
  limit?: number | undefined;
  /** Id of the message before which the page ends. */
  before?: string | undefined;
  /** Id of the message after which the page starts. */
  after?: string | undefined;
  /** Id of the message in the middle of the page. */
  around?: string | undefined;
}

/** A page of history. */
export interface HistoryPage {
  /** Oldest first. */
  messages: Message[];
  /** True if the conversation has messages before this page. */
  hasOlder: boolean;
  /** True if the conversation has messages after this page. */
  hasNewer: boolean;
}

/** A full-text search. */
export interface Search {
  query: string;
  conversationId?: string | undefined;
  limit?: number | undefined;
}
