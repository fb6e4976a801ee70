import type { Clock } from '../../lib/clock.ts';
import type { Call } from '../../protocol/calls.ts';
import { KeyedTimers } from './keyed-timers.ts';

/** How long a call that is over is remembered for whoever asks for it again because the answer got lost. */
const REMEMBERED_MS = 60_000;

/** Which calls were asked for under which client ids: asking twice is calling once. */
export class CallRequests {
  readonly #callIds = new Map<string, string>();
  readonly #ended = new Map<string, Call>();
  readonly #timers: KeyedTimers;

  constructor(clock: Clock) {
    this.#timers = new KeyedTimers(clock);
  }

  remember(userId: string, clientId: string | undefined, callId: string): void {
    if (clientId !== undefined) this.#callIds.set(key(userId, clientId), callId);
  }

  callId(userId: string, clientId: string | undefined): string | undefined {
    return clientId === undefined ? undefined : this.#callIds.get(key(userId, clientId));
  }

  /** How a call ended that was asked for lately. */
  endedAs(callId: string): Call | undefined {
    return this.#ended.get(callId);
  }

  over(call: Call): void {
    const { id } = call;
    if (![...this.#callIds.values()].some((asked) => asked === id)) return;
    this.#ended.set(id, call);
    this.#timers.set(id, REMEMBERED_MS, () => this.#forget(id));
  }

  close(): void {
    this.#timers.clear();
  }

  #forget(callId: string): void {
    this.#ended.delete(callId);
    for (const [asked, id] of this.#callIds) if (id === callId) this.#callIds.delete(asked);
  }
}

function key(userId: string, clientId: string): string {
  return JSON.stringify([userId, clientId]);
}
