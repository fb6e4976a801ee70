import { describe, expect, test } from 'vitest';
import { WINDOW } from '../../../../src/client/messages/segments.ts';
import {
  emptyTimeline,
  findMessage,
  reduceTimeline,
  windowOf,
  type Timeline,
  type TimelineEvent,
} from '../../../../src/client/messages/timeline.ts';
import type { Message } from '../../../../src/protocol/messages.ts';
import { baseMessage, deepFreeze, message, messages, pending, timeOf } from '../../../helpers/client/messages.ts';

const EMPTY = emptyTimeline('conversation', 'alice');

function run(timeline: Timeline, ...events: readonly TimelineEvent[]): Timeline {
  return events.reduce((state, event) => reduceTimeline(deepFreeze(state), deepFreeze(event)), timeline);
}

function loaded(
  from: 'newest' | 'older' | 'newer' | 'around',
  page: Message[],
  rest: { hasOlder?: boolean; atEnd?: boolean; adjoins?: string } = {},
): TimelineEvent {
  const { hasOlder = (page[0]?.seq ?? 1) > 1, atEnd = from === 'newest', adjoins } = rest;
  return { kind: 'loaded', from, page: { messages: page, hasOlder, ...(adjoins !== undefined && { adjoins }) }, atEnd };
}

function created(each: Message): TimelineEvent {
  return { kind: 'created', conversationId: 'conversation', message: each, rev: each.rev };
}

function updated(each: Message): TimelineEvent {
  return { kind: 'updated', conversationId: 'conversation', message: each, rev: each.rev };
}

const here = { conversationId: 'conversation' };
/** What is shown: `8 9 10` for stored messages, `+a` for pending ones. */
function shown(timeline: Timeline): string {
  return windowOf(timeline)
    .messages.map(({ id, clientId, status }) => (id === clientId ? `${status === 'failed' ? '!' : '+'}${id}` : id))
    .join(' ');
}
/** All stretches: `[1 2] [8 9 10]`. */
function stretches({ segments }: Timeline): string {
  return segments.map((segment) => `[${segment.messages.map(({ id }) => id).join(' ')}]`).join(' ');
}

const LIVE = run(EMPTY, loaded('newest', messages(8, 10)));
const own = (seq: number, clientId: string): Message => message(seq, { senderId: 'alice', clientId });

test('marks that overtake a message are on it when it comes', () => {
  const timeline = run(
    LIVE,
    { kind: 'read', ...here, userId: 'carol', readAt: 'then', messageId: '12', seq: 12 },
    { kind: 'status', ...here, messageId: '11', status: 'read', seq: 11 },
    created(own(11, 'a')),
    created(own(12, 'b')),
    created(own(13, 'c')),
  );
  const carol = [{ userId: 'carol', readAt: 'then' }];
  expect(windowOf(timeline).messages.slice(-3)).toMatchObject([
    { status: 'read', readBy: carol },
    { status: 'sent', readBy: carol },
    { status: 'sent', readBy: [] },
  ]);
});

