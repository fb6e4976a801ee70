import { deferred, type Deferred } from '../../lib/deferred.ts';
import { uuidv7 } from '../../lib/ids.ts';
import { lazy, type Lazy } from '../../lib/lazy.ts';
import type { CommStorage } from '../../storage/comm-storage.ts';
import type { ClientContext } from '../context.ts';
import type { Dispatcher } from './dispatcher.ts';
import type { SenderEvents } from './elsewhere.ts';
import { closed, discarded, full, notWaiting } from './outbox-errors.ts';
import type { OutboxItem } from './outbox.ts';

/** So many items may wait here, those that were refused included. */
export const MAX_WAITING = 10_000;

/**
 * What the rest of the client sees of the outbox, from the first moment on. What is asked for shows at once, and is handed
 * to the dispatcher as soon as that is loaded and has taken up what an earlier session left.
 */
export class Sender {
  readonly #context: ClientContext;
  readonly #events: SenderEvents;
  readonly #dispatcher: Lazy<Dispatcher>;
  readonly #promises = new Map<string, Deferred<unknown>>();
  /** What was asked for before the dispatcher was ready. */
  readonly #early = new Map<string, OutboxItem>();
  #prepared: Promise<Dispatcher> | undefined;
  /** Once it is prepared. */
  #ready: Dispatcher | undefined;
  #online = false;
  #closed = false;

  constructor(context: ClientContext, storage: CommStorage, events: SenderEvents) {
    this.#context = context;
    this.#events = events;
    this.#dispatcher = lazy(async () => {
      const { Dispatcher } = await import('./dispatcher.ts');
      return new Dispatcher(context, storage, this.#promises, events);
    });
  }

  /** Whose outbox this is, as far as anybody has said. */
  get userId(): string | undefined {
    return this.#context.userId() ?? this.#dispatcher.current?.userId;
  }

  /** Everything that waits, also in other tabs, oldest first. */
  items(): OutboxItem[] {
    return [...(this.#dispatcher.current?.items() ?? []), ...this.#early.values()];
  }

  /** What waits here, oldest first. */
  own(): OutboxItem[] {
    return [...(this.#dispatcher.current?.own() ?? []), ...this.#early.values()];
  }

  /** Resolves with the server's answer; rejects when it refuses for good, or when the item is discarded. */
  add(request: Pick<OutboxItem, 'clientId' | 'lane' | 'operation'>): Promise<unknown> {
    const { clientId } = request;
    if (this.#closed) return Promise.reject(closed());
    const known = this.#promises.get(clientId);
    if (known !== undefined) return known.promise;
    const dispatcher = this.#dispatcher.current;
    // The same message again, after it was refused or before somebody asked for it in this session.
    if (dispatcher?.has(clientId) === true) return dispatcher.retry(clientId);
    if ((dispatcher?.size ?? 0) + this.#early.size >= MAX_WAITING) return Promise.reject(full());
    const item: OutboxItem = { ...request, order: uuidv7(), parked: false };
    const promise = deferred<unknown>();
    this.#promises.set(clientId, promise);
    this.#early.set(clientId, item);
    this.#events.queued(item, true);
    this.#handOver();
    if (this.#ready === undefined) this.#prepare().catch(this.#context.report);
    return promise.promise;
  }

  /** Begins, and takes up what was left behind, as far as it is known who this is; asking again is free. */
  async prepare(): Promise<void> {
    this.#closed = false;
    await this.#prepare();
  }

  /** The server has said who this is: what was asked for here moves there, what somebody else left stays where it is. */
  async identified(userId: string): Promise<void> {
    const prepared = this.#prepare();
    const dispatcher = await prepared;
    if (prepared === this.#prepared) await dispatcher.identified(userId);
  }

  /** Somebody else has signed in: what waits here isn't theirs to send, and stays where it is kept. */
  handedOver(): void {
    this.#handOver(this.#dispatcher.current);
    this.#dispatcher.current?.handedOver();
  }

  online(): void {
    this.#online = true;
    this.#ready?.online();
  }

  offline(): void {
    this.#online = false;
    this.#dispatcher.current?.offline();
  }

  /** Seen as stored, by whichever way: an acknowledgement that got lost must not send it again. */
  confirm(clientId: string, answer: unknown): void {
    this.#dispatcher.current?.confirm(clientId, answer);
  }

  retry(clientId: string): Promise<unknown> {
    if (this.#closed) return Promise.reject(closed());
    const early = this.#early.has(clientId) ? this.#promises.get(clientId) : undefined;
    return early?.promise ?? this.#dispatcher.current?.retry(clientId) ?? Promise.reject(notWaiting());
  }

  /** Takes it out of the outbox. What is in flight may still arrive. */
  discard(clientId: string): void {
    const item = this.#early.get(clientId);
    if (item === undefined) return this.#dispatcher.current?.discard(clientId);
    this.#early.delete(clientId);
    this.#events.discarded(item);
    this.#promises.get(clientId)?.reject(discarded());
    this.#promises.delete(clientId);
  }

  /** Resolves when everything that was added is stored durably. */
  async settled(): Promise<void> {
    // What kept it from being prepared has been told.
    await this.#prepared?.catch(() => undefined);
    await this.#dispatcher.current?.settled();
  }

  /** Nobody waits any more. Other tabs, and the next session, may take over what is left. */
  close(): void {
    this.#closed = true;
    this.#prepared = undefined;
    this.#ready = undefined;
    this.#dispatcher.current?.close();
    const waiting = [...this.#promises.values()];
    this.#promises.clear();
    for (const { reject } of waiting) reject(closed());
  }

  #prepare(): Promise<Dispatcher> {
    if (this.#prepared !== undefined) return this.#prepared;
    const isCurrent = (): boolean => this.#prepared === prepared;
    const prepared: Promise<Dispatcher> = this.#dispatcher().then(async (dispatcher) => {
      if (isCurrent()) await dispatcher.open();
      if (isCurrent()) this.#begin(dispatcher);
      return dispatcher;
    });
    this.#prepared = prepared;
    prepared.catch(() => {
      if (isCurrent()) this.#prepared = undefined;
    });
    return prepared;
  }

  #begin(dispatcher: Dispatcher): void {
    this.#ready = dispatcher;
    this.#handOver();
    if (this.#online) dispatcher.online();
  }

  #handOver(dispatcher = this.#ready): void {
    if (dispatcher === undefined) return;
    for (const item of this.#early.values()) dispatcher.add(item);
    this.#early.clear();
  }
}
