import { describe, expect, test } from 'vitest';
import { silentLogger } from '../../../../../src/lib/logger.ts';
import { CallStore } from '../../../../../src/server/services/calls/call-store.ts';
import { eventually } from '../../../../helpers/eventually.ts';
import { manualClock } from '../../../../helpers/manual-clock.ts';
import { SharedCallsBench, type BenchProcess } from '../../../../helpers/server/shared-calls-bench.ts';

const refusal = (code: string): unknown => expect.objectContaining({ code }) as unknown;

async function bench(...names: string[]): Promise<{ bench: SharedCallsBench; all: BenchProcess[] }> {
  const made = new SharedCallsBench();
  const all: BenchProcess[] = [];
  for (const name of names) all.push(await made.start(name));
  return { bench: made, all };
}

/** Alice on the first process and Bob on the second one are in a call. */
async function talking(...names: string[]): Promise<{ bench: SharedCallsBench; all: BenchProcess[]; callId: string }> {
  const made = await bench(...names);
  const [one, two] = made.all as [BenchProcess, BenchProcess];
  await one.connect('alice/1');
  await two.connect('bob/1');
  const { id: callId } = await one.dial('alice/1', ['bob'], 'A');
  await two.answer('bob/1', callId, 'B');
  for (const process of made.all) process.told();
  return { ...made, callId };
}

test('the deadline of a call is kept by a process that did not start it', async () => {
  const { bench: line, all } = await bench('P1', 'P2');
  const [one, two] = all as [BenchProcess, BenchProcess];
  await one.connect('alice/1');
  await two.connect('bob/1');
  const { id } = await one.dial('alice/1', ['bob'], 'A');
  expect(one.told()).toContain('call:incoming > user:bob');
  one.kill();
  await two.connect('alice/2');
  await two.calls.sync(two.device('alice/2'), { callId: id, deviceId: 'A' });
  await line.advance(44_000);
  expect(line.logged).toEqual([]);
  await line.advance(3_000);
  expect(two.told()).toContain('call:state-changed > user:bob');
  expect(line.logged).toMatchObject([{ id, endReason: 'missed' }]);
});

test('one of several processes does what is due, once', async () => {
  const { bench: line, all } = await bench('P1', 'P2', 'P3');
  const [one] = all as [BenchProcess];
  await one.connect('alice/1');
  await one.dial('alice/1', ['bob'], 'A');
  for (const process of all) process.told();
  await line.advance(47_000);
  const told = all.flatMap((process) => process.told());
  expect(told.filter((push) => push === 'call:state-changed > user:bob')).toHaveLength(1);
  expect(line.logged).toHaveLength(1);
});

test('participants of a process that was killed leave unless they return', async () => {
  const { bench: line, all } = await bench('P1', 'P2');
  const [one, two] = all as [BenchProcess, BenchProcess];
  await one.connect('alice/1');
  await one.connect('carol/1');
  await two.connect('bob/1');
  const { id: callId } = await one.dial('alice/1', ['bob', 'carol'], 'A');
  await two.answer('bob/1', callId, 'B');
  await one.answer('carol/1', callId, 'C');
  two.told();
  one.kill();
  await line.advance(15_000);
  await two.connect('alice/2');
  const { participants } = await two.calls.sync(two.device('alice/2'), { callId, deviceId: 'A' });
  expect(participants.map(({ userId }) => userId)).toEqual(['alice', 'bob', 'carol']);
  expect(two.told()).toEqual([]);
  // It is noticed after 10 to 12 s, and then they may return for 25 s.
  await line.advance(24_000);
  expect(two.told()).toEqual(['call:participant-left > socket:alice/2', 'call:participant-left > socket:bob/1']);
});

test('a call whose processes have all ended ended with them, if no device returns', async () => {
  const { bench: line, all, callId } = await talking('P1', 'P2', 'P3');
  const [one, two] = all as [BenchProcess, BenchProcess];
  await line.advance(20_000);
  one.kill();
  two.kill();
  await line.advance(120_000);
  const [{ id, startedAt, endedAt } = { id: '', startedAt: 0, endedAt: 0 }] = line.logged;
  expect([line.logged.length, id]).toEqual([1, callId]);
  expect((endedAt ?? 0) - startedAt).toBeLessThanOrEqual(21_000);
});

