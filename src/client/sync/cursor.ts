import type { Changes, Conversation, Head } from '../../protocol/conversations.ts';
import type { Message } from '../../protocol/messages.ts';
import type { Change } from '../changes.ts';

/** A change of the durable, ordered state of a conversation. */
export type DurableChange = Change & { rev: number };

/**
 * How far one conversation has been received. A pure state: {@link reduceCursor} makes every durable change apply once
 * and in the order of its `rev`.
 *
 *   rev ≤ cursor      received already: dropped
 *   rev = cursor + 1  applied, and the buffered changes that follow directly
 *   rev > cursor + 1  a gap: buffered, and the missing changes are fetched
 *
 * During a resync after a reconnect no gap is fetched on its own: the batch closes all of them at once.
 */
export interface Cursor extends Head {
  readonly conversationId: string;
  /** Changes behind a gap, by `rev`. */
  readonly buffered: ReadonlyMap<number, DurableChange>;
  readonly fetching: boolean;
  /**
   * Pages of missed changes received so far, while more are to come. A page has each changed row once, at its last `rev`,
   * so the first sent message may be on the last page: nothing is applied before all pages have arrived, and pushes are
   * buffered until then.
   */
  readonly pages: Pages | undefined;
}

interface Pages {
  readonly rows: readonly Message[];
  /** The `rev` to fetch the next page after. */
  readonly rev: number;
}

export type CursorEvent =
  | { type: 'pushed'; change: DurableChange; resyncing: boolean }
  /** Missed changes arrived, by a fetch or with a resync. */
  | { type: 'missed-changes'; result: Changes }
  | { type: 'fetch-failed' };

export type CursorEffect =
  | { do: 'apply'; changes: readonly Change[] }
  | { do: 'fetch'; after: number }
  /** The server does not send that many missed changes: the newest page has to be loaded again. */
  | { do: 'reload' };

type Transition = [cursor: Cursor, effects: readonly CursorEffect[]];

/** Beyond this number the change with the lowest `rev` is dropped; the fetch that closes the gap returns it again. */
const MAX_BUFFERED = 1_000;
const NONE: ReadonlyMap<number, DurableChange> = new Map();

/** Creates a cursor that has received everything up to `head`. */
export function cursorAt(conversationId: string, { seq, rev }: Head): Cursor {
  return { conversationId, seq, rev, buffered: NONE, fetching: false, pages: undefined };
}

/** Returns the next cursor and the effects to perform. */
export function reduceCursor(cursor: Cursor, event: CursorEvent): Transition {
  switch (event.type) {
    case 'pushed': {
      const { change } = event;
      if (change.rev <= cursor.rev) return [cursor, []];
      const isNext = change.rev === cursor.rev + 1 && cursor.pages === undefined;
      // Fast path: nearly every push.
      if (isNext && cursor.buffered.size === 0) return [advance(cursor, change), applying([change])];
      if (isNext) return drain(advance(cursor, change), [change], event.resyncing);
      const buffered = new Map(cursor.buffered).set(change.rev, change);
      if (buffered.size > MAX_BUFFERED) buffered.delete(Math.min(...buffered.keys()));
      return fetchGap({ ...cursor, buffered }, [], event.resyncing);
    }
    case 'missed-changes':
      return applyMissed({ ...cursor, fetching: false }, event.result, cursor.fetching);
    case 'fetch-failed':
      return [{ ...cursor, fetching: false }, []];
  }
}

/** Returns the change that a row describes to a client that has received the conversation up to `seq`. */
export function changeOf(message: Message, seq: number): Change {
  const isNew = message.seq !== undefined && message.seq > seq && message.deletedAt === undefined;
  return { kind: isNew ? 'created' : 'updated', conversationId: message.conversationId, message, rev: message.rev };
}

/** A correct server sends `tooLong` before this many rows; the limit ends the fetching if it always sends `hasMore`. */
const MAX_ROWS = 10_000;

