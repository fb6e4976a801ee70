import { expect, test } from 'vitest';
import type { Change } from '../../../../src/client/changes.ts';
import {
  changeOf,
  cursorAt,
  reduceCursor,
  type Cursor,
  type CursorEffect,
  type CursorEvent,
} from '../../../../src/client/sync/cursor.ts';
import type { Changes } from '../../../../src/protocol/conversations.ts';
import type { Message } from '../../../../src/protocol/messages.ts';
import { conversation, deepFreeze, message } from '../../../helpers/client/messages.ts';

type Counted = Change & { rev: number };

function created(seq: number, rev = seq): Counted {
  return { kind: 'created', conversationId: 'conversation', message: message(seq, { rev }), rev };
}

function pushed(change: Counted, resyncing = false): CursorEvent {
  return { type: 'pushed', change, resyncing };
}

function missed(changes: Message[], head: { seq: number; rev: number }, rest: Partial<Changes> = {}): CursorEvent {
  const result = { changes, conversation: conversation({ head }), head, hasMore: false, tooLong: false, ...rest };
  return { type: 'missed-changes', result };
}

/** Runs events from a cursor at 5 and tells what came out: `3 created`, `fetch 5`, `reload`. */
function run(...events: readonly CursorEvent[]): { cursor: Cursor; log: string[] } {
  let cursor = cursorAt('conversation', { seq: 5, rev: 5 });
  const log: string[] = [];
  for (const event of events) {
    const [next, effects] = reduceCursor(deepFreeze(cursor), deepFreeze(event));
    cursor = next;
    log.push(...effects.flatMap(describeEffect));
  }
  return { cursor, log };
}

function describeEffect(effect: CursorEffect): string[] {
  switch (effect.do) {
    case 'apply':
      return effect.changes.map(({ rev, kind }) => `${rev} ${kind}`);
    case 'fetch':
      return [`fetch ${effect.after}`];
    case 'reload':
      return ['reload'];
  }
}

test.each<[title: string, events: CursorEvent[], log: string[], rev: number]>([
  ['the next change is applied', [pushed(created(6))], ['6 created'], 6],
  ['a known change is dropped', [pushed(created(5)), pushed(created(1))], [], 5],
  ['the same change twice is applied once', [pushed(created(6)), pushed(created(6))], ['6 created'], 6],
  ['a gap buffers pushes and fetches once', [pushed(created(8)), pushed(created(9))], ['fetch 5'], 5],
  ['during a resync no gap is fetched', [pushed(created(8), true)], [], 5],
  [
    'a gap that is closed by pushes applies the buffered changes',
    [pushed(created(7), true), pushed(created(6), true)],
    ['6 created', '7 created'],
    7,
  ],
  [
    'the response closes the gap, and the buffered changes follow',
    [pushed(created(8)), missed([message(6), message(7)], { seq: 7, rev: 7 })],
    ['fetch 5', '7 conversation', '6 created', '7 created', '8 created'],
    8,
  ],
  [
    'a change that is buffered and in the response is applied once',
    [pushed(created(8)), missed([message(6), message(7), message(8)], { seq: 8, rev: 8 })],
    ['fetch 5', '8 conversation', '6 created', '7 created', '8 created'],
    8,
  ],
  [
    'a response that leaves a gap is followed by another fetch',
    [pushed(created(9)), missed([message(6)], { seq: 6, rev: 6 })],
    ['fetch 5', '6 conversation', '6 created', 'fetch 6'],
    6,
  ],
  [
    'after a failed fetch the next push behind the gap fetches again',
    [pushed(created(8)), { type: 'fetch-failed' }, pushed(created(9))],
    ['fetch 5', 'fetch 5'],
    5,
  ],
  [
    'a change of participants or name advances the cursor without a row',
    [missed([], { seq: 5, rev: 7 })],
    ['7 conversation'],
    7,
  ],
  [
    'an edit of a known message is an update, and a new message that is deleted already is one in its place among the new ones',
    [missed([message(2, { rev: 6 }), message(6, { rev: 7, deletedAt: 'now', content: '' })], { seq: 6, rev: 7 })],
    ['7 conversation', '7 updated', '6 updated'],
    7,
  ],
  [
    'an incomplete page fetches the next one, and nothing is applied before the last one',
    [
      missed([message(6), message(7)], { seq: 9, rev: 9 }, { hasMore: true }),
      missed([message(8), message(9)], { seq: 9, rev: 9 }),
    ],
    ['fetch 7', '9 conversation', '6 created', '7 created', '8 created', '9 created'],
    9,
  ],
  [
    'a new message that was edited arrives pages after newer ones, and is applied before them',
    [
      missed([message(7, { rev: 7 })], { seq: 7, rev: 8 }, { hasMore: true }),
      missed([message(6, { rev: 8 })], { seq: 7, rev: 8 }),
    ],
    ['fetch 7', '8 conversation', '8 created', '7 created'],
    8,
  ],
  [
    'a message that is edited while pages are fetched is applied once as new',
    [
      missed([message(7, { rev: 7 })], { seq: 7, rev: 8 }, { hasMore: true }),
      missed([message(6, { rev: 8 }), message(7, { rev: 9 })], { seq: 7, rev: 9 }),
    ],
    ['fetch 7', '9 conversation', '8 created', '9 created'],
    9,
  ],
  [
    'a push between two pages is buffered, because its message may be on a later page',
    [
      missed([message(7, { rev: 7 })], { seq: 7, rev: 8 }, { hasMore: true }),
      pushed({ ...created(6), kind: 'updated', message: message(6, { rev: 8 }), rev: 8 }),
      missed([message(6, { rev: 8 })], { seq: 7, rev: 8 }),
    ],
    ['fetch 7', '8 conversation', '8 created', '7 created'],
    8,
  ],
  [
    'pages interrupted by a lost connection are requested again',
    [
      missed([message(6)], { seq: 7, rev: 7 }, { hasMore: true }),
      { type: 'fetch-failed' },
      missed([message(6), message(7)], { seq: 7, rev: 7 }),
    ],
    ['fetch 6', '7 conversation', '6 created', '7 created'],
    7,
  ],
  [
    'too many changes cause a reload, and the cursor moves to the head',
    [missed([], { seq: 3_000, rev: 4_000 }, { tooLong: true }), pushed(created(3_001, 4_001))],
    ['reload', '4000 conversation', '4001 created'],
    4_001,
  ],
  [
    'the head of a server whose database was restored replaces a later cursor',
    [missed([], { seq: 2, rev: 3 }, { tooLong: true }), pushed(created(3, 4))],
    ['reload', '3 conversation', '4 created'],
    4,
  ],
  [
    'a response that was overtaken by pushes has no effect',
    [pushed(created(6)), pushed(created(7)), missed([message(6)], { seq: 6, rev: 6 })],
    ['6 created', '7 created'],
    7,
  ],
  [
    'a page that was overtaken by pushes does not skip the changes behind it',
    [
      pushed(created(6)),
      pushed(created(7)),
      missed([message(6)], { seq: 9, rev: 9 }, { hasMore: true }),
      missed([message(8), message(9)], { seq: 9, rev: 9 }),
    ],
    ['6 created', '7 created', 'fetch 7', '9 conversation', '8 created', '9 created'],
    9,
  ],
  [
    'new messages are applied in the order they were sent, before changes of known ones',
    [missed([message(2, { rev: 6 }), message(7), message(6, { rev: 8 })], { seq: 7, rev: 8 })],
    ['8 conversation', '8 created', '7 created', '6 updated'],
    8,
  ],
  [
    'a server that always sends hasMore without changes is not asked endlessly',
    [missed([], { seq: 9, rev: 9 }, { hasMore: true }), missed([], { seq: 9, rev: 9 }, { hasMore: true })],
    ['fetch 5', '9 conversation'],
    9,
  ],
  [
    'the changes of a conversation that had no room in a batch are fetched',
    [missed([], { seq: 7, rev: 7 }, { hasMore: true }), missed([message(6), message(7)], { seq: 7, rev: 7 })],
    ['fetch 5', '7 conversation', '6 created', '7 created'],
    7,
  ],
])('%s', (_title, events, log, rev) => {
  const result = run(...events);
  expect(result.log).toEqual(log);
  expect(result.cursor.rev).toBe(rev);
});

