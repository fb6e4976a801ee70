import type { ActiveCall } from '../../protocol/calls.ts';
import type { Head } from '../../protocol/conversations.ts';
import type { Push } from '../../protocol/events.ts';
import type { PresenceUpdate } from '../../protocol/presence.ts';
import type { Capability, PresenceStatus } from '../../protocol/constants.ts';

/** Sender of a request: a user and, over a socket, its id and the capabilities of its client. */
export interface Caller {
  /** Id of the user. */
  readonly userId: string;
  /** Absent over REST. */
  readonly socketId?: string | undefined;
  /** True for code of the app, which no budget limits. */
  readonly trusted?: true | undefined;
  /** True for the server API of the app, which changes messages without being a member of their conversation. */
  readonly moderates?: true | undefined;
  /** Capabilities that client and server both support. */
  readonly caps: ReadonlySet<Capability>;
}

/** Restricts which sockets receive a push. */
export interface PushOptions {
  /** Excludes this socket. */
  exceptSocketId?: string | undefined;
  /** Excludes all sockets of this user. */
  exceptUserId?: string | undefined;
  /** Excludes all sockets of these users. */
  exceptUserIds?: readonly string[] | undefined;
  /** Selects the user's sockets: `true` only those with the capability `mailbox`, `false` only those without it. */
  mailbox?: boolean | undefined;
  /**
   * Selects the sockets in a conversation's room: `true` only those with the capability `batch`, `false` only those without
   * it.
   */
  batch?: boolean | undefined;
}

/** Port of push delivery. Users who aren't connected are skipped. */
export interface Broadcaster {
  /** Pushes to the user's sockets. */
  toUser(userId: string, push: Push, options?: PushOptions): void;
  /** Pushes to several users. The push is serialized once. */
  toUsers(userIds: readonly string[], push: Push): void;
  /** Pushes to the sockets in the conversation's room. */
  toConversation(conversationId: string, push: Push, options?: PushOptions): void;
  /** Pushes to one socket. @param userId - its user, if the socket may belong to another process */
  toSocket(socketId: string, push: Push, userId?: string): void;
  /**
   * Adds the user's feed sockets, in all processes, to the conversation's room.
   *
   * @param head - of the conversation as the user is told of it
   */
  joinUser(userId: string, conversationId: string, head?: Head): void;
  /** Removes all sockets of the user from the room immediately. */
  removeUser(userId: string, conversationId: string): void;
  /** Adds one socket to the room (`conversation:join`), which receives the pushes of other processes once {@link subscribed}. */
  joinSocket(socketId: string, conversationId: string): void;
  /** Resolves when what this process subscribes to arrives; `undefined` if it does already. */
  subscribed(): Promise<void> | undefined;
  /** Removes one base socket from the room (`conversation:leave`). */
  leaveSocket(socketId: string, conversationId: string): void;
  /** Returns the users with a base client in the room. They count as having received what is pushed there. */
  baseReceivers(conversationId: string): readonly string[];
}

/** Port of the pushes of calls. */
export interface CallPushes extends Pick<Broadcaster, 'toUser' | 'toSocket'> {
  /** Pushes to the user's sockets whose clients have a capability. */
  toUserWith(userId: string, capability: Capability, push: Push): void;
}

/** What a process tells those that have a socket of a user, or watch the user. */
export type ProcessEvent =
  /** The user has chosen a status; `undefined`: the devices decide. */
  | { readonly event: 'chosen'; readonly chosen?: PresenceStatus | undefined }
  /** The presence of another user is hidden from the user, or shown again, because of a block. */
  | { readonly event: 'hidden'; readonly userId: string; readonly isHidden: boolean }
  /** The user is erased: what the process holds in memory must not be stored. */
  | { readonly event: 'forget' };

/** Port of what processes tell each other about a user. With one process it does nothing. */
export interface ProcessBroadcaster {
  /** Tells the other processes that have a socket of the user. */
  toProcesses(userId: string, event: ProcessEvent): void;
  /** Tells the other processes with members of a conversation that its running call has changed. */
  toProcessesOf(conversationId: string): void;
  /** Pushes to the sockets of this process in the conversation's room. */
  toConversationHere(conversationId: string, push: Push): void;
  /** Sets the listener of what other processes do. Called once. */
  onProcesses(listener: ProcessListener): void;
}

/** Is told what other processes do. */
export interface ProcessListener {
  /** Another process tells of a user who has a socket in this one. */
  told(userId: string, event: ProcessEvent): void;
  /** Another process has pushed `call:incoming` to a user who has a socket in this one. */
  callRang(userId: string, callId: string): void;
  /** The running call of a conversation has changed. */
  runningCallChanged(conversationId: string): void;
  /** A user whom a socket of this process watches has lost a conversation. */
  watchedLeft(userId: string): void;
  /** The presence of a user has changed, while base sockets of this process may be in the user's conversations. */
  presenceChanged(data: PresenceUpdate): void;
  /** Returns pushes of what has changed in a conversation since a head. */
  changesSince(conversationId: string, head: Head): Promise<readonly Push[]>;
  /** Returns those of the users who are not members of the conversation. */
  formerMembers(conversationId: string, userIds: readonly string[]): Promise<readonly string[]>;
  /** A message of another process was pushed to base sockets of these users. */
  deliveredToBase(conversationId: string, userIds: readonly string[], seq: number): void;
}

/** Port of the running calls, for `Conversation.activeCall`. */
export interface RunningCalls {
  /**
   * Returns the running calls by the ids of their conversations.
   *
   * @param conversationIds - whose calls are needed; others may be returned too
   */
  activeCalls(
    conversationIds: readonly string[],
  ): ReadonlyMap<string, ActiveCall> | Promise<ReadonlyMap<string, ActiveCall>>;
}

/** Port of profiles. */
export interface ProfileResolver {
  /** Asks the app about users. Returns whether profiles have changed, so that what was read has to be read again. */
  resolve(userIds: readonly string[]): Promise<boolean>;
}

/** Port of presence, for `Participant.presence`. Users without an entry are offline. */
export interface PresenceReader {
  /**
   * Returns the status of several users.
   *
   * @param viewer - the user who will see it: the presence of users who have blocked the viewer, or whom the viewer has
   *   blocked, is left out
   */
  presenceOf(
    userIds: readonly string[],
    viewer?: string,
  ): ReadonlyMap<string, PresenceStatus> | Promise<ReadonlyMap<string, PresenceStatus>>;
}
