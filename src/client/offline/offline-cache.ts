import { errorFields } from '../../lib/logger.ts';
import { isCommError } from '../../protocol/errors.ts';
import type { Conversation } from '../../protocol/conversations.ts';
import type { Message } from '../../protocol/messages.ts';
import type { ClientStorage } from '../../storage/resilient-storage.ts';
import { keepDecrypted } from '../../transport/parse-rows.ts';
import type { Change } from '../changes.ts';
import type { ClientContext } from '../context.ts';
import type { OfflineOptions } from '../options.ts';
import { LAST_USER } from '../outbox/outbox-storage.ts';
import type { KnownConversations, OfflineReading } from '../ports.ts';
import type { Segment } from '../timeline/segments.ts';
import {
  chooseRows,
  EMPTY_INDEX,
  isFirst,
  isInThreadOnly,
  parseIndex,
  parsePage,
  parseRow,
  recordPage,
  updatePage,
  type CacheIndex,
  type CacheLimits,
  type PageUpdate,
} from './cache-entries.ts';
import {
  deleteAll,
  entryPrefixes,
  KINDS,
  plainStore,
  sealedStore,
  type CacheStore,
  type CacheTransaction,
} from './cache-store.ts';

/** How long changes are collected before they are stored. */
const STORE_AFTER_MS = 1_000;
/** Share of the size for the list of conversations; the rest is for messages. */
const ROWS_SHARE = 0.5;
/** Share of the size for the messages of one conversation. */
const PAGE_SHARE = 0.125;

const INDEX = `${KINDS}index/`;
const rowName = (id: string): string => `${KINDS}row/${encodeURIComponent(id)}`;
const pageName = (id: string): string => `${KINDS}page/${encodeURIComponent(id)}`;

/** What {@link OfflineCache} needs of other parts. */
export interface OfflineCacheDeps {
  readonly context: ClientContext;
  readonly storage: ClientStorage;
  readonly limits: CacheLimits;
  /** Returns the user whose entries may be shown before the server has confirmed one. */
  readonly lastUser: () => Promise<string | undefined>;
}

/** The entries of the user. */
interface OpenCache {
  readonly userId: string;
  readonly entries: Promise<CacheStore | undefined>;
  /** True once the index was stored or read: if it is missing afterwards, another tab has deleted the cache. */
  hasIndex: boolean;
}

/** Changes that are not stored yet. */
interface Unstored {
  list: KnownConversations | undefined;
  /** Messages, by conversation. */
  readonly pages: Map<string, PageUpdate & { readonly changes: Change[] }>;
  /** Conversations that the user has left. */
  readonly removed: Set<string>;
  /** Conversations whose stored messages are outdated. */
  readonly outdated: Set<string>;
}

/**
 * Keeps the list of conversations and the newest messages of recently used ones in the storage, so that the next session can
 * show them without a network. Changes are collected and stored within a second. With the option `encryption` all entries are
 * records of the keystore.
 *
 * The cache is optional. If an entry can't be stored, all are deleted, because they would no longer follow the changes that
 * the stored position says have been received.
 */
export class OfflineCache implements OfflineReading {
  readonly #deps: OfflineCacheDeps;
  #open: OpenCache | undefined;
  #unstored: Unstored = nothing();
  /** The stored conversations of the list, as the inbox holds them. */
  #storedRows = new Map<string, Conversation>();
  /** Set once the app reads: before that, only stored conversations are kept up to date. */
  #isReading = false;
  #isOver = false;
  #cancelTimer: (() => void) | undefined;
  /** Reads and writes, one after the other. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(deps: OfflineCacheDeps) {
    this.#deps = deps;
  }

  conversations(): Promise<KnownConversations | undefined> {
    this.#isReading = true;
    return this.#read(async (entries, open) => {
      const index = await entries.transact([INDEX], (tx) => parseIndex(tx.get(INDEX)));
      if (index === undefined) return undefined;
      open.hasIndex = true;
      const rows = (await entries.list(`${KINDS}row`)).map(parseRow).filter((row) => row !== undefined);
      const conversations = rows.filter(({ id }) => !this.#unstored.removed.has(id)).map(openRow);
      return { conversations, hasMore: index.hasMore, isComplete: false };
    });
  }

  /** Returns the newest messages with the changes that are not stored yet. */
  page(id: string): Promise<Segment | undefined> {
    this.#isReading = true;
    return this.#read(async (entries) => {
      const names = [pageName(id), rowName(id)] as const;
      const [page, row] = await entries.transact(
        names,
        (tx) => [parsePage(tx.get(names[0])), parseRow(tx.get(names[1]))] as const,
      );
      if (this.#unstored.removed.has(id) || this.#unstored.outdated.has(id)) return undefined;
      const update = this.#unstored.pages.get(id);
      const latest = update === undefined ? page : updatePage(page, update, this.#pageLimits());
      if (latest !== undefined) return { ...latest, messages: latest.messages.map(openMessage) };
      // At least the last message is known, and whether there are others.
      const last = row?.lastMessage;
      if (last !== undefined) return { messages: [openMessage(last)], hasOlder: !isFirst(last) };
      return row?.head?.seq === 0 ? { messages: [], hasOlder: false } : undefined;
    });
  }

