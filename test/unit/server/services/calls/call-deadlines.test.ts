import { expect, test } from 'vitest';
import type { CallRecord, Seat } from '../../../../../src/server/cluster/call-record.ts';
import { deadlinesOf } from '../../../../../src/server/services/calls/call-deadlines.ts';

const seat = (userId: string, more: Partial<Seat> = {}): Seat => ({
  userId,
  socketId: `${userId}/1`,
  joinedAt: '',
  audioMuted: false,
  videoMuted: true,
  screenSharing: false,
  ...more,
});

const call: CallRecord = {
  id: 'x',
  conversationId: 'c',
  type: 'audio',
  callerId: 'alice',
  state: 'connected',
  startedAt: 1_000,
  answeredAt: 2_000,
  seats: [seat('alice'), seat('bob')],
  invitations: [{ userId: 'bob', answer: 'accepted', at: 1_000 }],
};

test.each<[what: string, change: Partial<CallRecord>, deadlines: readonly unknown[]]>([
  ['a call in which everyone is connected waits for nothing', {}, []],
  [
    'an invitation ends when it has rung for long enough',
    { invitations: [{ userId: 'bob', answer: 'pending', at: 3_000 }] },
    [{ at: 48_000, event: { type: 'unanswered', userId: 'bob' } }],
  ],
  [
    'an invitation without a time rings since the call was started',
    { invitations: [{ userId: 'bob', answer: 'pending' }] },
    [{ at: 46_000, event: { type: 'unanswered', userId: 'bob' } }],
  ],
  [
    'a disconnected participant leaves, with the reason that was set',
    {
      seats: [seat('alice', { away: { until: 9_000, reason: 'cancelled' } }), seat('bob', { away: { until: 8_000 } })],
    },
    [
      { at: 8_000, event: { type: 'left', userId: 'bob', reason: undefined } },
      { at: 9_000, event: { type: 'left', userId: 'alice', reason: 'cancelled' } },
    ],
  ],
  [
    'a participant who is alone leaves a group call after half a minute',
    { seats: [seat('alice')], aloneSince: 5_000 },
    [{ at: 35_000, event: { type: 'abandoned' } }],
  ],
  [
    'a call that has ended waits for nothing',
    { state: 'ended', aloneSince: 1, invitations: [{ userId: 'bob', answer: 'pending' }] },
    [],
  ],
])('%s', (_, change, deadlines) => {
  expect(deadlinesOf({ ...call, ...change }, { ringTimeoutMs: 45_000 })).toEqual(deadlines);
});
