import { describe, expect, test } from 'vitest';
import { SignalService } from '../../../src/server/services/signals.ts';
import { CallDesk } from '../../helpers/server/call-desk.ts';

const BACK_MS = 25_000;

function desk(...devices: string[]): CallDesk {
  const made = new CallDesk('alice', 'bob', 'carol', 'dave', 'erin');
  for (const device of devices) made.connect(device);
  return made;
}

/** Alice and Bob talk, each on a device with a name. */
async function talking(...more: string[]): Promise<{ line: CallDesk; id: string; signals: SignalService }> {
  const line = desk('alice/1', 'bob/1', ...more);
  const { id } = await line.dial('alice/1', ['bob'], 'audio', { deviceId: 'A' });
  await line.answer('bob/1', id, 'B');
  line.told();
  const signals = new SignalService({ calls: line.calls, hub: line.hub, clock: line.clock });
  return { line, id, signals };
}

const refusal = (code: string): unknown => expect.objectContaining({ code }) as unknown;

describe('ringing', () => {
  test('is told to the caller once one device of one callee rings', async () => {
    const line = desk('alice/1');
    expect(await line.dial('alice/1', ['bob', 'carol'])).toMatchObject({ state: 'initiating' });
    line.told();
    line.connect('bob/1');
    line.connect('carol/1');
    expect(line.told()).toEqual(['bob/1: incoming', 'alice/1: state-changed ringing', 'carol/1: incoming']);
  });

  test('is not told again when one more is rung', async () => {
    const line = desk('alice/1', 'bob/1', 'carol/1');
    const { id } = await line.dial('alice/1', ['bob']);
    line.told();
    await line.calls.addParticipant(line.device('alice/1'), { callId: id, userId: 'carol' });
    expect(line.told()).toEqual(['carol: incoming']);
  });
});

describe('connected', () => {
  test('is told to all once, when the first hears another', async () => {
    const { line, id } = await talking();
    line.calls.connected(line.device('bob/1'), { callId: id });
    line.calls.connected(line.device('alice/1'), { callId: id });
    expect(line.told()).toEqual(['alice/1: state-changed connected', 'bob/1: state-changed connected']);
    expect(line.calls.sync(line.device('bob/1'), { callId: id, deviceId: 'B' })).toMatchObject({ state: 'connected' });
  });

  test('does not make a call of one that only rings', async () => {
    const line = desk('alice/1', 'bob/1');
    const { id } = await line.dial('alice/1', ['bob']);
    line.told();
    line.calls.connected(line.device('alice/1'), { callId: id });
    expect(() => line.calls.connected(line.device('bob/1'), { callId: id })).toThrow(refusal('FORBIDDEN'));
    expect(line.told()).toEqual([]);
  });
});

