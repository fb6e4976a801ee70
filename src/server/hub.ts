import type { Push } from '../protocol/events.ts';
import type { Hub, PushOptions } from './services/ports.ts';
import type { Rooms, SocketLink } from './socket-io.ts';
import type { Capability } from '../protocol/vocabulary.ts';

/** A connected and authenticated socket. */
export interface Member {
  readonly link: SocketLink;
  readonly userId: string;
  readonly caps: ReadonlySet<Capability>;
}

interface Entry extends Member {
  /** Whether the server keeps it in the rooms of all its user's conversations. */
  readonly feed: boolean;
  /** Rooms known here, and not only to Socket.IO: those of base sockets and of sockets without a namespace. */
  readonly rooms: Set<string>;
  /** Conversations lost while the list of them was being read. */
  lost: Set<string> | undefined;
}

const userRoom = (userId: string): string => `user:${userId}`;
const feedRoom = (userId: string): string => `feed:${userId}`;
const mailboxRoom = (userId: string): string => `mailbox:${userId}`;
const conversationRoom = (conversationId: string): string => `conv:${conversationId}`;
const presenceRoom = (userId: string): string => `presence:${userId}`;

/** Who is connected to this process, and how pushes reach people in all of them. */
export class SocketHub implements Hub {
  readonly #entries = new Map<string, Entry>();
  readonly #byUser = new Map<string, Set<Entry>>();
  /** The other way round of `Entry.rooms`. */
  readonly #byRoom = new Map<string, Set<Entry>>();
  readonly #namespaces = new Set<Rooms>();
  readonly #removalListeners: ((userId: string, conversationId: string) => void)[] = [];

