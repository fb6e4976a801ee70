import { describe, expect, test } from 'vitest';
import { findMessage, windowOf, type Timeline, type TimelineEvent } from '../../../../src/client/messages/timeline.ts';
import { baseMessage, message, messages, pending } from '../../../helpers/client/messages.ts';
import { created, EMPTY, here, LIVE, loaded, own, run, shown, updated } from '../../../helpers/client/timeline.ts';

describe('what arrives', () => {
  test.each<[title: string, from: Timeline, events: TimelineEvent[], expected: string]>([
    ['a message that follows is appended', LIVE, [created(message(11))], '8 9 10 11'],
    ['the same message twice is there once', LIVE, [created(message(11)), created(message(11))], '8 9 10 11'],
    ['a message that is there already changes nothing', LIVE, [created(message(9))], '8 9 10'],
    ['a message that skips a position is not joined to what is held', LIVE, [created(message(12))], '8 9 10'],
    ['nor is one that is not the first to what was empty', run(EMPTY, loaded('newest', [])), [created(message(2))], ''],
    [
      'a tombstone that skips a position is not joined either',
      LIVE,
      [updated(message(12, { deletedAt: 'now', content: '' }))],
      '8 9 10',
    ],
    [
      'an own message that skips a position waits in sight',
      LIVE,
      [{ kind: 'pending', message: pending('a') }, created(own(12, 'a'))],
      '8 9 10 +a',
    ],
    ['before anything is loaded nothing is shown', EMPTY, [created(message(11))], ''],
    ['the first message of an empty conversation is shown', EMPTY, [loaded('newest', []), created(message(1))], '1'],
    [
      'a message that came and went while we were away leaves its tombstone',
      LIVE,
      [updated(message(11, { deletedAt: 'now', content: '' }))],
      '8 9 10 11',
    ],
    [
      'so does one before the first that is held of a conversation held from its beginning',
      run(EMPTY, loaded('newest', [])),
      [updated(message(1, { rev: 3, deletedAt: 'now', content: '' })), created(message(2))],
      '1 2',
    ],
    ['a change of a message that is not held is none', LIVE, [updated(message(3, { rev: 11 }))], '8 9 10'],
    ['a pending message stands at the end', LIVE, [{ kind: 'pending', message: pending('a') }], '8 9 10 +a'],
    [
      'pending messages keep their order',
      LIVE,
      [
        { kind: 'pending', message: pending('b') },
        { kind: 'pending', message: pending('a') },
      ],
      '8 9 10 +b +a',
    ],
    [
      'a pending message is pending once',
      LIVE,
      [
        { kind: 'pending', message: pending('a') },
        { kind: 'pending', message: pending('a') },
      ],
      '8 9 10 +a',
    ],
    [
      'a stored message takes the place of the pending one',
      LIVE,
      [{ kind: 'pending', message: pending('a') }, created(own(11, 'a'))],
      '8 9 10 11',
    ],
    [
      'a message of somebody else under the same client id leaves the pending one',
      LIVE,
      [{ kind: 'pending', message: pending('a') }, created(message(11, { clientId: 'a' }))],
      '8 9 10 11 +a',
    ],
    [
      'so does a page that has one',
      LIVE,
      [{ kind: 'pending', message: pending('a') }, loaded('newest', [message(10), message(11, { clientId: 'a' })])],
      '8 9 10 11 +a',
    ],
    [
      'somebody else’s client id keeps nothing from being pending',
      LIVE,
      [created(message(11, { clientId: 'a' })), { kind: 'pending', message: pending('a') }],
      '8 9 10 11 +a',
    ],
    [
      'an acknowledged message waits for its push',
      LIVE,
      [
        { kind: 'pending', message: pending('a') },
        { kind: 'acknowledged', clientId: 'a', message: own(11, 'a') },
      ],
      '8 9 10 11',
    ],
    [
      'a push behind its acknowledgement leaves one message',
      LIVE,
      [
        { kind: 'pending', message: pending('a') },
        { kind: 'acknowledged', clientId: 'a', message: own(11, 'a') },
        created(own(11, 'a')),
      ],
      '8 9 10 11',
    ],
    [
      'a push that overtakes the acknowledgement leaves one message',
      LIVE,
      [
        { kind: 'pending', message: pending('a') },
        created(own(11, 'a')),
        { kind: 'acknowledged', clientId: 'a', message: own(11, 'a') },
      ],
      '8 9 10 11',
    ],
    [
      'a message of somebody else comes before one that is acknowledged but not pushed',
      LIVE,
      [
        { kind: 'pending', message: pending('a') },
        { kind: 'acknowledged', clientId: 'a', message: own(12, 'a') },
        created(message(11)),
      ],
      '8 9 10 11 12',
    ],
    [
      'an acknowledgement of what an earlier attempt had stored long ago leaves one message',
      LIVE,
      [
        { kind: 'pending', message: pending('a') },
        { kind: 'acknowledged', clientId: 'a', message: own(3, 'a') },
      ],
      '8 9 10',
    ],
    [
      'a page that has it removes the pending one',
      LIVE,
      [{ kind: 'pending', message: pending('a') }, loaded('newest', [...messages(9, 10), own(11, 'a')])],
      '8 9 10 11',
    ],
    [
      'a message stored already does not become pending again',
      LIVE,
      [created(own(11, 'a')), { kind: 'pending', message: pending('a') }],
      '8 9 10 11',
    ],
    [
      'a refused message stays, as failed',
      LIVE,
      [
        { kind: 'pending', message: pending('a') },
        { kind: 'failed', clientId: 'a' },
      ],
      '8 9 10 !a',
    ],
    [
      'a retried message is on its way again',
      LIVE,
      [
        { kind: 'pending', message: pending('a') },
        { kind: 'failed', clientId: 'a' },
        { kind: 'retried', clientId: 'a' },
      ],
      '8 9 10 +a',
    ],
    [
      'a discarded message is gone',
      LIVE,
      [
        { kind: 'pending', message: pending('a') },
        { kind: 'discarded', clientId: 'a' },
      ],
      '8 9 10',
    ],
    ['before the first page the pending ones are shown', EMPTY, [{ kind: 'pending', message: pending('a') }], '+a'],
  ])('%s', (_title, from, events, expected) => {
    expect(shown(run(from, ...events))).toBe(expected);
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
    expect(windowOf(read).messages.map(({ readBy }) => readBy)).toEqual([
      [{ userId: 'carol', readAt: 'then' }],
      [],
      [],
    ]);
    expect(run(read, mark)).toBe(read);
  });

  test('at most 50 readers are kept', () => {
    const marks = Array.from({ length: 60 }, (_, at): TimelineEvent => ({
      kind: 'read',
      ...here,
      userId: `user ${at}`,
      readAt: '',
      messageId: '',
      seq: 10,
    }));
    expect(findMessage(run(LIVE, ...marks), '10')?.readBy).toHaveLength(50);
  });

  test('a status covers own messages up to its position and never goes back', () => {
    const rows = [own(8, 'a'), message(9), own(10, 'b')];
    const mark = (status: 'delivered' | 'read', seq: number): TimelineEvent => ({
      kind: 'status',
      ...here,
      messageId: '',
      status,
      seq,
    });
    const timeline = run(EMPTY, loaded('newest', rows), mark('read', 8), mark('delivered', 10), mark('delivered', 8));
    expect(windowOf(timeline).messages.map(({ status }) => status)).toEqual(['read', 'sent', 'delivered']);
  });

  test('a page read before a status does not take it back', () => {
    const timeline = run(EMPTY, loaded('newest', [own(8, 'a')]), {
      kind: 'status',
      ...here,
      messageId: '8',
      status: 'read',
    });
    expect(findMessage(run(timeline, loaded('newest', [own(8, 'a')])), '8')?.status).toBe('read');
  });

  test("a base server's receipt names one message, and makes one's own read", () => {
    const rows = [baseMessage(1, { senderId: 'alice' }), baseMessage(2, { senderId: 'alice' })];
    const mark: TimelineEvent = { kind: 'read', ...here, userId: 'bob', readAt: 'then', messageId: '2' };
    const timeline = run(EMPTY, loaded('newest', rows), mark);
    expect(windowOf(timeline).messages.map(({ status }) => status)).toEqual(['sent', 'read']);
  });
});

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
