import type { CommStorage, Storable } from '../../storage/comm-storage.ts';
import type { OutboxItem } from './outbox-item.ts';
import {
  parseItem,
  parseTabMessage,
  RemoteTabs,
  toStorable,
  writeTabMessage,
  type OutboxEvents,
  type StoredItem,
  type TabMessage,
} from './remote-tabs.ts';
import { TabChannel, type TabPlatform } from './tab-channel.ts';

export interface OutboxStorageEvents extends OutboxEvents {
  /** This tab has taken over items of an earlier session or of a closed tab. */
  takenOver(items: readonly OutboxItem[]): void;
  /** Another tab requests a change of an item of this tab. */
  requested(what: 'retry' | 'discard', clientId: string): void;
  report(error: unknown): void;
}

interface Batch {
  readonly writes: Map<string, Storable | undefined>;
  readonly done: Promise<void>;
}

/** Key of the last user of this storage, whose outbox is opened if no option names the user. */
export const LAST_USER = 'last-user';

/**
 * Stores the outbox. Every item belongs to the tab (or process) that queued it. When that one closes, one of the others
 * takes over its items in a transaction, so that each item is sent by exactly one tab.
 */
export class OutboxStorage {
  readonly remoteTabs: RemoteTabs;
  readonly #storage: CommStorage;
  readonly #newOwner: () => string;
  readonly #events: OutboxStorageEvents;
  readonly #platform: TabPlatform | undefined;
  #batch: Batch | undefined;
  #lastWrite: Promise<void> = Promise.resolve();
  #userId: string | undefined;
  /** Id of this session. */
  #owner = '';
  #channel: TabChannel | undefined;
  /** Increments with every `open()` and `close()`, so that tasks of earlier sessions end. */
  #session = 0;

  /** @param newOwner - returns the id of a new session of this tab */
  constructor(
    storage: CommStorage,
    newOwner: () => string,
    platform: TabPlatform | undefined,
    events: OutboxStorageEvents,
  ) {
    this.#storage = storage;
    this.#newOwner = newOwner;
    this.#platform = platform;
    this.#events = events;
    this.remoteTabs = new RemoteTabs(events, (message) => this.broadcast(message));
  }

  /** Returns the user of the last session, or `undefined`. */
  async lastUser(): Promise<string | undefined> {
    const stored = await this.#storage.get(LAST_USER).catch((error: unknown) => this.#events.report(error));
    return typeof stored === 'string' ? stored : undefined;
  }

  /** The user whose items are stored. */
  get userId(): string | undefined {
    return this.#userId;
  }

  /**
   * Opens the outbox of a user and takes over the items of earlier sessions and closed tabs.
   *
   * @param moved - items stored under another user id so far, which move to this user
   */
  async open(userId: string, moved: readonly OutboxItem[] = []): Promise<void> {
    const from = this.#prefix();
    const previousChannel = this.#channel;
    this.#channel = undefined;
    this.close();
    this.#userId = userId;
    this.#owner = this.#newOwner();
    const session = this.#session;
    this.#batch = undefined;
    this.#lastWrite = this.#lastWrite.then(() => this.#startSession(userId, session));
    const started = this.#lastWrite;
    for (const item of moved) {
      if (from !== undefined) void this.#write(from + item.clientId, undefined);
      void this.put(item);
    }
    // Only after the move is stored: the tabs of the previous user would take the items over.
    void this.#lastWrite.then(() => previousChannel?.close());
    await started;
    if (session !== this.#session) return;
    if (moved.length > 0) this.broadcast({ type: 'queued', items: moved });
    await this.#takeOverAll();
  }

  /** Resolves when the item is stored. Calls during a write are combined into the next one. */
  put(item: OutboxItem): Promise<void> {
    return this.#write(this.#key(item), toStorable(item, this.#owner));
  }

  delete(item: OutboxItem): Promise<void> {
    return this.#write(this.#key(item), undefined);
  }

  /** Sends a message to the user's other tabs. */
  broadcast(message: TabMessage<OutboxItem>): void {
    this.#channel?.send(writeTabMessage(message, this.#owner));
  }

  /** Resolves when all writes are done. */
  async settled(): Promise<void> {
    for (let last; last !== this.#lastWrite;) await (last = this.#lastWrite);
  }

  /** Ends the session. Other tabs and later sessions may take over its items. */
  close(): void {
    this.#session += 1;
    this.#channel?.close();
    this.#channel = undefined;
    this.#userId = undefined;
    this.remoteTabs.clear();
  }

  #prefix(): string | undefined {
    return this.#userId === undefined ? undefined : `${encodeURIComponent(this.#userId)}/outbox/`;
  }

  #key({ clientId }: OutboxItem): string | undefined {
    const prefix = this.#prefix();
    return prefix === undefined ? undefined : prefix + clientId;
  }

