import { expect, test } from 'vitest';
import { findMessage, windowOf, type TimelineEvent } from '../../../../src/client/timeline/timeline-reducer.ts';
import { message } from '../../../helpers/client/messages.ts';
import { created, here, LIVE, loaded, own, run, updated } from '../../../helpers/client/timeline.ts';

test.each<[title: string, event: TimelineEvent]>([
  ['a known message', created(message(9))],
  ['an older state of a message', updated(message(9, { rev: 1, content: 'older' }))],
  ['a change of a message that is not held', updated(message(3, { rev: 99 }))],
  [
    'a deletion of a message that is not held',
    { kind: 'deleted', ...here, messageId: '3', deletedBy: 'bob', deletedAt: 'now' },
  ],
  ['older reactions', { kind: 'reactions', ...here, messageId: '9', reactions: [], rev: 9 }],
  [
    'a change of the conversation',
    { kind: 'conversation', ...here, update: { id: 'conversation', name: 'x' }, rev: 12 },
  ],
  ['a status that is already reached', { kind: 'status', ...here, messageId: '9', status: 'sent' }],
  ['the result of a message that is not pending', { kind: 'failed', clientId: 'x' }],
  [
    'an acknowledgement of a message that is not pending',
    { kind: 'acknowledged', clientId: 'x', message: own(11, 'x') },
  ],
])('%s', (_title, event) => {
  expect(run(LIVE, event)).toBe(LIVE);
});

test('a receipt that is held already', () => {
  const mark: TimelineEvent = { kind: 'read', ...here, userId: 'carol', readAt: '', messageId: '', seq: 7 };
  const once = run(LIVE, mark);
  expect(windowOf(once).messages).toBe(windowOf(LIVE).messages);
  expect(run(once, mark, { ...mark, seq: 6 })).toBe(once);
});

test('the shown messages when the timeline is invalidated twice', () => {
  const cut = run(LIVE, { kind: 'invalidated' });
  expect(windowOf(cut).messages).toBe(windowOf(LIVE).messages);
  expect(windowOf(run(cut, { kind: 'invalidated' })).messages).toBe(windowOf(LIVE).messages);
});

test('a message that was loaded again unchanged', () => {
  const again = run(LIVE, { kind: 'invalidated' }, loaded('newest', [message(9, { content: 'edited' }), message(10)]));
  expect(findMessage(again, '10')).toBe(findMessage(LIVE, '10'));
  expect(findMessage(again, '9')?.content).toBe('edited');
});

test('a message next to a changed one keeps its identity', () => {
  const next = run(LIVE, updated(message(9, { rev: 20, content: 'edited' })));
  expect(findMessage(next, '8')).toBe(findMessage(LIVE, '8'));
  expect(findMessage(next, '9')).toMatchObject({ content: 'edited', rev: 20 });
});
