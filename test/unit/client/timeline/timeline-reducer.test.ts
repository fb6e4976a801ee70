import { describe, expect, test } from 'vitest';
import {
  findMessage,
  windowOf,
  type Timeline,
  type TimelineEvent,
} from '../../../../src/client/timeline/timeline-reducer.ts';
import type { Message } from '../../../../src/protocol/messages.ts';
import { baseMessage, message, messages, pending } from '../../../helpers/client/messages.ts';
import { created, EMPTY, here, LIVE, loaded, own, run, shown, updated } from '../../../helpers/client/timeline.ts';

describe('new messages', () => {
  test.each<[title: string, from: Timeline, events: TimelineEvent[], expected: string]>([
    ['the next message is appended', LIVE, [created(message(11))], '8 9 10 11'],
    ['a repeated message is added once', LIVE, [created(message(11)), created(message(11))], '8 9 10 11'],
    ['a held message changes nothing', LIVE, [created(message(9))], '8 9 10'],
    ['a message after a gap is not appended', LIVE, [created(message(12))], '8 9 10'],
    [
      'a message after a gap is not added to an empty conversation',
      run(EMPTY, loaded('newest', [])),
      [created(message(2))],
      '',
    ],
    [
      'a tombstone after a gap is not appended',
      LIVE,
      [updated(message(12, { deletedAt: 'now', content: '' }))],
      '8 9 10',
    ],
    [
      'an own message after a gap stays pending',
      LIVE,
      [{ kind: 'pending', message: pending('a') }, created(own(12, 'a'))],
      '8 9 10 +a',
    ],
    ['before anything is loaded nothing is shown', EMPTY, [created(message(11))], ''],
    ['the first message of an empty conversation is shown', EMPTY, [loaded('newest', []), created(message(1))], '1'],
    [
      'a message that was sent and deleted while disconnected is added as a tombstone',
      LIVE,
      [updated(message(11, { deletedAt: 'now', content: '' }))],
      '8 9 10 11',
    ],
    [
      'such a tombstone is also added at the start of a conversation',
      run(EMPTY, loaded('newest', [])),
      [updated(message(1, { rev: 3, deletedAt: 'now', content: '' })), created(message(2))],
      '1 2',
    ],
    ['an update of a message that is not held has no effect', LIVE, [updated(message(3, { rev: 11 }))], '8 9 10'],
    ['a pending message is shown last', LIVE, [{ kind: 'pending', message: pending('a') }], '8 9 10 +a'],
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
      'a repeated pending message is added once',
      LIVE,
      [
        { kind: 'pending', message: pending('a') },
        { kind: 'pending', message: pending('a') },
      ],
      '8 9 10 +a',
    ],
    [
      'a stored message replaces the pending one',
      LIVE,
      [{ kind: 'pending', message: pending('a') }, created(own(11, 'a'))],
      '8 9 10 11',
    ],
    [
      "another user's message with the same client id leaves the pending one",
      LIVE,
      [{ kind: 'pending', message: pending('a') }, created(message(11, { clientId: 'a' }))],
      '8 9 10 11 +a',
    ],
    [
      "a page with another user's message with the same client id leaves the pending one",
      LIVE,
      [{ kind: 'pending', message: pending('a') }, loaded('newest', [message(10), message(11, { clientId: 'a' })])],
      '8 9 10 11 +a',
    ],
    [
      "another user's client id does not prevent a pending message",
      LIVE,
      [created(message(11, { clientId: 'a' })), { kind: 'pending', message: pending('a') }],
      '8 9 10 11 +a',
    ],
    [
      'an acknowledged message is shown before its push arrives',
      LIVE,
      [
        { kind: 'pending', message: pending('a') },
        { kind: 'acknowledged', clientId: 'a', message: own(11, 'a') },
      ],
      '8 9 10 11',
    ],
    [
      'a push after the acknowledgement adds no second message',
      LIVE,
      [
        { kind: 'pending', message: pending('a') },
        { kind: 'acknowledged', clientId: 'a', message: own(11, 'a') },
        created(own(11, 'a')),
      ],
      '8 9 10 11',
    ],
    [
      'a push before the acknowledgement adds no second message',
      LIVE,
      [
        { kind: 'pending', message: pending('a') },
        created(own(11, 'a')),
        { kind: 'acknowledged', clientId: 'a', message: own(11, 'a') },
      ],
      '8 9 10 11',
    ],
    [
      "another user's message comes before one that is acknowledged but not pushed",
      LIVE,
      [
        { kind: 'pending', message: pending('a') },
        { kind: 'acknowledged', clientId: 'a', message: own(12, 'a') },
        created(message(11)),
      ],
      '8 9 10 11 12',
    ],
    [
      'an acknowledgement of a message that an earlier attempt stored adds no second message',
      LIVE,
      [
        { kind: 'pending', message: pending('a') },
        { kind: 'acknowledged', clientId: 'a', message: own(3, 'a') },
      ],
      '8 9 10',
    ],
    [
      'a page with the stored message removes the pending one',
      LIVE,
      [{ kind: 'pending', message: pending('a') }, loaded('newest', [...messages(9, 10), own(11, 'a')])],
      '8 9 10 11',
    ],
    [
      'a stored message does not become pending again',
      LIVE,
      [created(own(11, 'a')), { kind: 'pending', message: pending('a') }],
      '8 9 10 11',
    ],
    [
      'a rejected message stays as failed',
      LIVE,
      [
        { kind: 'pending', message: pending('a') },
        { kind: 'failed', clientId: 'a' },
      ],
      '8 9 10 !a',
    ],
    [
      'a retried message is pending again',
      LIVE,
      [
        { kind: 'pending', message: pending('a') },
        { kind: 'failed', clientId: 'a' },
        { kind: 'retried', clientId: 'a' },
      ],
      '8 9 10 +a',
    ],
    [
      'a discarded message is removed',
      LIVE,
      [
        { kind: 'pending', message: pending('a') },
        { kind: 'discarded', clientId: 'a' },
      ],
      '8 9 10',
    ],
    [
      'pending messages are shown before the first page has loaded',
      EMPTY,
      [{ kind: 'pending', message: pending('a') }],
      '+a',
    ],
  ])('%s', (_title, from, events, expected) => {
    expect(shown(run(from, ...events))).toBe(expected);
  });
});

