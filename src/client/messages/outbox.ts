import type { RequestOf } from '../../protocol/events.ts';

/*
 * What waits to be done on the server. Each conversation is a lane: first in, first out.
 *
 *   queued ──► in flight ──► stored: gone
 *     ▲            │
 *     │            ├── not now, or nobody knows ──► queued again, under the same client id, after a wait
 *     │            └── never ──► parked: the rest of the lane goes on
 *     └── retry ───────────────────┘ (discard: gone)
 *
 * Messages are pipelined: each names the one before it (`afterClientId`), so that the server refuses a message whose
 * predecessor it doesn't have, and the order holds although nobody waits for answers. Everything else goes alone.
 *
 * A server that says that this client is too fast means all lanes: they wait together, and begin again with one request,
 * as TCP does after a loss (RFC 5681, slow start and congestion avoidance).
 */
export type OperationName =
  | 'message:send'
  | 'message:edit'
  | 'message:delete'
  | 'message:react'
  | 'message:forward'
  | 'message:read';

export type Operation = { [K in OperationName]: { name: K; payload: RequestOf<K> } }[OperationName];

export interface OutboxItem {
  readonly clientId: string;
  /** UUIDv7 of when it was asked for: later items sort later, whatever client ids the app chooses. */
  readonly order: string;
  readonly lane: string;
  readonly operation: Operation;
  /** Refused for good: it stays until `retry` or `discard`. */
  readonly parked: boolean;
}

interface Lane {
  /** In the order they are to be stored. */
  items: Map<string, OutboxItem>;
  readonly inFlight: Set<string>;
  waiting: boolean;
  /** One came too early: until its predecessor's fate is known, sending what is behind it again is of no use. */
  overtaken: boolean;
  /** Attempts in a row that ended with "not now". */
  failures: number;
}

export type OutboxEffect =
  | { do: 'send'; item: OutboxItem; afterClientId: string | undefined }
  /** Without a lane: all of them. */
  | { do: 'wait'; lane: string | undefined; failures: number; retryAfterMs: number | undefined };

/** Over all lanes: two windows keep a server busy, and what it may refuse at once stays small. */
export const MAX_IN_FLIGHT = 512;

/**
 * The queue itself: synchronous, without timers, storage or network. Each method returns what has to be done now. It
 * changes in place, because a copy of 5,000 waiting messages for each of 5,000 answers would cost more than sending them.
 */
export class Outbox {
  readonly #lanes = new Map<string, Lane>();
  readonly #laneOf = new Map<string, Lane>();
  /** Lanes that may have something to send, in the order of their turn. */
  readonly #due = new Set<string>();
  #window = 0;
  #inFlight = 0;
  /** How much may be in flight over all lanes. */
  #room = MAX_IN_FLIGHT;
  /** Up to here room is made quickly: half of what was too much the last time. */
  #calm = MAX_IN_FLIGHT;
  /** All lanes wait. */
  #held = false;
  /** How often in a row the server said that this client is too fast. */
  #refusals = 0;

  /** How much waits, in flight or not. */
  get size(): number {
    return this.#laneOf.size;
  }

