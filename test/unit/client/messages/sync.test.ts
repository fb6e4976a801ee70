import { expect, test } from 'vitest';
import type { Change } from '../../../../src/client/changes.ts';
import {
  changeOf,
  cursorAt,
  reduceCursor,
  type Cursor,
  type CursorEffect,
  type CursorEvent,
} from '../../../../src/client/messages/sync.ts';
import type { Changes } from '../../../../src/protocol/conversations.ts';
import type { Message } from '../../../../src/protocol/messages.ts';
import { conversation, deepFreeze, message } from '../../../helpers/client/messages.ts';

type Counted = Change & { rev: number };

function created(seq: number, rev = seq): Counted {
  return { kind: 'created', conversationId: 'conversation', message: message(seq, { rev }), rev };
}

function pushed(change: Counted, catchingUp = false): CursorEvent {
  return { type: 'pushed', change, catchingUp };
}

function caughtUp(changes: Message[], head: { seq: number; rev: number }, rest: Partial<Changes> = {}): CursorEvent {
  const result = { changes, conversation: conversation({ head }), head, hasMore: false, tooLong: false, ...rest };
  return { type: 'caught-up', result };
}

/** Runs events from a cursor at 5 and tells what came out: `3 created`, `fetch 5`, `cut-off`. */
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
    case 'cut-off':
      return ['cut-off'];
  }
}

test.each<[title: string, events: CursorEvent[], log: string[], rev: number]>([
  ['the next change is applied', [pushed(created(6))], ['6 created'], 6],
  ['a change that is known is dropped', [pushed(created(5)), pushed(created(1))], [], 5],
  ['the same change twice is applied once', [pushed(created(6)), pushed(created(6))], ['6 created'], 6],
  ['a gap holds the push and asks once', [pushed(created(8)), pushed(created(9))], ['fetch 5'], 5],
  ['while catching up nothing is asked for one by one', [pushed(created(8), true)], [], 5],
  [
    'a gap that closes by itself applies what was held',
    [pushed(created(7), true), pushed(created(6), true)],
    ['6 created', '7 created'],
    7,
  ],
  [
    'the answer closes the gap, and what was held follows',
    [pushed(created(8)), caughtUp([message(6), message(7)], { seq: 7, rev: 7 })],
    ['fetch 5', '7 conversation', '6 created', '7 created', '8 created'],
    8,
  ],
  [
    'what was held and is in the answer is applied once',
    [pushed(created(8)), caughtUp([message(6), message(7), message(8)], { seq: 8, rev: 8 })],
    ['fetch 5', '8 conversation', '6 created', '7 created', '8 created'],
    8,
  ],
  [
    'an answer that still leaves a gap asks again',
    [pushed(created(9)), caughtUp([message(6)], { seq: 6, rev: 6 })],
    ['fetch 5', '6 conversation', '6 created', 'fetch 6'],
    6,
  ],
  [
    'a failed fetch is asked again with the next gap',
    [pushed(created(8)), { type: 'fetch-failed' }, pushed(created(9))],
    ['fetch 5', 'fetch 5'],
    5,
  ],
  [
    'a change of members or name moves the cursor without a row',
    [caughtUp([], { seq: 5, rev: 7 })],
    ['7 conversation'],
    7,
  ],
  [
    'an edit of a known message is an update, a message that is new and gone already as well, in its place among the new',
    [caughtUp([message(2, { rev: 6 }), message(6, { rev: 7, deletedAt: 'now', content: '' })], { seq: 6, rev: 7 })],
    ['7 conversation', '7 updated', '6 updated'],
    7,
  ],
  [
    'a page that was cut asks for the next one, and nothing is told before the last one is there',
    [
      caughtUp([message(6), message(7)], { seq: 9, rev: 9 }, { hasMore: true }),
      caughtUp([message(8), message(9)], { seq: 9, rev: 9 }),
    ],
    ['fetch 7', '9 conversation', '6 created', '7 created', '8 created', '9 created'],
    9,
  ],
  [
    'a new message that was edited comes pages later than newer ones, and is told before them all the same',
    [
      caughtUp([message(7, { rev: 7 })], { seq: 7, rev: 8 }, { hasMore: true }),
      caughtUp([message(6, { rev: 8 })], { seq: 7, rev: 8 }),
    ],
    ['fetch 7', '8 conversation', '8 created', '7 created'],
    8,
  ],
  [
    'a message that is edited while its pages are fetched is new once',
    [
      caughtUp([message(7, { rev: 7 })], { seq: 7, rev: 8 }, { hasMore: true }),
      caughtUp([message(6, { rev: 8 }), message(7, { rev: 9 })], { seq: 7, rev: 9 }),
    ],
    ['fetch 7', '9 conversation', '8 created', '9 created'],
    9,
  ],
  [
    'between two pages a push is held: it may be about a message that is still to come',
    [
      caughtUp([message(7, { rev: 7 })], { seq: 7, rev: 8 }, { hasMore: true }),
      pushed({ ...created(6), kind: 'updated', message: message(6, { rev: 8 }), rev: 8 }),
      caughtUp([message(6, { rev: 8 })], { seq: 7, rev: 8 }),
    ],
    ['fetch 7', '8 conversation', '8 created', '7 created'],
    8,
  ],
  [
    'pages that a loss of the line has ended are begun anew',
    [
      caughtUp([message(6)], { seq: 7, rev: 7 }, { hasMore: true }),
      { type: 'fetch-failed' },
      caughtUp([message(6), message(7)], { seq: 7, rev: 7 }),
    ],
    ['fetch 6', '7 conversation', '6 created', '7 created'],
    7,
  ],
  [
    'too much cuts off and stands at the head',
    [caughtUp([], { seq: 3_000, rev: 4_000 }, { tooLong: true }), pushed(created(3_001, 4_001))],
    ['cut-off', '4000 conversation', '4001 created'],
    4_001,
  ],
  [
    'a server whose database was restored has a head behind ours, and is believed',
    [caughtUp([], { seq: 2, rev: 3 }, { tooLong: true }), pushed(created(3, 4))],
    ['cut-off', '3 conversation', '4 created'],
    4,
  ],
  [
    'an answer that was overtaken changes nothing',
    [pushed(created(6)), pushed(created(7)), caughtUp([message(6)], { seq: 6, rev: 6 })],
    ['6 created', '7 created'],
    7,
  ],
  [
    'a page that was overtaken is no reason to skip what lies behind it',
    [
      pushed(created(6)),
      pushed(created(7)),
      caughtUp([message(6)], { seq: 9, rev: 9 }, { hasMore: true }),
      caughtUp([message(8), message(9)], { seq: 9, rev: 9 }),
    ],
    ['6 created', '7 created', 'fetch 7', '9 conversation', '8 created', '9 created'],
    9,
  ],
  [
    'new messages are told in the order they were sent, and before changes of known ones',
    [caughtUp([message(2, { rev: 6 }), message(7), message(6, { rev: 8 })], { seq: 7, rev: 8 })],
    ['8 conversation', '8 created', '7 created', '6 updated'],
    8,
  ],
  [
    'a server that promises more and gives nothing is not asked for ever',
    [caughtUp([], { seq: 9, rev: 9 }, { hasMore: true }), caughtUp([], { seq: 9, rev: 9 }, { hasMore: true })],
    ['fetch 5', '9 conversation'],
    9,
  ],
  [
    'a batch that had no room for a conversation leaves its changes to be fetched',
    [caughtUp([], { seq: 7, rev: 7 }, { hasMore: true }), caughtUp([message(6), message(7)], { seq: 7, rev: 7 })],
    ['fetch 5', '7 conversation', '6 created', '7 created'],
    7,
  ],
])('%s', (_title, events, log, rev) => {
  const result = run(...events);
  expect(result.log).toEqual(log);
  expect(result.cursor.rev).toBe(rev);
});

