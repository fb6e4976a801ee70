import { deferred, type Deferred } from '../../lib/deferred.ts';
import { uuidv7 } from '../../lib/ids.ts';
import { lazy, type Lazy } from '../../lib/lazy.ts';
import { CommError } from '../../protocol/errors.ts';
import type { CommStorage } from '../../storage/comm-storage.ts';
import type { ClientContext } from '../context.ts';
import type { OutboxEvents } from './elsewhere.ts';
import { Doubts } from './doubts.ts';
import { discarded, handedOver, notWaiting } from './outbox-errors.ts';
import { LaneWaits } from './lane-waits.ts';
import type { OutboxStore } from './outbox-store.ts';
import { byAge, Outbox, type Operation, type OutboxEffect, type OutboxItem } from './outbox.ts';

/** What the rest of the client does about an item's fate. */
export interface SenderEvents extends OutboxEvents {
  /** With a server that can't recognize a repeated message: was this one stored by an earlier attempt? */
  findStored(item: OutboxItem, payload: Operation['payload']): Promise<unknown>;
}

/** Pipelined per conversation, where repeated ones are recognized: twice a server's commit, so that neither side waits. */
const WINDOW = 256;

/** Runs the outbox: stores each item before it leaves, sends, waits, and tells what became of it. */
export class Sender {
  readonly #context: ClientContext;
  readonly #cipher: ClientContext['cipher'];
  readonly #events: SenderEvents;
  readonly #outbox = new Outbox();
  readonly #store: Lazy<OutboxStore>;
  readonly #promises = new Map<string, Deferred<unknown>>();
  /** What waits to be stored durably before it may leave. */
  readonly #entering = new Map<string, OutboxItem>();
  /** What has left once, and may have arrived although nobody heard of it. */
  readonly #sent = new Set<string>();
  readonly #doubts = new Doubts();
  readonly #waits: LaneWaits;
  #prepared: Promise<OutboxStore> | undefined;
  /** Moves with `close`, so that what is still being opened then isn't. */
  #session = 0;
  /** Settles when the last item that was added is stored durably, and with it all before it. */
  #lastAdded: Promise<void> = Promise.resolve();
  /** Moves when the line is lost: what was under way then is queued again, and must not go on by itself. */
  #line = 0;

