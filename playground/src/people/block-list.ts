import type { CommClient } from 'lumen-comm';
import { nameOf } from '../lib/people.ts';
import { Cell } from '../lib/watch.ts';
import type { MenuItem } from '../ui/menu.ts';
import { attempt } from '../ui/toast.ts';

/** The people whom this user has blocked. */
export class BlockList {
  readonly blocked = new Cell<ReadonlySet<string>>(new Set());
  readonly #client: CommClient;

  constructor(client: CommClient, signal: AbortSignal) {
    this.#client = client;
    client.on('status', (status) => status === 'connected' && this.refresh(), { signal });
  }

  /** Reads the list again: another device may have changed it. */
  refresh(): void {
    this.#client.users.blocked().then(
      (ids) => this.blocked.set(new Set(ids)),
      // Without a connection the known list stays.
      () => undefined,
    );
  }

  async set(userId: string, blocked: boolean): Promise<void> {
    const what = `${nameOf(userId)} was not ${blocked ? 'blocked' : 'unblocked'}`;
    await attempt(what, this.#client.users.block(userId, blocked));
    this.refresh();
  }

  menuItem(userId: string): MenuItem {
    const isBlocked = this.blocked.value.has(userId);
    return {
      label: `${isBlocked ? 'Unblock' : 'Block'} ${nameOf(userId)}`,
      icon: 'block',
      danger: !isBlocked,
      select: () => void this.set(userId, !isBlocked),
    };
  }
}
