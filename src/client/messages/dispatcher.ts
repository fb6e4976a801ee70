import { deferred, type Deferred } from '../../lib/deferred.ts';
import { uuidv7 } from '../../lib/ids.ts';
import { CommError } from '../../protocol/errors.ts';
import type { CommStorage } from '../../storage/comm-storage.ts';
import type { ClientContext } from '../context.ts';
import { browserTabs } from '../tabs.ts';
import type { SenderEvents } from './elsewhere.ts';
import { Doubts } from './doubts.ts';
import { discarded, handedOver, notWaiting } from './outbox-errors.ts';
import { LaneWaits } from './lane-waits.ts';
import { OutboxStore } from './outbox-store.ts';
import { byAge, Outbox, type OutboxEffect, type OutboxItem } from './outbox.ts';

/** Pipelined per conversation, where repeated ones are recognized: twice a server's commit, so that neither side waits. */
const WINDOW = 256;

/** Runs the outbox: stores each item before it leaves, sends, waits, and tells what became of it. */
export class Dispatcher {
  readonly #context: ClientContext;
  readonly #cipher: ClientContext['cipher'];
  readonly #events: SenderEvents;
  readonly #outbox = new Outbox();
  readonly #store: OutboxStore;
  /** Who waits for what. */
  readonly #promises: Map<string, Deferred<unknown>>;
  /** What waits to be stored durably before it may leave. */
  readonly #entering = new Map<string, OutboxItem>();
  /** What has left once, and may have arrived although nobody heard of it. */
  readonly #sent = new Set<string>();
  /** The `order` of the newest item that was taken up: whatever is asked for here is later. */
  #newestLeft = '';
  readonly #doubts = new Doubts();
  readonly #waits: LaneWaits;
  /** Moves with `close`, so that what is still being opened then isn't. */
  #session = 0;
  /** Settles when the last item that was added is stored durably, and with it all before it. */
  #lastAdded: Promise<void> = Promise.resolve();
  /** Moves when the line is lost: what was under way then is queued again, and must not go on by itself. */
  #line = 0;

