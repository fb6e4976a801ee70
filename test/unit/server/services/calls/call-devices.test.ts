import { describe, expect, test } from 'vitest';
import { SignalService } from '../../../../../src/server/services/calls/signal-service.ts';
import { CallBench } from '../../../../helpers/server/call-bench.ts';

const BACK_MS = 25_000;

function desk(...devices: string[]): CallBench {
  const made = new CallBench('alice', 'bob', 'carol', 'dave', 'erin');
  for (const device of devices) made.connect(device);
  return made;
}

/** Alice and Bob talk, each on a device with a name. */
async function talking(...more: string[]): Promise<{ line: CallBench; id: string; signals: SignalService }> {
  const line = desk('alice/1', 'bob/1', ...more);
  const { id } = await line.dial('alice/1', ['bob'], 'audio', { deviceId: 'A' });
  await line.answer('bob/1', id, 'B');
  line.told();
  const signals = new SignalService({ calls: line.calls, clock: line.clock });
  return { line, id, signals };
}

const refusal = (code: string): unknown => expect.objectContaining({ code }) as unknown;

describe('ringing', () => {
  test('is pushed to the caller once, when the first device of a callee rings', async () => {
    const line = desk('alice/1');
    expect(await line.dial('alice/1', ['bob', 'carol'])).toMatchObject({ state: 'initiating' });
    line.told();
    line.connect('bob/1');
    line.connect('carol/1');
    expect(line.told()).toEqual(['bob/1: incoming', 'alice/1: state-changed ringing', 'carol/1: incoming']);
  });

  test('is not pushed again when another callee is called', async () => {
    const line = desk('alice/1', 'bob/1', 'carol/1');
    const { id } = await line.dial('alice/1', ['bob']);
    line.told();
    await line.calls.addParticipant(line.device('alice/1'), { callId: id, userId: 'carol' });
    expect(line.told()).toEqual(['carol: incoming']);
  });
});

describe('connected', () => {
  test('is pushed to all participants once', async () => {
    const { line, id } = await talking();
    line.calls.connected(line.device('bob/1'), { callId: id });
    line.calls.connected(line.device('alice/1'), { callId: id });
    expect(line.told()).toEqual(['alice/1: state-changed connected', 'bob/1: state-changed connected']);
    expect(line.calls.sync(line.device('bob/1'), { callId: id, deviceId: 'B' })).toMatchObject({ state: 'connected' });
  });

  test("doesn't apply to a call that is ringing", async () => {
    const line = desk('alice/1', 'bob/1');
    const { id } = await line.dial('alice/1', ['bob']);
    line.told();
    line.calls.connected(line.device('alice/1'), { callId: id });
    expect(() => line.calls.connected(line.device('bob/1'), { callId: id })).toThrow(refusal('FORBIDDEN'));
    expect(line.told()).toEqual([]);
  });
});