describe('what arrives', () => {
  test.each<[title: string, from: Timeline, events: TimelineEvent[], expected: string]>([
    ['a message that follows is appended', LIVE, [created(message(11))], '8 9 10 11'],
    ['the same message twice is there once', LIVE, [created(message(11)), created(message(11))], '8 9 10 11'],
    ['a message that is there already changes nothing', LIVE, [created(message(9))], '8 9 10'],
    ['a message that comes behind a later one takes its place', LIVE, [created(message(12)), created(message(11))], '8 9 10 11 12'],
    ['before anything is loaded nothing is shown', EMPTY, [created(message(11))], ''],
    ['the first message of an empty conversation is shown', EMPTY, [loaded('newest', []), created(message(1))], '1'],
    ['a message that came and went while we were away leaves its tombstone', LIVE, [updated(message(11, { deletedAt: 'now', content: '' }))], '8 9 10 11'],
    ['so does one before the first that is held of a conversation held from its beginning', run(EMPTY, loaded('newest', [])), [created(message(2)), updated(message(1, { rev: 3, deletedAt: 'now', content: '' }))], '1 2'],
    ['a change of a message that is not held is none', LIVE, [updated(message(3, { rev: 11 }))], '8 9 10'],
    ['a pending message stands at the end', LIVE, [{ kind: 'pending', message: pending('a') }], '8 9 10 +a'],
    ['pending messages keep their order', LIVE, [{ kind: 'pending', message: pending('b') }, { kind: 'pending', message: pending('a') }], '8 9 10 +b +a'],
    ['a pending message is pending once', LIVE, [{ kind: 'pending', message: pending('a') }, { kind: 'pending', message: pending('a') }], '8 9 10 +a'],
    ['a stored message takes the place of the pending one', LIVE, [{ kind: 'pending', message: pending('a') }, created(own(11, 'a'))], '8 9 10 11'],
    ['a message of somebody else under the same client id leaves the pending one', LIVE, [{ kind: 'pending', message: pending('a') }, created(message(11, { clientId: 'a' }))], '8 9 10 11 +a'],
    ['so does a page that has one', LIVE, [{ kind: 'pending', message: pending('a') }, loaded('newest', [message(10), message(11, { clientId: 'a' })])], '8 9 10 11 +a'],
    ['somebody else’s client id keeps nothing from being pending', LIVE, [created(message(11, { clientId: 'a' })), { kind: 'pending', message: pending('a') }], '8 9 10 11 +a'],
    ['an acknowledged message waits for its push', LIVE, [{ kind: 'pending', message: pending('a') }, { kind: 'acknowledged', clientId: 'a', message: own(11, 'a') }], '8 9 10 11'],
    ['a push behind its acknowledgement leaves one message', LIVE, [{ kind: 'pending', message: pending('a') }, { kind: 'acknowledged', clientId: 'a', message: own(11, 'a') }, created(own(11, 'a'))], '8 9 10 11'],
    ['a push that overtakes the acknowledgement leaves one message', LIVE, [{ kind: 'pending', message: pending('a') }, created(own(11, 'a')), { kind: 'acknowledged', clientId: 'a', message: own(11, 'a') }], '8 9 10 11'],
    ['a message of somebody else comes before one that is acknowledged but not pushed', LIVE, [{ kind: 'pending', message: pending('a') }, { kind: 'acknowledged', clientId: 'a', message: own(12, 'a') }, created(message(11))], '8 9 10 11 12'],
    ['an acknowledgement of what an earlier attempt had stored long ago leaves one message', LIVE, [{ kind: 'pending', message: pending('a') }, { kind: 'acknowledged', clientId: 'a', message: own(3, 'a') }], '8 9 10'],
    ['a page that has it removes the pending one', LIVE, [{ kind: 'pending', message: pending('a') }, loaded('newest', [...messages(9, 10), own(11, 'a')])], '8 9 10 11'],
    ['a message stored already does not become pending again', LIVE, [created(own(11, 'a')), { kind: 'pending', message: pending('a') }], '8 9 10 11'],
    ['a refused message stays, as failed', LIVE, [{ kind: 'pending', message: pending('a') }, { kind: 'failed', clientId: 'a' }], '8 9 10 !a'],
    ['a retried message is on its way again', LIVE, [{ kind: 'pending', message: pending('a') }, { kind: 'failed', clientId: 'a' }, { kind: 'retried', clientId: 'a' }], '8 9 10 +a'],
    ['a discarded message is gone', LIVE, [{ kind: 'pending', message: pending('a') }, { kind: 'discarded', clientId: 'a' }], '8 9 10'],
    ['before the first page the pending ones are shown', EMPTY, [{ kind: 'pending', message: pending('a') }], '+a'],
  ])('%s', (_title, from, events, expected) => {
    expect(shown(run(from, ...events))).toBe(expected);
  });
});

