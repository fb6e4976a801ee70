import type { AbortOptions } from '../../lib/abort.ts';
import type { Observable } from '../../lib/observable.ts';
import type { Conversation } from '../../protocol/conversations.ts';
import type { CommError } from '../../protocol/errors.ts';
import type { Message } from '../../protocol/messages.ts';
import type { SendMessageInput } from '../ports.ts';

export interface ConversationSnapshot {
  /** Absent until it is loaded. */
  readonly conversation: Conversation | undefined;
  /** Oldest first; own messages that wait to be stored come last. */
  readonly messages: readonly Message[];
  /** Ids of the others who are typing. */
  readonly typing: readonly string[];
  readonly hasOlder: boolean;
  readonly hasNewer: boolean;
  readonly loading: boolean;
  readonly error?: CommError | undefined;
}

/** An open conversation: joined, its newest page loaded, in step with the server until it is closed. */
export interface ConversationView extends Observable<ConversationSnapshot> {
  readonly id: string;
  /** Resolves when the newest page is there; rejects when the conversation can't be opened. */
  readonly ready: Promise<void>;
  send(content: string | SendMessageInput, options?: AbortOptions): Promise<Message>;
  loadOlder(options?: AbortOptions): Promise<void>;
  loadNewer(options?: AbortOptions): Promise<void>;
  jumpTo(messageId: string, options?: AbortOptions): Promise<void>;
  /** Reads everything that is there. */
  markRead(options?: AbortOptions): Promise<void>;
  setTyping(isTyping: boolean): void;
  /** Idempotent. The conversation stays in step until its last view is closed. */
  close(): void;
}
