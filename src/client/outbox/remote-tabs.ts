import { deferred, type Deferred } from '../../lib/deferred.ts';
import { commErrorFrom, type CommError } from '../../protocol/errors.ts';
import type { Message } from '../../protocol/messages.ts';
import type { Storable } from '../../storage/comm-storage.ts';
import type { Lazy } from '../../lib/lazy.ts';
import type { FileUploads } from './pending-files.ts';
import { discarded, type Operation, type OutboxItem } from './outbox-item.ts';

/** An item as it is stored and sent to other tabs. */
export interface StoredItem extends OutboxItem {
  /** Id of the session (of a tab or process) that sends it. */
  readonly owner: string;
}

/** Serializes an item. The operation becomes JSON, because objects of the app may contain values that cannot be cloned. */
export function toStorable(item: OutboxItem, owner: string): Storable {
  return { ...item, owner, operation: JSON.stringify(item.operation) };
}

/** Parses a stored item; returns `undefined` for anything else. */
export function parseItem(value: Storable): StoredItem | undefined {
  if (typeof value !== 'object' || value === null || !('operation' in value)) return undefined;
  const { clientId, lane, order, owner, operation, parked } = value;
  if (typeof clientId !== 'string' || typeof lane !== 'string' || typeof order !== 'string') return undefined;
  if (typeof owner !== 'string' || typeof operation !== 'string') return undefined;
  try {
    return { clientId, lane, order, owner, operation: JSON.parse(operation) as Operation, parked: parked === true };
  } catch {
    return undefined;
  }
}

/** Results of outbox items, in this tab and in others. */
export interface OutboxEvents {
  /** An item is in the outbox. @param isNew - the app has just added it in this tab */
  queued(item: OutboxItem, isNew: boolean): void;
  stored(item: OutboxItem, answer: unknown): void;
  /** @param error - absent if the item failed in another tab */
  failed(item: OutboxItem, error: CommError | undefined): void;
  retried(item: OutboxItem): void;
  discarded(item: OutboxItem): void;
}

/** Results of outbox items, the uploads of their files, and how to find out about an item with an unknown result. */
export interface OutboxPorts extends OutboxEvents {
  readonly uploads: Lazy<FileUploads>;
  /** With a server that cannot recognize a repeated message: returns the message that an earlier attempt stored, if any. */
  findStored(item: OutboxItem, payload: Operation['payload']): Promise<unknown>;
}

/** What a tab sends to the others, so that all show the same; `retry` and `discard` are requests to the tab of the item. */
export type TabMessage<Item extends OutboxItem = StoredItem> =
  | { type: 'queued'; items: readonly Item[] }
  | { type: 'stored'; item: Item; answer: unknown }
  | { type: 'failed'; item: Item; error: { code: string; message: string } }
  | { type: 'retried'; item: Item }
  | { type: 'discarded'; item: Item }
  | TabRequest<Item>;

export type TabRequest<Item extends OutboxItem = StoredItem> =
  | { type: 'retry'; item: Item }
  | { type: 'discard'; item: Item };

/** The outbox items of the user's other open tabs, as far as these have reported them. */
export class RemoteTabs {
  readonly #events: OutboxEvents;
  readonly #send: (message: TabRequest) => void;
  readonly #items = new Map<string, StoredItem>();
  /** Promises of `retry()` calls in this tab for items of others. */
  readonly #retries = new Map<string, Deferred<unknown>>();
  /** Items that ended while the storage is listed: the list may still contain them. */
  #ended: Set<string> | undefined;

  constructor(events: OutboxEvents, send: (message: TabRequest) => void) {
    this.#events = events;
    this.#send = send;
  }

