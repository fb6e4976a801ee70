import { backoffMs } from '../../lib/backoff.ts';
import { deferred, type Deferred } from '../../lib/deferred.ts';
import { CommError } from '../../protocol/errors.ts';
import type { CommStorage, Storable } from '../../storage/comm-storage.ts';
import type { ClientContext } from '../context.ts';
import { Outbox, type Operation, type OutboxEffect, type OutboxItem } from './outbox.ts';

/** What the rest of the client does about an item's fate. */
export interface SenderEvents {
  /** It is in the stored outbox; `restored`: from an earlier session. */
  queued(item: OutboxItem, restored: boolean): void;
  stored(item: OutboxItem, answer: unknown): void;
  failed(item: OutboxItem, error: CommError): void;
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
  readonly #storage: CommStorage;
  readonly #events: SenderEvents;
  readonly #outbox = new Outbox();
  readonly #promises = new Map<string, Deferred<unknown>>();
  readonly #attempts = new Map<string, number>();
  readonly #waits = new Map<string, () => void>();
  readonly #writes = new Map<string, Storable | undefined>();
  #writing: Promise<void> | undefined;
  #prefix: string | undefined;

  constructor(context: ClientContext, storage: CommStorage, events: SenderEvents) {
    this.#context = context;
    this.#storage = storage;
    this.#events = events;
  }

  items(): OutboxItem[] {
    return this.#outbox.items();
  }

  /** Resolves with the server's answer; rejects when it refuses for good, or when the item is discarded. */
  add(item: OutboxItem): Promise<unknown> {
    const known = this.#promises.get(item.clientId);
    if (known !== undefined) return known.promise;
    const promise = deferred<unknown>();
    this.#promises.set(item.clientId, promise);
    this.#events.queued(item, false);
    void this.#persist(item).then(() => this.#run(this.#outbox.add([item])));
    return promise.promise;
  }

