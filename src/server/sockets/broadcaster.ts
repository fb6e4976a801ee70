import { BATCH_LIMITS } from '../../protocol/batches.ts';
import type { Push } from '../../protocol/events.ts';
import type { PresenceUpdate } from '../../protocol/presence.ts';
import { answerFor, withFileNames } from '../services/chat/file-names.ts';
import { bytesOf } from '../services/chat/sync-budget.ts';
import type { Broadcaster, PushOptions } from '../services/ports.ts';
import type { RoomListener, Rooms, SocketAdapter } from './lumen-context.ts';
import type { Capability } from '../../protocol/constants.ts';

/** A connected and authenticated socket. */
export interface ConnectedSocket {
  readonly adapter: SocketAdapter;
  readonly userId: string;
  readonly caps: ReadonlySet<Capability>;
  /**
   * Brings the socket in step after pushes were missed. Rejects if the client has to connect again; absent if it always has to.
   */
  readonly refresh?: (() => Promise<void>) | undefined;
}

/** Pushes that this process may not have been told by the others. */
export interface Missed {
  readonly conversationIds: readonly string[];
  /** Users with a socket in this process. */
  readonly userIds: readonly string[];
  /** Users whose presence a socket in this process watches. */
  readonly watchedIds: readonly string[];
}

interface SocketEntry extends ConnectedSocket {
  /** Whether the server keeps the socket in the rooms of all conversations of its user (capability `rev`). */
  readonly feed: boolean;
  /** Whether the socket receives several pushes to a conversation in one frame (capability `batch`). */
  readonly batch: boolean;
  /** Rooms tracked here in addition to Socket.IO: those of base sockets and of sockets without a namespace. */
  readonly rooms: Set<string>;
  /** Conversations that the user gained and lost while the list of conversations is being read. */
  changed: { readonly gained: Set<string>; readonly lost: Set<string> } | undefined;
}

/** Packets of the pushes to conversations that wait at once, unless one push alone has more. */
const MAX_WAITING_PACKETS = 1_000;
/** Rooms that a socket joins in one turn of the event loop. A room takes about a microsecond. */
const ROOMS_PER_TURN = 2_000;

const userRoom = (userId: string): string => `user:${userId}`;
const mailboxRoom = (userId: string): string => `mailbox:${userId}`;
const conversationRoom = (conversationId: string): string => `conv:${conversationId}`;
/** Room of the sockets that receive several pushes to a conversation in one frame. They are in no `conversationRoom`. */
const batchRoom = (conversationId: string): string => `batch:${conversationId}`;
/** Rooms of the user's sockets that are in the rooms of all conversations: without and with the capability `batch`. */
const feedRoom = (userId: string): string => `feed:${userId}`;
const batchFeedRoom = (userId: string): string => `batch-feed:${userId}`;
const presenceRoom = (userId: string): string => `presence:${userId}`;
const isConversationRoom = (room: string): boolean => room.startsWith('conv:') || room.startsWith('batch:');

/** Pushes to a conversation that wait for the end of the current task, so that they share a frame. */
interface Waiting {
  readonly pushes: Push[];
  readonly options: PushOptions;
  bytes: number;
}

/**
 * Delivers pushes to sockets: through the rooms of a Socket.IO namespace, which reach every process, or directly where
 * a context has no namespace.
 *
 * To clients with the capability `batch`, pushes to conversations that are made in one task, such as those of one commit,
 * are emitted at its end, or in the next turn of the event loop if this one has no room for their packets. No other push and
 * no change of a room overtakes them.
 */
export class SocketBroadcaster implements Broadcaster {
  readonly #entries = new Map<string, SocketEntry>();
  readonly #byUser = new Map<string, Set<SocketEntry>>();
  /** Inverse of `SocketEntry.rooms`. */
  readonly #byRoom = new Map<string, Set<SocketEntry>>();
  readonly #namespaces = new Set<Rooms>();
  /** By conversation, in the order in which they were pushed. */
  readonly #waiting = new Map<string, Waiting[]>();
  #waitingPackets = 0;
  readonly #pause: () => Promise<void> | undefined;
  #roomListener: RoomListener | undefined;
  readonly #removalListeners: ((userId: string, conversationId: string) => void)[] = [];

  /** @param pause - returns a promise for the next turn of the event loop if this one has no room for more packets */
  constructor(pause: () => Promise<void> | undefined = () => undefined) {
    this.#pause = pause;
  }

