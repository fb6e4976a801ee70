import type { OutboxItem } from './outbox-item.ts';
import { filesOf } from './pending-files.ts';

/*
 * Requests that wait for the server. Each conversation is a lane: first in, first out.
 *
 *   queued ──► in flight ──► stored: removed
 *     ▲            │
 *     │            ├── temporary error, or no response ──► queued again under the same client id, after a wait
 *     │            └── permanent error ──► parked: the rest of the lane continues
 *     └── retry ────────────────────────────┘ (discard: removed)
 *
 * Messages are pipelined: each names its predecessor (`afterClientId`), and the server rejects a message whose predecessor
 * it has not stored. So their order holds although several are in flight. Other requests of a lane are sent one at a time.
 *
 * `RATE_LIMITED` pauses all lanes. They restart with one request in flight and a growing window, as TCP does after a loss
 * (RFC 5681, slow start and congestion avoidance). In the slow mode of a conversation only its own lane waits: it then sends
 * one message at a time, and changes of other messages are sent while it waits. Messages with files don't count as in flight: their uploads take long.
 */
interface Lane {
  /** In the order in which they have to be stored. */
  items: Map<string, OutboxItem>;
  readonly inFlight: Set<string>;
  waiting: boolean;
  /** A message overtook its predecessor: until that one has a result, the messages behind it are not sent again. */
  overtaken: boolean;
  /** Temporary errors in a row. */
  failures: number;
  /** The conversation is in slow mode. Forgotten when the lane is empty. */
  isSlow: boolean;
}

/** What the dispatcher has to do. */
export type QueueEffect =
  | { do: 'send'; item: OutboxItem; afterClientId: string | undefined }
  /** `lane: undefined`: all lanes wait. */
  | { do: 'wait'; lane: string | undefined; failures: number; retryAfterMs: number | undefined };

/** Requests in flight over all lanes: two windows keep the server busy, and few requests are rejected at once. */
export const MAX_IN_FLIGHT = 512;

/**
 * The queue of the outbox: synchronous, without timers, storage or network. Each method returns the effects to perform.
 * Mutable, because copying 5,000 waiting messages for each of 5,000 responses would cost more than sending them.
 */
export class OutboxQueue {
  readonly #lanes = new Map<string, Lane>();
  readonly #laneOf = new Map<string, Lane>();
  /** Lanes that may have something to send, in the order of their turn. */
  readonly #ready = new Set<string>();
  #window = 0;
  #inFlight = 0;
  /** Congestion window: the number of requests that may be in flight over all lanes. */
  #congestionWindow = MAX_IN_FLIGHT;
  /** Slow start threshold: up to here the congestion window grows by one per stored item. */
  #threshold = MAX_IN_FLIGHT;
  /** All lanes wait after `RATE_LIMITED`. */
  #isThrottled = false;
  /** `RATE_LIMITED` errors in a row. */
  #throttles = 0;

  /** The number of items, including those in flight. */
  get size(): number {
    return this.#laneOf.size;
  }

