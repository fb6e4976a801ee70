import type { CallSession } from '../client/calls/session/call-types.ts';
import type { CommClient } from '../client/comm-client.ts';
import { EVENT_NAMES, type CommEvents } from '../client/events.ts';

/** An event of the client. */
export interface LoggedEvent {
  readonly number: number;
  readonly at: number;
  readonly name: keyof CommEvents;
  readonly payload: unknown;
}

/** Events that are kept. */
export const MAX_EVENTS = 1_000;

/** Records the newest events of a client, newest first. */
export class EventLog {
  entries: readonly LoggedEvent[] = [];
  isPaused = false;
  /** Called with each new event. */
  onAdded: ((entry: LoggedEvent) => void) | undefined;
  #count = 0;

  constructor(client: CommClient, signal: AbortSignal) {
    for (const name of EVENT_NAMES) {
      client.on(name, (payload) => this.#add(name, name === 'call' ? describe(payload as CallSession) : payload), {
        signal,
      });
    }
  }

  #add(name: keyof CommEvents, payload: unknown): void {
    if (this.isPaused) return;
    this.#count += 1;
    const entry = { number: this.#count, at: Date.now(), name, payload };
    this.entries = [entry, ...this.entries.slice(0, MAX_EVENTS - 1)];
    this.onAdded?.(entry);
  }
}

/** A call is a live object; what identifies it is recorded instead. */
function describe({ id, conversationId, type, callerId }: CallSession): object {
  return { id, conversationId, type, callerId };
}
