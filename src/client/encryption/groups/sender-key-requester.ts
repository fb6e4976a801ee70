import { BoundedMap } from '../../../lib/bounded-map.ts';
import { KeyedTimers } from '../../../lib/keyed-timers.ts';
import { isCommError } from '../../../protocol/errors.ts';
import type { ClientContext } from '../../context.ts';
import { type Keystore, RECORDS } from '../keystore/keystore.ts';
import type { SessionManager } from '../sessions/session-manager.ts';

/** The key usually arrives by itself within this time. */
const REQUEST_AFTER_MS = 3_000;
/** The answer may be lost, for example with a session that is reset. */
const REPEAT_AFTER_MS = 3_600_000;
const MAX_REMEMBERED = 1_000;

/** Requests missing sender keys from their senders, each at most once an hour. */
export class SenderKeyRequester {
  readonly #context: ClientContext;
  readonly #sessions: SessionManager;
  readonly #onEnqueued: (keystore: Keystore) => void;
  /** When chains were requested, in milliseconds since the epoch. */
  readonly #requested = new BoundedMap<string, number>(MAX_REMEMBERED);
  readonly #timers: KeyedTimers<string>;

  /** @param onEnqueued - called when a request was enqueued for the mailbox */
  constructor(context: ClientContext, sessions: SessionManager, onEnqueued: (keystore: Keystore) => void) {
    this.#context = context;
    this.#sessions = sessions;
    this.#onEnqueued = onEnqueued;
    this.#timers = new KeyedTimers(context.clock);
  }

  /** Schedules a request. Idempotent for the same chain. */
  schedule(keystore: Keystore, senderId: string, cid: string, chainId: number): void {
    const key = JSON.stringify([senderId, cid, chainId]);
    const isDue = this.#context.clock.now() - (this.#requested.get(key) ?? Number.NEGATIVE_INFINITY) >= REPEAT_AFTER_MS;
    if (!isDue || this.#timers.has(key)) return;
    this.#timers.set(key, REQUEST_AFTER_MS, () => {
      this.#request(keystore, senderId, cid, chainId, key).catch((error: unknown) => {
        // A sender whose keys can't be fetched can't be asked: that is expected.
        if (!isCommError(error)) this.#context.report(error);
      });
    });
  }

  /** Cancels all scheduled requests. */
  stop(): void {
    this.#timers.clear();
  }

  async #request(keystore: Keystore, senderId: string, cid: string, chainId: number, key: string): Promise<void> {
    await this.#sessions.ensure(keystore, senderId);
    const names = [RECORDS.identity, RECORDS.session(senderId), RECORDS.receivingChain(cid, senderId, chainId)];
    const { requestSenderKey } = await import('./group-encryption.ts');
    const now = this.#context.clock.now();
    const isEnqueued = await keystore.records.transact(names, (tx) =>
      requestSenderKey(tx, keystore, senderId, { cid, chainId }, now),
    );
    if (!isEnqueued) return;
    this.#requested.set(key, now);
    this.#onEnqueued(keystore);
  }
}
