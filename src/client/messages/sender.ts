import { backoffMs } from '../../lib/backoff.ts';
import { deferred, type Deferred } from '../../lib/deferred.ts';
import { uuidv7 } from '../../lib/ids.ts';
import { lazy, type Lazy } from '../../lib/lazy.ts';
import { CommError } from '../../protocol/errors.ts';
import type { CommStorage } from '../../storage/comm-storage.ts';
import type { ClientContext } from '../context.ts';
import type { TabMessage } from '../tabs.ts';
import type { OutboxStore } from './outbox-store.ts';
import { Outbox, type OutboxEffect, type OutboxItem } from './outbox.ts';

/** What the rest of the client does about an item's fate. */
export interface SenderEvents {
  /** It is in the outbox; `isNew`: somebody has just asked for it here. */
  queued(item: OutboxItem, isNew: boolean): void;
  stored(item: OutboxItem, answer: unknown): void;
  /** `error` is absent where it happened in another tab. */
  failed(item: OutboxItem, error: CommError | undefined): void;
  retried(item: OutboxItem): void;
  discarded(item: OutboxItem): void;
  /** With a server that can't recognize a repeated message: was this one stored by an earlier attempt? */
  findStored(item: OutboxItem): Promise<unknown>;
}

/** Pipelined messages per conversation with a server that recognizes repeated ones; without, one at a time. */
const WINDOW = 64;
const BACKOFF = { baseMs: 500, maxMs: 30_000 };
/** A server error that repeats this often is about the message, not about the moment. */
const MAX_INTERNAL = 8;
/** A base server shows a refusal by nothing at all. */
const MAX_UNANSWERED = 3;

/** Runs the outbox: stores each item before it leaves, sends, waits, and tells what became of it. */
export class Sender {
  readonly #context: ClientContext;
  readonly #events: SenderEvents;
  readonly #owner = uuidv7();
  readonly #outbox = new Outbox();
  readonly #store: Lazy<OutboxStore>;
  readonly #promises = new Map<string, Deferred<unknown>>();
  /** What waits to be stored durably before it may leave. */
  readonly #entering = new Map<string, OutboxItem>();
  /** What has left once, and may have arrived although nobody heard of it. */
  readonly #sent = new Set<string>();
  /** How often each was answered with what may be about the message or about the moment. */
  readonly #doubts = new Map<string, number>();
  readonly #waits = new Map<string, () => void>();
  /** What living tabs have in their outboxes. */
  readonly #elsewhere = new Map<string, OutboxItem>();
  #prepared: Promise<OutboxStore> | undefined;
  /** Moves when the line is lost: what was under way then is queued again, and must not go on by itself. */
  #line = 0;

