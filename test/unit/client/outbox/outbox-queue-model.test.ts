import { fc } from '../../../helpers/property.ts';
import { expect, test } from 'vitest';
import type { OutboxItem } from '../../../../src/client/outbox/outbox-item.ts';
import { OutboxQueue, type QueueEffect } from '../../../../src/client/outbox/outbox-queue.ts';
import { outboxItem } from '../../../helpers/client/outbox-item.ts';

type Outcome = 'store' | 'refuse' | 'postpone' | 'throttle';
interface Request {
  item: OutboxItem;
  after: string | undefined;
  reply?: 'stored' | 'refused' | 'postponed' | 'throttled' | 'conflict';
}

/** A server that stores each message once, and none whose predecessor it doesn't have. */
class ModelServer {
  readonly stored: OutboxItem[] = [];
  readonly #known = new Set<string>();

  handle({ item: asked, after }: Request, outcome: Outcome): NonNullable<Request['reply']> {
    if (this.#known.has(asked.clientId)) return 'stored';
    if (outcome === 'refuse') return 'refused';
    if (outcome === 'postpone') return 'postponed';
    if (outcome === 'throttle') return 'throttled';
    if (after !== undefined && !this.#known.has(after)) return 'conflict';
    this.#known.add(asked.clientId);
    this.stored.push(asked);
    return 'stored';
  }
}

class Model {
  readonly outbox = new OutboxQueue();
  readonly server = new ModelServer();
  readonly #window: number;
  /** On the wire, in the order of sending. */
  requests: Request[] = [];
  /** Lanes, and `undefined` for all of them. */
  readonly waiting = new Set<string | undefined>();
  /** Since all were told to wait nothing was stored: one request may look whether that is over. */
  isProbing = false;
  /** In the order they have to be stored. */
  readonly order: OutboxItem[] = [];
  /** Refused once, or taken out: those may lose their place. */
  readonly displaced = new Set<string>();
  online = false;
  #age = 5_000;
  #oldAge = 0;

  constructor(window: number) {
    this.#window = window;
  }

  do(effects: readonly QueueEffect[]): void {
    for (const effect of effects) {
      if (effect.do === 'wait') {
        expect(this.waiting.has(effect.lane), 'one wait at a time').toBe(false);
        this.waiting.add(effect.lane);
        continue;
      }
      expect(this.online, 'nothing is sent while offline').toBe(true);
      expect(this.waiting.has(effect.item.lane), 'nothing is sent while its lane waits').toBe(false);
      expect(this.waiting.has(undefined), 'nothing is sent while all wait').toBe(false);
      if (this.isProbing) expect(this.requests, 'a client that was too fast begins with one request').toEqual([]);
      expect(effect.item.parked, 'nothing parked is sent').toBe(false);
      this.requests.push({ item: effect.item, after: effect.afterClientId });
      const inFlight = this.requests.filter(({ item: { lane } }) => lane === effect.item.lane);
      expect(inFlight.length).toBeLessThanOrEqual(this.#window);
      expect(new Set(inFlight.map(({ item: { clientId } }) => clientId)).size, 'none twice at a time').toBe(
        inFlight.length,
      );
    }
  }

  add(lane: string, isMessage: boolean, shuffled: boolean): void {
    // An id of the app's own may sort anywhere.
    const age = shuffled ? 9_999 - this.#age++ : this.#age++;
    const added = outboxItem(age, lane, isMessage ? 'message:send' : 'message:edit');
    this.order.push(added);
    this.do(this.outbox.add(added));
  }

  restore(lane: string, count: number): void {
    const items = Array.from({ length: count }, () => outboxItem(this.#oldAge++, lane));
    // Before whatever has not left yet.
    const left = new Set(
      [...this.server.stored, ...this.requests.map((request) => request.item)].map(({ clientId }) => clientId),
    );
    const at = this.order.findIndex((each) => each.lane === lane && !left.has(each.clientId));
    if (this.order.some((each) => each.lane === lane && left.has(each.clientId)))
      items.forEach(({ clientId }) => this.displaced.add(clientId));
    this.order.splice(at === -1 ? this.order.length : at, 0, ...items);
    this.do(this.outbox.restore(items.toReversed()));
  }

  process(outcome: Outcome): void {
    const request = this.requests.find(({ reply }) => reply === undefined);
    if (request !== undefined) request.reply = this.server.handle(request, outcome);
  }

  reply(at: number): void {
    const answered = this.requests.filter(({ reply }) => reply !== undefined);
    const request = answered[at % Math.max(1, answered.length)];
    if (request === undefined) return;
    this.requests.splice(this.requests.indexOf(request), 1);
    const { clientId } = request.item;
    switch (request.reply) {
      case 'stored':
        this.isProbing = false;
        return this.do(this.outbox.remove(clientId));
      case 'throttled':
        this.do(this.outbox.throttle(clientId));
        // What was under way may still be stored, and make room.
        this.isProbing = this.requests.length === 0;
        return;
      case 'postponed':
        return this.do(this.outbox.postpone(clientId));
      case 'conflict':
        return this.do(this.outbox.overtook(clientId));
      default:
        this.displaced.add(clientId);
        this.do(
          request.item.operation.name === 'message:send' ? this.outbox.park(clientId) : this.outbox.remove(clientId),
        );
    }
  }

  cut(): void {
    this.online = false;
    this.requests = [];
    this.outbox.offline();
  }

  connect(): void {
    if (this.online) return;
    this.online = true;
    this.do(this.outbox.online(this.#window));
  }

  waited(lane: string | undefined): void {
    if (!this.waiting.delete(lane)) return;
    this.do(this.outbox.waitEnded(lane));
  }

  pick(at: number): string | undefined {
    const items = this.outbox.items();
    return items[at % Math.max(1, items.length)]?.clientId;
  }
}

const lane = fc.constantFrom('a', 'b');
const outcome = fc.constantFrom<Outcome>('store', 'store', 'store', 'refuse', 'postpone', 'throttle');
const step = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant('add' as const),
      lane,
      isMessage: fc.integer({ max: 5, min: 0 }).map((n) => n > 0),
      shuffled: fc.boolean(),
    }),
  },
  { weight: 10, arbitrary: fc.record({ do: fc.constant('process' as const), outcome }) },
  { weight: 8, arbitrary: fc.record({ do: fc.constant('reply' as const), at: fc.nat(9) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('cut' as const, 'connect' as const, 'connect' as const) }) },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant('waited' as const), lane: fc.option(lane, { nil: undefined }) }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('retry' as const, 'discard' as const), at: fc.nat(9) }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('restore' as const), lane, count: fc.integer({ min: 1, max: 3 }) }),
  },
);