describe('nothing new leaves the same object', () => {
  test.each<[title: string, event: TimelineEvent]>([
    ['a known message', created(message(9))],
    ['an older state of a message', updated(message(9, { rev: 1, content: 'older' }))],
    ['a change of a message that is not held', updated(message(3, { rev: 99 }))],
    ['a deletion of a message that is not held', { kind: 'deleted', ...here, messageId: '3', deletedBy: 'bob', deletedAt: 'now' }],
    ['older reactions', { kind: 'reactions', ...here, messageId: '9', reactions: [], rev: 9 }],
    ['a change of the conversation', { kind: 'conversation', ...here, update: { id: 'conversation', name: 'x' }, rev: 12 }],
    ['a status that is reached already', { kind: 'status', ...here, messageId: '9', status: 'sent' }],
    ['the fate of a message that is not pending', { kind: 'failed', clientId: 'x' }],
    ['an acknowledgement of a message that is not pending', { kind: 'acknowledged', clientId: 'x', message: own(11, 'x') }],
  ])('%s', (_title, event) => {
    expect(run(LIVE, event)).toBe(LIVE);
  });

  test('a mark that is remembered already', () => {
    const mark: TimelineEvent = { kind: 'read', ...here, userId: 'carol', readAt: '', messageId: '', seq: 7 };
    const once = run(LIVE, mark);
    expect(windowOf(once).messages).toBe(windowOf(LIVE).messages);
    expect(run(once, mark, { ...mark, seq: 6 })).toBe(once);
  });

  test('a cut-off of what has no end', () => {
    const cut = run(LIVE, { kind: 'cut-off' });
    expect(run(cut, { kind: 'cut-off' })).toBe(cut);
  });

  test('a message beside the one that changed keeps its identity', () => {
    const next = run(LIVE, updated(message(9, { rev: 20, content: 'edited' })));
    expect(findMessage(next, '8')).toBe(findMessage(LIVE, '8'));
    expect(findMessage(next, '9')).toMatchObject({ content: 'edited', rev: 20 });
  });
});

describe('changes of what is held', () => {
  test('the later state wins, whichever comes first', () => {
    const late = updated(message(9, { rev: 21, content: 'late' }));
    const early = updated(message(9, { rev: 20, content: 'early' }));
    expect(findMessage(run(LIVE, early, late), '9')?.content).toBe('late');
    expect(findMessage(run(LIVE, late, early), '9')?.content).toBe('late');
  });

  test('a page that was read before an edit does not undo it', () => {
    const edited = run(LIVE, updated(message(9, { rev: 20, content: 'edited' })));
    expect(findMessage(run(edited, loaded('newest', messages(8, 10))), '9')?.content).toBe('edited');
  });

  test('a page does not undo reactions that are newer', () => {
    const reactions = [{ emoji: '+', count: 1, users: ['bob'] }];
    const reacted = run(LIVE, { kind: 'reactions', ...here, messageId: '9', reactions, seq: 9, rev: 20 });
    expect(findMessage(run(reacted, loaded('newest', messages(8, 10))), '9')?.reactions).toEqual(reactions);
  });

  test('a deletion by a base server leaves a tombstone without content, attachment and reactions', () => {
    const attachment = { url: '/a', mimeType: 'image/png', fileName: 'a', fileSize: 1 };
    const timeline = run(EMPTY, loaded('newest', [baseMessage(1, { attachment, reactions: [] })]));
    const deleted = run(timeline, { kind: 'deleted', ...here, messageId: '1', deletedBy: 'bob', deletedAt: 'then' });
    expect(findMessage(deleted, '1')).toEqual(baseMessage(1, { content: '', deletedAt: 'then' }));
    const again: TimelineEvent = { kind: 'deleted', ...here, messageId: '1', deletedBy: 'bob', deletedAt: 'later' };
    expect(run(deleted, again)).toBe(deleted);
  });

  test('a read mark covers everything up to its position, except what the reader wrote', () => {
    const rows = [message(8), message(9, { senderId: 'carol' }), message(10)];
    const mark: TimelineEvent = { kind: 'read', ...here, userId: 'carol', readAt: 'then', messageId: '9', seq: 9 };
    const read = run(EMPTY, loaded('newest', rows), mark);
    expect(windowOf(read).messages.map(({ readBy }) => readBy)).toEqual([[{ userId: 'carol', readAt: 'then' }], [], []]);
    expect(run(read, mark)).toBe(read);
  });

  test('at most 50 readers are kept', () => {
    const marks = Array.from(
      { length: 60 },
      (_, at): TimelineEvent => ({ kind: 'read', ...here, userId: `user ${at}`, readAt: '', messageId: '', seq: 10 }),
    );
    expect(findMessage(run(LIVE, ...marks), '10')?.readBy).toHaveLength(50);
  });

  test('a status covers own messages up to its position and never goes back', () => {
    const rows = [own(8, 'a'), message(9), own(10, 'b')];
    const mark = (status: 'delivered' | 'read', seq: number): TimelineEvent => ({ kind: 'status', ...here, messageId: '', status, seq });
    const timeline = run(EMPTY, loaded('newest', rows), mark('read', 8), mark('delivered', 10), mark('delivered', 8));
    expect(windowOf(timeline).messages.map(({ status }) => status)).toEqual(['read', 'sent', 'delivered']);
  });

  test('a page read before a status does not take it back', () => {
    const timeline = run(EMPTY, loaded('newest', [own(8, 'a')]), { kind: 'status', ...here, messageId: '8', status: 'read' });
    expect(findMessage(run(timeline, loaded('newest', [own(8, 'a')])), '8')?.status).toBe('read');
  });

  test("a base server's receipt names one message, and makes one's own read", () => {
    const rows = [baseMessage(1, { senderId: 'alice' }), baseMessage(2, { senderId: 'alice' })];
    const mark: TimelineEvent = { kind: 'read', ...here, userId: 'bob', readAt: 'then', messageId: '2' };
    const timeline = run(EMPTY, loaded('newest', rows), mark);
    expect(windowOf(timeline).messages.map(({ status }) => status)).toEqual(['sent', 'read']);
  });
});

