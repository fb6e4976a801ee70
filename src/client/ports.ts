import type { LinkPreview } from '../protocol/link-previews.ts';
import type { AbortOptions } from '../lib/abort.ts';
import type { Observable } from '../lib/observable.ts';
import type { CommError } from '../protocol/errors.ts';
import type { Conversation } from '../protocol/conversations.ts';
import type { Message, MessageAttachment } from '../protocol/messages.ts';
import type { JsonObject } from '../protocol/metadata.ts';
import type { SendableType } from '../protocol/constants.ts';
import type { Segment } from './timeline/segments.ts';

/** The content of a message to send. */
export interface SendMessageInput {
  /** The text; may be empty if there are files. */
  content: string;
  /**
   * Kind of the message.
   * @defaultValue `'text'`
   */
  type?: SendableType | undefined;
  /** Id of the message that this one replies to. */
  replyTo?: string | undefined;
  /** An uploaded file, as the only one. */
  attachment?: MessageAttachment | undefined;
  /**
   * The files, at most 10: uploaded ones, and files of this device. The message is sent when these are uploaded; later
   * messages are not held up. Those of an encrypted message are encrypted before they are stored or leave the device.
   */
  attachments?: readonly (File | Blob | MessageAttachment)[] | undefined;
  /**
   * True keeps later messages of the conversation waiting until the files are uploaded and this message is sent.
   * @defaultValue false
   */
  ordered?: boolean | undefined;
  /** Ids of participants whom the message mentions, at most 50, each once. */
  mentions?: readonly string[] | undefined;
  /** Id of the message to whose thread this one is a reply; of a reply, its thread. */
  threadId?: string | undefined;
  /**
   * True shows the reply in the main timeline too.
   * @defaultValue false
   */
  alsoInConversation?: boolean | undefined;
  /** A preview of a link in `content`, from `messages.linkPreviews()`. Not sent with the option `encryption`. */
  linkPreview?: LinkPreview | undefined;
  /**
   * Data of the app: a JSON object of at most 4 KiB and 8 levels. Encrypted with an encrypted message.
   * @defaultValue none
   */
  metadata?: JsonObject | undefined;
  /**
   * Encrypts the message end to end for the current participants. Requires the option `encryption`.
   * @defaultValue the value of `encryption.setRequired()` for the conversation
   */
  encrypt?: boolean | undefined;
  /**
   * UUIDv7 that identifies the message before it is stored. The server stores one message per id, so that an app can send it
   * again after a crash.
   * @defaultValue a new id
   */
  clientId?: string | undefined;
}

/** The shown part of a conversation's messages. */
export interface TimelineSnapshot {
  /** Oldest first; the user's own messages that are not stored yet come last. */
  readonly messages: readonly Message[];
  readonly hasOlder: boolean;
  readonly hasNewer: boolean;
  readonly loading: boolean;
  /** True while `messages` are those of an earlier session. */
  readonly stale: boolean;
  readonly error?: CommError | undefined;
}

/** The conversations that the inbox holds. */
export interface KnownConversations {
  /** Newest activity first. */
  readonly conversations: readonly Conversation[];
  readonly hasMore: boolean;
  /** True if the first page was read from the server, so that conversations not among them are gone or older. */
  readonly isComplete: boolean;
}

/** The conversations and messages of earlier sessions, as the parts that read use them. Methods never reject. */
export interface OfflineReading {
  /** Returns the stored list of conversations. */
  conversations(): Promise<KnownConversations | undefined>;
  /** Returns the newest messages of a conversation that are stored. */
  page(id: string): Promise<Segment | undefined>;
  /** Stores the list of conversations soon. */
  keepConversations(list: KnownConversations): void;
  /** Stores the newest messages of a conversation soon. */
  keepPage(id: string, page: Segment): void;
  /** The user is no participant: deletes the conversation now. */
  remove(id: string): void;
}

/** The messages of one open conversation, kept in step with the server. */
export interface OpenTimeline extends Observable<TimelineSnapshot> {
  /** Loads the newest page unless it is loaded. */
  loadNewest(options?: AbortOptions): Promise<void>;
  loadOlder(options?: AbortOptions): Promise<void>;
  loadNewer(options?: AbortOptions): Promise<void>;
  /** Shows the messages around this one. */
  jumpTo(messageId: string, options?: AbortOptions): Promise<void>;
  /** Returns the newest loaded message that is stored on the server. */
  newest(): Message | undefined;
}

/** The other parts of the client that open conversations use; provided by the composition root. */
export interface ViewParts {
  readonly messages: {
    send(input: SendMessageInput & { conversationId: string }, options?: AbortOptions): Promise<Message>;
    markRead(
      request: { conversationId: string; messageId: string; threadId?: string },
      options?: AbortOptions,
    ): Promise<void>;
  };
  readonly typing: {
    start(conversationId: string): void;
    stop(conversationId: string): void;
  };
  readonly sync: {
    /** Joins the room of the conversation and applies its state. */
    join(conversationId: string): Promise<void>;
  };
  /** Returns the ids of the users whom this user has blocked, which load in the background. */
  readonly blockedUsers: () => Promise<Observable<ReadonlySet<string>>>;
}