describe('a device with an id', () => {
  test('reconnects with another socket and receives the buffered signals in order', async () => {
    const { line, id, signals } = await talking();
    line.disconnect('bob/1');
    const signal = { callId: id, fromUserId: '', toUserId: 'bob', toDeviceId: 'B', generation: 2 };
    void signals.offer(line.device('alice/1'), { ...signal, type: 'offer', sdp: 'v=0' });
    void signals.candidate(line.device('alice/1'), { ...signal, candidate: 'c', sdpMLineIndex: 0, sdpMid: '0' });
    expect(line.told()).toEqual([]);
    line.connect('bob/2');
    const { participants } = line.calls.sync(line.device('bob/2'), { callId: id, deviceId: 'B' });
    expect(participants.map(({ userId, deviceId }) => [userId, deviceId])).toEqual([
      ['alice', 'A'],
      ['bob', 'B'],
    ]);
    expect(line.broadcaster.pushes.map(({ event, to, data }) => [event, to, data])).toEqual([
      ['signal:offer', 'socket:bob/2', expect.objectContaining({ fromUserId: 'alice', fromDeviceId: 'A' })],
      ['signal:ice-candidate', 'socket:bob/2', expect.objectContaining({ fromDeviceId: 'A', generation: 2 })],
    ]);
    line.told();
    line.clock.advance(BACK_MS);
    expect(line.told()).toEqual([]);
  });

  test('takes its seat even if its old socket is still connected', async () => {
    const { line, id } = await talking();
    line.connect('bob/2');
    line.calls.sync(line.device('bob/2'), { callId: id, deviceId: 'B' });
    line.disconnect('bob/1');
    line.clock.advance(BACK_MS);
    expect(line.told()).toEqual([]);
    line.hangUp('bob/2', id);
    expect(line.told()).toEqual(['alice/1: participant-left bob', 'alice/1: state-changed ended completed']);
  });

  test('is not replaced by another device of the same user', async () => {
    const { line, id } = await talking();
    line.disconnect('bob/1');
    line.connect('bob/laptop');
    const { participants } = line.calls.sync(line.device('bob/laptop'), { callId: id, deviceId: 'L' });
    expect(participants[1]).toMatchObject({ userId: 'bob', deviceId: 'B' });
    line.clock.advance(BACK_MS);
    expect(line.told()).toEqual(['alice/1: participant-left bob', 'alice/1: state-changed ended completed']);
  });

  test('receives buffered signals before newer ones, also if it sends before it syncs', async () => {
    const { line, id, signals } = await talking();
    line.disconnect('bob/1');
    const restart = { callId: id, fromUserId: '', toUserId: 'bob' };
    void signals.restart(line.device('alice/1'), { ...restart, generation: 1 });
    line.connect('bob/2');
    line.calls.connected(line.device('bob/2'), { callId: id });
    void signals.restart(line.device('alice/1'), { ...restart, generation: 2 });
    line.calls.sync(line.device('bob/2'), { callId: id, deviceId: 'B' });
    expect(line.broadcaster.payloads('signal:ice-restart')).toMatchObject([{ generation: 1 }, { generation: 2 }]);
  });

  test('has a bounded buffer; above it the sender gets UNAVAILABLE', async () => {
    const { line, id, signals } = await talking();
    line.disconnect('bob/1');
    const restart = { callId: id, fromUserId: '', toUserId: 'bob' };
    for (let count = 0; count < 256; count += 1) void signals.restart(line.device('alice/1'), restart);
    expect(() => signals.restart(line.device('alice/1'), restart)).toThrow(refusal('UNAVAILABLE'));
  });

  test('keeps its seat when a device without an id syncs', async () => {
    const line = desk('alice/1', 'bob/1', 'bob/2');
    const { id } = await line.dial('alice/1', ['bob']);
    await line.answer('bob/1', id);
    expect(line.calls.sync(line.device('bob/2'), { callId: id })).toMatchObject({ state: 'connecting' });
    expect(() => line.calls.connected(line.device('bob/2'), { callId: id })).toThrow(refusal('CONFLICT'));
    line.calls.connected(line.device('bob/1'), { callId: id });
    line.disconnect('bob/1');
    expect(line.calls.sync(line.device('bob/2'), { callId: id })).toMatchObject({ state: 'connected' });
    line.clock.advance(BACK_MS);
    expect(line.calls.sync(line.device('bob/2'), { callId: id })).toMatchObject({ state: 'connected' });
  });

  test('receives no signals for another device', async () => {
    const { line, id, signals } = await talking();
    const restart = { callId: id, fromUserId: '', toUserId: 'bob', toDeviceId: 'another' };
    expect(() => signals.restart(line.device('alice/1'), restart)).toThrow(refusal('NOT_FOUND'));
  });

  test("can't impersonate another device or user", async () => {
    const { line, id, signals } = await talking();
    const restart = { callId: id, fromUserId: 'alice', toUserId: 'bob', fromDeviceId: 'B' };
    void signals.restart(line.device('alice/1'), restart);
    expect(line.broadcaster.payloads('signal:ice-restart')).toEqual([
      { callId: id, fromUserId: 'alice', toUserId: 'bob', fromDeviceId: 'A' },
    ]);
    expect(() => signals.restart(line.device('alice/1'), { ...restart, fromUserId: 'carol' })).toThrow(
      refusal('FORBIDDEN'),
    );
  });

  test('learns by a sync that the call has ended for its user', async () => {
    const line = desk('alice/1', 'bob/1', 'carol/1');
    const { id } = await line.dial('alice/1', ['bob', 'carol']);
    expect(line.calls.sync(line.device('bob/1'), { callId: id })).toMatchObject({ state: 'ringing' });
    await line.decline('bob/1', id);
    const declined = { state: 'ended', endReason: 'rejected', detail: 'rejected_elsewhere' };
    expect(line.calls.sync(line.device('bob/2'), { callId: id })).toMatchObject(declined);
    await line.answer('carol/1', id);
    line.hangUp('carol/1', id);
    const left = { state: 'ended', endReason: 'completed', detail: 'answered_elsewhere' };
    expect(line.calls.sync(line.device('carol/2'), { callId: id })).toMatchObject(left);
    expect(() => line.calls.sync(line.device('dave/1'), { callId: id })).toThrow(refusal('NOT_FOUND'));
  });

  test('learns by a sync how a call has ended, for a minute after its end', async () => {
    const line = desk('alice/1', 'bob/1', 'carol/1');
    const { id } = await line.dial('alice/1', ['bob'], 'audio', { deviceId: 'A' });
    await line.answer('bob/1', id, 'B');
    line.calls.hangUp(line.device('alice/1'), { callId: id, reason: 'failed', detail: 'ice' });
    const failed = { state: 'ended', endReason: 'failed', detail: 'ice' };
    line.clock.advance(59_999);
    expect(line.calls.sync(line.device('bob/1'), { callId: id, deviceId: 'B' })).toMatchObject(failed);
    expect(line.calls.sync(line.device('alice/1'), { callId: id, deviceId: 'A' })).toMatchObject(failed);
    expect(() => line.calls.sync(line.device('carol/1'), { callId: id })).toThrow(refusal('NOT_FOUND'));
    line.clock.advance(1);
    expect(() => line.calls.sync(line.device('bob/1'), { callId: id, deviceId: 'B' })).toThrow(refusal('NOT_FOUND'));
  });
});

