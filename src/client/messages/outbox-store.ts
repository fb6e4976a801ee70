import type { CommStorage, Storable } from '../../storage/comm-storage.ts';
import { Tabs, type TabPlatform } from '../tabs.ts';
import { Elsewhere, readNote, toMessage, type OutboxEvents, type TabNote } from './elsewhere.ts';
import type { OutboxItem } from './outbox.ts';
import { readItem, toStorable, type StoredItem } from './stored-item.ts';

export interface OutboxStoreEvents extends OutboxEvents {
  /** Left behind by an earlier session, or by a tab that is closed now: from here on they are sent from here. */
  adopted(items: readonly OutboxItem[]): void;
  /** Another tab asks for it; only the one that has the item can do it. */
  asked(what: 'retry' | 'discard', clientId: string): void;
  report(error: unknown): void;
}

interface Batch {
  readonly writes: Map<string, Storable | undefined>;
  readonly done: Promise<void>;
}

/** Who used this storage last: where no option says who this is, that is who it will be again. */
const LAST_USER = 'last-user';

/**
 * The outbox at rest. Every item belongs to the tab (or process) that queued it; when that is gone, one of the others
 * takes its items over, in one transaction, so that nothing is sent from two places or from none.
 */
export class OutboxStore {
  readonly elsewhere: Elsewhere;
  readonly #storage: CommStorage;
  readonly #newOwner: () => string;
  readonly #events: OutboxStoreEvents;
  readonly #platform: TabPlatform | undefined;
  #batch: Batch | undefined;
  #lastWrite: Promise<void> = Promise.resolve();
  #userId: string | undefined;
  /** Of this session. */
  #owner = '';
  #tabs: Tabs | undefined;
  /** Moves with every `open` and `close`, so that what an earlier one left running ends. */
  #session = 0;

  /** @param newOwner - names one session of this tab */
  constructor(
    storage: CommStorage,
    newOwner: () => string,
    platform: TabPlatform | undefined,
    events: OutboxStoreEvents,
  ) {
    this.#storage = storage;
    this.#newOwner = newOwner;
    this.#platform = platform;
    this.#events = events;
    this.elsewhere = new Elsewhere(events, (note) => this.tell(note));
  }

  /** Who this will most likely be, before a server has said so. */
  async lastUser(): Promise<string | undefined> {
    const stored = await this.#storage.get(LAST_USER).catch((error: unknown) => this.#events.report(error));
    return typeof stored === 'string' ? stored : undefined;
  }

  /** Whose items are kept. */
  get userId(): string | undefined {
    return this.#userId;
  }

  /**
   * From here on items are kept under this user, and what was left behind is taken up.
   *
   * @param moved - kept under another name until now
   */
  async open(userId: string, moved: readonly OutboxItem[] = []): Promise<void> {
    const from = this.#prefix();
    const left = this.#tabs;
    this.#tabs = undefined;
    this.close();
    this.#userId = userId;
    this.#owner = this.#newOwner();
    const session = this.#session;
    this.#batch = undefined;
    this.#lastWrite = this.#lastWrite.then(() => this.#enter(userId, session));
    const entered = this.#lastWrite;
    for (const item of moved) {
      if (from !== undefined) void this.#write(from + item.clientId, undefined);
      void this.put(item);
    }
    // Not before that is done: the tabs of the user before would take it up as theirs.
    void this.#lastWrite.then(() => left?.close());
    await entered;
    if (session !== this.#session) return;
    if (moved.length > 0) this.tell({ type: 'queued', items: moved });
    await this.#takeUp();
  }

  /** Resolves when it is durable; everything that is due while a write runs goes into the next one. */
  put(item: OutboxItem): Promise<void> {
    return this.#write(this.#key(item), toStorable({ ...item, owner: this.#owner }));
  }

  delete(item: OutboxItem): Promise<void> {
    return this.#write(this.#key(item), undefined);
  }

  tell(note: TabNote<OutboxItem>): void {
    this.#tabs?.tell(toMessage(note, this.#owner));
  }

  async settled(): Promise<void> {
    for (let last; last !== this.#lastWrite;) await (last = this.#lastWrite);
  }

  /** Other tabs may take over what is left. */
  close(): void {
    this.#session += 1;
    this.#tabs?.close();
    this.#tabs = undefined;
    this.#userId = undefined;
    this.elsewhere.clear();
  }

  #prefix(): string | undefined {
    return this.#userId === undefined ? undefined : `${encodeURIComponent(this.#userId)}/outbox/`;
  }

  #key({ clientId }: OutboxItem): string | undefined {
    const prefix = this.#prefix();
    return prefix === undefined ? undefined : prefix + clientId;
  }

