import { describe, expect, test } from 'vitest';
import { CallDesk } from '../../helpers/server/call-desk.ts';

const RING_MS = 45_000;
const BACK_MS = 25_000;

/** Alice and bob, each with one device, and the others of the conversation. */
function desk(...more: string[]): CallDesk {
  const made = new CallDesk('alice', 'bob', 'carol', 'dave');
  for (const device of ['alice/phone', 'bob/phone', ...more]) made.connect(device);
  return made;
}

describe('between two people', () => {
  test('a call rings, is answered and ends when one hangs up', async () => {
    const line = desk();
    const { id } = await line.dial('alice/phone', ['bob']);
    expect(line.told()).toEqual([
      'alice/phone: state-changed initiating',
      'bob: incoming',
      'alice/phone: state-changed ringing',
    ]);
    const answered = await line.answer('bob/phone', id);
    expect(answered.participants.map(({ userId }) => userId)).toEqual(['alice', 'bob']);
    expect(line.told()).toEqual([
      'alice/phone: participant-joined bob',
      'alice/phone: state-changed connecting',
      'bob/phone: state-changed connecting',
      'bob except bob/phone: state-changed ended completed answered_elsewhere',
    ]);
    line.clock.advance(61_400);
    line.hangUp('bob/phone', id);
    expect(line.told()).toEqual(['alice/phone: participant-left bob', 'alice/phone: state-changed ended completed']);
    expect(line.logs).toEqual([{ callId: id, callType: 'audio', outcome: 'completed', duration: 61 }]);
  });

  test('declining on one device declines for the person', async () => {
    const line = desk('bob/laptop');
    const { id } = await line.dial('alice/phone', ['bob']);
    line.told();
    expect(await line.decline('bob/laptop', id)).toMatchObject({ state: 'ended', endReason: 'rejected' });
    expect(line.told()).toEqual([
      'bob/laptop: state-changed ended rejected',
      'bob except bob/laptop: state-changed ended rejected rejected_elsewhere',
      'alice/phone: state-changed ended rejected',
    ]);
    await expect(line.answer('bob/phone', id)).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  test('of two devices that answer the first wins', async () => {
    const line = desk('bob/laptop');
    const { id } = await line.dial('alice/phone', ['bob']);
    const [first, second] = await Promise.allSettled([line.answer('bob/laptop', id), line.answer('bob/phone', id)]);
    expect(first).toMatchObject({ status: 'fulfilled', value: { state: 'connecting' } });
    expect(second).toMatchObject({ status: 'rejected', reason: { code: 'CONFLICT' } });
    expect((await line.answer('bob/laptop', id)).participants).toHaveLength(2);
  });

  test('a caller who gives up cancels, and the other side stops ringing', async () => {
    const line = desk();
    const { id } = await line.dial('alice/phone', ['bob']);
    line.told();
    line.hangUp('alice/phone', id);
    expect(line.told()).toEqual(['bob: state-changed ended cancelled']);
    expect(line.logs).toEqual([{ callId: id, callType: 'audio', outcome: 'cancelled', duration: 0 }]);
  });

  test('nobody answers: missed, when the ring timer says so and not before', async () => {
    const line = desk();
    const { id } = await line.dial('alice/phone', ['bob'], 'video');
    line.told();
    line.clock.advance(RING_MS - 1);
    expect(line.told()).toEqual([]);
    line.clock.advance(1);
    expect(line.told()).toEqual(['bob: state-changed ended missed', 'alice/phone: state-changed ended missed']);
    expect(line.logs).toEqual([{ callId: id, callType: 'video', outcome: 'missed', duration: 0 }]);
    expect(line.clock.pending).toBe(0);
  });

  test('somebody in another call is busy, and stays undisturbed', async () => {
    const line = desk('carol/phone');
    const first = await line.dial('alice/phone', ['bob']);
    await line.answer('bob/phone', first.id);
    line.told();
    expect(await line.dial('carol/phone', ['bob'])).toMatchObject({ state: 'ended', endReason: 'busy' });
    expect(line.told()).toEqual(['carol/phone: state-changed initiating', 'carol/phone: state-changed ended busy']);
    expect(line.logs).toMatchObject([{ outcome: 'busy' }]);
  });

  test('nobody stays busy because of a call that is over', async () => {
    const line = desk('carol/phone');
    const first = await line.dial('alice/phone', ['bob']);
    await line.answer('bob/phone', first.id);
    line.hangUp('alice/phone', first.id);
    expect(await line.dial('carol/phone', ['bob'])).toMatchObject({ state: 'ringing' });
    expect(await line.dial('bob/phone', ['alice'])).toMatchObject({ state: 'ringing' });
  });

  test('calling while in a call is refused', async () => {
    const line = desk();
    await line.dial('alice/phone', ['bob']);
    await expect(line.dial('alice/phone', ['carol'])).rejects.toMatchObject({ code: 'BUSY' });
  });

  test('two people who call each other at once are in one call', async () => {
    const line = desk();
    const [one, other] = await Promise.all([line.dial('alice/phone', ['bob']), line.dial('bob/phone', ['alice'])]);
    expect(other).toMatchObject({ id: one.id, state: 'connecting' });
    expect(other.participants.map(({ userId }) => userId)).toEqual(['alice', 'bob']);
    expect(line.told().filter((each) => each.endsWith('incoming'))).toEqual(['bob: incoming']);
  });

  test('calling oneself alone, or somebody outside the conversation, is refused', async () => {
    const line = desk();
    await expect(line.dial('alice/phone', ['alice'])).rejects.toMatchObject({ code: 'INVALID' });
    await expect(line.dial('alice/phone', ['bob', 'mallory'])).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await expect(line.dial('mallory/phone', ['bob'])).rejects.toMatchObject({ code: 'NOT_FOUND' });
    expect(line.told()).toEqual([]);
  });

  test('a device that comes while it rings hears it', async () => {
    const line = desk();
    await line.dial('alice/phone', ['bob']);
    line.told();
    line.connect('bob/laptop');
    expect(line.told()).toEqual(['bob/laptop: incoming']);
  });
});

describe('a device that vanishes', () => {
  async function talking(...more: string[]): Promise<{ line: CallDesk; id: string }> {
    const line = desk(...more);
    const { id } = await line.dial('alice/phone', ['bob']);
    await line.answer('bob/phone', id);
    line.told();
    return { line, id };
  }

  test('has left after a while, and the call ends', async () => {
    const { line } = await talking();
    line.disconnect('bob/phone');
    line.clock.advance(BACK_MS - 1);
    expect(line.told()).toEqual([]);
    line.clock.advance(1);
    expect(line.told()).toEqual(['alice/phone: participant-left bob', 'alice/phone: state-changed ended completed']);
    expect(line.logs).toMatchObject([{ outcome: 'completed', duration: 25 }]);
  });

  test('may come back under another socket and goes on', async () => {
    const { line, id } = await talking();
    line.disconnect('bob/phone');
    line.clock.advance(BACK_MS - 1);
    line.connect('bob/phone2');
    line.clock.advance(BACK_MS);
    expect(line.told()).toEqual([]);
    line.calls.toggleMedia(line.device('bob/phone2'), { callId: id, audio: false });
    expect(line.told()).toEqual(['alice/phone: media-changed']);
    line.hangUp('alice/phone', id);
    expect(line.told()).toEqual(['bob/phone2: participant-left alice', 'bob/phone2: state-changed ended completed']);
  });

  test('is told on all devices of its person until one of them shows that it is the one', async () => {
    const { line, id } = await talking('bob/laptop');
    line.disconnect('bob/phone');
    line.connect('bob/phone2');
    line.calls.toggleMedia(line.device('alice/phone'), { callId: id, audio: false });
    expect(line.told()).toEqual(['bob: media-changed']);
    line.calls.toggleMedia(line.device('bob/phone2'), { callId: id, audio: true });
    expect(() => line.hangUp('bob/laptop', id)).toThrow(expect.objectContaining({ code: 'CONFLICT' }));
  });

  test('that comes back and goes again for good has left too', async () => {
    const { line } = await talking();
    line.disconnect('bob/phone');
    line.connect('bob/phone2');
    line.disconnect('bob/phone2');
    line.clock.advance(BACK_MS);
    expect(line.logs).toMatchObject([{ outcome: 'completed' }]);
  });

  test('does not end the call of its person while another device holds it', async () => {
    const { line } = await talking('bob/laptop');
    line.disconnect('bob/laptop');
    line.clock.advance(BACK_MS);
    expect(line.told()).toEqual([]);
  });

  test('frees its person at once when they call anew', async () => {
    const { line } = await talking('carol/phone');
    line.disconnect('bob/phone');
    line.connect('bob/laptop');
    expect(await line.dial('bob/laptop', ['alice'])).toMatchObject({ state: 'ringing' });
    expect(line.logs).toMatchObject([{ outcome: 'completed' }]);
  });

  test('while it rings at others cancels the call', async () => {
    const line = desk();
    await line.dial('alice/phone', ['bob']);
    line.told();
    line.disconnect('alice/phone');
    line.clock.advance(BACK_MS);
    expect(line.told()).toEqual(['bob: state-changed ended cancelled']);
    expect(line.clock.pending).toBe(0);
  });
});

describe('in a group', () => {
  test('one who declines is missing alone, and the rest goes on', async () => {
    const line = desk('carol/phone');
    const { id } = await line.dial('alice/phone', ['bob', 'carol']);
    line.told();
    await line.decline('carol/phone', id);
    expect(line.told()).toEqual([
      'carol/phone: state-changed ended rejected',
      'carol except carol/phone: state-changed ended rejected rejected_elsewhere',
      'alice/phone: participant-left carol',
    ]);
    expect((await line.answer('bob/phone', id)).state).toBe('connecting');
  });

  test('everybody declines: rejected; the last one not answering: missed', async () => {
    const line = desk('carol/phone');
    const first = await line.dial('alice/phone', ['bob', 'carol']);
    await line.decline('carol/phone', first.id);
    await line.decline('bob/phone', first.id);
    const second = await line.dial('alice/phone', ['bob', 'carol']);
    await line.decline('carol/phone', second.id);
    line.clock.advance(RING_MS);
    expect(line.logs).toMatchObject([{ outcome: 'rejected' }, { outcome: 'missed' }]);
  });

  test('those who are in hear of who joins, and the newcomer gets everybody in the order they joined', async () => {
    const line = desk('carol/phone');
    const { id } = await line.dial('alice/phone', ['bob', 'carol']);
    await line.answer('carol/phone', id);
    line.told();
    const roster = await line.answer('bob/phone', id);
    expect(roster.participants.map(({ userId }) => userId)).toEqual(['alice', 'carol', 'bob']);
    expect(line.told()).toEqual([
      'alice/phone: participant-joined bob',
      'carol/phone: participant-joined bob',
      'bob/phone: state-changed connecting',
      'bob except bob/phone: state-changed ended completed answered_elsewhere',
    ]);
  });

  test('the caller may leave and the others go on, until one is left', async () => {
    const line = desk('carol/phone');
    const { id } = await line.dial('alice/phone', ['bob', 'carol']);
    await line.answer('bob/phone', id);
    await line.answer('carol/phone', id);
    line.told();
    line.hangUp('alice/phone', id);
    expect(line.told()).toEqual(['bob/phone: participant-left alice', 'carol/phone: participant-left alice']);
    line.hangUp('bob/phone', id);
    expect(line.told()).toEqual(['carol/phone: participant-left bob', 'carol/phone: state-changed ended completed']);
  });

  test('a call that ends stops ringing at those who had not answered', async () => {
    const line = desk('carol/phone');
    const { id } = await line.dial('alice/phone', ['bob', 'carol']);
    await line.answer('bob/phone', id);
    line.told();
    line.hangUp('bob/phone', id);
    expect(line.told()).toEqual([
      'alice/phone: participant-left bob',
      'alice/phone: state-changed ended completed',
      'carol: state-changed ended completed',
    ]);
    expect(line.clock.pending).toBe(0);
  });

  test('a participant brings in another; only the caller sends people away', async () => {
    const line = desk('carol/phone');
    const { id } = await line.dial('alice/phone', ['bob']);
    await line.answer('bob/phone', id);
    line.told();
    const bob = line.device('bob/phone');
    await line.calls.addParticipant(bob, { callId: id, userId: 'carol' });
    expect(line.told()).toEqual(['carol: incoming']);
    await expect(line.calls.addParticipant(bob, { callId: id, userId: 'mallory' })).rejects.toMatchObject({
      code: 'NOT_FOUND',
    });
    await line.answer('carol/phone', id);
    line.told();
    expect(() => line.calls.removeParticipant(bob, { callId: id, userId: 'carol' })).toThrow(
      expect.objectContaining({ code: 'FORBIDDEN' }),
    );
    line.calls.removeParticipant(line.device('alice/phone'), { callId: id, userId: 'carol' });
    expect(line.told()).toEqual([
      'alice/phone: participant-left carol',
      'bob/phone: participant-left carol',
      'carol/phone: participant-left carol',
      'carol/phone: state-changed ended completed',
    ]);
  });

  test('who was removed does not come back unless somebody adds them again', async () => {
    const line = desk('carol/phone');
    const { id } = await line.dial('alice/phone', ['bob', 'carol']);
    await line.answer('bob/phone', id);
    await line.answer('carol/phone', id);
    line.calls.removeParticipant(line.device('alice/phone'), { callId: id, userId: 'carol' });
    await expect(line.answer('carol/phone', id)).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await line.calls.addParticipant(line.device('bob/phone'), { callId: id, userId: 'carol' });
    expect((await line.answer('carol/phone', id)).participants).toHaveLength(3);
  });

  test('eight people fill a call', async () => {
    const people = Array.from({ length: 10 }, (_, index) => `p${index}`);
    const line = new CallDesk(...people);
    for (const person of people) line.connect(`${person}/phone`);
    const { id } = await line.dial('p0/phone', people.slice(1));
    for (const person of people.slice(1, 8)) await line.answer(`${person}/phone`, id);
    await expect(line.answer('p8/phone', id)).rejects.toMatchObject({ code: 'BUSY' });
  });

  test('losing the conversation is leaving its call', async () => {
    const line = desk('carol/phone');
    const { id } = await line.dial('alice/phone', ['bob', 'carol']);
    await line.answer('bob/phone', id);
    line.told();
    line.calls.lost('carol', 'c');
    expect(line.told()).toEqual([
      'carol: state-changed ended cancelled',
      'alice/phone: participant-left carol',
      'bob/phone: participant-left carol',
    ]);
    line.calls.lost('bob', 'other');
    expect(line.told()).toEqual([]);
    line.calls.lost('bob', 'c');
    expect(line.logs).toMatchObject([{ callId: id, outcome: 'completed' }]);
  });
});

test('somebody who has lost the conversation does not come back into its call', async () => {
  const line = desk('carol/phone');
  const { id } = await line.dial('alice/phone', ['bob', 'carol']);
  await line.answer('bob/phone', id);
  await line.answer('carol/phone', id);
  line.hangUp('carol/phone', id);
  line.members.delete('carol');
  line.calls.lost('carol', 'c');
  await expect(line.answer('carol/phone', id)).rejects.toMatchObject({ code: 'NOT_FOUND' });
});

test('who left a call of others may come back into it', async () => {
  const line = desk('carol/phone');
  const { id } = await line.dial('alice/phone', ['bob', 'carol']);
  await line.answer('bob/phone', id);
  await line.answer('carol/phone', id);
  line.hangUp('carol/phone', id);
  expect((await line.answer('carol/phone', id)).participants.map(({ userId }) => userId)).toEqual([
    'alice',
    'bob',
    'carol',
  ]);
});

describe('what goes on inside', () => {
  test('a muted microphone is told to the others and is in the roster of who joins later', async () => {
    const line = desk('carol/phone');
    const { id } = await line.dial('alice/phone', ['bob', 'carol'], 'video');
    await line.answer('bob/phone', id);
    line.told();
    line.calls.toggleMedia(line.device('alice/phone'), { callId: id, audio: false, screenShare: true });
    expect(line.hub.payloads('call:media-changed')).toEqual([
      { callId: id, userId: 'alice', audio: false, screenShare: true },
    ]);
    expect((await line.answer('carol/phone', id)).participants[0]).toMatchObject({
      userId: 'alice',
      audioMuted: true,
      videoMuted: false,
      screenSharing: true,
    });
  });

  test('a quality report is one of who sends it, and goes to the others', async () => {
    const line = desk();
    const { id } = await line.dial('alice/phone', ['bob']);
    await line.answer('bob/phone', id);
    line.told();
    const report = { callId: id, quality: 'poor', rtt: 900 } as const;
    expect(() => line.calls.reportQuality(line.device('bob/phone'), { ...report, userId: 'alice' })).toThrow(
      expect.objectContaining({ code: 'FORBIDDEN' }),
    );
    line.calls.reportQuality(line.device('bob/phone'), { ...report, userId: '' });
    expect(line.hub.payloads('call:quality-changed')).toEqual([
      { callId: id, userId: 'bob', quality: 'poor', rtt: 900 },
    ]);
  });

  test('who is only rung has no say in the call', async () => {
    const line = desk();
    const { id } = await line.dial('alice/phone', ['bob']);
    const bob = line.device('bob/phone');
    expect(() => line.calls.toggleMedia(bob, { callId: id, audio: true })).toThrow(
      expect.objectContaining({ code: 'FORBIDDEN' }),
    );
    await expect(line.calls.addParticipant(bob, { callId: id, userId: 'carol' })).rejects.toMatchObject({
      code: 'FORBIDDEN',
    });
  });

  test('closing leaves no timer behind', async () => {
    const line = desk();
    const { id } = await line.dial('alice/phone', ['bob', 'carol']);
    await line.answer('bob/phone', id);
    line.disconnect('bob/phone');
    expect(line.clock.pending).toBeGreaterThan(0);
    line.calls.table.close();
    expect(line.clock.pending).toBe(0);
  });
});