  /** Writes wait for this: other tabs would take over the items of a tab that does not hold its lock yet. */
  async #startSession(userId: string, session: number): Promise<void> {
    // Also opens the storage, which sets `sharedAs`.
    const writes = new Map([[LAST_USER, userId]]);
    await this.#storage
      .transact([], () => ({ writes, result: undefined }))
      .catch((error: unknown) => this.#events.report(error));
    if (session !== this.#session) return;
    const channel = this.#openChannel(userId, session);
    this.#channel = channel;
    if (channel === undefined || (await channel.locked)) return;
    channel.close();
    if (session === this.#session) this.#channel = undefined;
  }

  #openChannel(userId: string, session: number): TabChannel | undefined {
    const { sharedAs } = this.#storage;
    if (this.#platform === undefined || sharedAs === undefined) return undefined;
    try {
      return new TabChannel(`${sharedAs}/${encodeURIComponent(userId)}`, this.#owner, this.#platform, {
        received: (message) => {
          if (session === this.#session) this.#received(parseTabMessage(message));
        },
        closed: async (owner) => {
          if (session === this.#session) await this.#tabClosed(owner);
        },
      });
    } catch {
      // A page that may not use storage may not use channels and locks either. They are optional.
      return undefined;
    }
  }

  async #takeOverAll(): Promise<void> {
    const channel = this.#channel;
    if (channel === undefined) return this.#takeOver(await this.#list());
    // The items first: their owners held their locks before, so an owner without a lock has closed.
    this.remoteTabs.listing();
    const items = (await this.#list()).filter(({ owner }) => owner !== this.#owner);
    const open = await channel.open().catch(() => new Set<string>());
    if (channel !== this.#channel) return;
    this.remoteTabs.listed(items.filter(({ owner }) => open.has(owner)));
    const closed = new Set(items.map(({ owner }) => owner).filter((owner) => !open.has(owner)));
    // Awaited, so that items queued in this session are sent after the ones taken over.
    await Promise.all(Array.from(closed, (owner) => channel.takeOver(owner)));
  }

  #received(message: TabMessage | undefined): void {
    if (message === undefined) return;
    if (message.type === 'retry' || message.type === 'discard') {
      this.#events.requested(message.type, message.item.clientId);
    } else this.remoteTabs.received(message);
  }

  async #tabClosed(owner: string): Promise<void> {
    const session = this.#session;
    const items = await this.#list();
    if (session !== this.#session) return;
    await this.#takeOver(items.filter((item) => item.owner === owner));
    if (session === this.#session) this.remoteTabs.tabClosed(owner, new Set(items.map(({ clientId }) => clientId)));
  }

  async #takeOver(items: readonly StoredItem[]): Promise<void> {
    const prefix = this.#prefix();
    const session = this.#session;
    const orphans = items.filter(({ owner }) => owner !== this.#owner);
    if (prefix === undefined || orphans.length === 0) return;
    const keys = orphans.map(({ clientId }) => prefix + clientId);
    const taken = await this.#storage
      .transact(keys, (held) => {
        // Only items that still belong to the closed tab, and none if this session has ended meanwhile.
        const mine =
          session === this.#session
            ? orphans.flatMap((orphan) => {
                const item = parseItem(held.get(prefix + orphan.clientId) ?? null);
                return item?.owner === orphan.owner ? [{ ...item, owner: this.#owner }] : [];
              })
            : [];
        return {
          writes: new Map(mine.map((item) => [prefix + item.clientId, toStorable(item, this.#owner)])),
          result: mine,
        };
      })
      .catch((error: unknown) => {
        this.#events.report(error);
        return [];
      });
    if (taken.length === 0 || session !== this.#session) return;
    this.broadcast({ type: 'queued', items: taken });
    this.#events.takenOver(taken);
  }

  async #list(): Promise<StoredItem[]> {
    const entries = await this.#storage.list(this.#prefix() ?? '').catch((error: unknown) => {
      this.#events.report(error);
      return [];
    });
    return entries.map(([, value]) => parseItem(value)).filter((item) => item !== undefined);
  }

  #write(key: string | undefined, value: Storable | undefined): Promise<void> {
    // Without a user id there is no key: the item is stored once the server has confirmed the user.
    if (key === undefined) return Promise.resolve();
    const batch = (this.#batch ??= this.#newBatch());
    batch.writes.set(key, value);
    return batch.done;
  }

  #newBatch(): Batch {
    const writes = new Map<string, Storable | undefined>();
    const done = this.#lastWrite.then(async () => {
      if (this.#batch?.writes === writes) this.#batch = undefined;
      await this.#storage
        .transact([], () => ({ writes, result: undefined }))
        .catch((error: unknown) => this.#events.report(error));
    });
    this.#lastWrite = done;
    return { writes, done };
  }
}