  /** Until this is done nothing is written: to the others, items of a tab that isn't known to live are left behind. */
  async #enter(userId: string, session: number): Promise<void> {
    // Also opens the storage, which only then knows whether it is shared.
    const writes = new Map([[LAST_USER, userId]]);
    await this.#storage
      .transact([], () => ({ writes, result: undefined }))
      .catch((error: unknown) => this.#events.report(error));
    if (session !== this.#session) return;
    const tabs = this.#startTabs(userId, session);
    this.#tabs = tabs;
    if (tabs === undefined || (await tabs.living)) return;
    tabs.close();
    if (session === this.#session) this.#tabs = undefined;
  }

  #startTabs(userId: string, session: number): Tabs | undefined {
    const { sharedAs } = this.#storage;
    if (this.#platform === undefined || sharedAs === undefined) return undefined;
    try {
      return new Tabs(`${sharedAs}/${encodeURIComponent(userId)}`, this.#owner, this.#platform, {
        told: (message) => {
          if (session === this.#session) this.#told(readNote(message));
        },
        gone: async (owner) => {
          if (session === this.#session) await this.#left(owner);
        },
      });
    } catch {
      // Where storage is blocked, channels and locks may be: it works without.
      return undefined;
    }
  }

  async #takeUp(): Promise<void> {
    const tabs = this.#tabs;
    if (tabs === undefined) return this.#adopt(await this.#list());
    // In this order: whoever has left an item there had its lock before, so that no lock means that it is gone.
    this.elsewhere.listing();
    const items = (await this.#list()).filter(({ owner }) => owner !== this.#owner);
    const living = await tabs.others().catch(() => new Set<string>());
    if (tabs !== this.#tabs) return;
    this.elsewhere.listed(items.filter(({ owner }) => living.has(owner)));
    const dead = new Set(items.map(({ owner }) => owner).filter((owner) => !living.has(owner)));
    // Awaited, so that what is queued here comes after what was left behind.
    await Promise.all(Array.from(dead, (owner) => tabs.bury(owner)));
  }

  #told(note: TabNote | undefined): void {
    if (note === undefined) return;
    if (note.type === 'retry' || note.type === 'discard') this.#events.asked(note.type, note.item.clientId);
    else this.elsewhere.told(note);
  }

  async #left(owner: string): Promise<void> {
    const session = this.#session;
    const items = await this.#list();
    if (session !== this.#session) return;
    await this.#adopt(items.filter((item) => item.owner === owner));
    if (session === this.#session) this.elsewhere.left(owner, new Set(items.map(({ clientId }) => clientId)));
  }

  async #adopt(items: readonly StoredItem[]): Promise<void> {
    const prefix = this.#prefix();
    const session = this.#session;
    const orphans = items.filter(({ owner }) => owner !== this.#owner);
    if (prefix === undefined || orphans.length === 0) return;
    const keys = orphans.map(({ clientId }) => prefix + clientId);
    const adopted = await this.#storage
      .transact(keys, (held) => {
        // What was sent meanwhile is gone, what somebody else took up is theirs, and whoever is closed takes up nothing.
        const mine =
          session === this.#session
            ? orphans.flatMap((orphan) => {
                const item = readItem(held.get(prefix + orphan.clientId) ?? null);
                return item?.owner === orphan.owner ? [{ ...item, owner: this.#owner }] : [];
              })
            : [];
        return { writes: new Map(mine.map((item) => [prefix + item.clientId, toStorable(item)])), result: mine };
      })
      .catch((error: unknown) => {
        this.#events.report(error);
        return [];
      });
    if (adopted.length === 0 || session !== this.#session) return;
    this.tell({ type: 'queued', items: adopted });
    this.#events.adopted(adopted);
  }

  async #list(): Promise<StoredItem[]> {
    const entries = await this.#storage.list(this.#prefix() ?? '').catch((error: unknown) => {
      this.#events.report(error);
      return [];
    });
    return entries.map(([, value]) => readItem(value)).filter((item) => item !== undefined);
  }

  #write(key: string | undefined, value: Storable | undefined): Promise<void> {
    // Without a name there is no place to keep it: it is written once the server has said who this is.
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
