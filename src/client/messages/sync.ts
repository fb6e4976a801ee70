import type { Changes, Conversation, Head } from '../../protocol/conversations.ts';
import type { Message } from '../../protocol/messages.ts';
import type { Change } from '../changes.ts';

/*
 * One cursor per conversation makes every durable change apply once and in order:
 *
 *   rev ≤ cursor      known already: dropped
 *   rev = cursor + 1  applied, and whatever was held behind it
 *   rev > cursor + 1  a gap: held, and the missing changes are fetched
 *
 * While the client catches up after a reconnect nothing is fetched one by one: the batch closes all gaps at once.
 */
export interface Cursor extends Head {
  readonly conversationId: string;
  /** Changes that came too early, by `rev`. */
  readonly held: ReadonlyMap<number, Change>;
  readonly fetching: boolean;
  /**
   * Pages of missed changes that have come, while more of them are to come. Each row comes once, at its last `rev`: what
   * was sent first may come last. So nothing is told before all of it is there, and pushes are held as long.
   */
  readonly pages: Pages | undefined;
}

interface Pages {
  readonly rows: readonly Message[];
  /** Where the next page begins. */
  readonly rev: number;
}

export type CursorEvent =
  | { type: 'pushed'; change: Change & { rev: number }; catchingUp: boolean }
  | { type: 'caught-up'; result: Changes }
  | { type: 'fetch-failed' };

export type CursorEffect =
  | { do: 'apply'; changes: readonly Change[] }
  | { do: 'fetch'; after: number }
  /** More was missed than can be fetched: the newest page has to do, and a hole stays. */
  | { do: 'cut-off' };

type Transition = [cursor: Cursor, effects: readonly CursorEffect[]];

/** What is held is bounded: past this the oldest is let go, and the fetch brings it again. */
const MAX_HELD = 1_000;
const NONE: ReadonlyMap<number, Change> = new Map();

export function cursorAt(conversationId: string, { seq, rev }: Head): Cursor {
  return { conversationId, seq, rev, held: NONE, fetching: false, pages: undefined };
}

export function reduceCursor(cursor: Cursor, event: CursorEvent): Transition {
  switch (event.type) {
    case 'pushed': {
      const { change } = event;
      if (change.rev <= cursor.rev) return [cursor, []];
      const isNext = change.rev === cursor.rev + 1 && cursor.pages === undefined;
      // What nearly every push is.
      if (isNext && cursor.held.size === 0) return [advance(cursor, change), applying([change])];
      if (isNext) return drain(advance(cursor, change), [change], event.catchingUp);
      const held = new Map(cursor.held).set(change.rev, change);
      if (held.size > MAX_HELD) held.delete(Math.min(...held.keys()));
      return fetchGap({ ...cursor, held }, [], event.catchingUp);
    }
    case 'caught-up':
      return catchUp({ ...cursor, fetching: false }, event.result, cursor.fetching);
    case 'fetch-failed':
      return [{ ...cursor, fetching: false }, []];
  }
}

/** What a changed row means to somebody who knows the conversation as far as `seq`. */
export function changeOf(message: Message, seq: number): Change {
  const isNew = message.seq !== undefined && message.seq > seq && message.deletedAt === undefined;
  return { kind: isNew ? 'created' : 'updated', conversationId: message.conversationId, message, rev: message.rev };
}

/** A server says `tooLong` long before; one that says "more" for ever is taken at its word no longer. */
const MAX_ROWS = 10_000;

/** @param asked - this answers a fetch, so that it has to bring us further; else it starts over */
function catchUp(cursor: Cursor, result: Changes, asked: boolean): Transition {
  const { changes, conversation, head, hasMore } = result;
  const tooLong = result.tooLong || (cursor.pages?.rows.length ?? 0) > MAX_ROWS;
  // Flags and marks move no `rev`, and are all that an answer without changes may be about.
  if (head.rev <= cursor.rev && !tooLong) {
    const others = changes.length === 0 ? [unordered(conversation, head.rev === cursor.rev)] : [];
    return drain({ ...cursor, pages: undefined }, others, false);
  }
  const pages = asked ? cursor.pages : undefined;
  const rows = [...(pages?.rows ?? []), ...changes];
  // A batch that is full says of the rest only that there is more; a page that says so and brings nothing is broken.
  if (hasMore && !tooLong && (changes.length > 0 || !asked)) {
    const rev = Math.max(changes.at(-1)?.rev ?? 0, pages?.rev ?? cursor.rev);
    return [{ ...cursor, pages: { rows, rev }, fetching: true }, [{ do: 'fetch', after: rev }]];
  }
  const { id: conversationId } = conversation;
  const told: Change = { kind: 'conversation', conversationId, update: conversation, rev: head.rev };
  const news = tooLong ? [] : newsIn(rows, cursor);
  // The whole first: its counts have what led to them.
  const [next, effects] = drain({ ...cursor, ...head, pages: undefined }, [told, ...news], false);
  return [next, tooLong ? [{ do: 'cut-off' }, ...effects] : effects];
}

/**
 * What is new first, in the order it was sent, with the places of what has been deleted since: nothing of it skips a
 * position. Then whatever changed in what was known.
 */
function newsIn(rows: readonly Message[], { seq, rev }: Head): Change[] {
  // Changed again while pages were fetched: the last state counts.
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

/** Counts and marks belong to a `rev`; flags have a counter of their own. */
function unordered(conversation: Conversation, isSame: boolean): Change {
  const { id: conversationId, archived, muted, pinned, flagsRev } = conversation;
  const update = isSame ? conversation : { id: conversationId, archived, muted, pinned, flagsRev };
  return { kind: 'conversation', conversationId, update };
}

/** Applies whatever was held and follows directly; what it has overtaken is forgotten. */
function drain(cursor: Cursor, applied: readonly Change[], catchingUp: boolean): Transition {
  let next = cursor;
  const changes = [...applied];
  const held = new Map([...cursor.held].filter(([rev]) => rev > cursor.rev));
  for (let change = held.get(next.rev + 1); change !== undefined; change = held.get(next.rev + 1)) {
    held.delete(next.rev + 1);
    next = advance(next, change);
    changes.push(change);
  }
  const kept = held.size === 0 ? NONE : held;
  return fetchGap({ ...next, held: kept }, applying(changes), catchingUp);
}

function applying(changes: readonly Change[]): CursorEffect[] {
  return changes.length > 0 ? [{ do: 'apply', changes }] : [];
}

function advance(cursor: Cursor, change: Change): Cursor {
  const seq = change.kind === 'created' ? (change.message.seq ?? 0) : 0;
  return { ...cursor, rev: cursor.rev + 1, seq: Math.max(seq, cursor.seq) };
}

function fetchGap(cursor: Cursor, effects: readonly CursorEffect[], catchingUp: boolean): Transition {
  if (cursor.held.size === 0 || cursor.fetching || catchingUp) return [cursor, effects];
  return [{ ...cursor, fetching: true }, [...effects, { do: 'fetch', after: cursor.rev }]];
}