test('a process that was paused gets its seats back', async () => {
  const { bench: line, all, callId } = await talking('P1', 'P2');
  const [one, two] = all as [BenchProcess, BenchProcess];
  one.kill();
  await line.advance(20_000);
  line.processes.push(one);
  await line.advance(40_000);
  expect(two.told()).toEqual([]);
  await two.calls.hangUp(two.device('bob/1'), { callId, reason: 'completed' });
  expect(two.told()).toContain('call:participant-left > socket:alice/1');
});

test('a process that is closed is not waited for', async () => {
  const { bench: line, all, callId } = await talking('P1', 'P2');
  const [one, two] = all as [BenchProcess, BenchProcess];
  one.calls.close();
  await one.calls.idle();
  one.kill();
  await line.advance(24_000);
  expect(line.logged).toEqual([]);
  await line.advance(4_000);
  expect(two.told()).toContain('call:participant-left > socket:bob/1');
  expect(line.logged).toMatchObject([{ id: callId, endReason: 'completed' }]);
});

test('a device that disconnects is waited for, and resumes its seat on another process', async () => {
  const { bench: line, all, callId } = await talking('P1', 'P2');
  const [one, two] = all as [BenchProcess, BenchProcess];
  await one.disconnect('alice/1');
  await line.advance(20_000);
  await two.connect('alice/2');
  await two.calls.sync(two.device('alice/2'), { callId, deviceId: 'A' });
  await line.advance(30_000);
  expect(two.told()).toEqual([]);
  await two.disconnect('alice/2');
  await line.advance(26_000);
  // Either process does what is due.
  expect([...one.told(), ...two.told()]).toContain('call:participant-left > socket:bob/1');
});

test('signals are buffered while the device or the bus is away, and delivered in order', async () => {
  const { all, callId } = await talking('P1', 'P2');
  const [one, two] = all as [BenchProcess, BenchProcess];
  const relay = async (generation: number): Promise<void> => {
    const data = { callId, fromUserId: 'alice', toUserId: 'bob', generation };
    const push = () => ({ event: 'signal:ice-restart', data }) as const;
    await one.calls.relay(one.device('alice/1'), { callId, toUserId: 'bob', toDeviceId: 'B', push });
  };
  await relay(1);
  expect(one.told()).toEqual(['signal:ice-restart > socket:bob/1']);
  one.hasBus = false;
  await relay(2);
  one.hasBus = true;
  await two.disconnect('bob/1');
  await relay(3);
  expect(one.told()).toEqual([]);
  await two.connect('bob/2');
  await two.calls.sync(two.device('bob/2'), { callId, deviceId: 'B' });
  expect(two.broadcaster.payloads('signal:ice-restart').map(({ generation }) => generation)).toEqual([2, 3]);
  two.told();
  await relay(4);
  expect(one.told()).toEqual(['signal:ice-restart > socket:bob/2']);
});