  /** From here on items are kept under this user, and what they left behind earlier is taken up again. */
  async restore(userId: string): Promise<void> {
    const prefix = `${encodeURIComponent(userId)}/outbox/`;
    if (prefix === this.#prefix) return;
    this.#prefix = prefix;
    for (const item of this.#outbox.items()) void this.#persist(item);
    const stored = await this.#storage.list(prefix).catch((error: unknown) => {
      this.#context.report(error);
      return [];
    });
    const items = stored.map(([, value]) => readItem(value)).filter((item) => item !== undefined);
    const fresh = items.filter(({ clientId }) => this.#outbox.find(clientId) === undefined && !this.#promises.has(clientId));
    for (const item of fresh) this.#events.queued(item, true);
    this.#run(this.#outbox.add(fresh));
  }

  online(): void {
    this.#run(this.#outbox.online(this.#context.has('client-id') ? WINDOW : 1));
  }

  offline(): void {
    for (const cancel of this.#waits.values()) cancel();
    this.#waits.clear();
    this.#outbox.offline();
  }

  /** Seen as stored, by whichever way: an acknowledgement that got lost must not send it again. */
  confirm(clientId: string, answer: unknown): void {
    const item = this.#outbox.find(clientId);
    if (item === undefined) return;
    this.#forget(item);
    this.#events.stored(item, answer);
    this.#promises.get(clientId)?.resolve(answer);
    this.#promises.delete(clientId);
    this.#run(this.#outbox.gone(clientId));
  }

  retry(clientId: string): Promise<unknown> {
    const item = this.#outbox.find(clientId);
    if (item === undefined) return Promise.reject(new CommError('NOT_FOUND', 'No such message waits in the outbox'));
    const promise = this.#promises.get(clientId) ?? deferred<unknown>();
    this.#promises.set(clientId, promise);
    if (item.parked) {
      this.#attempts.delete(clientId);
      void this.#persist({ ...item, parked: false });
      this.#events.retried(item);
      this.#run(this.#outbox.retry(clientId));
    }
    return promise.promise;
  }

  /** Takes it out of the outbox. What is in flight may still arrive. */
  discard(clientId: string): void {
    const item = this.#outbox.find(clientId);
    if (item === undefined) return;
    this.#forget(item);
    this.#events.discarded(item);
    this.#promises.get(clientId)?.reject(new CommError('NOT_FOUND', 'The message was discarded before it was stored'));
    this.#promises.delete(clientId);
    this.#run(this.#outbox.gone(clientId));
  }

  /** Resolves when everything that was added is stored durably. */
  async settled(): Promise<void> {
    while (this.#writing !== undefined) await this.#writing;
  }

  #run(effects: readonly OutboxEffect[]): void {
    for (const effect of effects) {
      if (effect.do === 'send') void this.#send(effect.item, effect.afterClientId);
      else this.#wait(effect);
    }
  }

  async #send(item: OutboxItem, afterClientId: string | undefined): Promise<void> {
    const attempt = this.#attempts.get(item.clientId) ?? 0;
    this.#attempts.set(item.clientId, attempt + 1);
    try {
      const found = attempt > 0 && !this.#context.has('client-id') ? await this.#events.findStored(item) : undefined;
      const { name, payload } = item.operation;
      const sent = afterClientId === undefined ? payload : { ...payload, afterClientId };
      this.confirm(item.clientId, found ?? (await this.#context.requester.request(name, sent)));
    } catch (error) {
      this.#refused(item, attempt + 1, afterClientId !== undefined, error);
    }
  }

  #refused(item: OutboxItem, attempts: number, hadPredecessor: boolean, cause: unknown): void {
    const { clientId } = item;
    if (this.#outbox.find(clientId) === undefined) return;
    const error = cause instanceof CommError ? cause : new CommError('INTERNAL', 'The request failed', { cause });
    if (error.code === 'CONFLICT' && hadPredecessor) return this.#run(this.#outbox.overtook(clientId));
    const hopeless =
      (error.code === 'INTERNAL' && attempts >= MAX_INTERNAL) ||
      (error.code === 'TIMEOUT' && attempts >= MAX_UNANSWERED && !this.#context.has('ack'));
    if (error.retryable && !hopeless) return this.#run(this.#outbox.postpone(clientId, error.retryAfterMs));
    this.#fail(item, error);
  }

  /** A message stays for `retry` or `discard`; anything else is over. */
  #fail(item: OutboxItem, error: CommError): void {
    const { clientId } = item;
    const awaited = this.#promises.get(clientId);
    if (item.operation.name === 'message:send') {
      void this.#persist({ ...item, parked: true });
      this.#run(this.#outbox.park(clientId));
    } else {
      this.#forget(item);
      this.#run(this.#outbox.gone(clientId));
      if (awaited === undefined) this.#context.report(error);
    }
    this.#events.failed(item, error);
    this.#promises.delete(clientId);
    awaited?.reject(error);
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

  #forget(item: OutboxItem): void {
    this.#attempts.delete(item.clientId);
    void this.#write(item.clientId, undefined);
  }

  #persist(item: OutboxItem): Promise<void> {
    return this.#write(item.clientId, { ...item, operation: JSON.stringify(item.operation) });
  }

  /** Everything that is due while a write runs goes into the next one. */
  async #write(clientId: string, value: Storable | undefined): Promise<void> {
    // Without a name there is no place to keep it: `restore` writes it once the server has said who this is.
    if (this.#prefix === undefined) return;
    this.#writes.set(this.#prefix + clientId, value);
    this.#writing ??= Promise.resolve().then(async () => {
      while (this.#writes.size > 0) {
        const writes = new Map(this.#writes);
        this.#writes.clear();
        await this.#storage.transact([], () => ({ writes, result: undefined })).catch(this.#context.report);
      }
      this.#writing = undefined;
    });
    await this.#writing;
  }
}

function readItem(value: Storable): OutboxItem | undefined {
  if (typeof value !== 'object' || value === null || !('operation' in value)) return undefined;
  const { clientId, lane, operation, parked } = value;
  if (typeof clientId !== 'string' || typeof lane !== 'string' || typeof operation !== 'string') return undefined;
  try {
    return { clientId, lane, operation: JSON.parse(operation) as Operation, parked: parked === true };
  } catch {
    return undefined;
  }
}