  constructor(
    context: ClientContext,
    storage: CommStorage,
    promises: Map<string, Deferred<unknown>>,
    events: SenderEvents,
  ) {
    this.#context = context;
    this.#cipher = context.cipher;
    this.#promises = promises;
    this.#events = events;
    this.#waits = new LaneWaits(context.clock, (lane) => this.#run(this.#outbox.waited(lane)));
    this.#store = new OutboxStore(storage, uuidv7, browserTabs(), {
      ...events,
      adopted: (items) => this.#adopted(items),
      asked: (what, clientId) => this.#asked(what, clientId),
      report: context.report,
    });
  }

  get userId(): string | undefined {
    return this.#store.userId;
  }

  /** How much waits here. */
  get size(): number {
    return this.#outbox.size + this.#entering.size;
  }

  has(clientId: string): boolean {
    return this.#outbox.find(clientId) !== undefined;
  }

  items(): OutboxItem[] {
    const elsewhere = this.#store.elsewhere.items();
    return elsewhere.length === 0
      ? this.own()
      : [...this.own(), ...elsewhere.filter(({ clientId }) => !this.has(clientId))].sort(byAge);
  }

  own(): OutboxItem[] {
    return [...this.#outbox.items(), ...this.#entering.values()];
  }

  add(item: OutboxItem): void {
    const { clientId } = item;
    // Asked for before it was known how far ahead what was left behind is.
    this.#entering.set(clientId, item.order > this.#newestLeft ? item : { ...item, order: uuidv7() });
    this.#lastAdded = this.#enter(item)
      // A message must not depend on the place where it is kept.
      .catch(this.#context.report)
      .then(() => {
        const entered = this.#entering.get(clientId);
        if (this.#entering.delete(clientId) && entered !== undefined) this.#run(this.#outbox.add(entered));
      });
  }

  async #enter(item: OutboxItem): Promise<void> {
    // What is secret is at rest before what refers to it is.
    if (this.#cipher !== undefined) await (await this.#cipher()).keep(item);
    const entering = this.#entering.get(item.clientId);
    if (entering === undefined) return;
    this.#store.tell({ type: 'queued', items: [entering] });
    await this.#store.put(entering);
  }

  /** Takes up what was left behind, as far as it is known who this is. */
  async open(): Promise<void> {
    const session = this.#session;
    const userId = this.#context.userId() ?? (await this.#store.lastUser());
    if (userId !== undefined && session === this.#session) await this.#store.open(userId);
  }

  async identified(userId: string): Promise<void> {
    if (this.#store.userId === userId) return;
    const own = this.own().filter(({ clientId }) => this.#promises.has(clientId));
    this.#leave(this.#outbox.items().filter(({ clientId }) => !this.#promises.has(clientId)));
    await this.#store.open(userId, own);
  }

  handedOver(): void {
    this.#leave(this.own());
  }

  #leave(items: readonly OutboxItem[]): void {
    for (const item of items) {
      this.#entering.delete(item.clientId);
      this.#outbox.gone(item.clientId);
      this.#events.discarded(item);
      this.#settle(item.clientId)?.reject(handedOver());
    }
  }

  online(): void {
    this.#run(this.#outbox.online(this.#context.has('client-id') ? WINDOW : 1));
    this.#waits.resume();
  }

  offline(): void {
    this.#line += 1;
    this.#waits.pause();
    this.#outbox.offline();
  }

  confirm(clientId: string, answer: unknown): void {
    const item = this.#outbox.find(clientId);
    if (item === undefined) return this.#store.elsewhere.confirm(clientId, answer);
    this.#forget(item, true);
    this.#doubts.stored();
    this.#store.tell({ type: 'stored', item, answer });
    this.#events.stored(item, answer);
    this.#settle(clientId)?.resolve(answer);
    this.#run(this.#outbox.gone(clientId));
  }

  retry(clientId: string): Promise<unknown> {
    const item = this.#outbox.find(clientId) ?? this.#entering.get(clientId);
    if (item === undefined) return this.#store.elsewhere.retry(clientId) ?? Promise.reject(notWaiting());
    const promise = this.#promises.get(clientId) ?? deferred<unknown>();
    this.#promises.set(clientId, promise);
    if (item.parked) {
      this.#doubts.forget(clientId);
      const queued = { ...item, parked: false };
      void this.#store.put(queued);
      this.#store.tell({ type: 'retried', item: queued });
      this.#events.retried(queued);
      this.#run(this.#outbox.retry(clientId));
    }
    return promise.promise;
  }

  discard(clientId: string): void {
    const item = this.#outbox.find(clientId) ?? this.#entering.get(clientId);
    if (item === undefined) return this.#store.elsewhere.discard(clientId);
    this.#forget(item);
    this.#store.tell({ type: 'discarded', item });
    this.#events.discarded(item);
    this.#settle(clientId)?.reject(discarded());
    this.#run(this.#outbox.gone(clientId));
  }

  async settled(): Promise<void> {
    for (let last; last !== this.#lastAdded;) await (last = this.#lastAdded);
    await this.#store.settled();
  }

  close(): void {
    this.#session += 1;
    this.#store.close();
  }

  #run(effects: readonly OutboxEffect[]): void {
    for (const effect of effects) {
      if (effect.do === 'send') void this.#send(effect.item, effect.afterClientId);
      else this.#waits.begin(effect);
    }
  }

  async #send(item: OutboxItem, afterClientId: string | undefined): Promise<void> {
    const { clientId, operation } = item;
    const line = this.#line;
    try {
      const payload = this.#cipher === undefined ? operation.payload : await (await this.#cipher()).seal(item);
      const mayBeThere = this.#sent.has(clientId) && !this.#context.has('client-id');
      const found = mayBeThere ? await this.#events.findStored(item, payload) : undefined;
      if (line !== this.#line || !this.has(clientId)) return;
      this.#sent.add(clientId);
      // Under one id for all attempts: so what was applied, and answered in vain, isn't applied again.
      const once = this.#context.has('client-id') ? { ...payload, clientId } : payload;
      const sent = afterClientId === undefined ? once : { ...once, afterClientId };
      this.confirm(clientId, found ?? (await this.#context.requester.request(operation.name, sent)));
    } catch (error) {
      if (line === this.#line) this.#refused(clientId, afterClientId !== undefined, error);
    }
  }

  #refused(clientId: string, hadPredecessor: boolean, cause: unknown): void {
    const item = this.#outbox.find(clientId);
    if (item === undefined) return;
    const error = cause instanceof CommError ? cause : new CommError('INTERNAL', 'The request failed', { cause });
    const { code, retryable, retryAfterMs } = error;
    if (code === 'CONFLICT' && hadPredecessor) return this.#run(this.#outbox.overtook(clientId));
    if (code === 'RATE_LIMITED') return this.#run(this.#outbox.throttle(clientId, retryAfterMs));
    if (retryable && !this.#doubts.isHopeless(clientId, error, this.#context.has('ack'))) {
      return this.#run(this.#outbox.postpone(clientId, retryAfterMs));
    }
    this.#fail(item, error);
  }

  /** A message stays for `retry` or `discard`; anything else is over. */
  #fail(item: OutboxItem, error: CommError): void {
    const { clientId } = item;
    const awaited = this.#settle(clientId);
    if (item.operation.name === 'message:send') {
      void this.#store.put({ ...item, parked: true });
      this.#run(this.#outbox.park(clientId));
    } else {
      this.#forget(item);
      this.#run(this.#outbox.gone(clientId));
      if (awaited === undefined) this.#context.report(error);
    }
    this.#store.tell({ type: 'failed', item, error: { code: error.code, message: error.message } });
    this.#events.failed(item, error);
    awaited?.reject(error);
  }

  #adopted(items: readonly OutboxItem[]): void {
    const later = this.own();
    const again: string[] = [];
    for (const item of items) {
      const { clientId } = item;
      const { isShown, awaited } = this.#store.elsewhere.take(clientId);
      if (awaited !== undefined) this.#promises.set(clientId, awaited);
      if (awaited !== undefined && item.parked) again.push(clientId);
      this.#sent.add(clientId);
      if (!isShown) this.#events.queued(item, false);
    }
    this.#run(this.#outbox.restore(items));
    this.#putBehind(items, later);
    for (const clientId of again) void this.retry(clientId);
  }

  /** A clock that was set back since makes what is older look newer: at rest it has to stand as it stands here. */
  #putBehind(items: readonly OutboxItem[], later: readonly OutboxItem[]): void {
    const newest = items.toSorted(byAge).at(-1)?.order ?? '';
    // Ids that are made from here on are later, unless that is none of ours.
    if (uuidv7(newest) < newest) return;
    this.#newestLeft = newest;
    for (const item of later) {
      const { clientId, order } = item;
      // What has left has its place, and is looked for by its time.
      if (order > newest || this.#sent.has(clientId)) continue;
      const placed = { ...item, order: uuidv7() };
      if (this.#entering.has(clientId)) this.#entering.set(clientId, placed);
      else this.#outbox.replace(placed);
      void this.#store.put(placed);
    }
  }

  #asked(what: 'retry' | 'discard', clientId: string): void {
    if (!this.has(clientId)) return;
    if (what === 'retry') void this.retry(clientId);
    else this.discard(clientId);
  }

  #settle(clientId: string): Deferred<unknown> | undefined {
    const promise = this.#promises.get(clientId);
    this.#promises.delete(clientId);
    return promise;
  }

  #forget(item: OutboxItem, isStored = false): void {
    this.#cipher?.current?.settled(item, isStored);
    this.#entering.delete(item.clientId);
    this.#sent.delete(item.clientId);
    this.#doubts.forget(item.clientId);
    void this.#store.delete(item);
  }
}
