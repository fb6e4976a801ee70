import { deferred, type Deferred } from '../../lib/deferred.ts';
import { CommError } from '../../protocol/errors.ts';
import type { SendMessage } from '../../protocol/messages.ts';
import type { CommStorage } from '../../storage/comm-storage.ts';
import type { ClientContext } from '../context.ts';
import { FailureCounter } from './failure-counter.ts';
import { LaneBackoff } from './lane-backoff.ts';
import { discarded, needsModeration, notFound, type OutboxItem } from './outbox-item.ts';
import { byOrder, OutboxQueue, type QueueEffect } from './outbox-queue.ts';
import { OutboxStorage } from './outbox-storage.ts';
import type { OutboxPorts } from './remote-tabs.ts';
import { filesOf } from './pending-files.ts';
import { sendBatcher, type SendBatcher } from './send-batcher.ts';
import { browserTabs } from './tab-channel.ts';

/**
 * Messages in flight per conversation, if the server recognizes repeated ones: two batches of a server's group commit, so
 * that neither side waits.
 */
const WINDOW = 256;

/** Runs the outbox: stores each item before it is sent, sends, backs off, and reports the results. */
export class Dispatcher {
  readonly #context: ClientContext;
  readonly #ports: OutboxPorts;
  readonly #batcher: SendBatcher;
  readonly #queue = new OutboxQueue();
  readonly #storage: OutboxStorage;
  /** The promises that `add()` and `retry()` returned, by client id. */
  readonly #promises: Map<string, Deferred<unknown>>;
  /** Items that are being stored; they are queued afterwards. */
  readonly #storing = new Map<string, OutboxItem>();
  /** Items sent at least once: the server may have stored them although no response arrived. */
  readonly #sent = new Set<string>();
  /** The `order` of the newest item taken over: items added here get a later one. */
  #newestTakenOver = '';
  readonly #failures = new FailureCounter();
  readonly #backoff: LaneBackoff;
  /** Increments with `close()`, so that an `open()` that is under way has no effect. */
  #session = 0;
  /** Resolves when the last added item, and all before it, are stored. */
  #lastAdded: Promise<void> = Promise.resolve();
  /** Increments when the connection is lost: requests in flight are queued again, and their results ignored. */
  #connection = 0;