describe('changes of held messages', () => {
  test('the later state wins in either order of arrival', () => {
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

  test('reactions to a stale message do not hide an edit before them that only its page has', () => {
    const reactions = [{ emoji: '+', count: 1, users: ['bob'] }];
    const reacted: TimelineEvent = { kind: 'reactions', ...here, messageId: '9', reactions, seq: 9, rev: 21 };
    const waiting = run(LIVE, { kind: 'invalidated' }, reacted);
    expect(findMessage(waiting, '9')).toMatchObject({ content: message(9).content, reactions });
    const page = loaded('newest', [message(9, { rev: 20, content: 'edited' }), message(10)]);
    expect(findMessage(run(waiting, page, reacted), '9')).toMatchObject({ content: 'edited', reactions, rev: 21 });
  });

  test('a deletion by a base server leaves a tombstone without content, attachment and reactions', () => {
    const attachment = { url: '/a', mimeType: 'image/png', fileName: 'a', fileSize: 1 };
    const timeline = run(EMPTY, loaded('newest', [baseMessage(1, { attachment, reactions: [] })]));
    const deleted = run(timeline, { kind: 'deleted', ...here, messageId: '1', deletedBy: 'bob', deletedAt: 'then' });
    expect(findMessage(deleted, '1')).toEqual(baseMessage(1, { deletedBy: 'bob', content: '', deletedAt: 'then' }));
    const again: TimelineEvent = { kind: 'deleted', ...here, messageId: '1', deletedBy: 'bob', deletedAt: 'later' };
    expect(run(deleted, again)).toBe(deleted);
  });

  test('a read receipt covers all messages up to its position except the own ones of the reader', () => {
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

  test('a status covers own messages up to its position and never decreases', () => {
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

  test('a page read before a status does not revert it', () => {
    const timeline = run(EMPTY, loaded('newest', [own(8, 'a')]), {
      kind: 'status',
      ...here,
      messageId: '8',
      status: 'read',
    });
    expect(findMessage(run(timeline, loaded('newest', [own(8, 'a')])), '8')?.status).toBe('read');
  });

  test("a base server's receipt names one message and sets the status of an own one to read", () => {
    const rows = [baseMessage(1, { senderId: 'alice' }), baseMessage(2, { senderId: 'alice' })];
    const mark: TimelineEvent = { kind: 'read', ...here, userId: 'bob', readAt: 'then', messageId: '2' };
    const timeline = run(EMPTY, loaded('newest', rows), mark);
    expect(windowOf(timeline).messages.map(({ status }) => status)).toEqual(['sent', 'read']);
  });
});

test('receipts that arrive before their message apply to it', () => {
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

test('a reader in a page that is loaded again is shown, although others are no readers any longer', () => {
  const readBy = (...ids: string[]): Message['readBy'] => ids.map((userId) => ({ userId, readAt: 'then' }));
  const before = loaded('newest', [message(8, { readBy: readBy('bob', 'dan') })]);
  const after = loaded('newest', [message(8, { readBy: readBy('carol') })]);
  const timeline = run(EMPTY, before, { kind: 'invalidated' }, after);
  expect(findMessage(timeline, '8')?.readBy.map(({ userId }) => userId)).toEqual(['bob', 'dan', 'carol']);
});