  keepConversations(list: KnownConversations): void {
    this.#unstored.list = list;
    this.#schedule();
  }

  keepPage(id: string, page: Segment): void {
    this.#unstored.pages.set(id, { page, changes: [] });
    this.#schedule();
  }

  /** Applies a change to the messages of its conversation. */
  apply(change: Change): void {
    if (change.kind === 'conversation' || ('message' in change && isInThreadOnly(change.message))) return;
    const { pages } = this.#unstored;
    const update = pages.get(change.conversationId) ?? { changes: [] };
    update.changes.push(change);
    pages.set(change.conversationId, update);
    this.#schedule();
  }

  remove(id: string): void {
    this.#unstored.removed.add(id);
    this.#unstored.pages.delete(id);
    void this.flush();
  }

  /** Deletes the messages of a conversation that can't be brought in step with the server. */
  outdated(id: string): void {
    this.#unstored.outdated.add(id);
    this.#unstored.pages.delete(id);
    void this.flush();
  }

  /**
   * Deletes what an earlier session has stored of conversations that are not among these: the server does not report that the
   * user has left them.
   *
   * @param rowsToo - false: only their messages
   */
  async keepOnly(ids: ReadonlySet<string>, rowsToo: boolean): Promise<void> {
    await this.#run(async (entries) => {
      const index = await entries.transact([INDEX], (tx) => parseIndex(tx.get(INDEX)) ?? EMPTY_INDEX);
      const { removed, outdated } = this.#unstored;
      for (const [id] of index.pages) if (!ids.has(id)) outdated.add(id);
      if (rowsToo) for (const [id] of index.rows) if (!ids.has(id)) removed.add(id);
    });
    await this.flush();
  }

  /**
   * The server has confirmed the user. Returns false if what was read belongs to another user: it is deleted, and must not be
   * shown any longer.
   */
  identified(userId: string): boolean {
    const other = this.#open;
    if (other === undefined || other.userId === userId) return true;
    this.clear();
    const erased = this.#last.then(() => deleteAll(this.#deps.storage.optional, entryPrefixes(other.userId)));
    this.#last = erased.catch((error: unknown) => this.#warn(error));
    return false;
  }

  /** Drops all changes that are not stored. */
  clear(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    this.#unstored = nothing();
    this.#storedRows = new Map();
    this.#open = undefined;
  }

  /** Drops all changes, and resolves when nothing is written any more. */
  async stop(): Promise<void> {
    this.clear();
    await this.#last;
  }

  /** Stores all changes. Resolves when they are stored; never rejects. */
  async flush(): Promise<void> {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    await this.#run((entries, open) => this.#write(entries, open));
  }

  #schedule(): void {
    if (this.#isOver) return;
    this.#cancelTimer ??= this.#deps.context.clock.after(STORE_AFTER_MS, () => void this.flush(), true);
  }

  /** Runs a task after all others. Returns `undefined` if there are no entries, or if they can't be read. */
  async #read<T>(task: (entries: CacheStore, open: OpenCache) => Promise<T>): Promise<T | undefined> {
    const result = this.#last.then(async () => {
      const [entries, open] = await this.#entries();
      if (entries === undefined || open === undefined) return undefined;
      const read = await task(entries, open);
      // Another user has signed in meanwhile.
      return open === this.#open ? read : undefined;
    });
    const settled = result.catch((error: unknown) => this.#warn(error));
    this.#last = settled;
    return settled;
  }

  async #run(task: (entries: CacheStore, open: OpenCache) => Promise<void>): Promise<void> {
    const done = this.#last.then(async () => {
      const [entries, open] = await this.#entries();
      if (entries !== undefined && open !== undefined) await task(entries, open);
    });
    const settled = done.catch((error: unknown) => this.#failed(error));
    this.#last = settled;
    await settled;
  }

  async #entries(): Promise<[entries: CacheStore | undefined, open: OpenCache | undefined]> {
    if (this.#isOver) return [undefined, undefined];
    const { context, lastUser } = this.#deps;
    const last = context.userId() === undefined ? await lastUser() : undefined;
    const userId = context.userId() ?? last;
    if (userId === undefined) return [undefined, undefined];
    if (this.#open?.userId !== userId) {
      this.#open = { userId, entries: this.#openEntries(userId), hasIndex: false };
    }
    const open = this.#open;
    try {
      const entries = await open.entries;
      if (open !== this.#open) return [undefined, undefined];
      // Without keys yet: asked again by the next use.
      if (entries === undefined) this.#open = undefined;
      return [entries, open];
    } catch (error) {
      if (open === this.#open) this.#open = undefined;
      throw error;
    }
  }

  async #openEntries(userId: string): Promise<CacheStore | undefined> {
    const { context, storage } = this.#deps;
    const { optional } = storage;
    const [plain, sealed] = entryPrefixes(userId);
    // What an earlier session has stored with the option `encryption`, or without it, would not be kept up to date.
    await deleteAll(optional, [context.cipher === undefined ? sealed : plain]);
    if (context.cipher === undefined) return plainStore(optional, userId);
    // Reading must not create keys for a user whom no server has confirmed.
    const hasKeys = context.online() || (await optional.list(sealed)).length > 0;
    return hasKeys ? sealedStore(await (await context.cipher()).sealedRecords(optional)) : undefined;
  }

  /** One conversation per transaction, so that no turn of the event loop takes long. */
  async #write(entries: CacheStore, open: OpenCache): Promise<void> {
    const { list, pages, removed, outdated } = this.#unstored;
    // What is removed meanwhile, also if it was removed before, is removed by the next write. Reads wait for this one.
    this.#unstored = nothing();
    const isUnchanged = list === undefined && removed.size === 0 && outdated.size === 0;
    if (!isUnchanged) await entries.transact([INDEX], (tx) => this.#writeRows(tx, open, { list, removed, outdated }));
    if (list !== undefined) this.#storedRows = new Map(list.conversations.map((each) => [each.id, each]));
    for (const id of removed) this.#storedRows.delete(id);
    for (const [id, update] of pages) {
      if (open !== this.#open) return;
      await entries.transact([INDEX, pageName(id)], (tx) => this.#writePage(tx, open, id, update));
    }
  }

  #writeRows(
    tx: CacheTransaction,
    open: OpenCache,
    { list, removed, outdated }: Pick<Unstored, 'list' | 'removed' | 'outdated'>,
  ): void {
    const { conversations, size } = this.#deps.limits;
    const index = this.#index(tx, open);
    const chosen = chooseRows((list?.conversations ?? []).filter(({ id }) => !removed.has(id)).map(closeRow), {
      conversations,
      size: size * ROWS_SHARE,
    });
    const isGone = (id: string): boolean => removed.has(id) || (list?.isComplete === true && !chosen.has(id));
    const kept = index.rows.filter(([id]) => !chosen.has(id) && !isGone(id));
    for (const [id] of index.rows) if (isGone(id)) tx.delete(rowName(id));
    const held = new Map(list?.conversations.map((each) => [each.id, each]));
    for (const [id, json] of chosen) if (held.get(id) !== this.#storedRows.get(id)) tx.put(rowName(id), json);
    const rows = [...Array.from(chosen, ([id, json]) => [id, json.length] as const), ...kept];
    for (const [id] of rows.slice(conversations)) tx.delete(rowName(id));
    const pages = index.pages.filter(([id]) => !removed.has(id) && !outdated.has(id));
    for (const id of [...removed, ...outdated]) tx.delete(pageName(id));
    const isAll = list === undefined ? !index.hasMore : !list.hasMore && chosen.size === list.conversations.length;
    this.#putIndex(tx, open, { rows: rows.slice(0, conversations), pages, hasMore: !isAll });
  }

  #writePage(tx: CacheTransaction, open: OpenCache, id: string, update: PageUpdate): void {
    const { limits, context } = this.#deps;
    const { conversations, messages, size } = limits;
    const stored = parsePage(tx.get(pageName(id)));
    if (stored === undefined && !this.#isReading) return;
    const closed = update.page && { ...update.page, messages: update.page.messages.slice(-messages) };
    const page = closed && { ...closed, hasOlder: closed.hasOlder || closed.messages[0] !== update.page?.messages[0] };
    const next = updatePage(stored, { ...update, page }, this.#pageLimits());
    if (next === stored) return;
    const json = next && JSON.stringify({ ...next, messages: next.messages.map(closeMessage) });
    const entry = { id, size: json?.length ?? 0, usedAt: context.clock.now() };
    const share = { conversations, size: size * (1 - ROWS_SHARE) };
    const { index, evicted } = recordPage(this.#index(tx, open), entry, share);
    if (json === undefined) tx.delete(pageName(id));
    else tx.put(pageName(id), json);
    for (const other of evicted) tx.delete(pageName(other));
    this.#putIndex(tx, open, index);
  }

  /** What is kept of one conversation. */
  #pageLimits(): { messages: number; size: number } {
    const { messages, size } = this.#deps.limits;
    return { messages, size: size * PAGE_SHARE };
  }

  #index(tx: CacheTransaction, open: OpenCache): CacheIndex {
    const index = parseIndex(tx.get(INDEX));
    if (index === undefined && open.hasIndex) throw new DeletedElsewhere();
    return index ?? EMPTY_INDEX;
  }

  #putIndex(tx: CacheTransaction, open: OpenCache, index: CacheIndex): void {
    tx.put(INDEX, JSON.stringify(index));
    open.hasIndex = true;
  }

  async #failed(error: unknown): Promise<void> {
    const userId = this.#open?.userId ?? this.#deps.context.userId();
    this.clear();
    const isLocked = isCommError(error) && error.code === 'E2EE_LOCKED';
    // The keystore may be unlocked later.
    this.#isOver = !isLocked;
    if (!(error instanceof DeletedElsewhere)) this.#warn(error);
    if (userId === undefined) return;
    try {
      await deleteAll(this.#deps.storage.optional, entryPrefixes(userId));
    } catch {
      // Reported above: the storage has failed.
    }
  }

  #warn(error: unknown): undefined {
    this.#deps.context.logger.warn('The offline cache failed', errorFields(error));
  }
}

