import { describe, expect, test } from 'vitest';
import { CallBench } from '../../../../helpers/server/call-bench.ts';

const ALONE_MS = 30_000;
const RING_MS = 45_000;

function bench(...devices: string[]): CallBench {
  const made = new CallBench('alice', 'bob', 'carol', 'dave', 'erin');
  for (const device of devices) made.connect(device);
  return made;
}

describe('a group call with one participant', () => {
  async function left(...more: string[]): Promise<{ line: CallBench; id: string }> {
    const line = bench('alice/1', 'bob/1', 'carol/1', ...more);
    const { id } = await line.dial('alice/1', ['bob', 'carol']);
    await line.answer('bob/1', id);
    line.hangUp('bob/1', id);
    line.told();
    return { line, id };
  }

  test('continues while others ring', async () => {
    const { line, id } = await left();
    line.clock.advance(ALONE_MS);
    expect(line.told()).toEqual([]);
    expect((await line.answer('carol/1', id)).participants).toHaveLength(2);
  });

  test('ends 30 s after the last one stopped ringing', async () => {
    const { line, id } = await left();
    await line.decline('carol/1', id);
    line.told();
    line.clock.advance(ALONE_MS - 1);
    expect(line.told()).toEqual([]);
    line.clock.advance(1);
    expect(line.told()).toEqual(['alice/1: state-changed ended completed']);
    expect(line.logs).toMatchObject([{ outcome: 'completed', duration: 30 }]);
    expect(line.clock.pending).toBe(0);
  });

  test('continues if another member joins meanwhile, and ends when nobody is left', async () => {
    const { line, id } = await left();
    line.clock.advance(RING_MS);
    await line.join('bob/1');
    line.clock.advance(ALONE_MS);
    line.told();
    line.hangUp('alice/1', id);
    line.hangUp('bob/1', id);
    expect(line.logs).toHaveLength(1);
    expect(line.clock.pending).toBe(0);
  });
});

describe('a caller who cancels while a callee accepts', () => {
  async function accepted(): Promise<{ line: CallBench; id: string }> {
    const line = bench('alice/1', 'bob/1');
    const { id } = await line.dial('alice/1', ['bob']);
    await line.answer('bob/1', id);
    line.told();
    return { line, id };
  }

  test('ends the call as cancelled for both, without a duration', async () => {
    const { line, id } = await accepted();
    line.clock.advance(2_000);
    line.calls.hangUp(line.device('alice/1'), { callId: id, reason: 'cancelled' });
    expect(line.told()).toEqual(['bob/1: participant-left alice', 'bob/1: state-changed ended cancelled']);
    expect(line.logs).toMatchObject([{ outcome: 'cancelled', duration: 0 }]);
  });

  test.each(['alice/1', 'bob/1'])('%s completes a call that was connected', async (device) => {
    const { line, id } = await accepted();
    line.calls.connected(line.device('bob/1'), { callId: id });
    line.calls.hangUp(line.device(device), { callId: id, reason: 'cancelled' });
    expect(line.logs).toMatchObject([{ outcome: 'completed' }]);
  });

  test('is not imitated by a callee', async () => {
    const { line, id } = await accepted();
    line.calls.hangUp(line.device('bob/1'), { callId: id, reason: 'cancelled' });
    expect(line.logs).toMatchObject([{ outcome: 'completed' }]);
  });
});

test('a callee who accepts and hangs up before the call connects ends it as rejected for both, without a duration', async () => {
  const line = bench('alice/1', 'bob/1');
  const { id } = await line.dial('alice/1', ['bob']);
  await line.answer('bob/1', id);
  line.told();
  line.clock.advance(2_000);
  line.calls.hangUp(line.device('bob/1'), { callId: id, reason: 'rejected' });
  expect(line.told()).toEqual(['alice/1: participant-left bob', 'alice/1: state-changed ended rejected']);
  expect(line.logs).toMatchObject([{ outcome: 'rejected', duration: 0 }]);
});