describe('a device with a name', () => {
  test('comes back by it under another socket, and gets what was signalled to it meanwhile, in order', async () => {
    const { line, id, signals } = await talking();
    line.disconnect('bob/1');
    const signal = { callId: id, fromUserId: '', toUserId: 'bob', toDeviceId: 'B', generation: 2 };
    signals.offer(line.device('alice/1'), { ...signal, type: 'offer', sdp: 'v=0' });
    signals.candidate(line.device('alice/1'), { ...signal, candidate: 'c', sdpMLineIndex: 0, sdpMid: '0' });
    expect(line.told()).toEqual([]);
    line.connect('bob/2');
    const { participants } = line.calls.sync(line.device('bob/2'), { callId: id, deviceId: 'B' });
    expect(participants.map(({ userId, deviceId }) => [userId, deviceId])).toEqual([
      ['alice', 'A'],
      ['bob', 'B'],
    ]);
    expect(line.hub.pushes.map(({ event, to, data }) => [event, to, data])).toEqual([
      ['signal:offer', 'socket:bob/2', expect.objectContaining({ fromUserId: 'alice', fromDeviceId: 'A' })],
      ['signal:ice-candidate', 'socket:bob/2', expect.objectContaining({ fromDeviceId: 'A', generation: 2 })],
    ]);
    line.told();
    line.clock.advance(BACK_MS);
    expect(line.told()).toEqual([]);
  });

  test('takes its seat along although its old socket still seems to stand', async () => {
    const { line, id } = await talking();
    line.connect('bob/2');
    line.calls.sync(line.device('bob/2'), { callId: id, deviceId: 'B' });
    line.disconnect('bob/1');
    line.clock.advance(BACK_MS);
    expect(line.told()).toEqual([]);
    line.hangUp('bob/2', id);
    expect(line.told()).toEqual(['alice/1: participant-left bob', 'alice/1: state-changed ended completed']);
  });

  test('is not taken for another of the same person', async () => {
    const { line, id } = await talking();
    line.disconnect('bob/1');
    line.connect('bob/laptop');
    const { participants } = line.calls.sync(line.device('bob/laptop'), { callId: id, deviceId: 'L' });
    expect(participants[1]).toMatchObject({ userId: 'bob', deviceId: 'B' });
    line.clock.advance(BACK_MS);
    expect(line.told()).toEqual(['alice/1: participant-left bob', 'alice/1: state-changed ended completed']);
  });

  test('gets what was held for it also when it speaks before it asks, ahead of anything newer', async () => {
    const { line, id, signals } = await talking();
    line.disconnect('bob/1');
    const restart = { callId: id, fromUserId: '', toUserId: 'bob' };
    signals.restart(line.device('alice/1'), { ...restart, generation: 1 });
    line.connect('bob/2');
    line.calls.connected(line.device('bob/2'), { callId: id });
    signals.restart(line.device('alice/1'), { ...restart, generation: 2 });
    line.calls.sync(line.device('bob/2'), { callId: id, deviceId: 'B' });
    expect(line.hub.payloads('signal:ice-restart')).toMatchObject([{ generation: 1 }, { generation: 2 }]);
  });

  test('is held no more than can be sent in one go: past that the sender is told', async () => {
    const { line, id, signals } = await talking();
    line.disconnect('bob/1');
    const restart = { callId: id, fromUserId: '', toUserId: 'bob' };
    for (let count = 0; count < 256; count += 1) signals.restart(line.device('alice/1'), restart);
    expect(() => signals.restart(line.device('alice/1'), restart)).toThrow(refusal('UNAVAILABLE'));
  });

  test('keeps its call from one without a name that only asks', async () => {
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

  test('gets no signals that are meant for another device', async () => {
    const { line, id, signals } = await talking();
    const restart = { callId: id, fromUserId: '', toUserId: 'bob', toDeviceId: 'another' };
    expect(() => signals.restart(line.device('alice/1'), restart)).toThrow(refusal('NOT_FOUND'));
  });

  test('cannot pass itself off as another device, nor as another person', async () => {
    const { line, id, signals } = await talking();
    const restart = { callId: id, fromUserId: 'alice', toUserId: 'bob', fromDeviceId: 'B' };
    signals.restart(line.device('alice/1'), restart);
    expect(line.hub.payloads('signal:ice-restart')).toEqual([
      { callId: id, fromUserId: 'alice', toUserId: 'bob', fromDeviceId: 'A' },
    ]);
    expect(() => signals.restart(line.device('alice/1'), { ...restart, fromUserId: 'carol' })).toThrow(
      refusal('FORBIDDEN'),
    );
  });

  test('learns by asking that it is over for its person', async () => {
    const line = desk('alice/1', 'bob/1', 'carol/1');
    const { id } = await line.dial('alice/1', ['bob', 'carol']);
    expect(line.calls.sync(line.device('bob/1'), { callId: id })).toMatchObject({ state: 'ringing' });
    await line.decline('bob/1', id);
    expect(() => line.calls.sync(line.device('bob/1'), { callId: id })).toThrow(refusal('NOT_FOUND'));
    expect(() => line.calls.sync(line.device('dave/1'), { callId: id })).toThrow(refusal('NOT_FOUND'));
  });
});

describe('asking twice under one client id', () => {
  test('is calling once, also from the socket after the next', async () => {
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

  test('is told how that call ended, for a minute; nothing of it is kept longer', async () => {
    const line = desk('alice/1', 'bob/1');
    const { id } = await line.dial('alice/1', ['bob'], 'audio', { clientId: 'once' });
    await line.decline('bob/1', id);
    const again = await line.dial('alice/1', ['bob'], 'audio', { clientId: 'once' });
    expect(again).toMatchObject({ id, state: 'ended', endReason: 'rejected' });
    line.clock.advance(60_000);
    expect(line.clock.pending).toBe(0);
    expect(await line.dial('alice/1', ['bob'], 'audio', { clientId: 'once' })).not.toMatchObject({ id });
  });

  test('holds for a call that became one with that of the other', async () => {
    const line = desk('alice/1', 'bob/1');
    const theirs = await line.dial('bob/1', ['alice']);
    const more = { clientId: 'mine', deviceId: 'A' };
    await line.dial('alice/1', ['bob'], 'audio', more);
    expect(await line.dial('alice/1', ['bob'], 'audio', more)).toMatchObject({ id: theirs.id });
  });

  test('is another call for another person', async () => {
    const line = desk('alice/1', 'bob/1', 'carol/1', 'dave/1');
    const first = await line.dial('alice/1', ['bob'], 'audio', { clientId: 'x' });
    expect(await line.dial('carol/1', ['dave'], 'audio', { clientId: 'x' })).not.toMatchObject({ id: first.id });
  });
});

test('a video call holds four, an audio call eight', async () => {
  const line = desk('alice/1', 'bob/1', 'carol/1', 'dave/1', 'erin/1');
  const everybody = ['bob', 'carol', 'dave', 'erin'];
  const { id } = await line.dial('alice/1', everybody, 'video');
  for (const name of ['bob', 'carol', 'dave']) await line.answer(`${name}/1`, id);
  await expect(line.answer('erin/1', id)).rejects.toMatchObject({ code: 'BUSY' });
});

test('what failed is told to those who are left', async () => {
  const { line, id } = await talking();
  line.calls.hangUp(line.device('bob/1'), { callId: id, reason: 'failed', detail: 'ice' });
  expect(line.told()).toEqual(['alice/1: participant-left bob', 'alice/1: state-changed ended failed ice']);
});

test('who left may come back while others talk', async () => {
  const line = desk('alice/1', 'bob/1', 'carol/1');
  const { id } = await line.dial('alice/1', ['bob', 'carol']);
  await line.answer('bob/1', id);
  await line.answer('carol/1', id);
  line.hangUp('bob/1', id);
  const { participants } = await line.answer('bob/1', id);
  expect(participants.map(({ userId }) => userId)).toEqual(['alice', 'carol', 'bob']);
});
