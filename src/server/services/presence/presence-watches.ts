import type { Store } from '../../store/store.ts';
import { invalid } from '../errors.ts';
import { forEachContact } from './contacts.ts';

/** The part of the broadcaster that watches use. */
export interface WatchBroadcaster {
  /** Subscribes the socket to the presence of users. */
  watch(socketId: string, userIds: readonly string[]): void;
  /** Ends the subscription. */
  unwatch(socketId: string, userIds: readonly string[]): void;
}

interface Watch {
  readonly userId: string;
  readonly watched: Set<string>;
}

/** Maximum number of users that one socket watches. */
const MAX_WATCHED = 20_000;

/** Tracks which socket watches which users. A watch requires a shared conversation for its whole duration. */
export class PresenceWatches {
  readonly #store: Store;
  readonly #broadcaster: WatchBroadcaster;
  readonly #bySocket = new Map<string, Watch>();

  constructor(store: Store, broadcaster: WatchBroadcaster) {
    this.#store = store;
    this.#broadcaster = broadcaster;
  }

  /**
   * Adds users to the watches of a socket.
   *
   * @param watched - users whom the socket's user may watch
   * @param hidden - those of them whose changes are not pushed while one of the two blocks the other
   * @throws CommError `INVALID` if the socket would watch more than {@link MAX_WATCHED} users
   */
  add(socketId: string, userId: string, watched: readonly string[], hidden: ReadonlySet<string> = new Set()): void {
    const others = watched.filter((id) => id !== userId);
    if (others.length === 0) return;
    const watch = this.#bySocket.get(socketId) ?? { userId, watched: new Set() };
    const added = others.filter((id) => !watch.watched.has(id)).length;
    if (watch.watched.size + added > MAX_WATCHED) {
      throw invalid(`A connection can watch at most ${MAX_WATCHED} users`);
    }
    this.#bySocket.set(socketId, watch);
    for (const id of others) watch.watched.add(id);
    this.#broadcaster.watch(
      socketId,
      others.filter((id) => !hidden.has(id)),
    );
  }

  /**
   * Stops the pushes of one user's presence to another who watches it, or starts them again.
   *
   * @returns the sockets of the watcher that watch the user
   */
  setHidden(watcherId: string, userId: string, isHidden: boolean): readonly string[] {
    const sockets = [...this.#bySocket].filter(([, each]) => each.userId === watcherId && each.watched.has(userId));
    for (const [socketId] of sockets) {
      if (isHidden) this.#broadcaster.unwatch(socketId, [userId]);
      else this.#broadcaster.watch(socketId, [userId]);
    }
    return sockets.map(([socketId]) => socketId);
  }

  /** Removes users from the watches of a socket. */
  remove(socketId: string, userIds: readonly string[]): void {
    const watch = this.#bySocket.get(socketId);
    if (watch === undefined) return;
    for (const id of userIds) watch.watched.delete(id);
    if (watch.watched.size === 0) this.#bySocket.delete(socketId);
    this.#broadcaster.unwatch(socketId, userIds);
  }

  /** Removes all watches of a socket. */
  removeAll(socketId: string): void {
    this.remove(socketId, [...(this.#bySocket.get(socketId)?.watched ?? [])]);
  }

  /** Removes the watches of a closed socket. Its rooms are already gone. */
  forget(socketId: string): void {
    this.#bySocket.delete(socketId);
  }

  /** Returns whether a socket watches a user. */
  has(socketId: string, userId: string): boolean {
    return this.#bySocket.get(socketId)?.watched.has(userId) === true;
  }

  /**
   * Removes the watches, in both directions, between a user who lost a conversation and users who share none with them.
   */
  async recheck(userId: string): Promise<void> {
    const affected = [...this.#bySocket].flatMap(([socketId, watch]) => {
      if (watch.userId === userId) return [{ socketId, watcher: userId, watched: [...watch.watched] }];
      return watch.watched.has(userId) ? [{ socketId, watcher: watch.userId, watched: [userId] }] : [];
    });
    for (const { socketId, watcher, watched } of affected) {
      await forEachContact(this.#store, watcher, watched, (asked, contacts) => {
        this.remove(
          socketId,
          asked.filter((id) => !contacts.has(id)),
        );
      });
    }
  }
}
