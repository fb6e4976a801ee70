import { deferred, type Deferred } from '../../lib/deferred.ts';
import { CommError, commErrorFrom } from '../../protocol/errors.ts';
import type { Storable } from '../../storage/comm-storage.ts';
import type { Operation, OutboxItem } from './outbox.ts';
import { readItem, toStorable, type StoredItem } from './stored-item.ts';

/** What the rest of the client does about an item's fate. */
export interface OutboxEvents {
  /** It is in the outbox; `isNew`: somebody has just asked for it here. */
  queued(item: OutboxItem, isNew: boolean): void;
  stored(item: OutboxItem, answer: unknown): void;
  /** `error` is absent where it happened in another tab. */
  failed(item: OutboxItem, error: CommError | undefined): void;
  retried(item: OutboxItem): void;
  discarded(item: OutboxItem): void;
}

/** The same of what is sent from here. */
export interface SenderEvents extends OutboxEvents {
  /** With a server that can't recognize a repeated message: was this one stored by an earlier attempt? */
  findStored(item: OutboxItem, payload: Operation['payload']): Promise<unknown>;
}

/** What one tab tells the others, so that they show the same; `retry` and `discard` are asked of the one that has it. */
export type TabNote<Item extends OutboxItem = StoredItem> =
  | { type: 'queued'; items: readonly Item[] }
  | { type: 'stored'; item: Item; answer: unknown }
  | { type: 'failed'; item: Item; error: { code: string; message: string } }
  | { type: 'retried'; item: Item }
  | { type: 'discarded'; item: Item }
  | TabRequest<Item>;

export type TabRequest<Item extends OutboxItem = StoredItem> =
  | { type: 'retry'; item: Item }
  | { type: 'discard'; item: Item };

/** What the other living tabs of this user have in their outboxes, as far as they tell. */
export class Elsewhere {
  readonly #events: OutboxEvents;
  readonly #tell: (note: TabRequest) => void;
  readonly #items = new Map<string, StoredItem>();
  /** Retried from here, sent from there. */
  readonly #awaited = new Map<string, Deferred<unknown>>();
  /** What ended while the storage is asked for a list: its answer may not know yet. */
  #ended: Set<string> | undefined;

  constructor(events: OutboxEvents, tell: (note: TabRequest) => void) {
    this.#events = events;
    this.#tell = tell;
  }

  items(): StoredItem[] {
    return [...this.#items.values()];
  }

  told(note: Exclude<TabNote, TabRequest>): void {
    if (note.type === 'queued') return this.#add(note.items);
    const { item } = note;
    const { clientId } = item;
    switch (note.type) {
      case 'retried':
        this.#items.set(clientId, item);
        return this.#events.retried(item);
      case 'failed':
        if (item.operation.name === 'message:send') this.#items.set(clientId, { ...item, parked: true });
        else this.#end(clientId);
        this.#events.failed(item, undefined);
        return this.#settle(clientId)?.reject(commErrorFrom(note.error));
      case 'stored':
        this.#end(clientId);
        this.#events.stored(item, note.answer);
        return this.#settle(clientId)?.resolve(note.answer);
      case 'discarded':
        return this.#drop(item);
    }
  }

  /** Before the storage is asked what there is. */
  listing(): void {
    this.#ended = new Set();
  }

  listed(items: readonly StoredItem[]): void {
    const ended = this.#ended;
    this.#ended = undefined;
    this.#add(items.filter(({ clientId }) => ended?.has(clientId) !== true && !this.#items.has(clientId)));
  }

  /** A tab is gone: what of its items isn't stored either will not come back. */
  left(owner: string, stored: ReadonlySet<string>): void {
    for (const item of this.#items.values()) {
      if (item.owner === owner && !stored.has(item.clientId)) this.#drop(item);
    }
  }

  /** Seen as stored by the server. */
  confirm(clientId: string, answer: unknown): void {
    this.#end(clientId);
    this.#settle(clientId)?.resolve(answer);
  }

  /** From here on it is ours. `awaited`: somebody here wants to know what becomes of it. */
  take(clientId: string): { isShown: boolean; awaited: Deferred<unknown> | undefined } {
    return { isShown: this.#items.delete(clientId), awaited: this.#settle(clientId) };
  }

  /** `undefined`: nobody has it. */
  retry(clientId: string): Promise<unknown> | undefined {
    const item = this.#items.get(clientId);
    if (item === undefined) return undefined;
    const promise = this.#awaited.get(clientId) ?? deferred<unknown>();
    this.#awaited.set(clientId, promise);
    if (item.parked) this.#tell({ type: 'retry', item });
    return promise.promise;
  }

  discard(clientId: string): void {
    const item = this.#items.get(clientId);
    if (item !== undefined) this.#tell({ type: 'discard', item });
  }

  /** Another user's, from here on. */
  clear(): void {
    for (const item of this.#items.values()) this.#drop(item);
  }

  #add(items: readonly StoredItem[]): void {
    for (const item of items) {
      const isShown = this.#items.has(item.clientId);
      this.#items.set(item.clientId, item);
      if (!isShown) this.#events.queued(item, false);
      // Whoever was asked has gone before doing it.
      if (item.parked && this.#awaited.has(item.clientId)) this.#tell({ type: 'retry', item });
    }
  }

  #drop(item: StoredItem): void {
    this.#end(item.clientId);
    this.#events.discarded(item);
    this.#settle(item.clientId)?.reject(new CommError('NOT_FOUND', 'The message was discarded'));
  }

  #end(clientId: string): void {
    this.#items.delete(clientId);
    this.#ended?.add(clientId);
  }

  #settle(clientId: string): Deferred<unknown> | undefined {
    const promise = this.#awaited.get(clientId);
    this.#awaited.delete(clientId);
    return promise;
  }
}

/** As it can be cloned, whatever an app's objects are made of. */
export function toMessage(note: TabNote<OutboxItem>, owner: string): Storable {
  const items = (note.type === 'queued' ? note.items : [note.item]).map((item) => toStorable({ ...item, owner }));
  if (note.type === 'stored') return { type: note.type, items, answer: JSON.stringify(note.answer) };
  return { type: note.type, items, ...(note.type === 'failed' && { error: { ...note.error } }) };
}

/** `undefined` for what no tab of this version says. */
export function readNote(message: unknown): TabNote | undefined {
  if (typeof message !== 'object' || message === null) return undefined;
  const { type, items: stored, answer, error } = message as Record<string, unknown>;
  const items = (Array.isArray(stored) ? (stored as Storable[]) : [])
    .map(readItem)
    .filter((item) => item !== undefined);
  const [item] = items;
  if (item === undefined) return undefined;
  switch (type) {
    case 'queued':
      return { type, items };
    case 'stored':
      return { type, item, answer: typeof answer === 'string' ? (JSON.parse(answer) as unknown) : undefined };
    case 'failed':
      return { type, item, error: error as { code: string; message: string } };
    case 'retried':
    case 'discarded':
    case 'retry':
    case 'discard':
      return { type, item };
    default:
      return undefined;
  }
}