describe('pages', () => {
  test.each<[title: string, from: Timeline, events: TimelineEvent[], stretches: string, shown: string]>([
    ['an older page that adjoins grows the stretch', LIVE, [loaded('older', messages(5, 7))], '[5 6 7 8 9 10]', '5 6 7 8 9 10'],
    ['pages that overlap become one', LIVE, [loaded('older', messages(6, 9))], '[6 7 8 9 10]', '6 7 8 9 10'],
    ['a page far away is a stretch of its own, and shown', LIVE, [loaded('around', messages(2, 4))], '[2 3 4] [8 9 10]', '2 3 4'],
    ['a hole is filled from below', LIVE, [loaded('around', messages(2, 4)), loaded('newer', messages(5, 6))], '[2 3 4 5 6] [8 9 10]', '2 3 4 5 6'],
    ['stretches that meet become one', LIVE, [loaded('around', messages(2, 4)), loaded('newer', messages(5, 7))], '[2 3 4 5 6 7 8 9 10]', '2 3 4 5 6 7 8 9 10'],
    ['messages arrive at the end while somebody reads further up', LIVE, [loaded('around', messages(2, 4)), created(message(11))], '[2 3 4] [8 9 10 11]', '2 3 4'],
    ['an empty page further up leaves the view where it is', LIVE, [loaded('around', messages(2, 4)), loaded('older', [], { hasOlder: false, adjoins: '2' })], '[2 3 4] [8 9 10]', '2 3 4'],
    ['a page that comes after the jump elsewhere does not pull the view back', LIVE, [loaded('around', messages(2, 4)), loaded('older', messages(6, 7))], '[2 3 4] [6 7 8 9 10]', '2 3 4'],
    ['after a cut-off the newest page is shown, and what is held is an older stretch', LIVE, [{ kind: 'cut-off' }, loaded('newest', messages(90, 92))], '[8 9 10] [90 91 92]', '90 91 92'],
    ['after a cut-off a newest page that touches fills the hole', LIVE, [{ kind: 'cut-off' }, loaded('newest', messages(11, 13))], '[8 9 10 11 12 13]', '8 9 10 11 12 13'],
    ['a cut-off leaves whoever reads further up where they are', run(LIVE, loaded('around', messages(2, 4))), [{ kind: 'cut-off' }, loaded('newest', messages(90, 92))], '[2 3 4] [8 9 10] [90 91 92]', '2 3 4'],
    ['the hole of a cut-off is filled by scrolling up', LIVE, [{ kind: 'cut-off' }, loaded('newest', messages(14, 16)), loaded('older', messages(11, 13))], '[8 9 10 11 12 13 14 15 16]', '8 9 10 11 12 13 14 15 16'],
    ['what is pushed between a cut-off and the newest page is not appended to the old end', LIVE, [{ kind: 'cut-off' }, created(message(93))], '[8 9 10]', '8 9 10'],
  ])('%s', (_title, from, events, expected, view) => {
    const timeline = run(from, ...events);
    expect(stretches(timeline)).toBe(expected);
    expect(shown(timeline)).toBe(view);
  });

  test('older and newer are known at the edges', () => {
    const far = run(LIVE, loaded('around', messages(1, 3)));
    expect(windowOf(far)).toMatchObject({ hasOlder: false, hasNewer: true });
    expect(windowOf(LIVE)).toMatchObject({ hasOlder: true, hasNewer: false });
    expect(windowOf(run(LIVE, { kind: 'cut-off' }))).toMatchObject({ hasNewer: true });
    expect(windowOf(run(EMPTY, loaded('newest', [])))).toEqual({ messages: [], hasOlder: false, hasNewer: false });
  });

  test('a stretch whose start is reached stays so when a page overlaps it', () => {
    const whole = run(LIVE, loaded('older', messages(1, 7)));
    expect(windowOf(run(whole, loaded('newest', messages(8, 10)))).hasOlder).toBe(false);
  });

  test('pending messages are hidden while the end is not shown', () => {
    const waiting = run(LIVE, { kind: 'pending', message: pending('a') }, loaded('around', messages(2, 4)));
    expect(shown(waiting)).toBe('2 3 4');
    expect(shown(run(waiting, loaded('newer', messages(5, 7))))).toBe('2 3 4 5 6 7 8 9 10 +a');
  });
});

