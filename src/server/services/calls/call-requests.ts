import type { Clock } from '../../../lib/clock.ts';
import type { CallRecord } from '../../cluster/call-record.ts';

/** Time in ms for which an ended call is kept for clients that missed the reply or the push about its end. */
export const CALL_RETENTION_MS = 60_000;

/** Maps client ids to calls, so that `call:initiate` is idempotent, and keeps calls that have ended recently. */
export class CallRequests {
  readonly #clock: Pick<Clock, 'now'>;
  readonly #callIds = new Map<string, string>();
  /** The keys in `#callIds`, by call. */
  readonly #keys = new Map<string, Set<string>>();
  /** In the order in which they were added. */
  readonly #ended = new Map<string, { readonly call: CallRecord; readonly expiresAt: number }>();

  constructor(clock: Pick<Clock, 'now'>) {
    this.#clock = clock;
  }

  /** Stores which call a client id started. */
  remember(userId: string, clientId: string | undefined, callId: string): void {
    if (clientId === undefined) return;
    const requestKey = key(userId, clientId);
    const keys = this.#keys.get(callId) ?? new Set();
    this.#keys.set(callId, keys.add(requestKey));
    this.#callIds.set(requestKey, callId);
  }

  /** Returns the call that a client id started. */
  callId(userId: string, clientId: string | undefined): string | undefined {
    this.#removeExpired();
    return clientId === undefined ? undefined : this.#callIds.get(key(userId, clientId));
  }

  /** Returns a recently ended call. */
  endedCall(callId: string): CallRecord | undefined {
    this.#removeExpired();
    return this.#ended.get(callId)?.call;
  }

  /** Keeps the final state of a call. */
  recordEnded(call: CallRecord): void {
    this.#removeExpired();
    this.#ended.set(call.id, { call, expiresAt: this.#clock.now() + CALL_RETENTION_MS });
  }

  #removeExpired(): void {
    const now = this.#clock.now();
    for (const [callId, { expiresAt }] of this.#ended) {
      if (expiresAt > now) return;
      this.#ended.delete(callId);
      for (const requestKey of this.#keys.get(callId) ?? [])
        if (this.#callIds.get(requestKey) === callId) this.#callIds.delete(requestKey);
      this.#keys.delete(callId);
    }
  }
}

function key(userId: string, clientId: string): string {
  return JSON.stringify([userId, clientId]);
}