test('markers and flags that changed without a `rev` are applied, of an older state only the flags', () => {
  const flags = { muted: true, pinned: false, archived: false, flagsRev: 3 };
  const whole = conversation({ ...flags, unreadCount: 4 });
  const told = (rev: number): unknown => {
    const cursor = cursorAt('conversation', { seq: 5, rev: 5 });
    return reduceCursor(cursor, missed([], { seq: rev, rev }, { conversation: whole }))[1];
  };
  const apply = (update: unknown): unknown => [
    { do: 'apply', changes: [{ kind: 'conversation', conversationId: 'conversation', update }] },
  ];
  expect(told(5)).toEqual(apply(whole));
  expect(told(4)).toEqual(apply({ id: 'conversation', ...flags }));
});

test('an older page that arrives last reverts nothing', () => {
  const { log: _log, cursor } = run(
    pushed(created(9)),
    missed([message(7), message(6, { rev: 8, content: 'edited' })], { seq: 9, rev: 9 }, { hasMore: true }),
  );
  const [, effects] = reduceCursor(cursor, missed([message(6), message(7)], { seq: 9, rev: 9 }));
  const changes = effects.flatMap((effect) => (effect.do === 'apply' ? effect.changes : []));
  const texts = changes.flatMap((change) => ('message' in change ? [change.message.content] : []));
  expect(texts).toEqual(['edited', 'message 7']);
});

test('fetching ends if the server always sends hasMore', () => {
  let [cursor] = reduceCursor(cursorAt('conversation', { seq: 5, rev: 5 }), pushed(created(9)));
  let fetches = 0;
  for (let isAsked = true; isAsked && fetches < 20_000; fetches += 1) {
    const [next, effects] = reduceCursor(cursor, missed([message(6)], { seq: 9, rev: 9 }, { hasMore: true }));
    cursor = next;
    isAsked = effects.some((effect) => effect.do === 'fetch');
  }
  expect(fetches).toBeLessThan(11_000);
});

test('beyond 1,000 buffered changes the oldest is dropped, and the fetch returns it', () => {
  const events = Array.from({ length: 1_500 }, (_, index) => pushed(created(7 + index)));
  const { cursor, log } = run(...events);
  expect(log).toEqual(['fetch 5']);
  expect(cursor.buffered.size).toBe(1_000);
  const rows = Array.from({ length: 600 }, (_, index) => message(6 + index));
  const [next] = reduceCursor(cursor, missed(rows, { seq: 605, rev: 605 }));
  expect(next.rev).toBe(1_506);
});

test('a row without `seq` never counts as new', () => {
  const { seq: _seq, ...rest } = message(6);
  expect(changeOf(rest, 0).kind).toBe('updated');
});
