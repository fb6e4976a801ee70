import { sql } from 'kysely';
import { listed, query, statement, type Params } from './statement.ts';
import { all, first, run, type Work } from './work.ts';

/** An envelope that waits until its recipient has it. */
export interface NewEntry {
  readonly recipientId: string;
  readonly senderId: string;
  /** Of the envelope: the same one again is not stored again. */
  readonly digest: string;
  /** Bytes of `envelope`. */
  readonly size: number;
  /** JSON. */
  readonly envelope: string;
  readonly storedAt: string;
}

export interface Entry {
  readonly id: number;
  readonly senderId: string;
  /** JSON. */
  readonly envelope: string;
}

/** How full a mailbox is, in all and by one sender. */
export interface MailboxUse {
  readonly count: number;
  readonly bytes: number;
  readonly countOfSender: number;
  readonly bytesOfSender: number;
}

const selectKnown = statement((p: Params<Pick<NewEntry, 'recipientId' | 'senderId' | 'digest'>>) =>
  query
    .selectFrom('comm_mailbox')
    .select('id')
    .where('recipient_id', '=', p.recipientId)
    .where('sender_id', '=', p.senderId)
    .where('digest', '=', p.digest),
);
const selectUse = statement(
  (p: Params<{ recipientId: string; senderId: string }>) => sql<MailboxUse>`
    select count(*) as count, coalesce(sum(size), 0) as bytes,
      coalesce(sum(sender_id = ${p.senderId}), 0) as countOfSender,
      coalesce(sum(size) filter (where sender_id = ${p.senderId}), 0) as bytesOfSender
    from comm_mailbox indexed by comm_mailbox_once where recipient_id = ${p.recipientId}`,
);
const insertEntry = statement((p: Params<NewEntry>) =>
  query
    .insertInto('comm_mailbox')
    .values({
      recipient_id: p.recipientId,
      sender_id: p.senderId,
      digest: p.digest,
      size: p.size,
      envelope: p.envelope,
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
  query.deleteFrom('comm_mailbox').where('id', 'in', listed<number>(p.ids)).where('recipient_id', '=', p.recipientId),
);
const deleteBefore = statement(
  (p: Params<{ before: string; limit: number }>) => sql<{ id: number }>`
    delete from comm_mailbox where id in (
      select id from comm_mailbox where stored_at < ${p.before} order by stored_at limit ${p.limit}
    ) returning id`,
);

/** The id of the same envelope, where it is stored already. */
export function* storedEntry(entry: NewEntry): Work<number | undefined> {
  return (yield* first(selectKnown(entry)))?.id;
}

export function* mailboxUse(recipientId: string, senderId: string): Work<MailboxUse> {
  return (
    (yield* first(selectUse({ recipientId, senderId }))) ?? { count: 0, bytes: 0, countOfSender: 0, bytesOfSender: 0 }
  );
}

/** @returns its id, greater than every one before it */
export function* storeEntry(entry: NewEntry): Work<number> {
  const row = yield* first(insertEntry(entry));
  if (row === undefined) throw new Error('An insert answered without its id');
  return row.id;
}

/** Some entries, the oldest first, and where to go on. */
export interface Page {
  readonly entries: readonly Entry[];
  /** Everything up to this id is in this page or was before it. */
  readonly upTo: number;
  /** Nothing is left after it. */
  readonly last: boolean;
}

export interface PageRequest {
  readonly after: number;
  readonly maxEntries: number;
  /** One entry always fits. */
  readonly maxBytes: number;
  /** What was stored before has expired. */
  readonly since: string;
}

/** What waits for somebody after the entry `after`. */
export function* mailboxPage(recipientId: string, request: PageRequest): Work<Page> {
  const { after, maxEntries, maxBytes, since } = request;
  // Sizes first: a hundred large envelopes aren't read to hand over one.
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

/** Only the recipient's own: other ids are passed over. */
export function* removeEntries(recipientId: string, ids: readonly number[]): Work<void> {
  yield* run(deleteEntries({ recipientId, ids: JSON.stringify(ids) }));
}

/** @returns how many entries of before that time were there, at most `limit` of them */
export function* removeExpired(before: string, limit: number): Work<number> {
  return (yield* all(deleteBefore({ before, limit }))).length;
}
