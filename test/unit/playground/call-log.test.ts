import { expect, test } from 'vitest';
import { callLogOf, logWords, shortDuration, type CallLog } from '../../../playground/src/lib/call-log.ts';
import type { Message } from '../../../src/index.ts';

function row(content: string, type: Message['type'] = 'call'): Message {
  return {
    id: 'm1',
    conversationId: 'c1',
    senderId: 'alice',
    content,
    type,
    status: 'sent',
    createdAt: '2026-01-01T00:00:00.000Z',
    readBy: [],
    reactions: [],
  };
}

const WORDS: readonly (readonly [log: CallLog, own: string, other: string])[] = [
  [{ callType: 'video', outcome: 'completed', duration: 184 }, 'Video call, 3 min', 'Video call, 3 min'],
  [{ callType: 'audio', outcome: 'completed', duration: 42 }, 'Call, 42 s', 'Call, 42 s'],
  [{ callType: 'audio', outcome: 'missed', duration: 0 }, 'Call, no answer', 'Missed call'],
  [{ callType: 'video', outcome: 'cancelled', duration: 0 }, 'Video call, cancelled', 'Missed video call'],
  [{ callType: 'video', outcome: 'rejected', duration: 0 }, 'Video call, declined', 'Video call, declined'],
  [{ callType: 'audio', outcome: 'busy', duration: 0 }, 'Call, busy', 'Missed call'],
  [{ callType: 'audio', outcome: 'failed', duration: 0 }, 'Call, failed', 'Call, failed'],
  [{ callType: 'audio', outcome: 'failed', duration: 61 }, 'Call, 1 min, then lost', 'Call, 1 min, then lost'],
];

test.each(WORDS)('the call log %j is described for the caller and for the callees', (log, own, other) => {
  expect(callLogOf(row(JSON.stringify({ callId: 'k1', ...log })))).toEqual(log);
  expect(logWords(log, true)).toBe(own);
  expect(logWords(log, false)).toBe(other);
});

test.each([
  'null',
  '[]',
  'Call',
  '{"callType":"video"}',
  '{"callType":"fax","outcome":"completed","duration":1}',
  '{"callType":"video","outcome":"nothing we know","duration":1}',
  `{"callType":"video","outcome":"completed","x":"${'x'.repeat(3_000)}"}`,
])('an invalid call log is not parsed: %s', (content) => {
  expect(callLogOf(row(content))).toBeUndefined();
});

test('only calls leave such rows, and no nonsense of a duration is told', () => {
  const log = '{"callType":"video","outcome":"completed","duration":60}';
  expect(callLogOf(row(log, 'text'))).toBeUndefined();
  for (const duration of ['"long"', '-5', '1e999', 'null']) {
    expect(callLogOf(row(log.replace('60', duration)))?.duration).toBe(0);
  }
});

test('hours are told apart from minutes', () => {
  expect([0, 59, 60, 89, 3_569, 3_600, 5_430].map(shortDuration)).toEqual([
    '0 s',
    '59 s',
    '1 min',
    '1 min',
    '59 min',
    '1 h 0 min',
    '1 h 31 min',
  ]);
});
