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
   * Between two pages of missed changes. Each row comes once, at its last `rev`: one that was written before the cursor
   * may still be to come, and a push about it can't be applied, so all of them are held until the last page.
   */
  readonly paging: boolean;
  /** Positions past `seq` whose messages came in earlier pages. */
  readonly known: ReadonlySet<number>;
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
const NOWHERE: ReadonlySet<number> = new Set();

export function cursorAt(conversationId: string, { seq, rev }: Head): Cursor {
  return { conversationId, seq, rev, held: NONE, fetching: false, paging: false, known: NOWHERE };
}

export function reduceCursor(cursor: Cursor, event: CursorEvent): Transition {
  switch (event.type) {
    case 'pushed': {
      const { change } = event;
      if (change.rev <= cursor.rev) return [cursor, []];
      if (change.rev === cursor.rev + 1 && !cursor.paging) return drain(advance(cursor, change), [change], event.catchingUp);
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

/** What a changed row means to somebody who knows the conversation as far as `seq`, and besides what is `known`. */
export function changeOf(message: Message, { seq, known }: Pick<Cursor, 'seq' | 'known'>): Change {
  const isNew =
    message.seq !== undefined && message.seq > seq && !known.has(message.seq) && message.deletedAt === undefined;
  return { kind: isNew ? 'created' : 'updated', conversationId: message.conversationId, message, rev: message.rev };
}

/** @param asked - this answers a fetch, so that it has to bring us further */
function catchUp(cursor: Cursor, result: Changes, asked: boolean): Transition {
  const { changes, conversation, head, hasMore, tooLong } = result;
  const overtaken = head.rev < cursor.rev || (head.rev === cursor.rev && !cursor.paging);
  // Flags move no `rev`, and are all that an answer without changes may be about.
  if (overtaken && !tooLong) return drain(cursor, changes.length === 0 ? [flagsOf(conversation)] : [], false);
  const rows = changes.filter(({ rev }) => rev !== undefined && rev > cursor.rev);
  const news = rows.map((row) => changeOf(row, cursor));
  // A batch that is full says of the rest only that there is more; a page that says so and brings nothing is broken.
  if (hasMore && !tooLong && (changes.length > 0 || !asked)) {
    const rev = Math.max(changes.at(-1)?.rev ?? 0, cursor.rev);
    const next = { ...meet(cursor, rows.map(({ seq }) => seq)), rev, paging: true, fetching: true };
    return [next, [...applying(news), { do: 'fetch', after: rev }]];
  }
  const { id: conversationId } = conversation;
  const told: Change = { kind: 'conversation', conversationId, update: conversation, rev: head.rev };
  const [next, effects] = drain({ ...cursor, ...head, paging: false, known: NOWHERE }, [...news, told], false);
  return [next, tooLong ? [{ do: 'cut-off' }, ...effects] : effects];
}

function flagsOf({ id, archived, muted, pinned }: Conversation): Change {
  return { kind: 'conversation', conversationId: id, update: { id, archived, muted, pinned } };
}

/** Positions have no holes, so those that follow one another need not be remembered one by one. */
function meet(cursor: Cursor, seqs: readonly (number | undefined)[]): Cursor {
  const known = new Set(cursor.known);
  for (const seq of seqs) if (seq !== undefined && seq > cursor.seq) known.add(seq);
  let { seq } = cursor;
  while (known.delete(seq + 1)) seq += 1;
  return { ...cursor, seq, known: known.size === 0 ? NOWHERE : known };
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
  const next = { ...cursor, rev: cursor.rev + 1 };
  return change.kind === 'created' ? meet(next, [change.message.seq]) : next;
}

function fetchGap(cursor: Cursor, effects: readonly CursorEffect[], catchingUp: boolean): Transition {
  if (cursor.held.size === 0 || cursor.fetching || catchingUp) return [cursor, effects];
  return [{ ...cursor, fetching: true }, [...effects, { do: 'fetch', after: cursor.rev }]];
}
