import { expect, test } from 'vitest';
import { CommunicationStore } from '../../../../../src/server/cluster/memory-ephemera.ts';
import type { CallRecord } from '../../../../../src/server/cluster/call-record.ts';
import { ActiveCalls } from '../../../../../src/server/services/calls/active-calls.ts';
import type { Capability } from '../../../../../src/protocol/constants.ts';
import { manualClock } from '../../../../helpers/manual-clock.ts';
import { RecordingBroadcaster } from '../../../../helpers/server/recording-broadcaster.ts';

class Bench {
  readonly clock = manualClock();
  readonly broadcaster = new RecordingBroadcaster();
  readonly ephemera = new CommunicationStore(this.clock);
  readonly active = new ActiveCalls({
    clock: this.clock,
    broadcaster: this.broadcaster,
    calls: this.ephemera,
    conversationIdsOf: () => Promise.resolve(['c']),
  });

  set(users: string[], more: Partial<CallRecord> = {}): void {
    const seats = users.map((userId) => ({
      userId,
      socketId: undefined,
      joinedAt: '',
      audioMuted: false,
      videoMuted: true,
      screenSharing: false,
    }));
    const call: CallRecord = {
      id: 'x',
      conversationId: 'c',
      type: 'audio',
      callerId: 'alice',
      state: 'connected',
      startedAt: 0,
      answeredAt: 1,
      invitations: [],
      seats,
      ...more,
    };
    if (call.state === 'ended') this.ephemera.removeCall(call.id);
    else this.ephemera.setCallRecord(call);
    this.active.changed(call);
  }

  pushed(): unknown[] {
    return this.broadcaster.pushes.splice(0).map(({ to, data }) => [to, data]);
  }
}

const running = (...participantIds: string[]): unknown => ({
  id: 'c',
  activeCall: { id: 'x', type: 'audio', startedAt: '1970-01-01T00:00:00.000Z', participantIds },
});

test('members learn of a call when it is answered, changes and ends', () => {
  const bench = new Bench();
  bench.set(['alice'], { state: 'ringing', answeredAt: undefined });
  expect(bench.pushed()).toEqual([]);
  bench.set(['alice', 'bob']);
  expect(bench.pushed()).toEqual([['conversation:c', running('alice', 'bob')]]);
  bench.clock.advance(1_000);
  bench.set(['alice', 'bob', 'carol']);
  expect(bench.pushed()).toEqual([['conversation:c', running('alice', 'bob', 'carol')]]);
  bench.clock.advance(1_000);
  bench.set([], { state: 'ended' });
  expect(bench.pushed()).toEqual([['conversation:c', { id: 'c', activeCall: null }]]);
  bench.clock.advance(1_000);
  expect(bench.clock.pending).toBe(0);
});

test('changes within a second are one push of the last state', () => {
  const bench = new Bench();
  for (let count = 0; count < 50; count += 1) bench.set(count % 2 === 0 ? ['alice', 'bob'] : ['alice', 'bob', 'carol']);
  expect(bench.pushed()).toHaveLength(1);
  bench.clock.advance(1_000);
  expect(bench.pushed()).toEqual([['conversation:c', running('alice', 'bob', 'carol')]]);
  bench.clock.advance(1_000);
  expect(bench.clock.pending).toBe(0);
});

test('a device that connects learns of the calls in conversations of its user only', async () => {
  const bench = new Bench();
  bench.set(['alice', 'bob']);
  bench.set(['dave', 'erin'], { id: 'y', conversationId: 'other' });
  bench.pushed();
  const caps = new Set<Capability>(['rev']);
  await bench.active.connected({ userId: 'carol', socketId: 's', caps });
  await bench.active.connected({ userId: 'carol', socketId: 'base', caps: new Set() });
  expect(bench.pushed()).toEqual([['socket:s', running('alice', 'bob')]]);
});
