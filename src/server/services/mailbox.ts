import { createHash } from 'node:crypto';
import type { Clock } from '../../lib/clock.ts';
import { errorFields, type Logger } from '../../lib/logger.ts';
import type { EncryptedEnvelope, MailboxAck, SessionInit } from '../../protocol/encryption.ts';
import { CommError } from '../../protocol/errors.ts';
import { publishedKeys } from '../store/keys.ts';
import {
  mailboxUse,
  removeEntries,
  removeExpired,
  storedEntry,
  storeEntry,
  type MailboxUse,
  type NewEntry,
} from '../store/mailbox.ts';
import { rowIdOf } from '../store/rows.ts';
import type { Store } from '../store/store.ts';
import { sharingWith } from '../store/users.ts';
import type { Work } from '../store/work.ts';
import { checkSender } from './envelope-rules.ts';
import type { KeyLimits } from './key-limits.ts';
import { MailboxLines } from './mailbox-lines.ts';
import type { Caller, Hub } from './ports.ts';
import { invalid } from './refusals.ts';

export interface MailboxDeps {
  readonly store: Store;
  readonly hub: Pick<Hub, 'toUser' | 'toSocket'>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly limits: KeyLimits;
}

const DAY_MS = 86_400_000;
const KEPT_MS = 30 * DAY_MS;
const SWEEP_EVERY_MS = 3_600_000;
/** One step of the sweep: a few milliseconds, so that others get their turn between two. */
const SWEEP_STEP = 1_000;
const MAX: MailboxUse = { count: 2_000, bytes: 16 * 1_024 ** 2, countOfSender: 200, bytesOfSender: 512 * 1_024 };
/** A full mailbox is emptied by its owner, who is away. */
const FULL_RETRY_MS = 10 * 60_000;

type Kept =
  /** `fresh`: not stored before. */
  | { readonly kept: true; readonly id: number; readonly fresh: boolean }
  /** Only for whoever is there. */
  | { readonly kept: false };

/** Envelopes for people, not conversations: passed on to who is there, and kept for who isn't until they have them. */
export class MailboxService {
  readonly #deps: MailboxDeps;
  readonly #lines: MailboxLines;
  #sweptAt = Number.NEGATIVE_INFINITY;

  constructor(deps: MailboxDeps) {
    this.#deps = deps;
    this.#lines = new MailboxLines({ ...deps, since: () => this.#since() });
  }

  /**
   * Stores an envelope, then hands it to the recipient's devices that are connected. Resolves once it is stored.
   *
   * @throws CommError `FORBIDDEN` for an envelope of somebody else, `NOT_FOUND` where the two share no conversation,
   * `RATE_LIMITED` when the mailbox is full, `INVALID`
   */
  async send(caller: Caller, { recipientId, sessionId, envelope }: SessionInit): Promise<null> {
    const { userId, socketId } = caller;
    const { store, hub, limits } = this.#deps;
    limits.envelopes.take(userId);
    checkSender(userId, envelope);
    if (envelope.recipientId !== recipientId || envelope.sessionId !== sessionId) {
      throw invalid('The envelope belongs to another recipient or session');
    }
    const entry = newEntry(envelope, this.#now());
    const data = { senderId: userId, sessionId, envelope };
    const push = { event: 'encryption:session-init', data } as const;
    const work = function* (): Work<Kept> {
      if (recipientId === userId) return { kept: false };
      if (!(yield* sharingWith(userId, [recipientId])).has(recipientId)) throw new CommError('NOT_FOUND', 'No keys');
      return yield* keep(entry);
    };
    await store.write(work, (outcome) => {
      const mailbox = outcome.kept ? false : undefined;
      hub.toUser(recipientId, push, { exceptSocketId: socketId, mailbox });
      if (outcome.kept && outcome.fresh) this.#lines.stored(recipientId, outcome.id, data);
    });
    this.#sweep();
    return null;
  }

  /** Forgets what the caller has. Ids that aren't there, or are somebody else's, are passed over. */
  async acknowledge({ userId }: Caller, { mailboxIds }: MailboxAck): Promise<null> {
    const ids = mailboxIds.flatMap((id) => rowIdOf(id) ?? []);
    await this.#deps.store.write(
      () => removeEntries(userId, ids),
      () => this.#lines.acknowledged(userId, ids),
    );
    return null;
  }

  /** Hands over what waits for the caller. */
  connected(caller: Caller): void {
    this.#lines.connected(caller);
  }

  disconnected(caller: Caller): void {
    this.#lines.disconnected(caller);
  }

  #now(): string {
    return new Date(this.#deps.clock.now()).toISOString();
  }

  /** What was stored before has expired. */
  #since(): string {
    return new Date(this.#deps.clock.now() - KEPT_MS).toISOString();
  }

  /** What has expired is handed over to nobody; it goes when somebody writes, now and then. */
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
      .catch((error: unknown) => logger.warn('expired envelopes could not be removed', errorFields(error)));
  }
}

function* keep(entry: NewEntry): Work<Kept> {
  const known = yield* storedEntry(entry);
  if (known !== undefined) return { kept: true, id: known, fresh: false };
  const { recipientId, senderId } = entry;
  const use = yield* mailboxUse(recipientId, senderId);
  if (fits(use, entry.size)) return { kept: true, id: yield* storeEntry(entry), fresh: true };
  // The mailbox of a client that never acknowledges is full for good; it lives on what comes while it is there.
  if ((yield* publishedKeys(recipientId))?.mailbox === false) return { kept: false };
  throw new CommError('RATE_LIMITED', 'The mailbox of the recipient is full', { retryAfterMs: FULL_RETRY_MS });
}

function fits({ count, bytes, countOfSender, bytesOfSender }: MailboxUse, size: number): boolean {
  return (
    count < MAX.count &&
    bytes + size <= MAX.bytes &&
    countOfSender < MAX.countOfSender &&
    bytesOfSender + size <= MAX.bytesOfSender
  );
}

function newEntry(envelope: EncryptedEnvelope, storedAt: string): NewEntry {
  // In the order of the schema, so that one envelope has one text.
  const text = JSON.stringify(envelope);
  return {
    recipientId: envelope.recipientId,
    senderId: envelope.senderId,
    digest: createHash('sha256').update(text).digest('base64'),
    size: Buffer.byteLength(text),
    envelope: text,
    storedAt,
  };
}
