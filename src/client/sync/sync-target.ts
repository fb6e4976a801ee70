import type { Changes, Conversation } from '../../protocol/conversations.ts';
import type { Message } from '../../protocol/messages.ts';
import type { CommError } from '../../protocol/errors.ts';
import type { PresenceUpdate, TypingUpdate } from '../../protocol/presence.ts';
import type { ParsedPush } from '../../transport/parse-push.ts';
import type { Change, Mark } from '../changes.ts';

/** The rest of the client as sync sees it: everything that holds or loads state of the server. */
export interface SyncTarget {
  /** Called with every push as it arrives, before it is decrypted. */
  received(push: ParsedPush): void;
  /** Called with every push in order, decrypted. Routes those about calls. */
  delivered(push: ParsedPush): void;
  /** Finds a loaded message. */
  find(messageId: string): Message | undefined;
  /** @param live - false for changes that were missed while disconnected */
  apply(change: Change, live: boolean): void;
  applyMark(mark: Mark): void;
  /** Applies a change that came without messages, to the list of conversations only. */
  applyToInbox(change: Change | Mark): void;
  applyTyping(update: TypingUpdate): void;
  /** @returns whether the update changed anything */
  applyPresence(update: PresenceUpdate): boolean;
  /** The state of a conversation in which the user participates. */
  known(conversation: Conversation): void;
  /** The user no longer participates in the conversation. */
  left(conversationId: string): void;
  /** The newest page of a conversation has to be loaded again; of all open ones without an id. */
  reload(conversationId?: string): void;
  /** The stored position of the user has been loaded, which follows these conversations. */
  resumed(conversationIds: ReadonlySet<string>): void;
  /** Stores what was applied. The position that contains it is stored afterwards. */
  store(): Promise<void>;
  /** Requests missed changes and passes them to `apply`. Resolves when they are applied. */
  fetchChanges(conversationId: string, after: number, apply: (changes: Changes) => void): Promise<void>;
  /**
   * Joins the room of a conversation and applies the response. Returns `undefined` if it contains no conversation, or is not to be
   * applied.
   *
   * @param isCurrent - returns false if the user has left the conversation since the request
   */
  joinRoom(conversationId: string, isCurrent: () => boolean): Promise<Conversation | undefined>;
  /** Ids of the conversations with an open view. */
  openConversations(): readonly string[];
  /** The server no longer accepts the user. @param error - `TOKEN_EXPIRED` or `UNAUTHENTICATED` */
  userRejected(error: CommError): void;
  /** Removes everything that belongs to the user: another one has signed in. */
  clear(): void;
}