  /**
   * Registers a socket. A feed socket (capability `rev`) is in all its user's conversations when this resolves: what is
   * gained or lost meanwhile is neither missed nor kept.
   */
  async enter(member: Member, conversationIds: () => Promise<readonly string[]>): Promise<void> {
    const feed = member.caps.has('rev');
    const entry: Entry = { ...member, feed, rooms: new Set(), lost: feed ? new Set() : undefined };
    this.#entries.set(member.link.id, entry);
    addTo(this.#byUser, member.userId, entry);
    if (member.link.rooms !== undefined) this.#namespaces.add(member.link.rooms);
    this.#join(entry, [userRoom(member.userId)]);
    if (member.caps.has('mailbox')) this.#join(entry, [mailboxRoom(member.userId)]);
    if (!feed) return;
    this.#join(entry, [feedRoom(member.userId)]);
    const ids = await conversationIds();
    // Joining after a disconnect would leave the socket in Socket.IO's rooms for good.
    if (!this.#entries.has(member.link.id)) return;
    const lost = entry.lost;
    entry.lost = undefined;
    this.#join(entry, ids.filter((id) => lost?.has(id) !== true).map(conversationRoom));
  }

  /** Forgets a socket; twice is once. Socket.IO empties its own rooms by itself. */
  exit(socketId: string): void {
    const entry = this.#entries.get(socketId);
    if (entry === undefined) return;
    this.#entries.delete(socketId);
    removeFrom(this.#byUser, entry.userId, entry);
    for (const room of entry.rooms) removeFrom(this.#byRoom, room, entry);
  }

  /** Calls `listener` whenever somebody loses a conversation. */
  onRemoval(listener: (userId: string, conversationId: string) => void): void {
    this.#removalListeners.push(listener);
  }

  isConnected(socketId: string): boolean {
    return this.#entries.has(socketId);
  }

  toUser(userId: string, push: Push, options: PushOptions = {}): void {
    const { mailbox, ...rest } = options;
    const room = mailbox === true ? mailboxRoom(userId) : userRoom(userId);
    this.#emit([room], push, rest, mailbox === false ? [mailboxRoom(userId)] : []);
  }

  toUsers(userIds: readonly string[], push: Push): void {
    this.#emit(userIds.map(userRoom), push, {});
  }

  toConversation(conversationId: string, push: Push, options: PushOptions = {}): void {
    this.#emit([conversationRoom(conversationId)], push, options);
  }

  toWatchers(userId: string, push: Push): void {
    this.#emit([presenceRoom(userId)], push, {});
  }

  toSocket(socketId: string, push: Push): void {
    const entry = this.#entries.get(socketId);
    if (entry !== undefined) entry.link.push(push);
    else for (const rooms of this.#namespaces) rooms.emit([socketId], push, []);
  }

  joinUser(userId: string, conversationId: string): void {
    const room = conversationRoom(conversationId);
    for (const rooms of this.#namespaces) rooms.join(feedRoom(userId), room);
    for (const entry of this.#byUser.get(userId) ?? []) {
      entry.lost?.delete(conversationId);
      if (entry.feed && entry.link.rooms === undefined) this.#join(entry, [room]);
    }
  }

  removeUser(userId: string, conversationId: string): void {
    const room = conversationRoom(conversationId);
    for (const rooms of this.#namespaces) rooms.leave(userRoom(userId), room);
    for (const entry of this.#byUser.get(userId) ?? []) {
      entry.lost?.add(conversationId);
      this.#leave(entry, room);
    }
    for (const listener of this.#removalListeners) listener(userId, conversationId);
  }

  joinSocket(socketId: string, conversationId: string): void {
    const entry = this.#entries.get(socketId);
    if (entry !== undefined) this.#join(entry, [conversationRoom(conversationId)]);
  }

  /** Feed sockets stay: leaving a view isn't leaving the conversation. */
  leaveSocket(socketId: string, conversationId: string): void {
    const entry = this.#entries.get(socketId);
    if (entry !== undefined && !entry.feed) this.#leave(entry, conversationRoom(conversationId));
  }

  baseReceivers(conversationId: string): readonly string[] {
    const users = new Set<string>();
    for (const { feed, userId } of this.#byRoom.get(conversationRoom(conversationId)) ?? []) {
      if (!feed) users.add(userId);
    }
    return [...users];
  }

  /** Base sockets in any of the conversations: they can't watch anybody, and are told of presence by sharing a room. */
  baseSocketsIn(conversationIds: readonly string[]): ReadonlySet<string> {
    const sockets = new Set<string>();
    for (const id of conversationIds) {
      for (const { feed, link } of this.#byRoom.get(conversationRoom(id)) ?? []) if (!feed) sockets.add(link.id);
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

  #join(entry: Entry, rooms: readonly string[]): void {
    entry.link.join(rooms);
    if (entry.feed && entry.link.rooms !== undefined) return;
    for (const room of rooms) {
      entry.rooms.add(room);
      addTo(this.#byRoom, room, entry);
    }
  }

  #leave(entry: Entry, room: string): void {
    entry.link.leave(room);
    entry.rooms.delete(room);
    removeFrom(this.#byRoom, room, entry);
  }

  #emit(to: readonly string[], push: Push, options: PushOptions, exceptRooms: readonly string[] = []): void {
    const { exceptSocketId, exceptUserId } = options;
    const except = [
      ...exceptRooms,
      ...(exceptSocketId === undefined ? [] : [exceptSocketId]),
      ...(exceptUserId === undefined ? [] : [userRoom(exceptUserId)]),
    ];
    for (const rooms of this.#namespaces) rooms.emit(to, push, except);
    const loose = to
      .flatMap((room) => [...(this.#byRoom.get(room) ?? [])])
      .filter(
        ({ link, userId, rooms }) =>
          link.rooms === undefined &&
          link.id !== exceptSocketId &&
          userId !== exceptUserId &&
          !exceptRooms.some((each) => rooms.has(each)),
      );
    // A bare context can only address a room as a whole: right for a conversation of which nobody is left out.
    const [room] = to;
    if (except.length === 0 && room?.startsWith('conv:') === true) loose[0]?.link.broadcastAll(room, push);
    else for (const { link } of loose) link.push(push);
  }
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