  constructor(context: ClientContext, storage: CommStorage, events: SenderEvents) {
    this.#context = context;
    this.#events = events;
    this.#store = lazy(async () => {
      const [{ OutboxStore }, { browserTabs }] = await Promise.all([import('./outbox-store.ts'), import('../tabs.ts')]);
      return new OutboxStore(storage, this.#owner, browserTabs(), {
        adopted: (items) => this.#adopted(items),
        elsewhere: (message) => this.#toldElsewhere(message),
        report: context.report,
      });
    });
  }

  /** Everything that waits, also in other tabs. */
  items(): OutboxItem[] {
    return [...this.own(), ...this.#elsewhere.values()];
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
    const item: OutboxItem = { ...request, owner: this.#owner, parked: false };
    const promise = deferred<unknown>();
    this.#promises.set(item.clientId, promise);
    this.#entering.set(item.clientId, item);
    this.#events.queued(item, true);
    void this.prepare()
      .then((store) => {
        if (!this.#entering.has(item.clientId)) return;
        store.tell({ type: 'queued', item });
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
    this.#prepared ??= (async () => {
      const store = await this.#store();
      const userId = this.#context.userId() ?? (await store.lastUser());
      if (userId !== undefined) await store.open(userId);
      return store;
    })();
    this.#prepared.catch(() => (this.#prepared = undefined));
    return this.#prepared;
  }

  /** The server has said who this is: what was asked for here moves there, what somebody else left stays where it is. */
  async identified(userId: string): Promise<void> {
    const store = await this.prepare();
    if (store.userId === userId) return;
    const own = this.own().filter(({ clientId }) => this.#promises.has(clientId));
    const others = this.#outbox.items().filter(({ clientId }) => !this.#promises.has(clientId));
    await Promise.all(own.map((item) => store.delete(item)));
    for (const item of others) {
      this.#outbox.gone(item.clientId);
      this.#events.discarded(item);
    }
    await store.open(userId);
    await Promise.all(own.map((item) => store.put(item)));
  }

  online(): void {
    this.#run(this.#outbox.online(this.#context.has('client-id') ? WINDOW : 1));
  }

  offline(): void {
    this.#line += 1;
    for (const cancel of this.#waits.values()) cancel();
    this.#waits.clear();
    this.#outbox.offline();
  }

  /** Seen as stored, by whichever way: an acknowledgement that got lost must not send it again. */
  confirm(clientId: string, answer: unknown): void {
    this.#elsewhere.delete(clientId);
    const item = this.#outbox.find(clientId);
    if (item === undefined) return;
    this.#forget(item);
    this.#store.current?.tell({ type: 'stored', item });
    this.#events.stored(item, answer);
    this.#settle(clientId)?.resolve(answer);
    this.#run(this.#outbox.gone(clientId));
  }

  retry(clientId: string): Promise<unknown> {
    const item = this.#outbox.find(clientId) ?? this.#entering.get(clientId);
    if (item === undefined) return Promise.reject(new CommError('NOT_FOUND', 'No such message waits in the outbox'));
    const promise = this.#promises.get(clientId) ?? deferred<unknown>();
    this.#promises.set(clientId, promise);
    if (item.parked) {
      this.#doubts.delete(clientId);
      const queued = { ...item, parked: false };
      this.#put(queued);
      this.#store.current?.tell({ type: 'retried', item: queued });
      this.#events.retried(queued);
      this.#run(this.#outbox.retry(clientId));
    }
    return promise.promise;
  }

  /** Takes it out of the outbox. What is in flight may still arrive. */
  discard(clientId: string): void {
    const item = this.#outbox.find(clientId) ?? this.#entering.get(clientId);
    if (item === undefined) return;
    this.#forget(item);
    this.#store.current?.tell({ type: 'discarded', item });
    this.#events.discarded(item);
    this.#settle(clientId)?.reject(new CommError('NOT_FOUND', 'The message was discarded before it was stored'));
    this.#run(this.#outbox.gone(clientId));
  }

  /** Resolves when everything that was added is stored durably. */
  async settled(): Promise<void> {
    await this.#store.current?.settled();
  }

  /** Other tabs may take over what is left. */
  close(): void {
    this.#store.current?.close();
    this.#prepared = undefined;
  }

  #run(effects: readonly OutboxEffect[]): void {
    for (const effect of effects) {
      if (effect.do === 'send') void this.#send(effect.item, effect.afterClientId);
      else this.#wait(effect);
    }
  }

  async #send(item: OutboxItem, afterClientId: string | undefined): Promise<void> {
    const { clientId, operation } = item;
    const line = this.#line;
    try {
      const mayBeThere = this.#sent.has(clientId) && !this.#context.has('client-id');
      const found = mayBeThere ? await this.#events.findStored(item) : undefined;
      if (line !== this.#line || this.#outbox.find(clientId) === undefined) return;
      this.#sent.add(clientId);
      const { name, payload } = operation;
      const sent = afterClientId === undefined ? payload : { ...payload, afterClientId };
      this.confirm(clientId, found ?? (await this.#context.requester.request(name, sent)));
    } catch (error) {
      if (line === this.#line) this.#refused(item, afterClientId !== undefined, error);
    }
  }

  #refused(item: OutboxItem, hadPredecessor: boolean, cause: unknown): void {
    const { clientId } = item;
    if (this.#outbox.find(clientId) === undefined) return;
    const error = cause instanceof CommError ? cause : new CommError('INTERNAL', 'The request failed', { cause });
    if (error.code === 'CONFLICT' && hadPredecessor) return this.#run(this.#outbox.overtook(clientId));
    if (error.retryable && !this.#isHopeless(clientId, error)) {
      return this.#run(this.#outbox.postpone(clientId, error.retryAfterMs));
    }
    this.#fail(item, error);
  }

  #isHopeless(clientId: string, { code }: CommError): boolean {
    const isUnanswered = code === 'TIMEOUT' && !this.#context.has('ack');
    if (code !== 'INTERNAL' && !isUnanswered) return false;
    const doubts = (this.#doubts.get(clientId) ?? 0) + 1;
    this.#doubts.set(clientId, doubts);
    return doubts >= (isUnanswered ? MAX_UNANSWERED : MAX_INTERNAL);
  }

  /** A message stays for `retry` or `discard`; anything else is over. */
  #fail(item: OutboxItem, error: CommError): void {
    const { clientId } = item;
    const awaited = this.#settle(clientId);
    if (item.operation.name === 'message:send') {
      this.#put({ ...item, parked: true });
      this.#run(this.#outbox.park(clientId));
    } else {
      this.#forget(item);
      this.#run(this.#outbox.gone(clientId));
      if (awaited === undefined) this.#context.report(error);
    }
    this.#store.current?.tell({ type: 'failed', item });
    this.#events.failed(item, error);
    awaited?.reject(error);
  }

  #adopted(items: readonly OutboxItem[]): void {
    const fresh = items.filter(({ clientId }) => !this.#promises.has(clientId));
    for (const item of fresh) {
      this.#sent.add(item.clientId);
      if (!this.#elsewhere.delete(item.clientId)) this.#events.queued(item, false);
    }
    this.#run(this.#outbox.restore(fresh));
  }

  #toldElsewhere({ type, item }: Exclude<TabMessage, { type: 'here' }>): void {
    const { clientId } = item;
    if (type === 'queued' || type === 'retried') {
      this.#elsewhere.set(clientId, item);
      return type === 'queued' ? this.#events.queued(item, false) : this.#events.retried(item);
    }
    if (type === 'failed') {
      this.#elsewhere.set(clientId, { ...item, parked: true });
      return this.#events.failed(item, undefined);
    }
    this.#elsewhere.delete(clientId);
    if (type === 'discarded') this.#events.discarded(item);
    // With our server the push shows it, and says by its client id what it replaces.
    else if (!this.#context.has('rev')) this.#events.stored(item, undefined);
  }

  #wait({ lane, failures, retryAfterMs }: Extract<OutboxEffect, { do: 'wait' }>): void {
    const delay = retryAfterMs ?? backoffMs(failures - 1, Math.random(), BACKOFF);
    this.#waits.get(lane)?.();
    const cancel = this.#context.clock.after(delay, () => {
      this.#waits.delete(lane);
      this.#run(this.#outbox.waited(lane));
    });
    this.#waits.set(lane, cancel);
  }

  #settle(clientId: string): Deferred<unknown> | undefined {
    const promise = this.#promises.get(clientId);
    this.#promises.delete(clientId);
    return promise;
  }

  #forget(item: OutboxItem): void {
    this.#entering.delete(item.clientId);
    this.#sent.delete(item.clientId);
    this.#doubts.delete(item.clientId);
    void this.#store.current?.delete(item);
  }

  #put(item: OutboxItem): void {
    void this.#store.current?.put(item);
  }
}
