import { expect, test, vi } from 'vitest';
import type { CallRecord } from '../../../../../src/server/cluster/call-record.ts';
import { CallRequests } from '../../../../../src/server/services/calls/call-requests.ts';
import { manualClock } from '../../../../helpers/manual-clock.ts';

const ended = (id: string): CallRecord => ({ id, state: 'ended' }) as CallRecord;

test('the client ids of a call are forgotten a minute after its end, and those of other calls are kept', () => {
  const clock = manualClock();
  const requests = new CallRequests(clock);
  requests.remember('alice', 'a', 'first');
  requests.remember('bob', 'b', 'first');
  requests.remember('alice', 'c', 'second');
  requests.recordEnded(ended('first'));
  clock.advance(59_999);
  expect([requests.callId('alice', 'a'), requests.callId('bob', 'b')]).toEqual(['first', 'first']);
  clock.advance(1);
  expect([requests.callId('alice', 'a'), requests.callId('bob', 'b')]).toEqual([undefined, undefined]);
  expect(requests.callId('alice', 'c')).toBe('second');
  expect(requests.endedCall('first')).toBeUndefined();
});

test('a client id that starts another call stays with that call', () => {
  const clock = manualClock();
  const requests = new CallRequests(clock);
  requests.remember('alice', 'a', 'first');
  requests.recordEnded(ended('first'));
  requests.remember('alice', 'a', 'second');
  clock.advance(60_000);
  expect(requests.callId('alice', 'a')).toBe('second');
});

test('removing an expired call does not look through the client ids of the others', () => {
  const clock = manualClock();
  const requests = new CallRequests(clock);
  requests.remember('alice', 'a', 'first');
  requests.remember('alice', 'b', 'second');
  requests.recordEnded(ended('first'));
  clock.advance(60_000);
  const iterated = vi.spyOn(Map.prototype, Symbol.iterator);
  requests.callId('alice', 'a');
  const { length } = iterated.mock.calls;
  iterated.mockRestore();
  // Only the ended calls.
  expect(length).toBe(1);
});
