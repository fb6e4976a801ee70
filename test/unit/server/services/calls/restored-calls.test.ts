import { DatabaseSync } from 'node:sqlite';
import { expect, test } from 'vitest';
import { silentLogger } from '../../../../../src/lib/logger.ts';
import type { CallRecord } from '../../../../../src/server/cluster/call-record.ts';
import { CallStore } from '../../../../../src/server/services/calls/call-store.ts';
import { createStore } from '../../../../../src/server/store/store.ts';
import { manualClock } from '../../../../helpers/manual-clock.ts';
import { CallBench } from '../../../../helpers/server/call-bench.ts';

const RECONNECT_MS = 25_000;
const RING_MS = 45_000;

function bench(...devices: string[]): CallBench {
  const made = new CallBench('alice', 'bob', 'carol');
  for (const device of devices) made.connect(device);
  return made;
}

/** Another process, which has the last records of the first one and no sockets. */
async function restarted(first: CallBench, downMs = 0): Promise<CallBench> {
  const next = new CallBench('alice', 'bob', 'carol');
  const seenAt = first.clock.now();
  next.clock.advance(seenAt - next.clock.now() + downMs);
  next.stored = [...first.records.values()].map((record) => ({ record, seenAt }));
  await next.calls.start();
  next.told();
  return next;
}

async function talking(): Promise<{ first: CallBench; id: string }> {
  const first = bench('alice/1', 'bob/1');
  const { id } = await first.dial('alice/1', ['bob'], 'audio', { deviceId: 'A', clientId: 'once' });
  await first.answer('bob/1', id, 'B');
  first.calls.connected(first.device('bob/1'), { callId: id });
  return { first, id };
}

test('devices resume a call of the earlier process', async () => {
  const { first, id } = await talking();
  const line = await restarted(first);
  for (const [device, deviceId] of [
    ['alice/2', 'A'],
    ['bob/2', 'B'],
  ] as const) {
    line.connect(device);
    const call = line.calls.sync(line.device(device), { callId: id, deviceId });
    expect(call).toMatchObject({ state: 'connected', participants: [{ userId: 'alice' }, { userId: 'bob' }] });
  }
  line.clock.advance(RECONNECT_MS);
  expect(line.told()).toEqual([]);
  line.hangUp('alice/2', id);
  expect(line.told()).toEqual(['bob/2: participant-left alice', 'bob/2: state-changed ended completed']);
  expect(line.logs).toEqual([{ callId: id, callType: 'audio', outcome: 'completed', duration: 25 }]);
});

test('a call that no device resumes ended with the process that held it', async () => {
  const { first, id } = await talking();
  first.clock.advance(60_000);
  const line = await restarted(first, 3_600_000);
  line.clock.advance(RECONNECT_MS);
  expect(line.logs).toEqual([{ callId: id, callType: 'audio', outcome: 'completed', duration: 60 }]);
  line.clock.advance(60_000);
  expect(line.clock.pending).toBe(0);
});

test('a ringing call rings for the rest of its time', async () => {
  const first = bench('alice/1', 'bob/1');
  const { id } = await first.dial('alice/1', ['bob'], 'audio', { deviceId: 'A' });
  first.clock.advance(20_000);
  const line = await restarted(first, 1_000);
  line.connect('alice/2');
  line.calls.sync(line.device('alice/2'), { callId: id, deviceId: 'A' });
  line.connect('bob/2');
  expect(line.told()).toEqual(['bob/2: incoming']);
  line.clock.advance(RING_MS - 21_000 - 1);
  expect(line.logs).toEqual([]);
  line.clock.advance(1);
  expect(line.logs).toMatchObject([{ outcome: 'missed' }]);
});

test('a repeated call:initiate is answered with the restored call', async () => {
  const { first, id } = await talking();
  const line = await restarted(first);
  line.connect('alice/2');
  const again = await line.dial('alice/2', ['bob'], 'audio', { deviceId: 'A', clientId: 'once' });
  expect(again).toMatchObject({ id, state: 'connected' });
});