test('a change that other processes have overtaken is made on what they have stored', async () => {
  const { all } = await bench('P1', 'P2', 'P3');
  const [one, two, three] = all as [BenchProcess, BenchProcess, BenchProcess];
  await one.connect('alice/1');
  await two.connect('bob/1');
  await three.connect('bob/2');
  const { id } = await one.dial('alice/1', ['bob'], 'A');
  const answers = await Promise.allSettled([two.answer('bob/1', id, 'B1'), three.answer('bob/2', id, 'B2')]);
  expect(answers.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected']);
  expect(answers.find(({ status }) => status === 'rejected')).toMatchObject({ reason: refusal('CONFLICT') });
});

test('an ended call is known for a minute, and its rows are deleted then', async () => {
  const { bench: line, all, callId } = await talking('P1', 'P2');
  const [one, two] = all as [BenchProcess, BenchProcess];
  await one.calls.hangUp(one.device('alice/1'), { callId, reason: 'completed' });
  const ended = { state: 'ended', endReason: 'completed' };
  await line.advance(50_000);
  expect(await two.calls.sync(two.device('bob/1'), { callId, deviceId: 'B' })).toMatchObject(ended);
  await line.advance(15_000);
  await expect(two.calls.sync(two.device('bob/1'), { callId })).rejects.toEqual(refusal('NOT_FOUND'));
});

test('members are told of the running call when it is answered, joined and ended, and not otherwise', async () => {
  const { bench: line, all, callId } = await talking('P1', 'P2');
  const [one, two] = all as [BenchProcess, BenchProcess];
  expect(line.runningCallChanges).toBe(1);
  await two.calls.connected(two.device('bob/1'), { callId });
  await two.calls.toggleMedia(two.device('bob/1'), { callId, audio: false });
  expect(line.runningCallChanges).toBe(1);
  await one.calls.hangUp(one.device('alice/1'), { callId, reason: 'completed' });
  expect(line.runningCallChanges).toBe(2);
});

test('a process that uses the database alone takes the calls up, and hands them back', async () => {
  const { bench: line, all, callId } = await talking('P1', 'P2');
  for (const process of all) process.kill();
  const clock = manualClock();
  const alone = new CallStore({ store: line.store, clock, logger: silentLogger });
  const [{ record } = { record: undefined }] = await alone.load();
  expect(record).toMatchObject({ id: callId, state: 'connecting', seats: [{ userId: 'alice' }, { userId: 'bob' }] });
  alone.close();
  const next = await line.start('P3');
  await next.connect('bob/2');
  const resumed = await next.calls.sync(next.device('bob/2'), { callId, deviceId: 'B' });
  expect(resumed.participants.map(({ userId }) => userId)).toEqual(['alice', 'bob']);
  await line.advance(26_000);
  expect(line.logged).toMatchObject([{ id: callId, endReason: 'completed' }]);
});

test('a device that is connected to another process counts: its user rings, or is shown the call as waiting', async () => {
  const { all } = await bench('P1', 'P2');
  const [one, two] = all as [BenchProcess, BenchProcess];
  await one.connect('alice/1');
  await one.connect('carol/modern');
  expect(await one.dial('alice/1', ['bob'])).toMatchObject({ state: 'initiating' });
  await two.connect('bob/modern');
  const { id } = await one.calls.sync(one.device('alice/1'), { callId: 'call-1' });
  await two.answer('bob/modern', id);
  expect(await one.dial('carol/modern', ['bob'])).toMatchObject({ state: 'ringing' });
  expect(one.told()).toContain('call:incoming > user:bob with call-waiting');
  await two.connect('dave/1');
  expect(await two.dial('dave/1', ['bob'])).toMatchObject({ state: 'ended', endReason: 'busy' });
});

test('a repeated call:initiate on another process returns the call that the client id has started', async () => {
  const { all } = await bench('P1', 'P2');
  const [one, two] = all as [BenchProcess, BenchProcess];
  await one.connect('alice/1');
  await two.connect('alice/2');
  const request = { conversationId: 'c', type: 'audio', calleeIds: ['bob'], clientId: 'once', deviceId: 'A' } as const;
  const [first, second] = await Promise.all([
    one.calls.initiate(one.device('alice/1'), request),
    two.calls.initiate(two.device('alice/2'), request),
  ]);
  expect(second.id).toBe(first.id);
  await two.calls.sync(two.device('alice/2'), { callId: first.id, deviceId: 'A' });
  await two.calls.hangUp(two.device('alice/2'), { callId: 'once', reason: 'cancelled' });
  expect(await one.calls.initiate(one.device('alice/1'), request)).toMatchObject({ id: first.id, state: 'ended' });
});

test('a user who accepts two calls on two processes is in one', async () => {
  const { all } = await bench('P1', 'P2', 'P3');
  const [one, two, three] = all as [BenchProcess, BenchProcess, BenchProcess];
  await one.connect('alice/1');
  await one.connect('carol/1');
  await two.connect('bob/1');
  await three.connect('bob/2');
  const [first, second] = [await one.dial('alice/1', ['bob']), await one.dial('carol/1', ['bob'])];
  const answers = await Promise.allSettled([two.answer('bob/1', first.id), three.answer('bob/2', second.id)]);
  expect(answers.find(({ status }) => status === 'rejected')).toMatchObject({ reason: refusal('BUSY') });
  expect(answers.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
});

test('a device that connects while the database is unavailable rings once it is available', async () => {
  const { bench: line, all } = await bench('P1', 'P2');
  const [one, two] = all as [BenchProcess, BenchProcess];
  await one.connect('alice/1');
  await one.dial('alice/1', ['bob']);
  two.hasDatabase = false;
  two.connected.add('bob/1');
  two.calls.deviceConnected(two.device('bob/1'));
  await eventually(() => expect(two.refused).toBe(1));
  two.hasDatabase = true;
  await line.advance(500);
  expect(two.told()).toContain('call:incoming > socket:bob/1');
});

test('a user who is removed from the conversation while the database is unavailable leaves the call', async () => {
  const { bench: line, all } = await talking('P1', 'P2');
  const [one] = all as [BenchProcess];
  line.members.delete('bob');
  one.hasDatabase = false;
  one.calls.memberRemoved('bob', 'c');
  await eventually(() => expect(one.refused).toBe(1));
  one.hasDatabase = true;
  await line.advance(500);
  expect(line.logged).toMatchObject([{ endReason: 'completed' }]);
});

test('a call that can not be continued does not keep others from being continued', async () => {
  const { bench: line, all } = await bench('P1', 'P2');
  const [one, two] = all as [BenchProcess, BenchProcess];
  await one.connect('alice/1');
  await one.connect('carol/1');
  await two.connect('dave/1');
  const { id: broken } = await one.dial('alice/1', ['bob']);
  const { id: malformed } = await two.dial('dave/1', ['bob']);
  const { id: intact } = await one.dial('carol/1', ['bob']);
  // No date.
  line.database.exec(`UPDATE comm_calls SET state = json_set(state, '$.answeredAt', 1e300) WHERE id = '${broken}'`);
  line.database.exec(`UPDATE comm_calls SET state = '{}' WHERE id = '${malformed}'`);
  await line.advance(47_000);
  expect(line.logged).toMatchObject([{ id: intact, endReason: 'missed' }]);
  // A process of the version that wrote them can.
  line.database.exec(`UPDATE comm_calls SET state = json_remove(state, '$.answeredAt') WHERE id = '${broken}'`);
  await line.advance(60_000);
  expect(line.logged).toMatchObject([{ id: intact }, { id: broken, endReason: 'missed' }]);
});

describe('after another process has pushed call:incoming', () => {
  test('a call that still rings is left alone', async () => {
    const { all } = await bench('P1', 'P2');
    const [one, two] = all as [BenchProcess, BenchProcess];
    await one.connect('alice/1');
    await two.connect('bob/1');
    const { id } = await one.dial('alice/1', ['bob']);
    two.told();
    two.calls.rangElsewhere('bob', id);
    await two.calls.idle();
    expect(two.told()).toEqual([]);
  });

  test('the devices of a user who has declined, or whose call has ended, are told again', async () => {
    const { all } = await bench('P1', 'P2', 'P3');
    const [one, two, three] = all as [BenchProcess, BenchProcess, BenchProcess];
    await one.connect('alice/1');
    await two.connect('bob/1');
    await three.connect('bob/2');
    const { id } = await one.dial('alice/1', ['bob', 'carol']);
    await three.calls.respond(three.device('bob/2'), { callId: id, action: 'reject' });
    two.told();
    two.calls.rangElsewhere('bob', id);
    await two.calls.idle();
    expect(two.told()).toEqual(['call:state-changed > user:bob']);
    await one.calls.hangUp(one.device('alice/1'), { callId: id, reason: 'cancelled' });
    two.calls.rangElsewhere('carol', id);
    two.calls.rangElsewhere('carol', 'deleted');
    await two.calls.idle();
    expect(two.told()).toEqual(['call:state-changed > user:carol', 'call:state-changed > user:carol']);
  });

  test('the device on which the user has accepted is told nothing', async () => {
    const { all } = await bench('P1', 'P2', 'P3');
    const [one, two, three] = all as [BenchProcess, BenchProcess, BenchProcess];
    await one.connect('alice/1');
    await two.connect('bob/1');
    await three.connect('bob/2');
    const { id } = await one.dial('alice/1', ['bob'], 'A');
    await three.answer('bob/2', id, 'B');
    two.told();
    two.calls.rangElsewhere('bob', id);
    await two.calls.idle();
    expect(two.broadcaster.pushes).toMatchObject([{ event: 'call:state-changed', to: 'user:bob', except: 'bob/2' }]);
    await three.disconnect('bob/2');
    two.told();
    two.calls.rangElsewhere('bob', id);
    await two.calls.idle();
    expect(two.told()).toEqual([]);
  });
});
