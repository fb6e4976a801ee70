import { deferred, type Deferred } from '../../lib/deferred.ts';
import { lazy, type Lazy } from '../../lib/lazy.ts';
import type { CommStorage } from '../../storage/comm-storage.ts';
import type { ClientContext } from '../context.ts';
import type { Dispatcher } from './dispatcher.ts';
import type { OutboxPorts } from './remote-tabs.ts';
import { closed, discarded, full, notFound, type OutboxItem } from './outbox-item.ts';

/** The module of the dispatcher. */
export type DispatcherModule = Pick<typeof import('./dispatcher.ts'), 'Dispatcher'>;

/** Items that may wait in this tab, including those that were rejected. */
export const MAX_ITEMS = 10_000;

/**
 * The outbox as the rest of the client sees it. Accepts items at any time: they are queued at once, and passed to the
 * dispatcher when its chunk has loaded and it has taken over the items of earlier sessions.
 */
export class Outbox {
  /** Messages with files that are being added, by conversation id: what is sent later waits until they are. */
  readonly holds = new Map<string, Promise<void>>();
  readonly #context: ClientContext;
  readonly #ports: OutboxPorts;
  readonly #dispatcher: Lazy<Dispatcher>;
  readonly #promises = new Map<string, Deferred<unknown>>();
  /** Items added before the dispatcher was ready. Kept until then; `discard()` drops single ones. */
  readonly #early = new Map<string, OutboxItem>();
  #prepared: Promise<Dispatcher> | undefined;
  /** Set once it is prepared. */
  #ready: Dispatcher | undefined;
  #online = false;
  #closed = false;

  /** @param load - loads the dispatcher's chunk */
  constructor(context: ClientContext, storage: CommStorage, ports: OutboxPorts, load: () => Promise<DispatcherModule>) {
    this.#context = context;
    this.#ports = ports;
    this.#dispatcher = lazy(async () => {
      const { Dispatcher } = await load();
      return new Dispatcher(context, storage, this.#promises, ports);
    });
  }

  /** The user of the outbox: confirmed by the server, else of the options, else of the last session. */
  get userId(): string | undefined {
    return this.#context.userId() ?? this.#dispatcher.current?.userId;
  }

  /** Returns the items of all tabs, oldest first. */
  items(): OutboxItem[] {
    return [...(this.#dispatcher.current?.items() ?? []), ...this.#early.values()];
  }

  /** Returns the items of this tab, oldest first. */
  own(): OutboxItem[] {
    return [...(this.#dispatcher.current?.own() ?? []), ...this.#early.values()];
  }

  /**
   * Adds an item, or joins the one with the same client id.
   *
   * @returns the response of the server
   * @throws CommError if the server rejects the item for good or it is discarded; `OUTBOX_FULL`, `DISCONNECTED`
   */
  add(request: Pick<OutboxItem, 'clientId' | 'lane' | 'operation'>): Promise<unknown> {
    const { clientId } = request;
    if (this.#closed) return Promise.reject(closed());
    const known = this.#promises.get(clientId);
    if (known) return known.promise;
    const dispatcher = this.#dispatcher.current;
    // An item of an earlier session, or one that was rejected.
    if (dispatcher?.has(clientId) === true) return dispatcher.retry(clientId);
    if ((dispatcher?.size ?? 0) + this.#early.size >= MAX_ITEMS) return Promise.reject(full());
    const item: OutboxItem = { ...request, order: this.#context.newId(), parked: false };
    const promise = deferred<unknown>();
    this.#promises.set(clientId, promise);
    this.#early.set(clientId, item);
    this.#ports.queued(item, true);
    this.#passOn();
    if (!this.#ready) this.#prepare().catch(this.#context.report);
    return promise.promise;
  }

  /** Loads the dispatcher and takes over the items of earlier sessions. Idempotent. The next use reports an error. */
  preload(): void {
    this.#closed = false;
    this.#prepare().catch(() => undefined);
  }

  /** The server has confirmed the user: the items of this session move to their outbox, those of others stay stored. */
  async identified(userId: string): Promise<void> {
    const prepared = this.#prepare();
    const dispatcher = await prepared;
    if (prepared === this.#prepared) await dispatcher.identified(userId);
  }

  /** Another user has signed in: the items are not sent, and stay stored for their own user. */
  handOver(): void {
    this.#passOn(this.#dispatcher.current);
    this.#dispatcher.current?.handOver();
  }

  /** Replaces an item of this tab. Resolves when it is stored. @returns false if it has ended */
  async replace(item: OutboxItem): Promise<boolean> {
    return (await this.#ready?.replace(item)) === true;
  }

  online(): void {
    this.#online = true;
    this.#ready?.online();
  }

  offline(): void {
    this.#online = false;
    this.#dispatcher.current?.offline();
  }

  /** The server has stored the item, by response or by push: after a lost response it is not sent again. */
  confirm(clientId: string, answer: unknown): void {
    this.#dispatcher.current?.confirm(clientId, answer);
  }

  /** Sends a rejected item again. @throws CommError as `add()`; `NOT_FOUND` if there is no such item */
  retry(clientId: string): Promise<unknown> {
    if (this.#closed) return Promise.reject(closed());
    const early = this.#early.has(clientId) ? this.#promises.get(clientId) : undefined;
    return early?.promise ?? this.#dispatcher.current?.retry(clientId) ?? Promise.reject(notFound());
  }

  /** Removes an item. The server may still store it if it is in flight. */
  discard(clientId: string): void {
    const item = this.#early.get(clientId);
    if (!item) return this.#dispatcher.current?.discard(clientId);
    this.#early.delete(clientId);
    this.#context.cipher?.current?.settled(item, false);
    // Its files have loaded the chunk.
    void this.#ports.uploads.current?.remove(item, false);
    this.#ports.discarded(item);
    this.#promises.get(clientId)?.reject(discarded());
    this.#promises.delete(clientId);
  }

  /** Resolves when all added items, and the bytes of their files, are stored. */
  async settled(): Promise<void> {
    await Promise.all(this.holds.values());
    // The error has been reported.
    await this.#prepared?.catch(() => undefined);
    await this.#dispatcher.current?.settled();
    await this.#ports.uploads.current?.settled();
  }

  /** Rejects all pending promises. Other tabs and later sessions may take over the items. */
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
    if (this.#prepared) return this.#prepared;
    const isCurrent = (): boolean => this.#prepared === prepared;
    const prepared: Promise<Dispatcher> = this.#dispatcher().then(async (dispatcher) => {
      if (isCurrent()) await dispatcher.open();
      if (isCurrent()) this.#start(dispatcher);
      return dispatcher;
    });
    this.#prepared = prepared;
    prepared.catch(() => {
      if (isCurrent()) this.#prepared = undefined;
    });
    return prepared;
  }

  #start(dispatcher: Dispatcher): void {
    this.#ready = dispatcher;
    this.#passOn();
    if (this.#online) dispatcher.online();
  }

  #passOn(dispatcher = this.#ready): void {
    if (!dispatcher) return;
    for (const item of this.#early.values()) dispatcher.add(item);
    this.#early.clear();
  }
}