/** @param fetched - the changes answer a fetch and continue its pages; else they come with a resync and start over */
function applyMissed(cursor: Cursor, result: Changes, fetched: boolean): Transition {
  const { changes, conversation, head, hasMore } = result;
  const tooLong = result.tooLong || (cursor.pages?.rows.length ?? 0) > MAX_ROWS;
  // Flags and receipts do not increment `rev`: they are all that a result without changes can contain.
  if (head.rev <= cursor.rev && !tooLong) {
    const others = changes.length === 0 ? [unordered(conversation, head.rev === cursor.rev)] : [];
    return drain({ ...cursor, pages: undefined }, others, false);
  }
  const pages = fetched ? cursor.pages : undefined;
  const rows = [...(pages?.rows ?? []), ...changes];
  // A full batch only says that there is more; a fetched page that says so without changes is invalid.
  if (hasMore && !tooLong && (changes.length > 0 || !fetched)) {
    const rev = Math.max(changes.at(-1)?.rev ?? 0, pages?.rev ?? cursor.rev);
    return [{ ...cursor, pages: { rows, rev }, fetching: true }, [{ do: 'fetch', after: rev }]];
  }
  const { id: conversationId } = conversation;
  const update: Change = { kind: 'conversation', conversationId, update: conversation, rev: head.rev };
  const news = tooLong ? [] : newsIn(rows, cursor);
  // The conversation first: its counts include the changes that follow.
  const [next, effects] = drain({ ...cursor, ...head, pages: undefined }, [update, ...news], false);
  return [next, tooLong ? [{ do: 'reload' }, ...effects] : effects];
}

/**
 * Returns the new messages in the order they were sent, including those that have been deleted since, so that no `seq` is
 * skipped. Then the changes of messages that were received before.
 */
function newsIn(rows: readonly Message[], { seq, rev }: Head): Change[] {
  // A row that changed again while pages were fetched occurs twice: the last one is applied.
  const later = rows.filter((row) => (row.rev ?? 0) > rev).toSorted((a, b) => (a.rev ?? 0) - (b.rev ?? 0));
  const latest = new Map(later.map((row) => [row.id, row]));
  const changes = [...latest.values()].map((row) => changeOf(row, seq));
  const isNew = (change: Change): boolean => seqOf(change) > seq;
  const known = changes.filter((change) => !isNew(change));
  return [
    ...changes.filter(isNew).sort((a, b) => seqOf(a) - seqOf(b)),
    ...known.sort((a, b) => (a.rev ?? 0) - (b.rev ?? 0)),
  ];
}

function seqOf(change: Change): number {
  return 'message' in change ? (change.message.seq ?? 0) : 0;
}

/** Counts and receipts belong to a `rev`, so an older conversation only updates its flags, which have their own counter. */
function unordered(conversation: Conversation, isSame: boolean): Change {
  const { id: conversationId, archived, muted, pinned, flagsRev } = conversation;
  const update = isSame ? conversation : { id: conversationId, archived, muted, pinned, flagsRev };
  return { kind: 'conversation', conversationId, update };
}

/** Applies the buffered changes that follow directly and drops those that have been received otherwise. */
function drain(cursor: Cursor, applied: readonly Change[], resyncing: boolean): Transition {
  let next = cursor;
  const changes = [...applied];
  const buffered = new Map([...cursor.buffered].filter(([rev]) => rev > cursor.rev));
  for (let change = buffered.get(next.rev + 1); change !== undefined; change = buffered.get(next.rev + 1)) {
    buffered.delete(next.rev + 1);
    next = advance(next, change);
    changes.push(change);
  }
  const remaining = buffered.size === 0 ? NONE : buffered;
  return fetchGap({ ...next, buffered: remaining }, applying(changes), resyncing);
}

function applying(changes: readonly Change[]): CursorEffect[] {
  return changes.length > 0 ? [{ do: 'apply', changes }] : [];
}

function advance(cursor: Cursor, change: Change): Cursor {
  const seq = change.kind === 'created' ? (change.message.seq ?? 0) : 0;
  return { ...cursor, rev: cursor.rev + 1, seq: Math.max(seq, cursor.seq) };
}

function fetchGap(cursor: Cursor, effects: readonly CursorEffect[], resyncing: boolean): Transition {
  if (cursor.buffered.size === 0 || cursor.fetching || resyncing) return [cursor, effects];
  return [{ ...cursor, fetching: true }, [...effects, { do: 'fetch', after: cursor.rev }]];
}
