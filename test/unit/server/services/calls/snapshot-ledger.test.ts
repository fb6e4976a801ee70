import { describe, expect, test } from 'vitest';
import type { CallRecord, Seat } from '../../../../../src/server/cluster/call-record.ts';
import type { Push } from '../../../../../src/protocol/events.ts';
import {
  concernedUsers,
  isRunningCallChanged,
  SnapshotLedger,
  type CallSnapshot,
} from '../../../../../src/server/services/calls/snapshot-ledger.ts';

const seat = (userId: string, more: Partial<Seat> = {}): Seat => ({
  userId,
  socketId: `${userId}/1`,
  processId: 'P',
  joinedAt: '',
  audioMuted: false,
  videoMuted: true,
  screenSharing: false,
  ...more,
});

function call(id: string, more: Partial<CallRecord> = {}): CallRecord {
  return {
    id,
    conversationId: 'c',
    type: 'audio',
    callerId: 'alice',
    state: 'ringing',
    startedAt: 0,
    seats: [seat('alice')],
    invitations: [{ userId: 'bob', answer: 'pending' }],
    ...more,
  };
}

function snapshot(...calls: CallRecord[]): CallSnapshot {
  return {
    calls: new Map(calls.map((record) => [record.id, { record, version: 7 }])),
    versions: new Map(calls.map(({ id }) => [id, 7])),
    processes: new Set(),
  };
}

const push: Push = { event: 'call:participant-left', data: { callId: 'x', userId: 'u' } };

describe('the ledger over calls as they were read', () => {
  test('finds calls as they are changed, the first started first', () => {
    const ledger = new SnapshotLedger(snapshot(call('late', { startedAt: 2 }), call('early', { startedAt: 1 })));
    expect(ledger.of('bob').map(({ id }) => id)).toEqual(['early', 'late']);
    ledger.put(call('early', { startedAt: 1, invitations: [{ userId: 'bob', answer: 'rejected' }] }), 5);
    ledger.put(call('new', { startedAt: 3 }), undefined);
    expect(ledger.of('bob').map(({ id }) => id)).toEqual(['late', 'new']);
    expect(ledger.ofConversation('c').map(({ id }) => id)).toEqual(['early', 'late', 'new']);
    expect(ledger.changed.map(({ record, before, dueAt }) => [record.id, before?.version, dueAt])).toEqual([
      ['early', 7, 5],
      ['new', undefined, undefined],
    ]);
  });

  test('has an ended call as ended only', () => {
    const ledger = new SnapshotLedger(snapshot(call('x')));
    ledger.put(call('x', { state: 'ended' }), undefined);
    expect([ledger.get('x'), ledger.of('alice'), ledger.ofConversation('c')]).toEqual([undefined, [], []]);
    expect(ledger.ended('x')?.id).toBe('x');
  });

  test.each<[what: string, change: (ledger: SnapshotLedger) => void, isChanged: boolean]>([
    ['nothing', () => undefined, false],
    ['a call', (ledger) => ledger.put(call('x'), undefined), true],
    ['a client id', (ledger) => ledger.remember('alice', 'once', 'x'), true],
    ['no client id', (ledger) => ledger.remember('alice', undefined, 'x'), false],
    ['a signal', (ledger) => ledger.buffer('x', 'bob', push), true],
    ['an emptied buffer', (ledger) => ledger.unbuffer('x', 'bob', () => undefined), false],
  ])('has to store %s', (_, change, isChanged) => {
    const ledger = new SnapshotLedger(snapshot());
    change(ledger);
    expect(ledger.isChanged).toBe(isChanged);
  });

  test.each([
    [255, 0, true],
    [256, 0, false],
    [0, 1_048_576, false],
  ])('a buffer with %i signals and %i characters takes another one: %s', (signals, characters, isTaken) => {
    const ledger = new SnapshotLedger({ ...snapshot(), buffered: { signals, characters } });
    expect(ledger.buffer('x', 'bob', push)).toBe(isTaken);
    expect(ledger.signals).toHaveLength(isTaken ? 1 : 0);
  });
});

test.each<[what: string, record: CallRecord, users: [string, string | undefined][]]>([
  [
    'those with a seat or a pending invitation',
    call('x'),
    [
      ['bob', undefined],
      ['alice', 'P'],
    ],
  ],
  ['not those who declined', call('x', { invitations: [{ userId: 'bob', answer: 'rejected' }] }), [['alice', 'P']]],
  [
    'a disconnected participant, without the process',
    call('x', { seats: [seat('alice', { away: { until: 1 } })], invitations: [] }),
    [['alice', undefined]],
  ],
  ['no user after the end', call('x', { state: 'ended' }), []],
])('a call concerns %s', (_, record, users) => {
  expect([...concernedUsers(record)]).toEqual(users);
});

const running = call('x', { state: 'connected', answeredAt: 1, seats: [seat('alice'), seat('bob')] });

test.each<[what: string, before: CallRecord | undefined, record: CallRecord, isChanged: boolean]>([
  ['rings', undefined, call('x'), false],
  ['is answered', call('x'), running, true],
  ['has another participant', running, { ...running, seats: [...running.seats, seat('carol')] }, true],
  [
    'has a muted participant',
    running,
    { ...running, seats: [seat('alice', { audioMuted: true }), seat('bob')] },
    false,
  ],
  ['has ended', running, { ...running, state: 'ended' }, true],
  ['has ended unanswered', call('x'), call('x', { state: 'ended' }), false],
])('members see another running call if it %s', (_, before, record, isChanged) => {
  expect(isRunningCallChanged({ record, before: before && { record: before, version: 1 } })).toBe(isChanged);
});
