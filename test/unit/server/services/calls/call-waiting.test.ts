import { describe, expect, test } from 'vitest';
import { CallBench } from '../../../../helpers/server/call-bench.ts';

/** Alice and Bob talk; Carol and Dave may call. Devices named `…/new` show waiting calls, the others don't. */
async function talking(...devices: string[]): Promise<{ line: CallBench; first: string }> {
  const line = new CallBench('alice', 'bob', 'carol', 'dave');
  for (const device of devices) {
    if (device.endsWith('/new')) line.connectModern(device);
    else line.connect(device);
  }
  const bob = devices.find((device) => device.startsWith('bob')) ?? '';
  const { id } = await line.dial('alice/1', ['bob']);
  await line.answer(bob, id);
  line.told();
  return { line, first: id };
}

const hold = (line: CallBench, device: string, callId: string, onHold: boolean): unknown =>
  line.calls.toggleMedia(line.device(device), { callId, onHold });

describe('a second call', () => {
  test('rings as waiting on the devices that show it', async () => {
    const { line } = await talking('alice/1', 'bob/new', 'bob/2', 'carol/new');
    expect(await line.dial('carol/new', ['bob'])).toMatchObject({ state: 'ringing' });
    const incoming = line.broadcaster.pushes.filter(({ event }) => event === 'call:incoming');
    expect(incoming.map(({ to, data }) => [to, data])).toEqual([
      ['socket:bob/new', expect.objectContaining({ waiting: true })],
    ]);
    line.told();
    line.connect('bob/3');
    expect(line.told()).toEqual([]);
  });

  test.each([
    ['the callee', 'bob/1', 'carol/new'],
    ['the caller', 'bob/new', 'carol/1'],
  ])('is busy without the capability of %s', async (_side, bob, carol) => {
    const { line } = await talking('alice/1', bob, carol);
    expect(await line.dial(carol, ['bob'])).toMatchObject({ state: 'ended', endReason: 'busy' });
  });

  test('can be taken while the first one is on hold, and the first one taken up again', async () => {
    const { line, first } = await talking('alice/1', 'bob/new', 'carol/new');
    const second = await line.dial('carol/new', ['bob']);
    await expect(line.answer('bob/new', second.id)).rejects.toMatchObject({ code: 'BUSY' });
    hold(line, 'bob/new', first, true);
    expect((await line.answer('bob/new', second.id)).participants).toHaveLength(2);
    expect(() => hold(line, 'bob/new', first, false)).toThrow(expect.objectContaining({ code: 'BUSY' }));
    line.hangUp('bob/new', second.id);
    hold(line, 'bob/new', first, false);
    const { participants } = line.calls.sync(line.device('alice/1'), { callId: first });
    expect(participants.map(({ onHold }) => onHold)).toEqual([undefined, undefined]);
  });

  test('keeps the first one from being taken up on another device, until it is over', async () => {
    const { line, first } = await talking('alice/1', 'bob/new', 'carol/new');
    line.connectModern('bob/other');
    const second = await line.dial('carol/new', ['bob']);
    hold(line, 'bob/new', first, true);
    await line.answer('bob/new', second.id);
    await expect(line.join('bob/other', 'other')).rejects.toMatchObject({ code: 'BUSY' });
    line.hangUp('bob/new', second.id);
    await expect(line.join('bob/other', 'other')).resolves.toMatchObject({ id: first });
  });

  test('tells the others that a participant is on hold', async () => {
    const { line, first } = await talking('alice/1', 'bob/new');
    hold(line, 'bob/new', first, true);
    expect(line.broadcaster.payloads('call:media-changed')).toEqual([{ callId: first, userId: 'bob', onHold: true }]);
    const { participants } = line.calls.sync(line.device('alice/1'), { callId: first });
    expect(participants[1]).toMatchObject({ userId: 'bob', onHold: true });
  });

  test('of a user with a call on hold is the last one: a third caller gets busy', async () => {
    const { line, first } = await talking('alice/1', 'bob/new', 'carol/new', 'dave/new');
    const second = await line.dial('carol/new', ['bob']);
    hold(line, 'bob/new', first, true);
    await line.answer('bob/new', second.id);
    expect(await line.dial('dave/new', ['bob'])).toMatchObject({ endReason: 'busy' });
    hold(line, 'bob/new', second.id, true);
    await expect(line.dial('bob/new', ['dave'])).rejects.toMatchObject({ code: 'BUSY' });
  });

  test('rings as waiting for a user who is added to a call', async () => {
    const { line, first } = await talking('alice/1', 'bob/new', 'carol/new', 'dave/new');
    const { id } = await line.dial('carol/new', ['dave']);
    await line.answer('dave/new', id);
    line.told();
    await line.calls.addParticipant(line.device('carol/new'), { callId: id, userId: 'bob' });
    expect(line.told()).toEqual(['bob/new: incoming']);
    await expect(
      line.calls.addParticipant(line.device('bob/new'), { callId: first, userId: 'alice' }),
    ).resolves.toMatchObject({ id: first });
  });
});
