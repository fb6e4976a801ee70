import { describe, expect, test } from 'vitest';
import { CallBench } from '../../../../helpers/server/call-bench.ts';

const RECONNECT_MS = 25_000;

function bench(...devices: string[]): CallBench {
  const made = new CallBench('alice', 'bob', 'carol', 'dave');
  for (const device of devices) made.connect(device);
  return made;
}

/** Alice called Bob and Carol, and Bob talks with her. */
async function groupCall(...more: string[]): Promise<{ line: CallBench; id: string }> {
  const line = bench('alice/1', 'bob/1', 'carol/1', ...more);
  const { id } = await line.dial('alice/1', ['bob', 'carol'], 'audio', { deviceId: 'A' });
  await line.answer('bob/1', id, 'B');
  line.told();
  return { line, id };
}

describe('call:join', () => {
  test('seats a user who declined', async () => {
    const { line, id } = await groupCall();
    await line.decline('carol/1', id);
    line.told();
    const { participants } = await line.join('carol/1', 'C');
    expect(participants.map(({ userId }) => userId)).toEqual(['alice', 'bob', 'carol']);
    expect(line.told()).toEqual([
      'alice/1: participant-joined carol',
      'bob/1: participant-joined carol',
      'carol/1: state-changed connecting',
      'carol except carol/1: state-changed ended completed answered_elsewhere',
    ]);
  });

  test('seats a member who was not called', async () => {
    const { line } = await groupCall('dave/1');
    const { participants, calleeIds } = await line.join('dave/1', 'D');
    expect(participants.map(({ userId }) => userId)).toEqual(['alice', 'bob', 'dave']);
    expect(calleeIds).toEqual(['bob', 'carol', 'dave']);
  });

  test('moves the seat from another device, which gets the detail moved', async () => {
    const { line } = await groupCall('bob/2');
    const { participants } = await line.join('bob/2', 'B2');
    expect(participants.map(({ userId, deviceId }) => [userId, deviceId])).toEqual([
      ['alice', 'A'],
      ['bob', 'B2'],
    ]);
    expect(line.told()).toEqual([
      'bob/1: state-changed ended completed moved',
      'alice/1: participant-left bob',
      'alice/1: participant-joined bob',
    ]);
    line.disconnect('bob/1');
    line.clock.advance(RECONNECT_MS);
    expect(line.told()).not.toContain('alice/1: participant-left bob');
  });

  test('of the device that has the seat changes nothing', async () => {
    const { line } = await groupCall();
    await line.join('bob/1', 'B');
    expect(line.told()).toEqual([]);
  });

  test('is rejected without a running call and for users who are not members', async () => {
    const line = bench('alice/1', 'mallory/1');
    await expect(line.join('alice/1')).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await line.dial('alice/1', ['bob']);
    await expect(line.join('mallory/1')).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  test('is rejected if the call is full or the user is in another call', async () => {
    const line = bench('alice/1', 'bob/1', 'carol/1', 'dave/1', 'erin/1');
    line.members.add('erin');
    const { id } = await line.dial('alice/1', ['bob', 'carol', 'dave'], 'video');
    for (const name of ['bob', 'carol', 'dave']) await line.answer(`${name}/1`, id);
    await expect(line.join('erin/1')).rejects.toMatchObject({ code: 'BUSY' });
  });

  test('of a closed socket is rejected', async () => {
    const { line } = await groupCall();
    await expect(line.join('bob/9', 'B9')).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    await expect(line.join('dave/9', 'D9')).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  });
});

describe('a device that is gone', () => {
  test('gives its seat at once to another device of the user that accepts', async () => {
    const { line, id } = await groupCall();
    line.disconnect('bob/1');
    line.connect('bob/2');
    line.told();
    const { participants } = await line.answer('bob/2', id, 'B2');
    expect(participants[1]).toMatchObject({ userId: 'bob', deviceId: 'B2' });
    expect(line.told()).toEqual([
      'bob/1: state-changed ended completed moved',
      'alice/1: participant-left bob',
      'alice/1: participant-joined bob',
    ]);
    line.clock.advance(RECONNECT_MS);
    expect(line.told().filter((each) => each.includes('participant-left'))).toEqual([]);
    line.calls.connected(line.device('bob/2'), { callId: id });
  });

  test('keeps its seat while it is connected: of two devices that accept, the first one wins', async () => {
    const { line, id } = await groupCall('bob/2');
    await expect(line.answer('bob/2', id, 'B2')).rejects.toMatchObject({ code: 'CONFLICT' });
  });
});

test('a device that accepts without a camera is shown without video', async () => {
  const line = bench('alice/1', 'bob/1');
  const { id } = await line.dial('alice/1', ['bob'], 'video');
  const accept = { callId: id, action: 'accept', video: false } as const;
  const { participants } = await line.calls.respond(line.device('bob/1'), accept);
  expect(participants.map(({ videoMuted, audioMuted }) => [videoMuted, audioMuted])).toEqual([
    [false, false],
    [true, false],
  ]);
});