test('an ended call whose log message is missing gets it', async () => {
  const { first, id } = await talking();
  first.hangUp('bob/1', id);
  const line = await restarted(first);
  expect(line.logs).toEqual(first.logs);
  expect(line.clock.pending).toBe(0);
});

test('a lonely participant of a group call has the rest of the time', async () => {
  const first = bench('alice/1', 'bob/1', 'carol/1');
  const { id } = await first.dial('alice/1', ['bob', 'carol'], 'audio', { deviceId: 'A' });
  await first.answer('bob/1', id);
  await first.decline('carol/1', id);
  first.hangUp('bob/1', id);
  first.clock.advance(10_000);
  const line = await restarted(first, 5_000);
  line.connect('alice/2');
  line.calls.sync(line.device('alice/2'), { callId: id, deviceId: 'A' });
  line.clock.advance(14_999);
  expect(line.logs).toEqual([]);
  line.clock.advance(1);
  expect(line.logs).toMatchObject([{ outcome: 'completed' }]);
});

async function stores(): Promise<{ open: () => CallStore; database: DatabaseSync; errors: string[] }> {
  const database = new DatabaseSync(':memory:');
  const store = createStore(database, silentLogger);
  await store.ready;
  const errors: string[] = [];
  const logger = { ...silentLogger, error: (message: string) => void errors.push(message) };
  return { open: () => new CallStore({ store, clock: manualClock(1_000), logger }), database, errors };
}

async function record(): Promise<CallRecord> {
  const { first, id } = await talking();
  const found = first.records.get(id);
  if (found === undefined) throw new Error('No record');
  return found;
}

test('a stored call is read as it was written, and a removed one is gone', async () => {
  const { open } = await stores();
  const call = await record();
  const store = open();
  store.save({ ...call, state: 'connecting' });
  store.save(call);
  await store.saved(call.id);
  const next = open();
  expect(await next.load()).toEqual([{ record: call, seenAt: 1_000 }]);
  next.remove(call.id);
  await next.saved(call.id);
  expect(await open().load()).toEqual([]);
});

test('a process that lost a call to another one does not overwrite it', async () => {
  const { open, errors } = await stores();
  const call = await record();
  const old = open();
  old.save(call);
  await old.saved(call.id);
  const next = open();
  await next.load();
  next.save({ ...call, endedAt: 2 });
  await next.saved(call.id);
  old.save({ ...call, endedAt: 3 });
  await old.saved(call.id);
  expect((await open().load())[0]?.record.endedAt).toBe(2);
  expect(errors).toEqual(['a call was changed by another process']);
});

test('a state that waits behind a failed write is stored', async () => {
  const { open, database, errors } = await stores();
  const call = await record();
  database.exec(`CREATE TRIGGER refused BEFORE INSERT ON comm_calls WHEN NEW.state LIKE '%"endedAt":2%'
    BEGIN SELECT RAISE(ABORT, 'refused'); END`);
  const store = open();
  store.save({ ...call, endedAt: 2 });
  store.save({ ...call, endedAt: 3 });
  await store.saved(call.id);
  expect(errors).toEqual(['failed to store a call']);
  expect((await open().load())[0]?.record.endedAt).toBe(3);
});

test('a malformed row is skipped and logged', async () => {
  const { open, database, errors } = await stores();
  const insert = 'INSERT INTO comm_calls (id, state, version, seen_at)';
  database.exec(`${insert} VALUES ('x', '{', 1, '2026-01-01T00:00:00.000Z')`);
  database.exec(`${insert} VALUES ('y', '{"id":"y"}', 1, '2026-01-01T00:00:00.000Z')`);
  expect(await open().load()).toEqual([]);
  expect(errors).toHaveLength(2);
});