  items(): OutboxItem[] {
    const items = [...this.#lanes.values()].flatMap((lane) => [...lane.items.values()]);
    return items.sort(byOrder);
  }

  find(clientId: string): OutboxItem | undefined {
    return this.#laneOf.get(clientId)?.items.get(clientId);
  }

  /** Appends an item to its lane. */
  add(item: OutboxItem): QueueEffect[] {
    if (this.#laneOf.has(item.clientId)) return [];
    this.#laneFor(item).items.set(item.clientId, item);
    return this.#send([item.lane]);
  }

  /** Inserts items of an earlier session or a closed tab before all others of their lanes, ordered by age. */
  restore(items: readonly OutboxItem[]): QueueEffect[] {
    const fresh = items.filter(({ clientId }) => !this.#laneOf.has(clientId)).sort(byOrder);
    for (const lane of new Set(fresh.map((item) => this.#laneFor(item)))) {
      const restored = fresh.filter(({ clientId }) => this.#laneOf.get(clientId) === lane);
      lane.items = new Map([...restored.map((item) => [item.clientId, item] as const), ...lane.items]);
    }
    return this.#send(fresh.map(({ lane }) => lane));
  }

  /** Replaces an item by one with another `order` or payload. It keeps its place. */
  replace(item: OutboxItem): void {
    this.#laneOf.get(item.clientId)?.items.set(item.clientId, item);
  }

  /** Starts sending. @param window - the number of messages of one lane that may be in flight at once */
  online(window: number): QueueEffect[] {
    this.#window = window;
    return this.#send(this.#lanes.keys());
  }

  /** Stops sending. Items in flight are queued again, because their results are unknown. Waits continue. */
  offline(): void {
    this.#window = 0;
    this.#inFlight = 0;
    this.#ready.clear();
    for (const lane of this.#lanes.values()) {
      lane.inFlight.clear();
      lane.overtaken = false;
    }
  }

  /** Removes an item that was stored, discarded, or handed over. */
  remove(clientId: string): QueueEffect[] {
    const item = this.find(clientId);
    const lane = this.#laneOf.get(clientId);
    if (item === undefined || lane === undefined) return [];
    if (this.#endFlight(lane, clientId)) {
      this.#congestionWindow = Math.min(
        MAX_IN_FLIGHT,
        this.#congestionWindow + (this.#congestionWindow < this.#threshold ? 1 : 1 / this.#congestionWindow),
      );
      this.#throttles = 0;
    }
    lane.items.delete(clientId);
    lane.failures = 0;
    lane.overtaken = false;
    this.#laneOf.delete(clientId);
    this.#deleteIfIdle(item.lane);
    // Refilled when half empty: finding the next message costs as much for one as for many.
    if (lane.inFlight.size * 2 <= this.#window) this.#ready.add(item.lane);
    return this.#inFlight * 2 > this.#congestionWindow ? [] : this.#send();
  }

  /** Rejected by the server. */
  park(clientId: string): QueueEffect[] {
    return this.#setParked(clientId, true);
  }

  retry(clientId: string): QueueEffect[] {
    return this.#setParked(clientId, false);
  }

  /** Temporary error or no response: the lane backs off. @param retryAfterMs - the minimum wait that the server asked for */
  postpone(clientId: string, retryAfterMs?: number): QueueEffect[] {
    const item = this.find(clientId);
    const lane = this.#laneOf.get(clientId);
    if (item === undefined || lane === undefined || !this.#endFlight(lane, clientId)) return [];
    if (lane.waiting) return this.#send();
    lane.overtaken = false;
    lane.waiting = true;
    lane.failures += 1;
    return [{ do: 'wait', lane: item.lane, failures: lane.failures, retryAfterMs }, ...this.#send()];
  }

  /** The slow mode of a conversation: its lane waits, and no other. */
  slowDown(clientId: string, retryAfterMs?: number): QueueEffect[] {
    const item = this.find(clientId);
    const lane = this.#laneOf.get(clientId);
    if (item === undefined || lane === undefined || !this.#endFlight(lane, clientId)) return [];
    lane.isSlow = true;
    if (lane.waiting) return this.#send([item.lane]);
    lane.overtaken = false;
    lane.waiting = true;
    return [{ do: 'wait', lane: item.lane, failures: 1, retryAfterMs }, ...this.#send([item.lane])];
  }

  /** `RATE_LIMITED`: pauses all lanes. */
  throttle(clientId: string, retryAfterMs?: number): QueueEffect[] {
    const lane = this.#laneOf.get(clientId);
    const inFlight = this.#inFlight;
    if (lane === undefined || !this.#endFlight(lane, clientId) || this.#isThrottled) return [];
    this.#isThrottled = true;
    this.#threshold = Math.max(1, Math.floor(inFlight / 2));
    this.#congestionWindow = 1;
    this.#throttles += 1;
    return [{ do: 'wait', lane: undefined, failures: this.#throttles, retryAfterMs }];
  }

  /** The server rejected a message because its predecessor is not stored yet: it is sent again after that one. */
  overtook(clientId: string): QueueEffect[] {
    const item = this.find(clientId);
    const lane = this.#laneOf.get(clientId);
    if (item === undefined || lane === undefined || !this.#endFlight(lane, clientId)) return [];
    lane.overtaken = true;
    return this.#send([item.lane]);
  }

  /** Ends a wait. @param key - the lane; `undefined` for the wait of all lanes */
  waitEnded(key: string | undefined): QueueEffect[] {
    if (key === undefined) this.#isThrottled = false;
    const keys = key === undefined ? [...this.#lanes.keys()] : [key];
    for (const lane of keys.map((each) => this.#lanes.get(each))) {
      if (lane === undefined) continue;
      lane.overtaken = false;
      if (key !== undefined) lane.waiting = false;
    }
    if (key !== undefined) this.#deleteIfIdle(key);
    return this.#send(keys);
  }

  #laneFor({ clientId, lane: key }: OutboxItem): Lane {
    const lane = this.#lanes.get(key) ?? emptyLane();
    this.#lanes.set(key, lane);
    this.#laneOf.set(clientId, lane);
    return lane;
  }

  /** Deletes an empty lane, unless it backs off: its next item has to wait as well. */
  #deleteIfIdle(key: string): void {
    const lane = this.#lanes.get(key);
    if (lane?.items.size === 0 && !lane.waiting) this.#lanes.delete(key);
  }

  #endFlight(lane: Lane, clientId: string): boolean {
    const wasInFlight = lane.inFlight.delete(clientId);
    if (wasInFlight && !filesOf(lane.items.get(clientId))) this.#inFlight -= 1;
    return wasInFlight;
  }

  #setParked(clientId: string, parked: boolean): QueueEffect[] {
    const item = this.find(clientId);
    const lane = this.#laneOf.get(clientId);
    if (item === undefined || lane === undefined) return [];
    this.#endFlight(lane, clientId);
    lane.overtaken = false;
    lane.items.set(clientId, { ...item, parked });
    return this.#send([item.lane]);
  }

  /** Sends what may be sent now: of these lanes, and of those that had to wait for the congestion window. */
  #send(keys: Iterable<string> = []): QueueEffect[] {
    for (const key of keys) this.#ready.add(key);
    const effects: QueueEffect[] = [];
    for (const key of this.#ready) {
      if (this.#isThrottled || this.#inFlight >= this.#congestionWindow) break;
      this.#ready.delete(key);
      this.#sendLane(key, effects);
    }
    return effects;
  }

  #sendLane(key: string, effects: QueueEffect[]): void {
    const lane = this.#lanes.get(key);
    if (lane === undefined) return;
    if (lane.waiting) {
      if (lane.isSlow) this.#sendChange(key, lane, effects);
      return;
    }
    const window = lane.isSlow ? Math.min(this.#window, 1) : this.#window;
    if (lane.inFlight.size >= window) return;
    let before: OutboxItem | undefined;
    for (const item of lane.items.values()) {
      if (item.parked) continue;
      const isMessage = item.operation.name === 'message:send';
      if (!lane.inFlight.has(item.clientId)) {
        if (lane.overtaken && before !== undefined) break;
        if (lane.inFlight.size >= (isMessage ? window : Math.min(window, 1))) break;
        if (this.#inFlight >= this.#congestionWindow) {
          // Behind the lanes that have had no turn yet.
          this.#ready.add(key);
          break;
        }
        lane.inFlight.add(item.clientId);
        if (!filesOf(item)) this.#inFlight += 1;
        effects.push({ do: 'send', item, afterClientId: isMessage ? before?.clientId : undefined });
      }
      if (!isMessage) break;
      before = item;
    }
  }

  /** Sends the next request of a slow lane that is no message and about none that waits. */
  #sendChange(key: string, lane: Lane, effects: QueueEffect[]): void {
    if (this.#window === 0 || lane.inFlight.size > 0) return;
    if (this.#inFlight >= this.#congestionWindow) return void this.#ready.add(key);
    for (const item of lane.items.values()) {
      const { name, payload } = item.operation;
      if (name === 'message:send' || name === 'message:forward' || lane.items.has(payload.messageId)) continue;
      lane.inFlight.add(item.clientId);
      this.#inFlight += 1;
      effects.push({ do: 'send', item, afterClientId: undefined });
      return;
    }
  }
}

function emptyLane(): Lane {
  return { items: new Map(), inFlight: new Set(), waiting: false, overtaken: false, failures: 0, isSlow: false };
}

/** Compares items by the time of their call, oldest first. */
export function byOrder(a: OutboxItem, b: OutboxItem): number {
  return a.order < b.order ? -1 : a.order > b.order ? 1 : 0;
}
