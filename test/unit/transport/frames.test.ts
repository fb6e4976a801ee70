import { expect, test } from 'vitest';
import { separate } from '../../../src/transport/frames.ts';

const collected = {
  event: 'read-receipt:collected',
  data: {
    conversationId: 'c',
    receipts: [
      { messageId: '1', seq: 1, readAt: '2026-01-01T00:00:00.000Z', userIds: ['ada', 'bob'] },
      { messageId: '2', seq: 2, readAt: '2026-01-01T00:00:01.000Z', userIds: ['cleo'] },
    ],
  },
};
const receipt = (messageId: string, seq: number, userId: string, second: number) => ({
  event: 'read-receipt:update',
  data: { conversationId: 'c', messageId, seq, readBy: { userId, readAt: `2026-01-01T00:00:0${second}.000Z` } },
});
const receipts = [receipt('1', 1, 'ada', 0), receipt('1', 1, 'bob', 0), receipt('2', 2, 'cleo', 1)];
const typing = { event: 'typing:update', data: {} };

test('a frame with one push is that push', () => {
  expect(separate(typing)).toEqual([typing]);
});

test('a batch has its pushes in order, and receipts that were collected are single ones', () => {
  expect(separate(collected)).toEqual(receipts);
  expect(separate({ event: 'batch', data: { pushes: [typing, collected, typing] } })).toEqual([
    typing,
    ...receipts,
    typing,
  ]);
});

test.each<[string, unknown]>([
  ['no data', undefined],
  ['no list', { pushes: 7, receipts: {} }],
  ['no pushes and no receipts', { pushes: [7, null, {}], receipts: [null, 7, { userIds: 7 }] }],
  ['a batch in it', { pushes: [{ event: 'batch', data: { pushes: [typing] } }], receipts: [] }],
])('a frame with %s has no pushes', (_title, data) => {
  expect(separate({ event: 'batch', data })).toEqual([]);
  expect(separate({ event: 'read-receipt:collected', data })).toEqual([]);
});