test('with any results of requests, every message is stored once and in the order of the calls', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120 }), fc.integer({ min: 1, max: 5 }), (steps, window) => {
      const model = new Model(window);
      const discarded = new Set<string>();
      model.connect();
      for (const each of steps) {
        switch (each.do) {
          case 'add':
            model.add(each.lane, each.isMessage, each.shuffled);
            break;
          case 'process':
            model.process(each.outcome);
            break;
          case 'reply':
            model.reply(each.at);
            break;
          case 'cut':
            model.cut();
            break;
          case 'connect':
            model.connect();
            break;
          case 'waited':
            model.waited(each.lane);
            break;
          case 'retry': {
            const clientId = model.pick(each.at);
            if (clientId !== undefined && model.outbox.find(clientId)?.parked === true)
              model.do(model.outbox.retry(clientId));
            break;
          }
          case 'discard': {
            const clientId = model.pick(each.at);
            if (clientId === undefined) break;
            discarded.add(clientId);
            model.displaced.add(clientId);
            model.isProbing = false;
            model.requests = model.requests.filter((request) => request.item.clientId !== clientId);
            model.do(model.outbox.remove(clientId));
            break;
          }
          case 'restore':
            model.restore(each.lane, each.count);
        }
      }
      // From here on everything works.
      model.connect();
      const parked = (): OutboxItem[] => model.outbox.items().filter((each) => each.parked);
      for (let round = 0; round < 10_000; round += 1) {
        if (model.outbox.items().length === parked().length && model.requests.length === 0) break;
        for (const each of model.waiting) model.waited(each);
        model.process('store');
        model.reply(round);
      }

      expect(model.outbox.items().length, 'nothing waits but what was refused').toBe(parked().length);
      const stored = model.server.stored.map(({ clientId }) => clientId);
      expect(stored).toEqual([...new Set(stored)]);
      for (const each of parked()) model.do(model.outbox.retry(each.clientId));
      for (let round = 0; model.requests.length > 0; round += 1) {
        model.process('store');
        model.reply(round);
      }
      const all = new Set(model.server.stored.map(({ clientId }) => clientId));
      const lost = model.order.filter(
        ({ clientId, operation }) =>
          !all.has(clientId) && !discarded.has(clientId) && operation.name === 'message:send',
      );
      expect(lost, 'nothing is lost').toEqual([]);
      for (const key of ['a', 'b']) {
        const inLane = (items: readonly OutboxItem[]): string[] =>
          items
            .filter((each) => each.lane === key && !model.displaced.has(each.clientId) && all.has(each.clientId))
            .map(({ clientId }) => clientId);
        expect(inLane(model.server.stored)).toEqual(inLane(model.order));
      }
    }),
    { numRuns: 500 },
  );
});