  /**
   * Registers a socket. When it resolves, a feed socket (capability `rev`) is in the rooms of all conversations of its
   * user. Conversations gained or lost in the meantime are taken into account.
   */
  async register(socket: ConnectedSocket, conversationIds: () => Promise<readonly string[]>): Promise<void> {
    const feed = socket.caps.has('rev');
    // A context without a namespace can address a room as a whole only.
    const batch = socket.caps.has('batch') && feed && socket.adapter.rooms !== undefined;
    const entry: SocketEntry = { ...socket, feed, batch, rooms: new Set(), changed: undefined };
    this.#entries.set(socket.adapter.id, entry);
    addTo(this.#byUser, socket.userId, entry);
    const { rooms } = socket.adapter;
    if (rooms !== undefined && !this.#namespaces.has(rooms)) {
      this.#namespaces.add(rooms);
      if (this.#roomListener !== undefined) rooms.observe?.(this.#roomListener);
    }
    this.#join(entry, [userRoom(socket.userId)]);
    if (socket.caps.has('mailbox')) this.#join(entry, [mailboxRoom(socket.userId)]);
    if (!feed) return;
    this.#join(entry, [batch ? batchFeedRoom(socket.userId) : feedRoom(socket.userId)]);
    await this.#enterRooms(entry, conversationIds);
  }

  /**
   * Brings a registered feed socket into the rooms of all conversations of its user, and out of all others: its process may not have
   * been told what the user gained and lost.
   */
  async restore(socketId: string, conversationIds: () => Promise<readonly string[]>): Promise<void> {
    const entry = this.#entries.get(socketId);
    if (entry === undefined) return;
    await this.#enterRooms(entry, conversationIds);
  }

  /**
   * Joins the rooms of the conversations that are read, and leaves those of others. Conversations gained or lost in the meantime
   * are taken into account.
   */
  async #enterRooms(entry: SocketEntry, read: () => Promise<readonly string[]>): Promise<void> {
    const roomOf = entry.batch ? batchRoom : conversationRoom;
    const { gained, lost } = (entry.changed = { gained: new Set(), lost: new Set() });
    const ids = await read();
    for (let at = 0; at < ids.length; at += ROOMS_PER_TURN) {
      if (at > 0) await nextTurn();
      // Joining after the disconnect would leave the socket in Socket.IO's rooms permanently.
      if (!this.#entries.has(entry.adapter.id)) return;
      const kept = ids.slice(at, at + ROOMS_PER_TURN).filter((id) => !lost.has(id));
      this.#join(entry, kept.map(roomOf));
    }
    const wanted = new Set([...ids.filter((id) => !lost.has(id)), ...gained].map(roomOf));
    for (const room of new Set([...entry.adapter.joined(), ...entry.rooms])) {
      if (isConversationRoom(room) && !wanted.has(room)) this.#leave(entry, room);
    }
    entry.changed = undefined;
  }

  /** Removes a socket. Idempotent. Socket.IO removes the socket from its own rooms. */
  unregister(socketId: string): void {
    const entry = this.#entries.get(socketId);
    if (entry === undefined) return;
    this.#entries.delete(socketId);
    removeFrom(this.#byUser, entry.userId, entry);
    for (const room of entry.rooms) this.#forget(entry, room);
  }

  /** Tells the listener which rooms have sockets of this process; twice of a room that is known in two ways. Call it first. */
  observeRooms(listener: RoomListener): void {
    this.#roomListener = listener;
  }

  /** Calls `listener` when a user is removed from a conversation. */
  onRemoval(listener: (userId: string, conversationId: string) => void): void {
    this.#removalListeners.push(listener);
  }

  /** Number of sockets in this process. */
  get socketCount(): number {
    return this.#entries.size;
  }

  /** Disconnects all sockets of a user in this process. */
  disconnectUser(userId: string): void {
    for (const { adapter } of this.#byUser.get(userId) ?? []) adapter.disconnect();
  }

  /** Returns the sockets that may have missed pushes. */
  reachedBy({ conversationIds, userIds, watchedIds }: Missed): readonly ConnectedSocket[] {
    const rooms = [
      ...conversationIds.flatMap((id) => [conversationRoom(id), batchRoom(id)]),
      ...userIds.map(userRoom),
      ...watchedIds.map(presenceRoom),
    ];
    const ids = new Set(rooms.flatMap((room) => [...this.#socketsIn(room)]));
    return [...ids].flatMap((id) => this.#entries.get(id) ?? []);
  }

  isConnected(socketId: string): boolean {
    return this.#entries.has(socketId);
  }

  socketsWith(userId: string, capability: Capability): readonly string[] {
    const entries = [...(this.#byUser.get(userId) ?? [])];
    return entries.filter(({ caps }) => caps.has(capability)).map(({ adapter }) => adapter.id);
  }

  toUser(userId: string, push: Push, options: PushOptions = {}): void {
    const { mailbox, ...rest } = options;
    const room = mailbox === true ? mailboxRoom(userId) : userRoom(userId);
    this.#emitToUsers([userId], [room], push, {
      options: rest,
      except: mailbox === false ? [mailboxRoom(userId)] : [],
    });
  }

  toUserWith(userId: string, capability: Capability, push: Push): void {
    for (const socketId of this.socketsWith(userId, capability)) this.toSocket(socketId, push);
  }

  toUsers(userIds: readonly string[], push: Push): void {
    // Without a room, Socket.IO would emit to every socket.
    if (userIds.length > 0) this.#emitToUsers(userIds, userIds.map(userRoom), push);
  }

  toProfileSockets(userId: string, push: Push): void {
    for (const { adapter, caps } of this.#byUser.get(userId) ?? []) if (caps.has('profiles')) adapter.push(push);
  }

  /** Pushes to the sockets in several rooms, each once, except those of base clients. */
  toConversations(conversationIds: readonly string[], push: Push): void {
    const rooms = conversationIds.flatMap((id) => [batchRoom(id), conversationRoom(id)]);
    this.#release();
    this.#emitNow(rooms, push, {}, [...this.baseSocketsIn(conversationIds)]);
  }

  toConversation(conversationId: string, push: Push, options: PushOptions = {}): void {
    const { exceptSocketId, exceptUserId, exceptUserIds, batch } = options;
    // Emitted at once, so that the commit can pause between its callbacks.
    if (batch !== true) this.#emitTo(conversationRoom(conversationId), push, options);
    if (batch === false || !this.#mayHave(batchRoom(conversationId))) return;
    const bytes = bytesOf(push);
    const last = this.#waiting.get(conversationId)?.at(-1);
    if (
      last !== undefined &&
      last.options.exceptSocketId === exceptSocketId &&
      last.options.exceptUserId === exceptUserId &&
      last.options.exceptUserIds === exceptUserIds &&
      last.pushes.length < BATCH_LIMITS.batchEntries &&
      last.bytes + bytes <= BATCH_LIMITS.batchBytes
    ) {
      last.pushes.push(push);
      last.bytes += bytes;
    } else this.#wait(conversationId, { pushes: [push], options, bytes });
  }

  presenceChanged(data: PresenceUpdate): void {
    this.toWatchers(data);
    this.toUser(data.userId, { event: 'presence:changed', data });
  }

  /** Pushes to the sockets that watch the user. */
  toWatchers(data: PresenceUpdate): void {
    this.#emit([presenceRoom(data.userId)], { event: 'presence:changed', data }, {});
  }

  newestPresence(data: PresenceUpdate): PresenceUpdate {
    return data;
  }

  subscribed(): undefined {
    return undefined;
  }

  toProcesses(): void {
    // Without a bus there are no others.
  }

  toProcessesOf(): void {
    // As above.
  }

  toConversationHere(conversationId: string, push: Push): void {
    this.toConversation(conversationId, push);
  }

  onProcesses(): void {
    // As above.
  }

  toSocket(socketId: string, push: Push): void {
    this.#release();
    const entry = this.#entries.get(socketId);
    if (entry !== undefined) entry.adapter.push(formFor(entry, push));
    else for (const rooms of this.#namespaces) rooms.emit([socketId], push, []);
  }

  joinUser(userId: string, conversationId: string): void {
    this.#release();
    const room = conversationRoom(conversationId);
    for (const rooms of this.#namespaces) {
      rooms.join(feedRoom(userId), room);
      rooms.join(batchFeedRoom(userId), batchRoom(conversationId));
    }
    for (const entry of this.#byUser.get(userId) ?? []) {
      entry.changed?.lost.delete(conversationId);
      entry.changed?.gained.add(conversationId);
      if (entry.feed && entry.adapter.rooms === undefined) this.#join(entry, [room]);
    }
  }

  removeUser(userId: string, conversationId: string): void {
    this.#release();
    const room = conversationRoom(conversationId);
    for (const rooms of this.#namespaces) {
      rooms.leave(userRoom(userId), room);
      rooms.leave(userRoom(userId), batchRoom(conversationId));
    }
    for (const entry of this.#byUser.get(userId) ?? []) {
      entry.changed?.lost.add(conversationId);
      entry.changed?.gained.delete(conversationId);
      this.#leave(entry, room);
    }
    for (const listener of this.#removalListeners) listener(userId, conversationId);
  }

  joinSocket(socketId: string, conversationId: string): void {
    const entry = this.#entries.get(socketId);
    if (entry === undefined) return;
    entry.changed?.gained.add(conversationId);
    this.#join(entry, [(entry.batch ? batchRoom : conversationRoom)(conversationId)]);
  }

  /** Removes a base socket from the room. A feed socket stays, because closing a view doesn't end the membership. */
  leaveSocket(socketId: string, conversationId: string): void {
    const entry = this.#entries.get(socketId);
    if (entry !== undefined && !entry.feed) this.#leave(entry, conversationRoom(conversationId));
  }

  /** Returns the users with a socket of this process in the room. */
  usersIn(conversationId: string): ReadonlySet<string> {
    const users = new Set<string>();
    for (const room of [conversationRoom(conversationId), batchRoom(conversationId)]) {
      for (const socketId of this.#socketsIn(room)) {
        const entry = this.#entries.get(socketId);
        if (entry !== undefined) users.add(entry.userId);
      }
    }
    return users;
  }

  baseReceivers(conversationId: string): readonly string[] {
    const users = new Set<string>();
    for (const { feed, userId } of this.#byRoom.get(conversationRoom(conversationId)) ?? []) {
      if (!feed) users.add(userId);
    }
    return [...users];
  }

  /**
   * Returns the base sockets in any of the conversations. Base clients have no `presence:watch` and receive presence
   * through shared rooms.
   */
  baseSocketsIn(conversationIds: readonly string[]): ReadonlySet<string> {
    const sockets = new Set<string>();
    for (const id of conversationIds) {
      for (const { feed, adapter } of this.#byRoom.get(conversationRoom(id)) ?? []) if (!feed) sockets.add(adapter.id);
    }
    return sockets;
  }

  get hasBaseSockets(): boolean {
    return this.#byRoom.size > 0;
  }

  watch(socketId: string, userIds: readonly string[]): void {
    const entry = this.#entries.get(socketId);
    if (entry !== undefined) this.#join(entry, userIds.map(presenceRoom));
  }

  unwatch(socketId: string, userIds: readonly string[]): void {
    const entry = this.#entries.get(socketId);
    if (entry !== undefined) for (const userId of userIds) this.#leave(entry, presenceRoom(userId));
  }

  #join(entry: SocketEntry, rooms: readonly string[]): void {
    this.#release();
    entry.adapter.join(rooms);
    if (entry.feed && entry.adapter.rooms !== undefined) return;
    for (const room of rooms) {
      entry.rooms.add(room);
      if (!this.#byRoom.has(room)) this.#roomListener?.opened(room);
      addTo(this.#byRoom, room, entry);
    }
  }

  #leave(entry: SocketEntry, room: string): void {
    this.#release();
    entry.adapter.leave(room);
    entry.rooms.delete(room);
    this.#forget(entry, room);
  }

  #forget(entry: SocketEntry, room: string): void {
    if (!this.#byRoom.has(room)) return;
    removeFrom(this.#byRoom, room, entry);
    if (!this.#byRoom.has(room)) this.#roomListener?.closed(room);
  }

  /** Keeps a push until the end of the task, or until the next turn if this one has no room for its packets. */
  #wait(conversationId: string, group: Waiting): void {
    const packets = this.#sizeOf(batchRoom(conversationId));
    // Emitting counts the packets of this turn, so that a commit pauses before its next callback.
    if (this.#waitingPackets + packets > MAX_WAITING_PACKETS) this.#release();
    if (this.#waiting.size === 0) queueMicrotask(() => void this.#releaseInTurn());
    const groups = this.#waiting.get(conversationId);
    if (groups === undefined) this.#waiting.set(conversationId, [group]);
    else groups.push(group);
    this.#waitingPackets += packets;
  }

  async #releaseInTurn(): Promise<void> {
    const paused = this.#pause();
    if (paused !== undefined) await paused;
    this.#release();
  }

  /** Emits the pushes to conversations that wait. */
  #release(): void {
    if (this.#waiting.size === 0) return;
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    this.#waitingPackets = 0;
    for (const [conversationId, groups] of waiting) {
      for (const { pushes, options } of groups) {
        const [push] = pushes;
        const batch: Push = { event: 'batch', data: { pushes } };
        this.#emitNow([batchRoom(conversationId)], push !== undefined && pushes.length === 1 ? push : batch, options);
      }
    }
  }

  /** Emits to the room of the sockets without `batch`, without serializing the push if the room is empty. */
  #emitTo(room: string, push: Push, options: PushOptions): void {
    if (this.#mayHave(room)) this.#emitNow([room], push, options, [], withFileNames(push));
  }

  #mayHave(room: string): boolean {
    return this.#byRoom.has(room) || [...this.#namespaces].some((rooms) => rooms.mayHave(room));
  }

  *#socketsIn(room: string): Iterable<string> {
    for (const rooms of this.#namespaces) yield* rooms.members(room);
    for (const { adapter } of this.#byRoom.get(room) ?? []) yield adapter.id;
  }

  /** Returns the number of sockets of this process in a room. */
  #sizeOf(room: string): number {
    let size = 0;
    for (const rooms of this.#namespaces) size += rooms.size(room);
    return size;
  }

  #emit(to: readonly string[], push: Push, options: PushOptions): void {
    this.#release();
    this.#emitNow(to, push, options);
  }

  /** Emits to rooms of users, which contain sockets with and without `batch`. */
  #emitToUsers(
    userIds: readonly string[],
    to: readonly string[],
    push: Push,
    { options = {}, except = [] }: { options?: PushOptions; except?: readonly string[] } = {},
  ): void {
    this.#release();
    const base = withFileNames(push);
    if (base === push) return this.#emitNow(to, push, options, except);
    const batch = userIds.map(batchFeedRoom);
    this.#emitNow(batch, push, options, except);
    this.#emitNow(to, push, options, [...except, ...batch], base);
  }

  /** @param managed - what the sockets of a namespace receive */
  #emitNow(
    to: readonly string[],
    push: Push,
    options: PushOptions,
    exceptRooms: readonly string[] = [],
    managed = push,
  ): void {
    const { exceptSocketId, exceptUserId, exceptUserIds = [] } = options;
    const except = [
      ...exceptRooms,
      ...(exceptSocketId === undefined ? [] : [exceptSocketId]),
      ...(exceptUserId === undefined ? [] : [userRoom(exceptUserId)]),
      ...exceptUserIds.map(userRoom),
    ];
    for (const rooms of this.#namespaces) rooms.emit(to, managed, except);
    const unmanaged = to
      .flatMap((room) => [...(this.#byRoom.get(room) ?? [])])
      .filter(
        ({ adapter, userId, rooms }) =>
          adapter.rooms === undefined &&
          adapter.id !== exceptSocketId &&
          userId !== exceptUserId &&
          !exceptUserIds.includes(userId) &&
          !exceptRooms.some((each) => rooms.has(each)),
      );
    // A context without a namespace can only address a whole room, which is correct for a conversation push that
    // excludes no socket.
    const [room] = to;
    if (except.length === 0 && managed === push && room?.startsWith('conv:') === true)
      unmanaged[0]?.adapter.broadcastAll(room, push);
    else for (const entry of unmanaged) entry.adapter.push(formFor(entry, push));
  }
}

/** Returns a push as the socket's client reads it. */
function formFor({ caps }: ConnectedSocket, push: Push): Push {
  return answerFor({ caps }, push);
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

function addTo<V>(map: Map<string, Set<V>>, key: string, value: V): void {
  const found = map.get(key);
  if (found === undefined) map.set(key, new Set([value]));
  else found.add(value);
}

function removeFrom<V>(map: Map<string, Set<V>>, key: string, value: V): void {
  const found = map.get(key);
  found?.delete(value);
  if (found?.size === 0) map.delete(key);
}
