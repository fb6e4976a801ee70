import type { Push } from '../../protocol/events.ts';
import type { Capability, PresenceStatus } from '../../protocol/vocabulary.ts';

/** Who asks: a user, and over a socket also which one and what its client can do. */
export interface Caller {
  readonly userId: string;
  /** Absent over REST. */
  readonly socketId?: string | undefined;
  readonly caps: ReadonlySet<Capability>;
}

export interface PushOptions {
  exceptSocketId?: string | undefined;
  /** All the user's sockets are left out. */
  exceptUserId?: string | undefined;
  /** Of a user's sockets: `true`, only those with the capability `mailbox`; `false`, only the others. */
  mailbox?: boolean | undefined;
}

/** How pushes reach people, without a word about Socket.IO. Whoever is not connected is left out in silence. */
export interface Hub {
  toUser(userId: string, push: Push, options?: PushOptions): void;
  /** The same push to many: serialized once, and not once for each. */
  toUsers(userIds: readonly string[], push: Push): void;
  toConversation(conversationId: string, push: Push, options?: PushOptions): void;
  toSocket(socketId: string, push: Push): void;
  /** The user's feed sockets, in every process, enter the conversation's room. */
  joinUser(userId: string, conversationId: string): void;
  /** All the user's sockets leave the room at once. */
  removeUser(userId: string, conversationId: string): void;
  /** One socket (a `conversation:join`). */
  joinSocket(socketId: string, conversationId: string): void;
  leaveSocket(socketId: string, conversationId: string): void;
  /** Users who have a base client in the room: they count as having received what is pushed there. */
  baseReceivers(conversationId: string): readonly string[];
}

/** Part of the ephemera: how present people are now, for `Participant.presence`. Whoever is missing is offline. */
export interface PresenceReader {
  presenceOf(
    userIds: readonly string[],
  ): ReadonlyMap<string, PresenceStatus> | Promise<ReadonlyMap<string, PresenceStatus>>;
}
