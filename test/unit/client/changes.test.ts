import { expect, test } from 'vitest';
import { marksOf } from '../../../src/client/changes.ts';
import { buildConversation, buildParticipant } from '../../../src/testing/builders.ts';

test('a participant who joined later has no receipt for earlier messages', () => {
  const conversation = buildConversation({
    participants: [
      buildParticipant('ann', { lastReadSeq: 5, lastReadAt: '2025-01-01T00:00:00.000Z', lastDeliveredSeq: 9 }),
      buildParticipant('dan', { lastReadSeq: 9, lastDeliveredSeq: 9 }),
    ],
  });
  const read = marksOf(conversation, 'bob').filter(({ kind }) => kind === 'read');
  expect(read).toMatchObject([{ userId: 'ann', seq: 5 }]);
});

test('the slowest other participant determines the status of own messages', () => {
  const at = '2025-01-01T00:00:00.000Z';
  const conversation = buildConversation({
    participants: [
      buildParticipant('bob', { lastReadSeq: 1, lastReadAt: at }),
      buildParticipant('ann', { lastReadSeq: 5, lastReadAt: at, lastDeliveredSeq: 5 }),
      buildParticipant('cat', { lastReadSeq: 3, lastReadAt: at, lastDeliveredSeq: 7 }),
    ],
  });
  const statuses = marksOf(conversation, 'bob').filter(({ kind }) => kind === 'status');
  expect(statuses).toMatchObject([
    { status: 'delivered', seq: 5 },
    { status: 'read', seq: 3 },
  ]);
});