describe('bounds', () => {
  test('a view that follows the end keeps its window and knows that there is more', () => {
    const timeline = run(EMPTY, loaded('newest', []), ...messages(1, 5_000).map(created));
    const { messages: held, hasOlder, hasNewer } = windowOf(timeline);
    expect(held.length).toBeGreaterThanOrEqual(WINDOW);
    expect(held.length).toBeLessThanOrEqual(WINDOW + 100);
    expect(held.at(-1)?.id).toBe('5000');
    expect({ hasOlder, hasNewer }).toEqual({ hasOlder: true, hasNewer: false });
  });

  test('arrivals take nothing from whoever has scrolled up', () => {
    let timeline = run(EMPTY, loaded('newest', messages(2_000, 2_049)));
    for (let end = 1_999; end > 1_000; end -= 50) timeline = run(timeline, loaded('older', messages(end - 49, end)));
    const first = windowOf(timeline).messages[0]?.id;
    timeline = run(timeline, ...messages(2_050, 2_140).map(created));
    expect(windowOf(timeline).messages[0]?.id).toBe(first);
    expect(windowOf(timeline).messages.at(-1)?.id).toBe('2140');
  });

  test('scrolling up without end lets go of what is newest, which is loaded again on the way down', () => {
    let timeline = run(EMPTY, loaded('newest', messages(4_951, 5_000)));
    for (let end = 4_950; end > 0; end -= 50) timeline = run(timeline, loaded('older', messages(end - 49, end)));
    const top = windowOf(timeline);
    expect(top.messages).toHaveLength(2_000);
    expect(top.messages[0]?.id).toBe('1');
    expect(top).toMatchObject({ hasOlder: false, hasNewer: true });
    expect(timeline.live).toBe(false);
    timeline = run(timeline, loaded('newer', messages(2_001, 2_050)));
    expect(windowOf(timeline).messages.at(-1)?.id).toBe('2050');
    expect(windowOf(timeline).messages).toHaveLength(WINDOW);
    expect(windowOf(timeline).hasOlder).toBe(true);
  });

  test.each([390, 500, 1_990])('jumping to a message next to %i that are held shows that message', (count) => {
    const held = run(EMPTY, loaded('newest', messages(3_000 - count, 3_000)));
    const target = 3_000 - count - 10;
    const timeline = run(held, loaded('around', messages(target - 100, target + 100)));
    expect(windowOf(timeline).messages.some(({ seq }) => seq === target)).toBe(true);
  });

  test('jumping to a message between two long stretches shows that message', () => {
    let timeline = run(EMPTY, loaded('newest', messages(2_200, 4_000)), loaded('around', messages(200, 400)));
    for (let at = 401; at < 2_000; at += 50) timeline = run(timeline, loaded('older', messages(at, at + 49)));
    timeline = run(timeline, loaded('around', messages(2_001, 2_199)));
    expect(windowOf(timeline).messages.some(({ seq }) => seq === 2_100)).toBe(true);
    expect(windowOf(timeline).messages.length).toBeLessThanOrEqual(2_000);
  });

  test('stretches that nobody looks at are let go of, the oldest first, never the end and never what is shown', () => {
    const end = run(EMPTY, loaded('newest', messages(5_000, 5_002)));
    const timeline = run(end, ...[1_000, 900, 800, 700, 600, 500, 400, 300, 200].map((at) => loaded('around', [message(at)])));
    expect(timeline.segments).toHaveLength(8);
    expect(shown(timeline)).toBe('200');
    expect(timeline.segments.at(-1)?.messages.at(-1)?.id).toBe('5002');
    expect(stretches(timeline)).toBe('[200] [500] [600] [700] [800] [900] [1000] [5000 5001 5002]');
  });
});

