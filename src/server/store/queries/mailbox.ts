import { sql } from 'kysely';
import { listedIds, type Params, query, statement } from '../engine/statement.ts';
import { all, first, type Work } from '../engine/work.ts';

/** An envelope to store. */
export interface NewMailboxEntry {
  readonly recipientId: string;
  readonly senderId: string;
  /** Digest of the envelope; equal envelopes are stored once. */
  readonly digest: string;
  /** Size of `envelope` in bytes. */
  readonly size: number;
  /** JSON. */
  readonly envelope: string;
  /** Id of the session that the envelope starts; `null` if it belongs to a running session. */
  readonly sessionId: string | null;
  readonly storedAt: string;
}

/** A stored envelope. */
export interface MailboxEntry {
  readonly id: number;
  readonly senderId: string;
  /** JSON. */
  readonly envelope: string;
}

/** Number and size of a mailbox's entries, in total and of one sender. */
export interface MailboxUsage {
  readonly count: number;
  readonly bytes: number;
  readonly countOfSender: number;
  readonly bytesOfSender: number;
}

const selectKnown = statement((p: Params<Pick<NewMailboxEntry, 'recipientId' | 'senderId' | 'digest'>>) =>
  query
    .selectFrom('comm_mailbox')
    .select('id')
    .where('recipient_id', '=', p.recipientId)
    .where('sender_id', '=', p.senderId)
    .where('digest', '=', p.digest),
);
const selectUse = statement(
  (p: Params<{ recipientId: string; senderId: string }>) => sql<MailboxUsage>`
    select count(*) as count, coalesce(sum(size), 0) as bytes,
      count(*) filter (where sender_id = ${p.senderId}) as "countOfSender",
      coalesce(sum(size) filter (where sender_id = ${p.senderId}), 0) as "bytesOfSender"
    from comm_mailbox indexed by comm_mailbox_once where recipient_id = ${p.recipientId}`,
);
const insertEntryRow = statement((p: Params<NewMailboxEntry>) =>
  query
    .insertInto('comm_mailbox')
    .values({
      recipient_id: p.recipientId,
      sender_id: p.senderId,
      digest: p.digest,
      size: p.size,
      envelope: p.envelope,
      session_id: p.sessionId,
      stored_at: p.storedAt,
    })
    .returning('id'),
);
const selectSizes = statement((p: Params<{ recipientId: string; after: number; limit: number }>) =>
  query
    .selectFrom('comm_mailbox')
    .select(['id', 'size'])
    .where('recipient_id', '=', p.recipientId)
    .where('id', '>', p.after)
    .orderBy('id')
    .limit(p.limit),
);
const selectEntries = statement((p: Params<{ recipientId: string; after: number; upTo: number; since: string }>) =>
  query
    .selectFrom('comm_mailbox')
    .select(['id', 'sender_id', 'envelope'])
    .where('recipient_id', '=', p.recipientId)
    .where('id', '>', p.after)
    .where('id', '<=', p.upTo)
    .where('stored_at', '>=', p.since)
    .orderBy('id'),
);
const deleteEntries = statement((p: Params<{ recipientId: string; ids: string }>) =>
  query
    .deleteFrom('comm_mailbox')
    .where('id', 'in', listedIds(p.ids))
    .where('recipient_id', '=', p.recipientId)
    .returning(['sender_id', 'session_id']),
);
const deleteBefore = statement(
  (p: Params<{ before: string; limit: number }>) => sql<{ id: number }>`
    delete from comm_mailbox where id in (
      select id from comm_mailbox where stored_at < ${p.before} order by stored_at limit ${p.limit}
    ) returning id`,
);

/** Returns the id of the same envelope if it is already stored. */
export function* findEntry(entry: NewMailboxEntry): Work<number | undefined> {
  return (yield* first(selectKnown(entry)))?.id;
}

/** Returns the usage of a mailbox. */
export function* mailboxUsage(recipientId: string, senderId: string): Work<MailboxUsage> {
  return (
    (yield* first(selectUse({ recipientId, senderId }))) ?? { count: 0, bytes: 0, countOfSender: 0, bytesOfSender: 0 }
  );
}

/** Stores an envelope. @returns its id, which is greater than all earlier ones */
export function* insertEntry(entry: NewMailboxEntry): Work<number> {
  const row = yield* first(insertEntryRow(entry));
  if (row === undefined) throw new Error('INSERT returned no id');
  return row.id;
}

/** A page of entries, oldest first. */
export interface MailboxPage {
  readonly entries: readonly MailboxEntry[];
  /** Id of the last entry that the page covers. */
  readonly upTo: number;
  /** Whether no entry follows. */
  readonly last: boolean;
}

/** Selects a page of a mailbox. */
export interface MailboxPageRequest {
  readonly after: number;
  readonly maxEntries: number;
  /** The first entry is always included. */
  readonly maxBytes: number;
  /** Entries stored before this time have expired. */
  readonly since: string;
}

/** Returns the entries of a mailbox after the id `after`. */
export function* mailboxPage(recipientId: string, request: MailboxPageRequest): Work<MailboxPage> {
  const { after, maxEntries, maxBytes, since } = request;
  // Sizes are read first, so that large envelopes that don't fit in the page aren't read.
  const sizes = yield* all(selectSizes({ recipientId, after, limit: maxEntries + 1 }));
  let bytes = 0;
  const fits = sizes.slice(0, maxEntries).findIndex(({ size }, index) => (bytes += size) > maxBytes && index > 0);
  const count = fits === -1 ? Math.min(sizes.length, maxEntries) : fits;
  const upTo = sizes[count - 1]?.id;
  if (upTo === undefined) return { entries: [], upTo: after, last: true };
  const rows = yield* all(selectEntries({ recipientId, after, upTo, since }));
  const entries = rows.map(({ id, sender_id: senderId, envelope }) => ({ id, senderId, envelope }));
  return { entries, upTo, last: count === sizes.length };
}

/** A session that a removed envelope has started. */
export interface StartedSession {
  readonly senderId: string;
  readonly sessionId: string;
}

/** Removes entries of the recipient. Other ids are ignored. @returns the sessions that the removed envelopes started */
export function* removeEntries(recipientId: string, ids: readonly number[]): Work<StartedSession[]> {
  const removed = yield* all(deleteEntries({ recipientId, ids: JSON.stringify(ids) }));
  return removed.flatMap(({ sender_id: senderId, session_id: sessionId }) =>
    sessionId === null ? [] : [{ senderId, sessionId }],
  );
}

/** Removes at most `limit` entries stored before a time. @returns the number of removed entries */
export function* removeExpired(before: string, limit: number): Work<number> {
  return (yield* all(deleteBefore({ before, limit }))).length;
}
