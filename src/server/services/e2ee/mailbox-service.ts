import { createHash } from 'node:crypto';
import { BoundedSet } from '../../../lib/bounded-map.ts';
import type { Clock } from '../../../lib/clock.ts';
import { errorFields, type Logger } from '../../../lib/logger.ts';
import type { EncryptedEnvelope, MailboxAck, SessionInit } from '../../../protocol/encryption.ts';
import { CommError } from '../../../protocol/errors.ts';
import { publishedKeys } from '../../store/queries/keys.ts';
import {
  mailboxUsage,
  removeEntries,
  removeExpired,
  findEntry,
  insertEntry,
  type MailboxUsage,
  type NewMailboxEntry,
  type StartedSession,
} from '../../store/queries/mailbox.ts';
import { rowIdOf } from '../../store/queries/rows.ts';
import type { Store } from '../../store/store.ts';
import { contactsAmong, isKnownTo } from '../../store/queries/users.ts';
import type { Work } from '../../store/engine/work.ts';
import { checkSender } from './check-envelope.ts';
import type { KeyLimits } from './key-limits.ts';
import { MailboxDelivery } from './mailbox-delivery.ts';
import type { Caller, Broadcaster } from '../ports.ts';
import { invalid } from '../errors.ts';

/** Dependencies of {@link MailboxService}. */
export interface MailboxDeps {
  readonly store: Store;
  readonly broadcaster: Pick<Broadcaster, 'toUser' | 'toSocket'>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly limits: KeyLimits;
  /** Returns whether a device of the user is connected to any process. */
  readonly isUserOnline: (userId: string) => boolean | Promise<boolean>;
}

const DAY_MS = 86_400_000;
const ENTRY_TTL_MS = 30 * DAY_MS;
const SWEEP_EVERY_MS = 3_600_000;
/** Rows per sweep step. A step takes a few milliseconds, so that other work runs between two steps. */
const SWEEP_STEP = 1_000;
const MAX: MailboxUsage = { count: 2_000, bytes: 16 * 1_024 ** 2, countOfSender: 200, bytesOfSender: 512 * 1_024 };
/** Strangers can't fill the other half, so that users whom the recipient knows always find room. */
const MAX_FOR_STRANGERS: MailboxUsage = { ...MAX, count: MAX.count / 2, bytes: MAX.bytes / 2 };
/** A full mailbox is emptied only when its owner connects. */
const FULL_RETRY_MS = 10 * 60_000;
/** Number of sessions that are known to be reported as established. */
const MAX_REPORTED_SESSIONS = 10_000;

type StoreOutcome =
  /** `isNew`: not stored before. */
  | { readonly stored: true; readonly id: number; readonly isNew: boolean }
  /** Delivered to connected devices only. */
  | { readonly stored: false };

interface Sent {
  readonly outcome: StoreOutcome;
  /** Whether the recipient's client acknowledges no envelopes. */
  readonly isBase: boolean;
}

/** Stores envelopes for users until their devices acknowledge them, and delivers them to connected devices. */
export class MailboxService {
  readonly #deps: MailboxDeps;
  readonly #delivery: MailboxDelivery;
  /** Sessions whose `encryption:session-established` has been pushed. */
  readonly #reported = new BoundedSet<string>(MAX_REPORTED_SESSIONS);
  #sweptAt = Number.NEGATIVE_INFINITY;

  constructor(deps: MailboxDeps) {
    this.#deps = deps;
    this.#delivery = new MailboxDelivery({ ...deps, since: () => this.#since() });
  }

