import type { AbortOptions } from '../../lib/abort.ts';
import type { Observable } from '../../lib/observable.ts';
import type { Conversation } from '../../protocol/conversations.ts';
import type { CommError } from '../../protocol/errors.ts';
import type { Message } from '../../protocol/messages.ts';
import type { SendMessageInput } from '../ports.ts';

/** An open conversation as it stands. Frozen; what didn't change is the same object as before. */
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
  /** `NOT_FOUND` while the user is not in the conversation: `messages` are what was held when they left. */
  readonly error?: CommError | undefined;
}

/** An open conversation: joined, its newest page loaded, in step with the server until it is closed. */
export interface ConversationView extends Observable<ConversationSnapshot> {
  readonly id: string;
  /** Resolves when the newest page is there; rejects when the conversation can't be opened. */
  readonly ready: Promise<void>;
  /** As `messages.send()`, into this conversation. */
  send(content: string | SendMessageInput, options?: AbortOptions): Promise<Message>;
  /** Puts the next older page in front of `messages`; nothing happens at the beginning. */
  loadOlder(options?: AbortOptions): Promise<void>;
  /** After `jumpTo()`: puts the next newer page behind `messages`; nothing happens at the end. */
  loadNewer(options?: AbortOptions): Promise<void>;
  /** Shows the stretch around a message. @throws CommError `NOT_FOUND` when it isn't in this conversation */
  jumpTo(messageId: string, options?: AbortOptions): Promise<void>;
  /** Reads everything that is there. */
  markRead(options?: AbortOptions): Promise<void>;
  /** As `typing.start()` and `typing.stop()`: call it with each keystroke. */
  setTyping(isTyping: boolean): void;
  /** Idempotent. The conversation stays in step until its last view is closed. */
  close(): void;
}
