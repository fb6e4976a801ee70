import { describe, expect, test } from 'vitest';
import { WINDOW } from '../../../../src/client/timeline/segments.ts';
import { windowOf, type Timeline, type TimelineEvent } from '../../../../src/client/timeline/timeline-reducer.ts';
import { baseMessage, message, messages, pending, timeOf } from '../../../helpers/client/messages.ts';
import { created, EMPTY, LIVE, loaded, own, run, shown, stretches, updated } from '../../../helpers/client/timeline.ts';

describe('pages', () => {
  test.each<[title: string, from: Timeline, events: TimelineEvent[], stretches: string, shown: string]>([
    [
      'an adjoining older page extends the segment',
      LIVE,
      [loaded('older', messages(5, 7))],
      '[5 6 7 8 9 10]',
      '5 6 7 8 9 10',
    ],
    ['overlapping pages are merged', LIVE, [loaded('older', messages(6, 9))], '[6 7 8 9 10]', '6 7 8 9 10'],
    [
      'a distant page becomes a segment of its own and is shown',
      LIVE,
      [loaded('around', messages(2, 4))],
      '[2 3 4] [8 9 10]',
      '2 3 4',
    ],
    [
      'a newer page extends the shown segment into the gap',
      LIVE,
      [loaded('around', messages(2, 4)), loaded('newer', messages(5, 6))],
      '[2 3 4 5 6] [8 9 10]',
      '2 3 4 5 6',
    ],
    [
      'adjoining segments are merged',
      LIVE,
      [loaded('around', messages(2, 4)), loaded('newer', messages(5, 7))],
      '[2 3 4 5 6 7 8 9 10]',
      '2 3 4 5 6 7 8 9 10',
    ],
    [
      'a new message is appended to the end while the user has scrolled up',
      LIVE,
      [loaded('around', messages(2, 4)), created(message(11))],
      '[2 3 4] [8 9 10 11]',
      '2 3 4',
    ],
    [
      'an empty older page does not change the shown messages',
      LIVE,
      [loaded('around', messages(2, 4)), loaded('older', [], { hasOlder: false, adjoins: '2' })],
      '[2 3 4] [8 9 10]',
      '2 3 4',
    ],
    [
      'a page that arrives after a jump does not change the shown segment',
      LIVE,
      [loaded('around', messages(2, 4)), loaded('older', messages(6, 7))],
      '[2 3 4] [6 7 8 9 10]',
      '2 3 4',
    ],
    [
      'an invalidation drops the segments and keeps the shown messages visible',
      LIVE,
      [{ kind: 'invalidated' }],
      '',
      '8 9 10',
    ],
    [
      'after an invalidation the newest page replaces the end',
      LIVE,
      [{ kind: 'invalidated' }, loaded('newest', messages(90, 92))],
      '[90 91 92]',
      '90 91 92',
    ],
    [
      'an adjoining page is not merged with invalidated messages',
      LIVE,
      [{ kind: 'invalidated' }, loaded('newest', messages(11, 13))],
      '[11 12 13]',
      '11 12 13',
    ],
    [
      'after an invalidation an empty page replaces the end as well',
      LIVE,
      [{ kind: 'invalidated' }, loaded('newest', [])],
      '[]',
      '',
    ],
    [
      'an invalidation keeps the shown segment of a user who has scrolled up',
      run(LIVE, loaded('around', messages(2, 4))),
      [{ kind: 'invalidated' }, loaded('newest', messages(90, 92)), created(message(93))],
      '[90 91 92 93]',
      '2 3 4',
    ],
    [
      'the stale segment is replaced once it has loaded again',
      run(LIVE, loaded('around', messages(2, 4))),
      [{ kind: 'invalidated' }, loaded('newest', messages(90, 92)), loaded('again', messages(2, 6))],
      '[2 3 4 5 6] [90 91 92]',
      '2 3 4 5 6',
    ],
    [
      'the reloaded segment is merged with the adjoining end',
      run(LIVE, loaded('around', messages(2, 4))),
      [{ kind: 'invalidated' }, loaded('again', messages(2, 6)), loaded('newest', messages(7, 9))],
      '[2 3 4 5 6 7 8 9]',
      '2 3 4 5 6 7 8 9',
    ],
    [
      'a stale segment that cannot be loaded is no longer shown',
      run(LIVE, loaded('around', messages(2, 4))),
      [{ kind: 'invalidated' }, loaded('newest', messages(90, 92)), { kind: 'unreadable' }],
      '[90 91 92]',
      '90 91 92',
    ],
    [
      'a user who jumps elsewhere during a load stays there',
      run(LIVE, loaded('around', messages(2, 4))),
      [
        { kind: 'invalidated' },
        loaded('around', messages(40, 42)),
        loaded('newest', messages(90, 92)),
        loaded('again', messages(2, 4)),
      ],
      '[40 41 42] [90 91 92]',
      '40 41 42',
    ],
    [
      'a second invalidation keeps the stale segment visible',
      run(LIVE, loaded('around', messages(2, 4))),
      [{ kind: 'invalidated' }, loaded('newest', messages(90, 92)), { kind: 'invalidated' }],
      '',
      '2 3 4',
    ],
    [
      'a push between the invalidation and the newest page is not appended to the stale end',
      LIVE,
      [{ kind: 'invalidated' }, created(message(93))],
      '',
      '8 9 10',
    ],
    [
      'updates apply to stale messages',
      LIVE,
      [{ kind: 'invalidated' }, updated(message(9, { rev: 20, deletedAt: 'now', content: '' })), created(message(93))],
      '',
      '8 9 10',
    ],
    [
      'pending messages are shown after the stale end',
      LIVE,
      [{ kind: 'pending', message: pending('a') }, { kind: 'invalidated' }],
      '',
      '8 9 10 +a',
    ],
    [
      'pending messages are shown after the reloaded end, except those that it contains',
      LIVE,
      [
        { kind: 'pending', message: pending('a') },
        { kind: 'pending', message: pending('b') },
        { kind: 'invalidated' },
        created(own(91, 'a')),
        loaded('newest', [message(90), own(91, 'a')]),
      ],
      '[90 91]',
      '90 91 +b',
    ],
  ])('%s', (_title, from, events, expected, view) => {
    const timeline = run(from, ...events);
    expect(stretches(timeline)).toBe(expected);
    expect(shown(timeline)).toBe(view);
  });

  test('hasOlder and hasNewer are correct at the edges', () => {
    const far = run(LIVE, loaded('around', messages(1, 3)));
    expect(windowOf(far)).toMatchObject({ hasOlder: false, hasNewer: true });
    expect(windowOf(LIVE)).toMatchObject({ hasOlder: true, hasNewer: false });
    expect(windowOf(run(LIVE, { kind: 'invalidated' }))).toMatchObject({ hasNewer: true });
    expect(windowOf(run(EMPTY, loaded('newest', [])))).toEqual({ messages: [], hasOlder: false, hasNewer: false });
  });

  test('a segment that reaches the start still does when a page overlaps it', () => {
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
  test('a timeline at its end keeps its window and reports hasOlder', () => {
    const timeline = run(EMPTY, loaded('newest', []), ...messages(1, 5_000).map(created));
    const { messages: held, hasOlder, hasNewer } = windowOf(timeline);
    expect(held.length).toBeGreaterThanOrEqual(WINDOW);
    expect(held.length).toBeLessThanOrEqual(WINDOW + 100);
    expect(held.at(-1)?.id).toBe('5000');
    expect({ hasOlder, hasNewer }).toEqual({ hasOlder: true, hasNewer: false });
  });

  test('arrivals evict nothing while the user has scrolled up', () => {
    let timeline = run(EMPTY, loaded('newest', messages(2_000, 2_049)));
    for (let end = 1_999; end > 1_000; end -= 50) timeline = run(timeline, loaded('older', messages(end - 49, end)));
    const first = windowOf(timeline).messages[0]?.id;
    timeline = run(timeline, ...messages(2_050, 2_140).map(created));
    expect(windowOf(timeline).messages[0]?.id).toBe(first);
    expect(windowOf(timeline).messages.at(-1)?.id).toBe('2140');
  });

  test('scrolling far up evicts the newest messages, which scrolling down loads again', () => {
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

  test.each([390, 500, 1_990])('jumping to a message next to a segment of %i shows that message', (count) => {
    const held = run(EMPTY, loaded('newest', messages(3_000 - count, 3_000)));
    const target = 3_000 - count - 10;
    const timeline = run(held, loaded('around', messages(target - 100, target + 100)));
    expect(windowOf(timeline).messages.some(({ seq }) => seq === target)).toBe(true);
  });

  test('jumping to a message between two long segments shows that message', () => {
    let timeline = run(EMPTY, loaded('newest', messages(2_200, 4_000)), loaded('around', messages(200, 400)));
    for (let at = 401; at < 2_000; at += 50) timeline = run(timeline, loaded('older', messages(at, at + 49)));
    timeline = run(timeline, loaded('around', messages(2_001, 2_199)));
    expect(windowOf(timeline).messages.some(({ seq }) => seq === 2_100)).toBe(true);
    expect(windowOf(timeline).messages.length).toBeLessThanOrEqual(2_000);
  });

  test('hidden segments are evicted oldest first, except the end', () => {
    const end = run(EMPTY, loaded('newest', messages(5_000, 5_002)));
    const timeline = run(
      end,
      ...[1_000, 900, 800, 700, 600, 500, 400, 300, 200].map((at) => loaded('around', [message(at)])),
    );
    expect(timeline.segments).toHaveLength(8);
    expect(shown(timeline)).toBe('200');
    expect(timeline.segments.at(-1)?.messages.at(-1)?.id).toBe('5002');
    expect(stretches(timeline)).toBe('[200] [500] [600] [700] [800] [900] [1000] [5000 5001 5002]');
  });
});

describe('with a base server, which sends no seq', () => {
  const tie = (...numbers: number[]) => numbers.map((id) => baseMessage(id, { createdAt: timeOf(1) }));

  test('messages of the same millisecond are ordered by numeric id', () => {
    const timeline = run(
      EMPTY,
      loaded('newest', tie(10, 8, 11), { hasOlder: true }),
      loaded('older', tie(9, 7), { hasOlder: false, adjoins: '8' }),
    );
    expect(shown(timeline)).toBe('7 8 9 10 11');
  });

  test('a page without overlap is joined at the message before which it ends', () => {
    const newest = loaded('newest', [baseMessage(5), baseMessage(6)], { hasOlder: true });
    const timeline = run(
      EMPTY,
      newest,
      loaded('older', [baseMessage(3), baseMessage(4)], { adjoins: '5', hasOlder: false }),
    );
    expect(stretches(timeline)).toBe('[3 4 5 6]');
    expect(windowOf(timeline).hasOlder).toBe(false);
  });

  test('an empty page shows that the start is reached', () => {
    const newest = loaded('newest', [baseMessage(5)], { hasOlder: true });
    expect(windowOf(run(EMPTY, newest, loaded('older', [], { adjoins: '5', hasOlder: false }))).hasOlder).toBe(false);
  });

  test('a clock that was set back does not start another segment at the end', () => {
    const newest = loaded('newest', [baseMessage(5), baseMessage(6)], { hasOlder: false });
    const timeline = run(EMPTY, newest, created(baseMessage(7, { createdAt: timeOf(1) })));
    expect(timeline.segments).toHaveLength(1);
    expect(windowOf(timeline).hasNewer).toBe(false);
    expect(shown(timeline).split(' ').toSorted()).toEqual(['5', '6', '7']);
  });

  test('a call log message of the same millisecond is part of the end', () => {
    const newest = loaded('newest', [baseMessage(5)], { hasOlder: false });
    const timeline = run(EMPTY, newest, created(baseMessage('call-1', { createdAt: timeOf(5) })));
    expect(timeline.segments).toHaveLength(1);
  });
});