describe('with a base server, which counts nothing', () => {
  const at = timeOf(1);
  const tied = [7, 8, 9, 10, 11].map((id) => baseMessage(id, { createdAt: at }));

  test('messages of the same millisecond stand in the order of their numeric ids', () => {
    const timeline = run(EMPTY, loaded('newest', [tied[3]!, tied[1]!, tied[4]!], { hasOlder: true }), loaded('older', [tied[2]!, tied[0]!], { hasOlder: false, adjoins: '8' }));
    expect(shown(timeline)).toBe('7 8 9 10 11');
  });

  test('a page that adjoins without an overlap is joined by the message it was asked by', () => {
    const newest = loaded('newest', [baseMessage(5), baseMessage(6)], { hasOlder: true });
    const timeline = run(EMPTY, newest, loaded('older', [baseMessage(3), baseMessage(4)], { adjoins: '5', hasOlder: false }));
    expect(stretches(timeline)).toBe('[3 4 5 6]');
    expect(windowOf(timeline).hasOlder).toBe(false);
  });

  test('an empty page says that the start is reached', () => {
    const newest = loaded('newest', [baseMessage(5)], { hasOlder: true });
    expect(windowOf(run(EMPTY, newest, loaded('older', [], { adjoins: '5', hasOlder: false }))).hasOlder).toBe(false);
  });

  test('a clock that was set back does not make the end another stretch', () => {
    const newest = loaded('newest', [baseMessage(5), baseMessage(6)], { hasOlder: false });
    const timeline = run(EMPTY, newest, created(baseMessage(7, { createdAt: timeOf(1) })));
    expect(timeline.segments).toHaveLength(1);
    expect(windowOf(timeline).hasNewer).toBe(false);
    expect(shown(timeline).split(' ').toSorted()).toEqual(['5', '6', '7']);
  });

  test("a call's log of the same millisecond is part of the end", () => {
    const newest = loaded('newest', [baseMessage(5)], { hasOlder: false });
    const timeline = run(EMPTY, newest, created(baseMessage('call-1', { createdAt: timeOf(5) })));
    expect(timeline.segments).toHaveLength(1);
  });
});