test('marks and flags that changed elsewhere are told although no counter moved, of an older state the flags alone', () => {
  const flags = { muted: true, pinned: false, archived: false, flagsRev: 3 };
  const whole = conversation({ ...flags, unreadCount: 4 });
  const told = (rev: number): unknown => {
    const cursor = cursorAt('conversation', { seq: 5, rev: 5 });
    return reduceCursor(cursor, caughtUp([], { seq: rev, rev }, { conversation: whole }))[1];
  };
  const apply = (update: unknown): unknown => [
    { do: 'apply', changes: [{ kind: 'conversation', conversationId: 'conversation', update }] },
  ];
  expect(told(5)).toEqual(apply(whole));
  expect(told(4)).toEqual(apply({ id: 'conversation', ...flags }));
});

test('an older page that comes last takes nothing back', () => {
  const { log: _log, cursor } = run(
    pushed(created(9)),
    caughtUp([message(7), message(6, { rev: 8, content: 'edited' })], { seq: 9, rev: 9 }, { hasMore: true }),
  );
  const [, effects] = reduceCursor(cursor, caughtUp([message(6), message(7)], { seq: 9, rev: 9 }));
  const changes = effects.flatMap((effect) => (effect.do === 'apply' ? effect.changes : []));
  const texts = changes.flatMap((change) => ('message' in change ? [change.message.content] : []));
  expect(texts).toEqual(['edited', 'message 7']);
});

test('a server that says for ever that there is more is believed up to a point', () => {
  let [cursor] = reduceCursor(cursorAt('conversation', { seq: 5, rev: 5 }), pushed(created(9)));
  let fetches = 0;
  for (let isAsked = true; isAsked && fetches < 20_000; fetches += 1) {
    const [next, effects] = reduceCursor(cursor, caughtUp([message(6)], { seq: 9, rev: 9 }, { hasMore: true }));
    cursor = next;
    isAsked = effects.some((effect) => effect.do === 'fetch');
  }
  expect(fetches).toBeLessThan(11_000);
});

test('what is held is bounded, and the fetch brings back what was let go', () => {
  const events = Array.from({ length: 1_500 }, (_, index) => pushed(created(7 + index)));
  const { cursor, log } = run(...events);
  expect(log).toEqual(['fetch 5']);
  expect(cursor.held.size).toBe(1_000);
  const rows = Array.from({ length: 600 }, (_, index) => message(6 + index));
  const [next] = reduceCursor(cursor, caughtUp(rows, { seq: 605, rev: 605 }));
  expect(next.rev).toBe(1_506);
});

test('a row without a position is never taken for new', () => {
  const { seq: _seq, ...rest } = message(6);
  expect(changeOf(rest, 0).kind).toBe('updated');
});
