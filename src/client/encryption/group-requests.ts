import { Remembered } from '../../lib/remembered.ts';
import { isCommError } from '../../protocol/errors.ts';
import type { ClientContext } from '../context.ts';
import { NAMES, type Account } from './account.ts';
import type { Sessions } from './sessions.ts';

/** The key is most likely on its way. */
const ASK_AFTER_MS = 3_000;
const REMEMBERED = 1_000;

/** Asks a sender for the key of a chain that never came, once. */
export class GroupRequests {
  readonly #context: ClientContext;
  readonly #sessions: Sessions;
  readonly #posted: (account: Account) => void;
  readonly #asked = new Remembered(REMEMBERED);
  readonly #timers = new Map<string, () => void>();

  constructor(context: ClientContext, sessions: Sessions, posted: (account: Account) => void) {
    this.#context = context;
    this.#sessions = sessions;
    this.#posted = posted;
  }

  ask(account: Account, senderId: string, cid: string, chainId: number): void {
    const key = JSON.stringify([senderId, cid, chainId]);
    if (this.#asked.has(key) || this.#timers.has(key)) return;
    const cancel = this.#context.clock.after(ASK_AFTER_MS, () => {
      this.#timers.delete(key);
      this.#ask(account, senderId, cid, chainId, key).catch((error: unknown) => {
        // Somebody whose keys can't be had can't be asked.
        if (!isCommError(error)) this.#context.report(error);
      });
    });
    this.#timers.set(key, cancel);
  }

  stop(): void {
    for (const cancel of this.#timers.values()) cancel();
    this.#timers.clear();
  }

  async #ask(account: Account, senderId: string, cid: string, chainId: number, key: string): Promise<void> {
    await this.#sessions.ensure(account, senderId);
    const names = [NAMES.identity, NAMES.peer(senderId), NAMES.group(cid)];
    const { askForKey } = await import('./group-keys.ts');
    const now = this.#context.clock.now();
    const isPosted = await account.records.transact(names, (view) =>
      askForKey(view, account, senderId, { cid, chainId }, now),
    );
    if (!isPosted) return;
    this.#asked.add(key);
    this.#posted(account);
  }
}