  constructor(
    context: ClientContext,
    storage: CommStorage,
    promises: Map<string, Deferred<unknown>>,
    ports: OutboxPorts,
  ) {
    this.#context = context;
    this.#batcher = sendBatcher(context);
    this.#promises = promises;
    this.#ports = ports;
    this.#backoff = new LaneBackoff(context.clock, context.random, (lane) => this.#run(this.#queue.waitEnded(lane)));
    this.#storage = new OutboxStorage(storage, context.newId, browserTabs(), {
      ...ports,
      takenOver: (items) => this.#takenOver(items),
      requested: (what, clientId) => this.#requested(what, clientId),
      report: context.report,
    });
  }

  get userId(): string | undefined {
    return this.#storage.userId;
  }

  /** The number of items of this tab. */
  get size(): number {
    return this.#queue.size + this.#storing.size;
  }

  has(clientId: string): boolean {
    return this.#queue.find(clientId) !== undefined;
  }

  items(): OutboxItem[] {
    const remote = this.#storage.remoteTabs.items();
    return remote.length === 0
      ? this.own()
      : [...this.own(), ...remote.filter(({ clientId }) => !this.has(clientId))].sort(byOrder);
  }

  own(): OutboxItem[] {
    return [...this.#queue.items(), ...this.#storing.values()];
  }

  add(item: OutboxItem): void {
    const { clientId } = item;
    // It was added before the items of earlier sessions were known, which have to stay before it.
    this.#storing.set(clientId, item.order > this.#newestTakenOver ? item : { ...item, order: this.#context.newId() });
    const queue = (): void => {
      const stored = this.#storing.get(clientId);
      if (this.#storing.delete(clientId) && stored !== undefined) this.#run(this.#queue.add(stored));
    };
    this.#lastAdded = this.#persist(item).then(queue, (error: unknown) => {
      // A storage error must not keep the item from being sent.
      this.#context.report(error);
      queue();
    });
  }

  async #persist(item: OutboxItem): Promise<void> {
    const { cipher } = this.#context;
    // The secret is stored before the item that refers to it.
    if (cipher !== undefined) await (await cipher()).keep(item);
    const current = this.#storing.get(item.clientId);
    if (!current) return;
    this.#storage.broadcast({ type: 'queued', items: [current] });
    await this.#storage.put(current);
  }

  /** Opens the stored outbox of the user of the options, else of the last session. */
  async open(): Promise<void> {
    const session = this.#session;
    const userId = this.#context.userId() ?? (await this.#storage.lastUser());
    if (userId !== undefined && session === this.#session) await this.#storage.open(userId);
  }

  /** The server has confirmed the user: the items of this session move to their outbox. */
  async identified(userId: string): Promise<void> {
    if (this.#storage.userId === userId) return;
    const own = this.own().filter(({ clientId }) => this.#promises.has(clientId));
    this.#release(this.#queue.items().filter(({ clientId }) => !this.#promises.has(clientId)));
    await this.#storage.open(userId, own);
  }

  /** Another user has signed in: the items stay stored for their own user. */
  handOver(): void {
    this.#release(this.own());
  }

  #release(items: readonly OutboxItem[]): void {
    for (const item of items) {
      this.#storing.delete(item.clientId);
      this.#queue.remove(item.clientId);
      this.#ports.discarded(item);
      this.#settle(item.clientId)?.reject(new CommError('DISCONNECTED', 'Another user has signed in'));
    }
  }

  online(): void {
    this.#run(this.#queue.online(this.#context.has('client-id') ? WINDOW : 1));
    this.#backoff.resume();
  }

  offline(): void {
    this.#connection += 1;
    this.#backoff.pause();
    this.#queue.offline();
  }

  /** The server has stored the item. Idempotent. @param answer - the stored row */
  confirm(clientId: string, answer: unknown): void {
    const item = this.#queue.find(clientId);
    if (!item) return this.#storage.remoteTabs.confirm(clientId, answer);
    this.#remove(item, true);
    this.#failures.stored();
    this.#storage.broadcast({ type: 'stored', item, answer });
    this.#ports.stored(item, answer);
    this.#settle(clientId)?.resolve(answer);
    this.#run(this.#queue.remove(clientId));
  }

  retry(clientId: string): Promise<unknown> {
    const item = this.#queue.find(clientId) ?? this.#storing.get(clientId);
    if (!item) return this.#storage.remoteTabs.retry(clientId) ?? Promise.reject(notFound());
    const promise = this.#promises.get(clientId) ?? deferred<unknown>();
    this.#promises.set(clientId, promise);
    if (item.parked) {
      this.#failures.forget(clientId);
      const queued = { ...item, parked: false };
      void this.#storage.put(queued);
      this.#storage.broadcast({ type: 'retried', item: queued });
      this.#ports.retried(queued);
      this.#run(this.#queue.retry(clientId));
    }
    return promise.promise;
  }

  discard(clientId: string): void {
    const item = this.#queue.find(clientId) ?? this.#storing.get(clientId);
    if (!item) return this.#storage.remoteTabs.discard(clientId);
    this.#remove(item);
    this.#storage.broadcast({ type: 'discarded', item });
    this.#ports.discarded(item);
    this.#settle(clientId)?.reject(discarded());
    this.#run(this.#queue.remove(clientId));
  }

  /** Replaces an item. Resolves when it is stored. @returns false if it has ended */
  async replace(item: OutboxItem): Promise<boolean> {
    const { clientId } = item;
    // The secret is stored before the item that refers to it.
    await (await this.#context.cipher?.())?.keep(item);
    const queued = this.#queue.find(clientId);
    if (queued === undefined) return false;
    // It may have been ordered behind others, or have failed, in the meantime.
    const { order, parked } = queued;
    const replaced = { ...item, order, parked };
    this.#queue.replace(replaced);
    this.#storage.broadcast({ type: 'queued', items: [replaced] });
    await this.#storage.put(replaced);
    return true;
  }

  /** Resolves when all added items are stored. */
  async settled(): Promise<void> {
    for (let last; last !== this.#lastAdded;) await (last = this.#lastAdded);
    await this.#storage.settled();
  }

  close(): void {
    this.#session += 1;
    this.#storage.close();
  }

  #run(effects: readonly QueueEffect[]): void {
    for (const effect of effects) {
      if (effect.do === 'send') void this.#send(effect.item, effect.afterClientId);
      else this.#backoff.begin(effect);
    }
  }

  async #send(item: OutboxItem, afterClientId: string | undefined): Promise<void> {
    const { clientId, operation } = item;
    const connection = this.#connection;
    const { cipher } = this.#context;
    try {
      if (needsModeration(operation) && !this.#context.has('moderation'))
        throw new CommError('UNSUPPORTED', `The server does not support ${operation.name} or metadata`);
      if (isUnsupported(operation, this.#context)) throw new CommError('UNSUPPORTED', 'This server has no threads');
      const ready = filesOf(item) ? await (await this.#ports.uploads()).upload(item) : item;
      const payload = cipher === undefined ? ready.operation.payload : await (await cipher()).seal(ready);
      const mayBeStored = this.#sent.has(clientId) && !this.#context.has('client-id');
      const found = mayBeStored ? await this.#ports.findStored(item, payload) : undefined;
      if (connection !== this.#connection || !this.has(clientId)) return;
      this.#sent.add(clientId);
      // The same id for all attempts: the server applies the request once, also if its response was lost.
      const sent = !this.#context.has('client-id')
        ? payload
        : afterClientId === undefined
          ? { ...payload, clientId }
          : { ...payload, clientId, afterClientId };
      const isBatched = operation.name === 'message:send' && this.#context.has('batch');
      const request = (): Promise<unknown> => {
        if (isBatched) return this.#batcher.send(sent as SendMessage);
        // It may refer to a message that is about to be sent.
        this.#batcher.flush();
        return this.#context.requester.request(operation.name, sent);
      };
      this.confirm(clientId, found ?? (await request()));
    } catch (error) {
      if (connection === this.#connection) this.#rejected(clientId, afterClientId !== undefined, error);
    }
  }

  #rejected(clientId: string, hadPredecessor: boolean, cause: unknown): void {
    const item = this.#queue.find(clientId);
    if (!item) return;
    const error = cause instanceof CommError ? cause : new CommError('INTERNAL', 'The request failed', { cause });
    const { code, retryable, retryAfterMs, scope } = error;
    if (code === 'CONFLICT' && hadPredecessor) return this.#run(this.#queue.overtook(clientId));
    if (scope === 'conversation') return this.#run(this.#queue.slowDown(clientId, retryAfterMs));
    if (code === 'RATE_LIMITED') return this.#run(this.#queue.throttle(clientId, retryAfterMs));
    if (retryable && !this.#failures.isPermanent(clientId, error, this.#context.has('ack'))) {
      return this.#run(this.#queue.postpone(clientId, retryAfterMs));
    }
    this.#fail(item, error);
  }

  /** A message stays for `retry()` or `discard()`; any other request is removed. */
  #fail(item: OutboxItem, error: CommError): void {
    const { clientId } = item;
    const promise = this.#settle(clientId);
    if (item.operation.name === 'message:send') {
      void this.#storage.put({ ...item, parked: true });
      this.#run(this.#queue.park(clientId));
    } else {
      this.#remove(item);
      this.#run(this.#queue.remove(clientId));
      if (promise === undefined) this.#context.report(error);
    }
    this.#storage.broadcast({ type: 'failed', item, error: { code: error.code, message: error.message } });
    this.#ports.failed(item, error);
    promise?.reject(error);
  }

  #takenOver(items: readonly OutboxItem[]): void {
    const later = this.own();
    const again: string[] = [];
    for (const item of items) {
      const { clientId } = item;
      const { isShown, retry } = this.#storage.remoteTabs.take(clientId);
      if (retry !== undefined) this.#promises.set(clientId, retry);
      if (retry !== undefined && item.parked) again.push(clientId);
      this.#sent.add(clientId);
      if (!isShown) this.#ports.queued(item, false);
    }
    this.#run(this.#queue.restore(items));
    this.#reorderBehind(items, later);
    for (const clientId of again) void this.retry(clientId);
  }

  /** If the clock was set back, older items have a later `order`. The items of this session get new ones behind them. */
  #reorderBehind(items: readonly OutboxItem[], later: readonly OutboxItem[]): void {
    const newest = items.toSorted(byOrder).at(-1)?.order ?? '';
    // From here on new ids are later, unless `newest` is not a UUIDv7.
    if (this.#context.newId(newest) < newest) return;
    this.#newestTakenOver = newest;
    for (const item of later) {
      const { clientId, order } = item;
      // An item that was sent keeps its `order`: it may be searched for by its time.
      if (order > newest || this.#sent.has(clientId)) continue;
      const reordered = { ...item, order: this.#context.newId() };
      if (this.#storing.has(clientId)) this.#storing.set(clientId, reordered);
      else this.#queue.replace(reordered);
      void this.#storage.put(reordered);
    }
  }

  #requested(what: 'retry' | 'discard', clientId: string): void {
    if (!this.has(clientId)) return;
    if (what === 'retry') void this.retry(clientId);
    else this.discard(clientId);
  }

  #settle(clientId: string): Deferred<unknown> | undefined {
    const promise = this.#promises.get(clientId);
    this.#promises.delete(clientId);
    return promise;
  }

  #remove(item: OutboxItem, isStored = false): void {
    const { uploads } = this.#ports;
    this.#context.cipher?.current?.settled(item, isStored);
    // What is left if the chunk can't be loaded is deleted in a later session.
    if (uploads.current ?? filesOf(item))
      void uploads().then(
        (loaded) => loaded.remove(item, isStored),
        () => undefined,
      );
    this.#storing.delete(item.clientId);
    this.#sent.delete(item.clientId);
    this.#failures.forget(item.clientId);
    void this.#storage.delete(item);
  }
}

/** A server without threads would store a reply as a message of the main timeline. */
function isUnsupported({ name, payload }: OutboxItem['operation'], { has }: ClientContext): boolean {
  return !has('threads') && (name === 'thread:read' || (name === 'message:send' && payload.threadId !== undefined));
}
