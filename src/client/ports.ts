import type { AbortOptions } from '../lib/abort.ts';
import type { Clock } from '../lib/clock.ts';
import type { Observable } from '../lib/observable.ts';
import type { CommError } from '../protocol/errors.ts';
import type { Message, MessageAttachment } from '../protocol/messages.ts';
import type { SendableType } from '../protocol/vocabulary.ts';

/** What to send, apart from where. */
export interface SendMessageInput {
  content: string;
  /** @defaultValue `'text'` */
  type?: SendableType | undefined;
  /** Id of the message this answers. */
  replyTo?: string | undefined;
  attachment?: MessageAttachment | undefined;
  /**
   * End to end, for those who are in the conversation now. Needs the option `encryption`.
   * @defaultValue what `encryption.require()` says of the conversation
   */
  encrypt?: boolean | undefined;
  /**
   * UUIDv7. Give one to be able to send the same message again after a crash: the server stores it once.
   * @defaultValue a new one
   */
  clientId?: string | undefined;
}

export interface TimelineSnapshot {
  /** Oldest first; own messages that wait to be stored come last. */
  readonly messages: readonly Message[];
  readonly hasOlder: boolean;
  readonly hasNewer: boolean;
  readonly loading: boolean;
  readonly error?: CommError | undefined;
}

/** The messages of one open conversation, in step with the server. */
export interface OpenTimeline extends Observable<TimelineSnapshot> {
  /** Loads the newest page, or finds that it is there. */
  loadNewest(options?: AbortOptions): Promise<void>;
  loadOlder(options?: AbortOptions): Promise<void>;
  loadNewer(options?: AbortOptions): Promise<void>;
  /** Shows the stretch around a message. */
  jumpTo(messageId: string, options?: AbortOptions): Promise<void>;
  /** The newest message that the server has, as far as it is held. */
  newest(): Message | undefined;
}

/** What an open conversation needs of the sub-clients beside it; the composition root hands it over. */
export interface ViewPorts {
  send(input: SendMessageInput & { conversationId: string }, options?: AbortOptions): Promise<Message>;
  markRead(request: { conversationId: string; messageId: string }, options?: AbortOptions): Promise<void>;
  setTyping(conversationId: string, isTyping: boolean): void;
  typing(conversationId: string): Observable<readonly string[]>;
  join(conversationId: string): Promise<void>;
  /** Waits, for however long, until the client is connected. */
  untilConnected(signal: AbortSignal): Promise<void>;
  /** True while the server can be asked. */
  online(): boolean;
  readonly clock: Clock;
  closeTimeline(conversationId: string): void;
}