  constructor(context: ClientContext, storage: CommStorage, events: SenderEvents) {
    this.#context = context;
    this.#cipher = context.cipher;
    this.#events = events;
    this.#waits = new LaneWaits(context.clock, (lane) => this.#run(this.#outbox.waited(lane)));
    this.#store = lazy(async () => {
      const [{ OutboxStore }, { browserTabs }] = await Promise.all([import('./outbox-store.ts'), import('../tabs.ts')]);
      return new OutboxStore(storage, uuidv7, browserTabs(), {
        ...events,
        adopted: (items) => this.#adopted(items),
        asked: (what, clientId) => this.#asked(what, clientId),
        report: context.report,
      });
    });
  }

  /** Whose outbox this is, as far as anybody has said. */
  get userId(): string | undefined {
    return this.#context.userId() ?? this.#store.current?.userId;
  }

  /** Everything that waits, also in other tabs. */
  items(): OutboxItem[] {
    const elsewhere = this.#store.current?.elsewhere.items() ?? [];
    return elsewhere.length === 0
      ? this.own()
      : [...this.own(), ...elsewhere.filter(({ clientId }) => this.#outbox.find(clientId) === undefined)].sort(byAge);
  }

  /** What waits here. */
  own(): OutboxItem[] {
    return [...this.#outbox.items(), ...this.#entering.values()];
  }

  /** Resolves with the server's answer; rejects when it refuses for good, or when the item is discarded. */
  add(request: Pick<OutboxItem, 'clientId' | 'lane' | 'operation'>): Promise<unknown> {
    const known = this.#promises.get(request.clientId);
    if (known !== undefined) return known.promise;
    // The same message again, after it was refused or before somebody asked for it in this session.
    if (this.#outbox.find(request.clientId) !== undefined) return this.retry(request.clientId);
    const item: OutboxItem = { ...request, order: uuidv7(), parked: false };
    const promise = deferred<unknown>();
    this.#promises.set(item.clientId, promise);
    this.#entering.set(item.clientId, item);
    this.#events.queued(item, true);
    this.#lastAdded = this.prepare()
      .then(async (store) => {
        // What is secret is at rest before what refers to it is.
        if (this.#cipher !== undefined) await (await this.#cipher()).keep(item);
        if (!this.#entering.has(item.clientId)) return;
        store.tell({ type: 'queued', items: [item] });
        return store.put(item);
      })
      // A message must not depend on the place where it is kept.
      .catch(this.#context.report)
      .then(() => {
        if (this.#entering.delete(item.clientId)) this.#run(this.#outbox.add(item));
      });
    return promise.promise;
  }

  /** Takes up what was left behind, as far as it is known who this is; asking again is free. */
  prepare(): Promise<OutboxStore> {
    if (this.#prepared !== undefined) return this.#prepared;
    const prepared = this.#prepare(this.#session);
    this.#prepared = prepared;
    prepared.catch(() => {
      if (this.#prepared === prepared) this.#prepared = undefined;
    });
    return prepared;
  }

  /** The server has said who this is: what was asked for here moves there, what somebody else left stays where it is. */
  async identified(userId: string): Promise<void> {
    const session = this.#session;
    const store = await this.prepare();
    if (store.userId === userId || session !== this.#session) return;
    const own = this.own().filter(({ clientId }) => this.#promises.has(clientId));
    this.#leave(this.#outbox.items().filter(({ clientId }) => !this.#promises.has(clientId)));
    await store.open(userId, own);
  }

  /** Somebody else has signed in: what waits here isn't theirs to send, and stays where it is kept. */
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

  async #prepare(session: number): Promise<OutboxStore> {
    const store = await this.#store();
    const userId = session === this.#session ? (this.#context.userId() ?? (await store.lastUser())) : undefined;
    if (userId !== undefined && session === this.#session) await store.open(userId);
    return store;
  }

  online(): void {
    this.#run(this.#outbox.online(this.#context.has('client-id') ? WINDOW : 1));
  }

  offline(): void {
    this.#line += 1;
    this.#waits.cancel();
    this.#outbox.offline();
  }

  /** Seen as stored, by whichever way: an acknowledgement that got lost must not send it again. */
  confirm(clientId: string, answer: unknown): void {
    const item = this.#outbox.find(clientId);
    if (item === undefined) return this.#store.current?.elsewhere.confirm(clientId, answer);
    this.#forget(item, true);
    this.#store.current?.tell({ type: 'stored', item, answer });
    this.#events.stored(item, answer);
    this.#settle(clientId)?.resolve(answer);
    this.#run(this.#outbox.gone(clientId));
  }

  retry(clientId: string): Promise<unknown> {
    const item = this.#outbox.find(clientId) ?? this.#entering.get(clientId);
    if (item === undefined) return this.#store.current?.elsewhere.retry(clientId) ?? Promise.reject(notWaiting());
    const promise = this.#promises.get(clientId) ?? deferred<unknown>();
    this.#promises.set(clientId, promise);
    if (item.parked) {
      this.#doubts.forget(clientId);
      const queued = { ...item, parked: false };
      void this.#store.current?.put(queued);
      this.#store.current?.tell({ type: 'retried', item: queued });
      this.#events.retried(queued);
      this.#run(this.#outbox.retry(clientId));
    }
    return promise.promise;
  }

  /** Takes it out of the outbox. What is in flight may still arrive. */
  discard(clientId: string): void {
    const item = this.#outbox.find(clientId) ?? this.#entering.get(clientId);
    if (item === undefined) return this.#store.current?.elsewhere.discard(clientId);
    this.#forget(item);
    this.#store.current?.tell({ type: 'discarded', item });
    this.#events.discarded(item);
    this.#settle(clientId)?.reject(discarded());
    this.#run(this.#outbox.gone(clientId));
  }

  /** Resolves when everything that was added is stored durably. */
  async settled(): Promise<void> {
    await this.#lastAdded;
    await this.#store.current?.settled();
  }

  /** Other tabs may take over what is left. */
  close(): void {
    this.#session += 1;
    this.#store.current?.close();
    this.#prepared = undefined;
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
      if (line !== this.#line || this.#outbox.find(clientId) === undefined) return;
      this.#sent.add(clientId);
      // Under one id for all attempts: so what was applied, and answered in vain, isn't applied again.
      const once = this.#context.has('client-id') ? { ...payload, clientId } : payload;
      const sent = afterClientId === undefined ? once : { ...once, afterClientId };
      this.confirm(clientId, found ?? (await this.#context.requester.request(operation.name, sent)));
    } catch (error) {
      if (line === this.#line) this.#refused(item, afterClientId !== undefined, error);
    }
  }

  #refused(item: OutboxItem, hadPredecessor: boolean, cause: unknown): void {
    const { clientId } = item;
    if (this.#outbox.find(clientId) === undefined) return;
    const error = cause instanceof CommError ? cause : new CommError('INTERNAL', 'The request failed', { cause });
    if (error.code === 'CONFLICT' && hadPredecessor) return this.#run(this.#outbox.overtook(clientId));
    if (error.retryable && !this.#doubts.isHopeless(clientId, error, this.#context.has('ack'))) {
      return this.#run(this.#outbox.postpone(clientId, error.retryAfterMs));
    }
    this.#fail(item, error);
  }

  /** A message stays for `retry` or `discard`; anything else is over. */
  #fail(item: OutboxItem, error: CommError): void {
    const { clientId } = item;
    const awaited = this.#settle(clientId);
    if (item.operation.name === 'message:send') {
      void this.#store.current?.put({ ...item, parked: true });
      this.#run(this.#outbox.park(clientId));
    } else {
      this.#forget(item);
      this.#run(this.#outbox.gone(clientId));
      if (awaited === undefined) this.#context.report(error);
    }
    this.#store.current?.tell({ type: 'failed', item, error: { code: error.code, message: error.message } });
    this.#events.failed(item, error);
    awaited?.reject(error);
  }

  #adopted(items: readonly OutboxItem[]): void {
    const again: string[] = [];
    for (const item of items) {
      const { clientId } = item;
      const { isShown, awaited } = this.#store.current?.elsewhere.take(clientId) ?? {};
      if (awaited !== undefined) this.#promises.set(clientId, awaited);
      if (awaited !== undefined && item.parked) again.push(clientId);
      this.#sent.add(clientId);
      if (isShown !== true) this.#events.queued(item, false);
    }
    this.#run(this.#outbox.restore(items));
    for (const clientId of again) void this.retry(clientId);
  }

  #asked(what: 'retry' | 'discard', clientId: string): void {
    if (this.#outbox.find(clientId) === undefined) return;
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
    void this.#store.current?.delete(item);
  }
}
