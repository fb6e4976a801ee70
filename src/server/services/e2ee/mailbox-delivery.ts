import * as v from 'valibot';
import { errorFields, type Logger } from '../../../lib/logger.ts';
import { envelopeSchema, type SessionInitPush } from '../../../protocol/encryption.ts';
import { mailboxPage, type MailboxEntry, type MailboxPage } from '../../store/queries/mailbox.ts';
import { isUnavailable } from '../../store/engine/outages.ts';
import type { Store } from '../../store/store.ts';
import type { Caller, Broadcaster } from '../ports.ts';

const PAGE = { maxEntries: 100, maxBytes: 512 * 1_024 } as const;

/** Dependencies of {@link MailboxDelivery}. */
export interface MailboxDeliveryDeps {
  readonly store: Store;
  readonly broadcaster: Pick<Broadcaster, 'toSocket'>;
  readonly logger: Logger;
  /** Returns the time before which stored entries have expired. */
  readonly since: () => string;
}

/**
 * Delivery state of one socket.
 *
 * behind ── all stored entries have been pushed ──► live: new entries are pushed at once
 */
interface SocketDelivery {
  readonly userId: string;
  readonly socketId: string;
  live: boolean;
  reading: boolean;
  /** Id of the last entry that was read. */
  cursor: number;
  /** Entries that were pushed while behind and not yet acknowledged. */
  readonly unacknowledged: Set<number>;
  /** The next page is read when at most this many entries are unacknowledged. */
  lowWaterMark: number;
}

/**
 * Delivers mailbox entries to sockets with the capability `mailbox`. Pages are read in the write queue, so that pages
 * and new entries are pushed in commit order: no entry is lost or overtaken between the last page and the first new
 * entry.
 */
export class MailboxDelivery {
  readonly #deps: MailboxDeliveryDeps;
  readonly #byUser = new Map<string, Map<string, SocketDelivery>>();

  constructor(deps: MailboxDeliveryDeps) {
    this.#deps = deps;
  }

  /** Starts delivery to a socket with the capability `mailbox`. */
  connected({ userId, socketId, caps }: Caller): void {
    if (socketId === undefined || !caps.has('mailbox')) return;
    const delivery: SocketDelivery = {
      userId,
      socketId,
      live: false,
      reading: false,
      cursor: 0,
      unacknowledged: new Set(),
      lowWaterMark: 0,
    };
    const deliveries = this.#byUser.get(userId) ?? new Map<string, SocketDelivery>();
    this.#byUser.set(userId, deliveries.set(socketId, delivery));
    this.#deliverNext(delivery);
  }

  /** Ends the delivery to a socket. Idempotent. */
  disconnected({ userId, socketId }: Caller): void {
    const deliveries = this.#byUser.get(userId);
    if (socketId !== undefined) deliveries?.delete(socketId);
    if (deliveries?.size === 0) this.#byUser.delete(userId);
  }

  /** Delivers a new entry. */
  stored(userId: string, id: number, data: SessionInitPush): void {
    for (const delivery of this.#deliveriesOf(userId)) {
      if (delivery.live) this.#push(delivery, id, data);
      else this.#deliverNext(delivery);
    }
  }

  /** Continues delivery after an acknowledgement. */
  acknowledged(userId: string, ids: readonly number[]): void {
    for (const delivery of this.#deliveriesOf(userId)) {
      for (const id of ids) delivery.unacknowledged.delete(id);
      this.#deliverNext(delivery);
    }
  }

  #deliveriesOf(userId: string): Iterable<SocketDelivery> {
    return this.#byUser.get(userId)?.values() ?? [];
  }

  #deliverNext(delivery: SocketDelivery): void {
    if (delivery.live || delivery.reading || delivery.unacknowledged.size > delivery.lowWaterMark) return;
    delivery.reading = true;
    const { store, logger, since } = this.#deps;
    store
      .write(
        () => mailboxPage(delivery.userId, { ...PAGE, after: delivery.cursor, since: since() }),
        (page) => this.#pushPage(delivery, page),
      )
      .catch((error: unknown) => {
        // Retried with the next entry, acknowledgement or connection.
        delivery.reading = false;
        if (!isUnavailable(error)) logger.warn('failed to read a mailbox', errorFields(error));
      });
  }

  #pushPage(delivery: SocketDelivery, { entries, upTo, last }: MailboxPage): void {
    delivery.reading = false;
    delivery.cursor = upTo;
    delivery.live = last;
    if (this.#byUser.get(delivery.userId)?.get(delivery.socketId) !== delivery) return;
    const readable = entries.flatMap((entry) => parseEntry(entry) ?? []);
    for (const [id, data] of readable) {
      if (!last) delivery.unacknowledged.add(id);
      this.#push(delivery, id, data);
    }
    if (last) return delivery.unacknowledged.clear();
    // Half of this page must be acknowledged. Unacknowledged entries of earlier pages don't block delivery.
    delivery.lowWaterMark = delivery.unacknowledged.size - Math.ceil(readable.length / 2);
    // If no entry could be pushed, no acknowledgement will arrive, so the next page is read at once.
    this.#deliverNext(delivery);
  }

  #push({ socketId }: SocketDelivery, id: number, data: SessionInitPush): void {
    const push = { event: 'encryption:session-init', data: { ...data, mailboxId: String(id) } } as const;
    this.#deps.broadcaster.toSocket(socketId, push);
  }
}

/** Parses a stored entry. Entries written by another version may be invalid; they are skipped. */
function parseEntry({ id, senderId, envelope: json }: MailboxEntry): [[id: number, data: SessionInitPush]] | undefined {
  const result = v.safeParse(envelopeSchema, JSON.parse(json));
  if (!result.success) return undefined;
  return [[id, { senderId, sessionId: result.output.sessionId, envelope: result.output }]];
}