  items(): StoredItem[] {
    return [...this.#items.values()];
  }

  received(message: Exclude<TabMessage, TabRequest>): void {
    if (message.type === 'queued') return this.#add(message.items);
    const { item } = message;
    const { clientId } = item;
    switch (message.type) {
      case 'retried':
        this.#items.set(clientId, item);
        return this.#events.retried(item);
      case 'failed':
        if (item.operation.name === 'message:send') this.#items.set(clientId, { ...item, parked: true });
        else this.#end(clientId);
        this.#events.failed(item, undefined);
        return this.#settle(clientId)?.reject(commErrorFrom(message.error));
      case 'stored':
        this.#end(clientId);
        this.#events.stored(item, message.answer);
        return this.#settle(clientId)?.resolve(message.answer);
      case 'discarded':
        return this.#drop(item);
    }
  }

  /** Call before the storage is listed. */
  listing(): void {
    this.#ended = new Set();
  }

  /** Adds the stored items of open tabs. */
  listed(items: readonly StoredItem[]): void {
    const ended = this.#ended;
    this.#ended = undefined;
    this.#add(items.filter(({ clientId }) => ended?.has(clientId) !== true && !this.#items.has(clientId)));
  }

  /** A tab has closed: its items that are not stored are lost. */
  tabClosed(owner: string, stored: ReadonlySet<string>): void {
    for (const item of this.#items.values()) {
      if (item.owner === owner && !stored.has(item.clientId)) this.#drop(item);
    }
  }

  /** The server has stored the item. */
  confirm(clientId: string, answer: unknown): void {
    this.#end(clientId);
    this.#settle(clientId)?.resolve(answer);
  }

  /** Removes an item that this tab takes over. @returns whether it was shown, and the promise of a `retry()` call here */
  take(clientId: string): { isShown: boolean; retry: Deferred<unknown> | undefined } {
    return { isShown: this.#items.delete(clientId), retry: this.#settle(clientId) };
  }

  /** Asks the tab of the item to retry it. Returns `undefined` if no tab has it. */
  retry(clientId: string): Promise<unknown> | undefined {
    const item = this.#items.get(clientId);
    if (item === undefined) return undefined;
    const promise = this.#retries.get(clientId) ?? deferred<unknown>();
    this.#retries.set(clientId, promise);
    if (item.parked) this.#send({ type: 'retry', item });
    return promise.promise;
  }

  /** Asks the tab of the item to discard it. */
  discard(clientId: string): void {
    const item = this.#items.get(clientId);
    if (item !== undefined) this.#send({ type: 'discard', item });
  }

  /** Removes all items: another user has signed in. */
  clear(): void {
    for (const item of this.#items.values()) this.#drop(item);
  }

  #add(items: readonly StoredItem[]): void {
    for (const item of items) {
      const shown = this.#items.get(item.clientId);
      this.#items.set(item.clientId, item);
      // A message that was queued readable may be an encrypted one now, with other files.
      if (JSON.stringify(shown?.operation) !== JSON.stringify(item.operation)) this.#events.queued(item, false);
      // The tab that was asked to retry it has closed before.
      if (item.parked && this.#retries.has(item.clientId)) this.#send({ type: 'retry', item });
    }
  }

  #drop(item: StoredItem): void {
    this.#end(item.clientId);
    this.#events.discarded(item);
    this.#settle(item.clientId)?.reject(discarded());
  }

  #end(clientId: string): void {
    this.#items.delete(clientId);
    this.#ended?.add(clientId);
  }

  #settle(clientId: string): Deferred<unknown> | undefined {
    const promise = this.#retries.get(clientId);
    this.#retries.delete(clientId);
    return promise;
  }
}

/** Serializes a message for the channel between tabs. @param owner - id of this tab's session */
export function writeTabMessage(message: TabMessage<OutboxItem>, owner: string): Storable {
  const items = (message.type === 'queued' ? message.items : [message.item]).map((item) => toStorable(item, owner));
  if (message.type === 'stored') return { type: message.type, items, answer: JSON.stringify(tabAnswer(message)) };
  return { type: message.type, items, ...(message.type === 'failed' && { error: { ...message.error } }) };
}

/**
 * Returns what other tabs need of an answer: the row of a sent message. The content of an encrypted one never leaves the tab
 * readable: the others read it from the encrypted storage.
 */
function tabAnswer({ item, answer }: { item: OutboxItem; answer: unknown }): unknown {
  if (item.operation.name !== 'message:send') return undefined;
  const row = (answer ?? {}) as Message;
  const { encrypted, id, conversationId, senderId, createdAt, status, seq, rev, clientId, envelope } = row;
  if (encrypted !== true) return answer;
  return { encrypted, id, conversationId, senderId, createdAt, status, seq, rev, clientId, envelope };
}

/** Parses a message from another tab; returns `undefined` for one without an item. */
export function parseTabMessage(message: unknown): TabMessage | undefined {
  if (typeof message !== 'object' || message === null) return undefined;
  const { type, items: stored, answer, error } = message as Record<string, unknown>;
  const items = (Array.isArray(stored) ? (stored as Storable[]) : [])
    .map(parseItem)
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
    default:
      // Other types have no further fields. One that this version doesn't know has no effect.
      return { type: type as 'retry', item };
  }
}
