import type { Store } from '../store/store.ts';
import { sharingWith } from '../store/users.ts';

/** What watching needs of the hub. */
export interface WatchHub {
  /** The socket gets what is told about these people. */
  watch(socketId: string, userIds: readonly string[]): void;
  unwatch(socketId: string, userIds: readonly string[]): void;
}

interface Watch {
  readonly userId: string;
  readonly watched: Set<string>;
}

/** Which socket follows whom. Only people who share a conversation are followed, and only for as long as they do. */
export class PresenceWatches {
  readonly #store: Store;
  readonly #hub: WatchHub;
  readonly #bySocket = new Map<string, Watch>();

  constructor(store: Store, hub: WatchHub) {
    this.#store = store;
    this.#hub = hub;
  }

  /** @param watched - people whom the user may watch */
  add(socketId: string, userId: string, watched: readonly string[]): void {
    const others = watched.filter((id) => id !== userId);
    if (others.length === 0) return;
    const watch = this.#bySocket.get(socketId) ?? { userId, watched: new Set() };
    this.#bySocket.set(socketId, watch);
    for (const id of others) watch.watched.add(id);
    this.#hub.watch(socketId, others);
  }

  remove(socketId: string, userIds: readonly string[]): void {
    const watch = this.#bySocket.get(socketId);
    if (watch === undefined) return;
    for (const id of userIds) watch.watched.delete(id);
    if (watch.watched.size === 0) this.#bySocket.delete(socketId);
    this.#hub.unwatch(socketId, userIds);
  }

  /** The socket is gone, and the hub's rooms with it. */
  forget(socketId: string): void {
    this.#bySocket.delete(socketId);
  }

  has(socketId: string, userId: string): boolean {
    return this.#bySocket.get(socketId)?.watched.has(userId) === true;
  }

  /** Somebody lost a conversation: those who share none with them any more no longer watch them, nor they those. */
  async recheck(userId: string): Promise<void> {
    const affected = [...this.#bySocket].flatMap(([socketId, watch]) => {
      if (watch.userId === userId) return [{ socketId, watcher: userId, watched: [...watch.watched] }];
      return watch.watched.has(userId) ? [{ socketId, watcher: watch.userId, watched: [userId] }] : [];
    });
    for (const { socketId, watcher, watched } of affected) {
      const allowed = await this.#store.read(() => sharingWith(watcher, watched));
      this.remove(
        socketId,
        watched.filter((id) => !allowed.has(id)),
      );
    }
  }
}