/** Opens the cache of a client. */
export function openOfflineCache(
  context: ClientContext,
  storage: ClientStorage,
  { conversations = 50, messages = 50, size = 4_000_000 }: OfflineOptions,
): OfflineCache {
  const lastUser = async (): Promise<string | undefined> => {
    const stored = await storage.optional.get(LAST_USER);
    return typeof stored === 'string' ? stored : undefined;
  };
  return new OfflineCache({ context, storage, limits: { conversations, messages, size }, lastUser });
}

/** Another tab has deleted the cache, because the user signs out. */
class DeletedElsewhere extends Error {}

function nothing(): Unstored {
  return { list: undefined, pages: new Map(), removed: new Set(), outdated: new Set() };
}

/** Removes what only decryption needs. */
function closeMessage({ envelope: _envelope, reactionEnvelopes: _reactions, ...message }: Message): Message {
  return message;
}

function closeRow(row: Conversation): Conversation {
  return row.lastMessage === undefined ? row : { ...row, lastMessage: closeMessage(row.lastMessage) };
}

/** The entries of encrypted messages were encrypted by this client, after it had decrypted the messages. */
function openMessage(message: Message): Message {
  return message.encrypted === true ? keepDecrypted(message) : message;
}

function openRow(row: Conversation): Conversation {
  return row.lastMessage === undefined ? row : { ...row, lastMessage: openMessage(row.lastMessage) };
}
