import type { CommStorage, Storable } from '../../storage/comm-storage.ts';
import { Tabs, type TabMessage, type TabPlatform } from '../tabs.ts';
import type { Operation, OutboxItem } from './outbox.ts';

export interface OutboxStoreEvents {
  /** Left behind by an earlier session, or by a tab that is closed now: from here on they are sent from here. */
  adopted(items: readonly OutboxItem[]): void;
  /** What a living tab has in its outbox. */
  elsewhere(message: Exclude<TabMessage, { type: 'here' }>): void;
  report: (error: unknown) => void;
}

/** Who used this storage last: where no option says who this is, that is who it will be again. */
const LAST_USER = 'last-user';

/**
 * The outbox at rest. Every item belongs to the tab (or process) that queued it; when that is gone, one of the others
 * takes its items over, in one transaction, so that nothing is sent from two places or from none.
 */
export class OutboxStore {
  readonly #storage: CommStorage;
  readonly #owner: string;
  readonly #events: OutboxStoreEvents;
  readonly #platform: TabPlatform | undefined;
  readonly #writes = new Map<string, Storable | undefined>();
  #nextWrite: Promise<void> | undefined;
  #lastWrite: Promise<void> = Promise.resolve();
  #userId: string | undefined;
  #tabs: Tabs | undefined;

  constructor(storage: CommStorage, owner: string, platform: TabPlatform | undefined, events: OutboxStoreEvents) {
    this.#storage = storage;
    this.#owner = owner;
    this.#platform = platform;
    this.#events = events;
  }

  /** Who this will most likely be, before a server has said so. */
  async lastUser(): Promise<string | undefined> {
    const stored = await this.#storage.get(LAST_USER).catch(this.#events.report);
    return typeof stored === 'string' ? stored : undefined;
  }

  /** Whose items are kept. */
  get userId(): string | undefined {
    return this.#userId;
  }

  /** From here on items are kept under this user, and what was left behind is taken up. */
  async open(userId: string): Promise<void> {
    await this.#lastWrite;
    this.#userId = userId;
    this.#tabs?.close();
    const items = await this.#list();
    const writes = new Map([[LAST_USER, userId]]);
    await this.#storage.transact([], () => ({ writes, result: undefined })).catch(this.#events.report);
    const { sharedAs } = this.#storage;
    this.#tabs =
      this.#platform && sharedAs !== undefined
        ? new Tabs(`${sharedAs}/${encodeURIComponent(userId)}`, this.#owner, this.#platform, {
            told: (message) => this.#events.elsewhere(message),
            gone: (owner) => this.#adopt((item) => item.owner === owner),
          })
        : undefined;
    if (this.#tabs === undefined) await this.#adopt(() => true);
    else await this.#share(this.#tabs, items);
  }

  /** Resolves when it is durable; everything that is due while a write runs goes into the next one. */
  put(item: OutboxItem): Promise<void> {
    return this.#write(item.clientId, toStorable(item));
  }

  delete(item: OutboxItem): Promise<void> {
    return this.#write(item.clientId, undefined);
  }

  tell(message: TabMessage): void {
    this.#tabs?.tell(message);
  }

  async settled(): Promise<void> {
    for (let last; last !== this.#lastWrite; ) await (last = this.#lastWrite);
  }

  close(): void {
    this.#tabs?.close();
    this.#tabs = undefined;
    this.#userId = undefined;
  }

  #prefix(): string | undefined {
    return this.#userId === undefined ? undefined : `${encodeURIComponent(this.#userId)}/outbox/`;
  }

  async #share(tabs: Tabs, items: readonly OutboxItem[]): Promise<void> {
    const living = await tabs.watchLiving();
    for (const item of items) {
      if (living.has(item.owner)) this.#events.elsewhere({ type: 'queued', item });
      tabs.watch(item.owner);
    }
  }

  async #adopt(isOrphan: (item: OutboxItem) => boolean): Promise<void> {
    const prefix = this.#prefix();
    if (prefix === undefined) return;
    const orphans = (await this.#list()).filter((item) => item.owner !== this.#owner && isOrphan(item));
    if (orphans.length === 0) return;
    const keys = orphans.map(({ clientId }) => prefix + clientId);
    const adopted = await this.#storage
      .transact(keys, (held) => {
        // What was sent meanwhile is gone, and stays so.
        const mine = orphans
          .filter(({ clientId }) => held.has(prefix + clientId))
          .map((item) => ({ ...item, owner: this.#owner }));
        return { writes: new Map(mine.map((item) => [prefix + item.clientId, toStorable(item)])), result: mine };
      })
      .catch((error: unknown) => {
        this.#events.report(error);
        return [];
      });
    if (adopted.length > 0) this.#events.adopted(adopted);
  }

  async #list(): Promise<OutboxItem[]> {
    const entries = await this.#storage.list(this.#prefix() ?? '').catch((error: unknown) => {
      this.#events.report(error);
      return [];
    });
    return entries.map(([, value]) => readItem(value)).filter((item) => item !== undefined);
  }

  #write(clientId: string, value: Storable | undefined): Promise<void> {
    // Without a name there is no place to keep it: it is written once the server has said who this is.
    const prefix = this.#prefix();
    if (prefix === undefined) return Promise.resolve();
    this.#writes.set(prefix + clientId, value);
    if (this.#nextWrite === undefined) {
      this.#nextWrite = this.#lastWrite.then(async () => {
        const writes = new Map(this.#writes);
        this.#writes.clear();
        this.#nextWrite = undefined;
        await this.#storage.transact([], () => ({ writes, result: undefined })).catch(this.#events.report);
      });
      this.#lastWrite = this.#nextWrite;
    }
    return this.#nextWrite;
  }
}

function toStorable(item: OutboxItem): Storable {
  return { ...item, operation: JSON.stringify(item.operation) };
}

function readItem(value: Storable): OutboxItem | undefined {
  if (typeof value !== 'object' || value === null || !('operation' in value)) return undefined;
  const { clientId, lane, owner, operation, parked } = value;
  if (typeof clientId !== 'string' || typeof lane !== 'string' || typeof operation !== 'string') return undefined;
  try {
    const read = JSON.parse(operation) as Operation;
    return { clientId, lane, owner: typeof owner === 'string' ? owner : '', operation: read, parked: parked === true };
  } catch {
    return undefined;
  }
}
