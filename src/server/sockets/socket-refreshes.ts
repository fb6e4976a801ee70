import { Semaphore } from '../../lib/semaphore.ts';
import type { ConnectedSocket } from './broadcaster.ts';

/** Sockets that are brought in step at the same time. Each of them reads its conversations, and its client then sends a `sync`. */
const CONCURRENCY = 16;

/** Brings sockets in step with the rows after pushes to them may have been lost. */
export class SocketRefreshes {
  readonly #turns = new Semaphore(CONCURRENCY);
  /** By socket: whether pushes were lost since its refresh has begun. */
  readonly #pending = new Map<string, { isOutdated: boolean }>();

  /** Whether a socket waits for its refresh, or is being refreshed. */
  get isPending(): boolean {
    return this.#pending.size > 0;
  }

  /** Closes the connection of a socket that can't be refreshed: its client connects again. */
  add(socket: ConnectedSocket): void {
    const { id } = socket.adapter;
    const { refresh } = socket;
    if (refresh === undefined) return socket.adapter.drop();
    const pending = this.#pending.get(id);
    if (pending !== undefined) {
      pending.isOutdated = true;
      return;
    }
    const state = { isOutdated: true };
    this.#pending.set(id, state);
    const run = async (): Promise<void> => {
      while (state.isOutdated) {
        state.isOutdated = false;
        await refresh();
      }
    };
    this.#turns
      .run(run)
      .catch(() => socket.adapter.drop())
      .finally(() => this.#pending.delete(id));
  }
}