  items(): OutboxItem[] {
    const items = [...this.#lanes.values()].flatMap((lane) => [...lane.items.values()]);
    return items.sort(byAge);
  }

  find(clientId: string): OutboxItem | undefined {
    return this.#laneOf.get(clientId)?.items.get(clientId);
  }

  /** At the end of its lane, whatever its client id. */
  add(item: OutboxItem): OutboxEffect[] {
    if (this.#laneOf.has(item.clientId)) return [];
    this.#laneFor(item).items.set(item.clientId, item);
    return this.#serve([item.lane]);
  }

  /** From an earlier session, or a tab that has gone: before everything that was added meanwhile, by age. */
  restore(items: readonly OutboxItem[]): OutboxEffect[] {
    const fresh = items.filter(({ clientId }) => !this.#laneOf.has(clientId)).sort(byAge);
    for (const lane of new Set(fresh.map((item) => this.#laneFor(item)))) {
      const restored = fresh.filter(({ clientId }) => this.#laneOf.get(clientId) === lane);
      lane.items = new Map([...restored.map((item) => [item.clientId, item] as const), ...lane.items]);
    }
    return this.#serve(fresh.map(({ lane }) => lane));
  }

  /** The same item under another `order`: its place stays. */
  replace(item: OutboxItem): void {
    this.#laneOf.get(item.clientId)?.items.set(item.clientId, item);
  }

  /** @param window - how many messages of a lane may be in flight at once */
  online(window: number): OutboxEffect[] {
    this.#window = window;
    return this.#serve(this.#lanes.keys());
  }

  /** Nobody knows what became of what was in flight: all of it is queued again. Waits go on. */
  offline(): void {
    this.#window = 0;
    this.#inFlight = 0;
    this.#due.clear();
    for (const lane of this.#lanes.values()) {
      lane.inFlight.clear();
      lane.overtaken = false;
    }
  }

  /** Stored, discarded, or taken over by somebody else. */
  gone(clientId: string): OutboxEffect[] {
    const item = this.find(clientId);
    const lane = this.#laneOf.get(clientId);
    if (item === undefined || lane === undefined) return [];
    if (this.#landed(lane, clientId)) {
      this.#room = Math.min(MAX_IN_FLIGHT, this.#room + (this.#room < this.#calm ? 1 : 1 / this.#room));
      this.#refusals = 0;
    }
    lane.items.delete(clientId);
    lane.failures = 0;
    lane.overtaken = false;
    this.#laneOf.delete(clientId);
    this.#letGo(item.lane);
    // Refilled when half empty: looking for what comes next costs as much for one message as for many.
    if (lane.inFlight.size * 2 <= this.#window) this.#due.add(item.lane);
    return this.#inFlight * 2 > this.#room ? [] : this.#serve();
  }

  /** Refused for good. */
  park(clientId: string): OutboxEffect[] {
    return this.#setParked(clientId, true);
  }

  retry(clientId: string): OutboxEffect[] {
    return this.#setParked(clientId, false);
  }

  /** "Not now", or no answer. `retryAfterMs` is what the server asked for; the lane backs off in any case. */
  postpone(clientId: string, retryAfterMs?: number): OutboxEffect[] {
    const item = this.find(clientId);
    const lane = this.#laneOf.get(clientId);
    if (item === undefined || lane === undefined || !this.#landed(lane, clientId)) return [];
    if (lane.waiting) return this.#serve();
    lane.overtaken = false;
    lane.waiting = true;
    lane.failures += 1;
    return [{ do: 'wait', lane: item.lane, failures: lane.failures, retryAfterMs }, ...this.#serve()];
  }

  /** "You are too fast": that is about all lanes. */
  throttle(clientId: string, retryAfterMs?: number): OutboxEffect[] {
    const lane = this.#laneOf.get(clientId);
    const inFlight = this.#inFlight;
    if (lane === undefined || !this.#landed(lane, clientId) || this.#held) return [];
    this.#held = true;
    this.#calm = Math.max(1, Math.floor(inFlight / 2));
    this.#room = 1;
    this.#refusals += 1;
    return [{ do: 'wait', lane: undefined, failures: this.#refusals, retryAfterMs }];
  }

  /** Its predecessor isn't stored: nothing is wrong with it, it only came too early. */
  overtook(clientId: string): OutboxEffect[] {
    const item = this.find(clientId);
    const lane = this.#laneOf.get(clientId);
    if (item === undefined || lane === undefined || !this.#landed(lane, clientId)) return [];
    lane.overtaken = true;
    return this.#serve([item.lane]);
  }

  /** @param key - the lane whose wait is over; `undefined` for the wait of all */
  waited(key: string | undefined): OutboxEffect[] {
    if (key === undefined) this.#held = false;
    const keys = key === undefined ? [...this.#lanes.keys()] : [key];
    for (const lane of keys.map((each) => this.#lanes.get(each))) {
      if (lane === undefined) continue;
      lane.overtaken = false;
      if (key !== undefined) lane.waiting = false;
    }
    if (key !== undefined) this.#letGo(key);
    return this.#serve(keys);
  }

  #laneFor({ clientId, lane: key }: OutboxItem): Lane {
    const lane = this.#lanes.get(key) ?? emptyLane();
    this.#lanes.set(key, lane);
    this.#laneOf.set(clientId, lane);
    return lane;
  }

  /** One that is empty, and waits for nothing: what comes next in it has to wait as well. */
  #letGo(key: string): void {
    const lane = this.#lanes.get(key);
    if (lane?.items.size === 0 && !lane.waiting) this.#lanes.delete(key);
  }

  #landed(lane: Lane, clientId: string): boolean {
    const wasInFlight = lane.inFlight.delete(clientId);
    if (wasInFlight) this.#inFlight -= 1;
    return wasInFlight;
  }

  #setParked(clientId: string, parked: boolean): OutboxEffect[] {
    const item = this.find(clientId);
    const lane = this.#laneOf.get(clientId);
    if (item === undefined || lane === undefined) return [];
    this.#landed(lane, clientId);
    lane.overtaken = false;
    lane.items.set(clientId, { ...item, parked });
    return this.#serve([item.lane]);
  }

  /** Sends what may go now: of these lanes, and of those for which there was no room. */
  #serve(keys: Iterable<string> = []): OutboxEffect[] {
    for (const key of keys) this.#due.add(key);
    const effects: OutboxEffect[] = [];
    for (const key of this.#due) {
      if (this.#held || this.#inFlight >= this.#room) break;
      this.#due.delete(key);
      this.#pump(key, effects);
    }
    return effects;
  }

  #pump(key: string, effects: OutboxEffect[]): void {
    const lane = this.#lanes.get(key);
    if (lane === undefined || lane.waiting || lane.inFlight.size >= this.#window) return;
    let before: OutboxItem | undefined;
    for (const item of lane.items.values()) {
      if (item.parked) continue;
      const isMessage = item.operation.name === 'message:send';
      if (!lane.inFlight.has(item.clientId)) {
        if (lane.overtaken && before !== undefined) break;
        if (lane.inFlight.size >= (isMessage ? this.#window : Math.min(this.#window, 1))) break;
        if (this.#inFlight >= this.#room) {
          // Behind those that have had nothing yet.
          this.#due.add(key);
          break;
        }
        lane.inFlight.add(item.clientId);
        this.#inFlight += 1;
        effects.push({ do: 'send', item, afterClientId: isMessage ? before?.clientId : undefined });
      }
      if (!isMessage) break;
      before = item;
    }
  }
}

function emptyLane(): Lane {
  return { items: new Map(), inFlight: new Set(), waiting: false, overtaken: false, failures: 0 };
}

export function byAge(a: OutboxItem, b: OutboxItem): number {
  return a.order < b.order ? -1 : a.order > b.order ? 1 : 0;
}
