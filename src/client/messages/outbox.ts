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
  | { do: 'wait'; lane: string; failures: number; retryAfterMs: number | undefined };

/**
 * The queue itself: synchronous, without timers, storage or network. Each method returns what has to be done now. It
 * changes in place, because a copy of 5,000 waiting messages for each of 5,000 answers would cost more than sending them.
 */
export class Outbox {
  readonly #lanes = new Map<string, Lane>();
  readonly #laneOf = new Map<string, Lane>();
  #window = 0;

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
    return this.#pump(item.lane);
  }

  /** From an earlier session, or a tab that has gone: before everything that was added meanwhile, by age. */
  restore(items: readonly OutboxItem[]): OutboxEffect[] {
    const fresh = items.filter(({ clientId }) => !this.#laneOf.has(clientId)).sort(byAge);
    for (const lane of new Set(fresh.map((item) => this.#laneFor(item)))) {
      const restored = fresh.filter(({ clientId }) => this.#laneOf.get(clientId) === lane);
      lane.items = new Map([...restored.map((item) => [item.clientId, item] as const), ...lane.items]);
    }
    return [...new Set(fresh.map(({ lane }) => lane))].flatMap((key) => this.#pump(key));
  }

  /** @param window - how many messages of a lane may be in flight at once */
  online(window: number): OutboxEffect[] {
    this.#window = window;
    return [...this.#lanes.keys()].flatMap((key) => this.#pump(key));
  }

  /** Nobody knows what became of what was in flight: all of it is queued again. */
  offline(): void {
    this.#window = 0;
    for (const lane of this.#lanes.values()) {
      lane.inFlight.clear();
      lane.waiting = false;
      lane.overtaken = false;
    }
  }

  /** Stored, discarded, or taken over by somebody else. */
  gone(clientId: string): OutboxEffect[] {
    const item = this.find(clientId);
    const lane = this.#laneOf.get(clientId);
    if (item === undefined || lane === undefined) return [];
    lane.items.delete(clientId);
    lane.inFlight.delete(clientId);
    lane.failures = 0;
    lane.overtaken = false;
    this.#laneOf.delete(clientId);
    if (lane.items.size === 0) this.#lanes.delete(item.lane);
    // Refilled when half empty: looking for what comes next costs as much for one message as for many.
    return lane.inFlight.size * 2 > this.#window ? [] : this.#pump(item.lane);
  }

  /** Refused for good. */
  park(clientId: string): OutboxEffect[] {
    return this.#setParked(clientId, true);
  }

  retry(clientId: string): OutboxEffect[] {
    return this.#setParked(clientId, false);
  }

  /** "Not now", or no answer. `retryAfterMs` is what the server asked for; without it the lane backs off. */
  postpone(clientId: string, retryAfterMs?: number): OutboxEffect[] {
    const item = this.find(clientId);
    const lane = this.#laneOf.get(clientId);
    if (item === undefined || lane === undefined || !lane.inFlight.delete(clientId) || lane.waiting) return [];
    lane.overtaken = false;
    lane.waiting = true;
    lane.failures += 1;
    return [{ do: 'wait', lane: item.lane, failures: lane.failures, retryAfterMs }];
  }

  /** Its predecessor isn't stored: nothing is wrong with it, it only came too early. */
  overtook(clientId: string): OutboxEffect[] {
    const item = this.find(clientId);
    const lane = this.#laneOf.get(clientId);
    if (item === undefined || lane === undefined || !lane.inFlight.delete(clientId)) return [];
    lane.overtaken = true;
    return this.#pump(item.lane);
  }

  waited(key: string): OutboxEffect[] {
    const lane = this.#lanes.get(key);
    if (lane === undefined) return [];
    lane.waiting = false;
    lane.overtaken = false;
    return this.#pump(key);
  }

  #laneFor({ clientId, lane: key }: OutboxItem): Lane {
    const lane = this.#lanes.get(key) ?? emptyLane();
    this.#lanes.set(key, lane);
    this.#laneOf.set(clientId, lane);
    return lane;
  }

  #setParked(clientId: string, parked: boolean): OutboxEffect[] {
    const item = this.find(clientId);
    const lane = this.#laneOf.get(clientId);
    if (item === undefined || lane === undefined) return [];
    lane.inFlight.delete(clientId);
    lane.overtaken = false;
    lane.items.set(clientId, { ...item, parked });
    return this.#pump(item.lane);
  }

  /** Sends what may go now. */
  #pump(key: string): OutboxEffect[] {
    const lane = this.#lanes.get(key);
    if (lane === undefined || lane.waiting || lane.inFlight.size >= this.#window) return [];
    const effects: OutboxEffect[] = [];
    let before: OutboxItem | undefined;
    for (const item of lane.items.values()) {
      if (item.parked) continue;
      const isMessage = item.operation.name === 'message:send';
      if (!lane.inFlight.has(item.clientId)) {
        if (lane.overtaken && before !== undefined) break;
        if (lane.inFlight.size >= (isMessage ? this.#window : Math.min(this.#window, 1))) break;
        lane.inFlight.add(item.clientId);
        effects.push({ do: 'send', item, afterClientId: isMessage ? before?.clientId : undefined });
      }
      if (!isMessage) break;
      before = item;
    }
    return effects;
  }
}

function emptyLane(): Lane {
  return { items: new Map(), inFlight: new Set(), waiting: false, overtaken: false, failures: 0 };
}

export function byAge(a: OutboxItem, b: OutboxItem): number {
  return a.order < b.order ? -1 : a.order > b.order ? 1 : 0;
}