test.each([
  ['alice/1', 'rejected'],
  ['bob/1', 'busy'],
] as const)('%s can not end a call that was answered as %s', async (device, reason) => {
  const line = bench('alice/1', 'bob/1');
  const { id } = await line.dial('alice/1', ['bob']);
  await line.answer('bob/1', id);
  line.calls.hangUp(line.device(device), { callId: id, reason });
  expect(line.logs).toMatchObject([{ outcome: 'completed' }]);
});

test('a callee waits 5 s for a caller whose device is disconnected', async () => {
  const line = bench('alice/1', 'bob/1');
  const { id } = await line.dial('alice/1', ['bob']);
  line.disconnect('alice/1');
  await line.answer('bob/1', id);
  line.told();
  line.clock.advance(4_999);
  expect(line.told()).toEqual([]);
  line.clock.advance(1);
  expect(line.told()).toEqual(['bob/1: participant-left alice', 'bob/1: state-changed ended cancelled']);
  expect(line.logs).toMatchObject([{ outcome: 'cancelled', duration: 0 }]);
});

test('a caller who returns within that time keeps the call', async () => {
  const line = bench('alice/1', 'bob/1');
  const { id } = await line.dial('alice/1', ['bob'], 'audio', { deviceId: 'A' });
  line.disconnect('alice/1');
  await line.answer('bob/1', id);
  line.connect('alice/2');
  line.calls.sync(line.device('alice/2'), { callId: id, deviceId: 'A' });
  line.clock.advance(60_000);
  expect(line.logs).toEqual([]);
});

test("a device that fails to open its camera doesn't decline: the call rings on and can be accepted with audio", async () => {
  const line = bench('alice/1', 'bob/1');
  const { id } = await line.dial('alice/1', ['bob'], 'video');
  line.told();
  line.calls.hangUp(line.device('bob/1'), { callId: id, reason: 'failed', detail: 'permission' });
  expect(line.told()).toEqual([]);
  const accept = { callId: id, action: 'accept', video: false } as const;
  expect((await line.calls.respond(line.device('bob/1'), accept)).participants[1]).toMatchObject({ videoMuted: true });
});

describe('the limit of participants with video', () => {
  async function five(): Promise<{ line: CallBench; id: string }> {
    const names = ['bob', 'carol', 'dave', 'erin'];
    const line = bench('alice/1', ...names.map((name) => `${name}/1`));
    const { id } = await line.dial('alice/1', names);
    for (const name of names) await line.answer(`${name}/1`, id);
    return { line, id };
  }
  const busy = expect.objectContaining({ code: 'BUSY' }) as unknown;

  test('applies to an audio call in which cameras and screens are turned on', async () => {
    const { line, id } = await five();
    const toggle = (name: string, media: { video?: boolean; screenShare?: boolean }): unknown =>
      line.calls.toggleMedia(line.device(`${name}/1`), { callId: id, ...media });
    for (const name of ['alice', 'bob', 'carol']) toggle(name, { video: true });
    toggle('dave', { screenShare: true });
    expect(() => toggle('erin', { video: true })).toThrow(busy);
    expect(() => toggle('erin', { screenShare: true })).toThrow(busy);
    // A participant who already sends video may add a screen.
    toggle('alice', { screenShare: true });
    toggle('dave', { screenShare: false });
    toggle('erin', { video: true });
  });

  test('applies to devices that join with their camera on', async () => {
    const { line, id } = await five();
    line.hangUp('erin/1', id);
    for (const name of ['alice', 'bob', 'carol', 'dave']) {
      line.calls.toggleMedia(line.device(`${name}/1`), { callId: id, video: true });
    }
    const joining = { conversationId: 'c', video: true };
    await expect(line.calls.join(line.device('erin/1'), joining)).rejects.toMatchObject({ code: 'BUSY' });
    expect((await line.join('erin/1')).participants).toHaveLength(5);
  });
});

test('joins are limited per user', async () => {
  const line = bench('alice/1', 'bob/1', 'carol/1');
  const { id } = await line.dial('alice/1', ['bob', 'carol']);
  await line.answer('bob/1', id);
  for (let count = 0; count < 10; count += 1) await line.join('carol/1');
  await expect(line.join('carol/1')).rejects.toMatchObject({ code: 'RATE_LIMITED' });
});