  /**
   * Stores an envelope and delivers it to the recipient's connected devices. Resolves after it is stored.
   *
   * @throws CommError `FORBIDDEN` if the envelope names another sender, `NOT_FOUND` if the users share no conversation,
   * `RATE_LIMITED` if the mailbox is full, `INVALID`
   */
  async send(caller: Caller, { recipientId, sessionId, envelope }: SessionInit): Promise<null> {
    const { userId, socketId } = caller;
    const { store, broadcaster, limits, isUserOnline } = this.#deps;
    limits.envelopes.take(userId);
    checkSender(userId, envelope);
    if (envelope.recipientId !== recipientId || envelope.sessionId !== sessionId) {
      throw invalid('envelope.recipientId and envelope.sessionId must match the request');
    }
    const entry = newEntry(envelope, this.#now());
    const data = { senderId: userId, sessionId, envelope };
    const push = { event: 'encryption:session-init', data } as const;
    const started = entry.sessionId === null ? [] : [{ senderId: userId, sessionId }];
    const isUnreported = started.some((each) => !this.#reported.has(keyOf(recipientId, each)));
    const isOnline = isUnreported && isUserOnline(recipientId);
    const reportable = isOnline instanceof Promise ? await isOnline : isOnline;
    const work = function* (): Work<Sent> {
      if (recipientId === userId) return { outcome: { stored: false }, isBase: false };
      if (!(yield* contactsAmong(userId, [recipientId])).has(recipientId))
        throw new CommError('NOT_FOUND', 'No keys found');
      const isBase = reportable && (yield* publishedKeys(recipientId))?.mailbox === false;
      return { outcome: yield* storeOnce(entry), isBase };
    };
    await store.write(work, ({ outcome, isBase }) => {
      const mailbox = outcome.stored ? false : undefined;
      broadcaster.toUser(recipientId, push, { exceptSocketId: socketId, mailbox });
      if (outcome.stored && outcome.isNew) this.#delivery.stored(recipientId, outcome.id, data);
      if (isBase) this.#reportEstablished(recipientId, started);
    });
    this.#sweep();
    return null;
  }

  /** Removes received envelopes. Unknown ids and ids of other users are ignored. */
  async acknowledge({ userId }: Caller, { mailboxIds }: MailboxAck): Promise<null> {
    const ids = mailboxIds.flatMap((id) => rowIdOf(id) ?? []);
    await this.#deps.store.write(
      () => removeEntries(userId, ids),
      (started) => {
        this.#delivery.acknowledged(userId, ids);
        this.#reportEstablished(userId, started);
      },
    );
    return null;
  }

  /** Starts delivery to the caller's socket. */
  connected(caller: Caller): void {
    this.#delivery.connected(caller);
  }

  /** Ends delivery to the caller's socket. */
  disconnected(caller: Caller): void {
    this.#delivery.disconnected(caller);
  }

  /**
   * Tells the initiators that the recipient has their first envelopes. Pushed once per session: further envelopes may
   * repeat it until the initiator has received an answer.
   */
  #reportEstablished(recipientId: string, started: readonly StartedSession[]): void {
    for (const each of started) {
      const { senderId, sessionId } = each;
      const key = keyOf(recipientId, each);
      if (this.#reported.has(key)) continue;
      this.#reported.add(key);
      const data = { sessionId, senderId: recipientId };
      this.#deps.broadcaster.toUser(senderId, { event: 'encryption:session-established', data });
    }
  }

  #now(): string {
    return new Date(this.#deps.clock.now()).toISOString();
  }

  /** Returns the time before which entries have expired. */
  #since(): string {
    return new Date(this.#deps.clock.now() - ENTRY_TTL_MS).toISOString();
  }

  /** Removes expired entries. Runs after a write, at most once an hour. */
  #sweep(): void {
    const { clock, store, logger } = this.#deps;
    const now = clock.now();
    if (now - this.#sweptAt < SWEEP_EVERY_MS) return;
    this.#sweptAt = now;
    store
      .write(
        () => removeExpired(this.#since(), SWEEP_STEP),
        (removed) => {
          if (removed === SWEEP_STEP) this.#sweptAt = Number.NEGATIVE_INFINITY;
        },
      )
      .catch((error: unknown) => logger.warn('failed to remove expired envelopes', errorFields(error)));
  }
}

function keyOf(recipientId: string, { senderId, sessionId }: StartedSession): string {
  return JSON.stringify([senderId, recipientId, sessionId]);
}

function* storeOnce(entry: NewMailboxEntry): Work<StoreOutcome> {
  const known = yield* findEntry(entry);
  if (known !== undefined) return { stored: true, id: known, isNew: false };
  const { recipientId, senderId } = entry;
  const use = yield* mailboxUsage(recipientId, senderId);
  const hasRoom =
    fits(use, entry.size, MAX_FOR_STRANGERS) ||
    (fits(use, entry.size, MAX) && (yield* isKnownTo(recipientId, senderId)));
  if (hasRoom) return { stored: true, id: yield* insertEntry(entry), isNew: true };
  // A client that never acknowledges has a full mailbox; it receives only what arrives while it is connected.
  if ((yield* publishedKeys(recipientId))?.mailbox === false) return { stored: false };
  throw new CommError('RATE_LIMITED', "The recipient's mailbox is full", { retryAfterMs: FULL_RETRY_MS });
}

function fits(use: MailboxUsage, size: number, max: MailboxUsage): boolean {
  return (
    use.count < max.count &&
    use.bytes + size <= max.bytes &&
    use.countOfSender < max.countOfSender &&
    use.bytesOfSender + size <= max.bytesOfSender
  );
}

function newEntry(envelope: EncryptedEnvelope, storedAt: string): NewMailboxEntry {
  // The schema fixes the order of the keys, so equal envelopes have equal texts.
  const text = JSON.stringify(envelope);
  return {
    recipientId: envelope.recipientId,
    senderId: envelope.senderId,
    digest: createHash('sha256').update(text).digest('base64'),
    size: Buffer.byteLength(text),
    envelope: text,
    sessionId: envelope.messageType === 'prekey' ? envelope.sessionId : null,
    storedAt,
  };
}