describe('call:initiate with a client id', () => {
  test('is idempotent, also from another socket', async () => {
    const line = desk('alice/1', 'bob/1');
    const more = { clientId: 'once', deviceId: 'A' };
    const first = await line.dial('alice/1', ['bob'], 'audio', more);
    line.told();
    line.disconnect('alice/1');
    line.connect('alice/2');
    expect(await line.dial('alice/2', ['bob'], 'audio', more)).toMatchObject({ id: first.id });
    expect(line.told()).toEqual([]);
    line.hangUp('alice/2', first.id);
    expect(line.told()).toEqual(['bob: state-changed ended cancelled']);
  });

  test('returns the ended call for a minute', async () => {
    const line = desk('alice/1', 'bob/1');
    const { id } = await line.dial('alice/1', ['bob'], 'audio', { clientId: 'once' });
    await line.decline('bob/1', id);
    const again = await line.dial('alice/1', ['bob'], 'audio', { clientId: 'once' });
    expect(again).toMatchObject({ id, state: 'ended', endReason: 'rejected' });
    line.clock.advance(60_000);
    expect(line.clock.pending).toBe(0);
    expect(await line.dial('alice/1', ['bob'], 'audio', { clientId: 'once' })).not.toMatchObject({ id });
  });

  test('refers to the call of the other user if both called at once', async () => {
    const line = desk('alice/1', 'bob/1');
    const theirs = await line.dial('bob/1', ['alice']);
    const more = { clientId: 'mine', deviceId: 'A' };
    await line.dial('alice/1', ['bob'], 'audio', more);
    expect(await line.dial('alice/1', ['bob'], 'audio', more)).toMatchObject({ id: theirs.id });
  });

  test('is independent of the client ids of other users', async () => {
    const line = desk('alice/1', 'bob/1', 'carol/1', 'dave/1');
    const first = await line.dial('alice/1', ['bob'], 'audio', { clientId: 'x' });
    expect(await line.dial('carol/1', ['dave'], 'audio', { clientId: 'x' })).not.toMatchObject({ id: first.id });
  });
});

test('a video call has four seats, an audio call eight', async () => {
  const line = desk('alice/1', 'bob/1', 'carol/1', 'dave/1', 'erin/1');
  const everybody = ['bob', 'carol', 'dave', 'erin'];
  const { id } = await line.dial('alice/1', everybody, 'video');
  for (const name of ['bob', 'carol', 'dave']) await line.answer(`${name}/1`, id);
  await expect(line.answer('erin/1', id)).rejects.toMatchObject({ code: 'BUSY' });
});

test('a failure is pushed to the remaining participants', async () => {
  const { line, id } = await talking();
  line.calls.hangUp(line.device('bob/1'), { callId: id, reason: 'failed', detail: 'ice' });
  expect(line.told()).toEqual(['alice/1: participant-left bob', 'alice/1: state-changed ended failed ice']);
});

test('a participant who left may rejoin an active call', async () => {
  const line = desk('alice/1', 'bob/1', 'carol/1');
  const { id } = await line.dial('alice/1', ['bob', 'carol']);
  await line.answer('bob/1', id);
  await line.answer('carol/1', id);
  line.hangUp('bob/1', id);
  const { participants } = await line.answer('bob/1', id);
  expect(participants.map(({ userId }) => userId)).toEqual(['alice', 'carol', 'bob']);
});
