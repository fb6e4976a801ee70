import type { Changes, Head } from '../../protocol/conversations.ts';
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
  return { conversationId, seq, rev, held: NONE, fetching: false };
}

export function reduceCursor(cursor: Cursor, event: CursorEvent): Transition {
  switch (event.type) {
    case 'pushed': {
      const { change } = event;
      if (change.rev <= cursor.rev) return [cursor, []];
      if (change.rev === cursor.rev + 1) return drain(advance(cursor, change), [change], event.catchingUp);
      const held = new Map(cursor.held).set(change.rev, change);
      if (held.size > MAX_HELD) held.delete(Math.min(...held.keys()));
      return fetchGap({ ...cursor, held }, [], event.catchingUp);
    }
    case 'caught-up':
      return catchUp({ ...cursor, fetching: false }, event.result);
    case 'fetch-failed':
      return [{ ...cursor, fetching: false }, []];
  }
}

/** What a changed row means to somebody who knew the conversation up to `seq`. */
export function changeOf(message: Changes['changes'][number], seq: number): Change {
  const isNew = message.seq !== undefined && message.seq > seq && message.deletedAt === undefined;
  return { kind: isNew ? 'created' : 'updated', conversationId: message.conversationId, message, rev: message.rev };
}

function catchUp(cursor: Cursor, { changes, conversation, head, hasMore, tooLong }: Changes): Transition {
  const news = changes
    .filter(({ rev }) => rev !== undefined && rev > cursor.rev)
    .map((row) => changeOf(row, cursor.seq));
  const last = changes.at(-1)?.rev ?? cursor.rev;
  if (hasMore && last > cursor.rev) {
    const seq = Math.max(cursor.seq, ...changes.map((row) => row.seq ?? 0));
    const [next, effects] = drain({ ...cursor, rev: last, seq, fetching: true }, news, true);
    return [next, [...effects, { do: 'fetch', after: next.rev }]];
  }
  if (head.rev <= cursor.rev) return drain(cursor, news, false);
  const { id: conversationId } = conversation;
  const told: Change = { kind: 'conversation', conversationId, update: conversation, rev: head.rev };
  const [next, effects] = drain({ ...cursor, ...head }, [...news, told], false);
  return [next, tooLong ? [{ do: 'cut-off' }, ...effects] : effects];
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
  const effects: CursorEffect[] = changes.length > 0 ? [{ do: 'apply', changes }] : [];
  const kept = held.size === 0 ? NONE : held;
  return fetchGap({ ...next, held: kept }, effects, catchingUp);
}

function advance(cursor: Cursor, change: Change): Cursor {
  const seq = change.kind === 'created' ? (change.message.seq ?? cursor.seq) : cursor.seq;
  return { ...cursor, rev: cursor.rev + 1, seq: Math.max(seq, cursor.seq) };
}

function fetchGap(cursor: Cursor, effects: readonly CursorEffect[], catchingUp: boolean): Transition {
  if (cursor.held.size === 0 || cursor.fetching || catchingUp) return [cursor, effects];
  return [{ ...cursor, fetching: true }, [...effects, { do: 'fetch', after: cursor.rev }]];
}
