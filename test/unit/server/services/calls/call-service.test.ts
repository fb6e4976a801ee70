import { describe, expect, test } from 'vitest';
import { CallBench } from '../../../../helpers/server/call-bench.ts';

const RING_MS = 45_000;
const BACK_MS = 25_000;
const ALONE_MS = 30_000;

/** Alice and bob, each with one device, and the others of the conversation. */
function desk(...more: string[]): CallBench {
  const made = new CallBench('alice', 'bob', 'carol', 'dave');
  for (const device of ['alice/phone', 'bob/phone', ...more]) made.connect(device);
  return made;
}

describe('calls between two users', () => {
  test('a call rings, is accepted and ends when one user hangs up', async () => {
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

  test('declining on one device declines for the user', async () => {
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

  test('of two devices that accept, the first wins', async () => {
    const line = desk('bob/laptop');
    const { id } = await line.dial('alice/phone', ['bob']);
    const [first, second] = await Promise.allSettled([line.answer('bob/laptop', id), line.answer('bob/phone', id)]);
    expect(first).toMatchObject({ status: 'fulfilled', value: { state: 'connecting' } });
    expect(second).toMatchObject({ status: 'rejected', reason: { code: 'CONFLICT' } });
    expect((await line.answer('bob/laptop', id)).participants).toHaveLength(2);
  });

  test('a caller who hangs up cancels, and the callee stops ringing', async () => {
    const line = desk();
    const { id } = await line.dial('alice/phone', ['bob']);
    line.told();
    line.hangUp('alice/phone', id);
    expect(line.told()).toEqual(['bob: state-changed ended cancelled']);
    expect(line.logs).toEqual([{ callId: id, callType: 'audio', outcome: 'cancelled', duration: 0 }]);
  });

  test('an unanswered call is missed after the ring timeout', async () => {
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

  test('a user in another call is busy and not disturbed', async () => {
    const line = desk('carol/phone');
    const first = await line.dial('alice/phone', ['bob']);
    await line.answer('bob/phone', first.id);
    line.told();
    expect(await line.dial('carol/phone', ['bob'])).toMatchObject({ state: 'ended', endReason: 'busy' });
    expect(line.told()).toEqual(['carol/phone: state-changed initiating', 'carol/phone: state-changed ended busy']);
    expect(line.logs).toMatchObject([{ outcome: 'busy' }]);
  });

  test('a user whose phone only rings is not busy: a stranger cannot keep the calls of friends out', async () => {
    const line = desk('carol/phone', 'dave/phone');
    const stranger = await line.dial('carol/phone', ['bob']);
    expect(stranger.state).toBe('ringing');
    const friend = await line.dial('alice/phone', ['bob']);
    expect(friend.state).toBe('ringing');
    const third = await line.dial('dave/phone', ['carol', 'bob']);
    expect(third.state).toBe('ringing');
    expect((await line.answer('bob/phone', friend.id)).state).toBe('connecting');
    // The other calls ring on, as call waiting.
    await expect(line.answer('bob/phone', stranger.id)).rejects.toMatchObject({ code: 'BUSY' });
    line.hangUp('alice/phone', friend.id);
    expect((await line.answer('bob/phone', stranger.id)).state).toBe('connecting');
  });

  test('a user whose phone rings can be added to a call', async () => {
    const line = desk('carol/phone', 'dave/phone');
    await line.dial('dave/phone', ['carol']);
    const { id } = await line.dial('alice/phone', ['bob']);
    await line.answer('bob/phone', id);
    await line.calls.addParticipant(line.device('alice/phone'), { callId: id, userId: 'carol' });
    expect((await line.answer('carol/phone', id)).participants).toHaveLength(3);
  });

  test('an ended call makes no user busy', async () => {
    const line = desk('carol/phone');
    const first = await line.dial('alice/phone', ['bob']);
    await line.answer('bob/phone', first.id);
    line.hangUp('alice/phone', first.id);
    expect(await line.dial('carol/phone', ['bob'])).toMatchObject({ state: 'ringing' });
    expect(await line.dial('bob/phone', ['alice'])).toMatchObject({ state: 'ringing' });
  });

  test("a user in a call can't start another", async () => {
    const line = desk();
    await line.dial('alice/phone', ['bob']);
    await expect(line.dial('alice/phone', ['carol'])).rejects.toMatchObject({ code: 'BUSY' });
  });

  test('two users who call each other at once share one call', async () => {
    const line = desk();
    const [one, other] = await Promise.all([line.dial('alice/phone', ['bob']), line.dial('bob/phone', ['alice'])]);
    expect(other).toMatchObject({ id: one.id, state: 'connecting' });
    expect(other.participants.map(({ userId }) => userId)).toEqual(['alice', 'bob']);
    expect(line.told().filter((each) => each.endsWith('incoming'))).toEqual(['bob: incoming']);
  });

  test('a call needs another member of the conversation', async () => {
    const line = desk();
    await expect(line.dial('alice/phone', ['alice'])).rejects.toMatchObject({ code: 'INVALID' });
    await expect(line.dial('alice/phone', ['bob', 'mallory'])).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await expect(line.dial('mallory/phone', ['bob'])).rejects.toMatchObject({ code: 'NOT_FOUND' });
    expect(line.told()).toEqual([]);
  });

  test('a device that connects while a call rings receives it', async () => {
    const line = desk();
    await line.dial('alice/phone', ['bob']);
    line.told();
    line.connect('bob/laptop');
    expect(line.told()).toEqual(['bob/laptop: incoming']);
  });
});

describe('a disconnected device', () => {
  async function talking(...more: string[]): Promise<{ line: CallBench; id: string }> {
    const line = desk(...more);
    const { id } = await line.dial('alice/phone', ['bob']);
    await line.answer('bob/phone', id);
    line.told();
    return { line, id };
  }

  test('leaves the call after the reconnect timeout', async () => {
    const { line } = await talking();
    line.disconnect('bob/phone');
    line.clock.advance(BACK_MS - 1);
    expect(line.told()).toEqual([]);
    line.clock.advance(1);
    expect(line.told()).toEqual(['alice/phone: participant-left bob', 'alice/phone: state-changed ended completed']);
    expect(line.logs).toMatchObject([{ outcome: 'completed', duration: 25 }]);
  });

  test('may reconnect with another socket', async () => {
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

  test('without an id: signals go to all devices of the user until one of them claims the seat', async () => {
    const { line, id } = await talking('bob/laptop');
    line.disconnect('bob/phone');
    line.connect('bob/phone2');
    line.calls.toggleMedia(line.device('alice/phone'), { callId: id, audio: false });
    expect(line.told()).toEqual(['bob: media-changed']);
    line.calls.toggleMedia(line.device('bob/phone2'), { callId: id, audio: true });
    expect(() => line.hangUp('bob/laptop', id)).toThrow(expect.objectContaining({ code: 'CONFLICT' }));
  });

  test('leaves the call if it disconnects again', async () => {
    const { line } = await talking();
    line.disconnect('bob/phone');
    line.connect('bob/phone2');
    line.disconnect('bob/phone2');
    line.clock.advance(BACK_MS);
    expect(line.logs).toMatchObject([{ outcome: 'completed' }]);
  });

  test("doesn't end the call while another device of its user holds the seat", async () => {
    const { line } = await talking('bob/laptop');
    line.disconnect('bob/laptop');
    line.clock.advance(BACK_MS);
    expect(line.told()).toEqual([]);
  });

  test('releases its seat when its user starts another call', async () => {
    const { line } = await talking('carol/phone');
    line.disconnect('bob/phone');
    line.connect('bob/laptop');
    expect(await line.dial('bob/laptop', ['alice'])).toMatchObject({ state: 'ringing' });
    expect(line.logs).toMatchObject([{ outcome: 'completed' }]);
  });

  test('of the caller cancels a ringing call', async () => {
    const line = desk();
    await line.dial('alice/phone', ['bob']);
    line.told();
    line.disconnect('alice/phone');
    line.clock.advance(BACK_MS);
    expect(line.told()).toEqual(['bob: state-changed ended cancelled']);
    expect(line.clock.pending).toBe(0);
  });
});

describe('group calls', () => {
  test('one callee declines, and the call continues', async () => {
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

  test("all decline: rejected; the last one doesn't answer: missed", async () => {
    const line = desk('carol/phone');
    const first = await line.dial('alice/phone', ['bob', 'carol']);
    await line.decline('carol/phone', first.id);
    await line.decline('bob/phone', first.id);
    const second = await line.dial('alice/phone', ['bob', 'carol']);
    await line.decline('carol/phone', second.id);
    line.clock.advance(RING_MS);
    expect(line.logs).toMatchObject([{ outcome: 'rejected' }, { outcome: 'missed' }]);
  });

  test('participants are told who joins, and a new participant gets all in the order of joining', async () => {
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

  test('the call continues without its caller until one participant is left', async () => {
    const line = desk('carol/phone');
    const { id } = await line.dial('alice/phone', ['bob', 'carol']);
    await line.answer('bob/phone', id);
    await line.answer('carol/phone', id);
    line.told();
    line.hangUp('alice/phone', id);
    expect(line.told()).toEqual(['bob/phone: participant-left alice', 'carol/phone: participant-left alice']);
    line.hangUp('bob/phone', id);
    expect(line.told()).toEqual(['carol/phone: participant-left bob']);
    line.clock.advance(ALONE_MS);
    expect(line.told()).toEqual(['carol/phone: state-changed ended completed']);
    expect(line.clock.pending).toBe(0);
  });

  test("an ended call stops ringing at callees who haven't answered", async () => {
    const line = desk('carol/phone');
    const { id } = await line.dial('alice/phone', ['bob', 'carol']);
    await line.answer('bob/phone', id);
    line.told();
    line.hangUp('bob/phone', id);
    line.hangUp('alice/phone', id);
    expect(line.told()).toEqual(['alice/phone: participant-left bob', 'carol: state-changed ended completed']);
    expect(line.clock.pending).toBe(0);
  });

  test('any participant may add users; only the caller may remove them', async () => {
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

  test('a removed user may only rejoin when added again', async () => {
    const line = desk('carol/phone');
    const { id } = await line.dial('alice/phone', ['bob', 'carol']);
    await line.answer('bob/phone', id);
    await line.answer('carol/phone', id);
    line.calls.removeParticipant(line.device('alice/phone'), { callId: id, userId: 'carol' });
    await expect(line.answer('carol/phone', id)).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await line.calls.addParticipant(line.device('bob/phone'), { callId: id, userId: 'carol' });
    expect((await line.answer('carol/phone', id)).participants).toHaveLength(3);
  });

  test('eight participants fill a call', async () => {
    const people = Array.from({ length: 10 }, (_, index) => `p${index}`);
    const line = new CallBench(...people);
    for (const person of people) line.connect(`${person}/phone`);
    const { id } = await line.dial('p0/phone', people.slice(1, 9));
    for (const person of people.slice(1, 8)) await line.answer(`${person}/phone`, id);
    await expect(line.answer('p8/phone', id)).rejects.toMatchObject({ code: 'BUSY' });
    line.hangUp('p8/phone', id);
    await expect(line.dial('p9/phone', people.slice(0, 9))).rejects.toMatchObject({
      code: 'INVALID',
      message: 'calleeIds must have at most 8 users in a call of type audio',
    });
  });

  test('losing the membership ends the participation', async () => {
    const line = desk('carol/phone');
    const { id } = await line.dial('alice/phone', ['bob', 'carol']);
    await line.answer('bob/phone', id);
    line.told();
    line.calls.memberRemoved('carol', 'c');
    expect(line.told()).toEqual([
      'carol: state-changed ended cancelled',
      'alice/phone: participant-left carol',
      'bob/phone: participant-left carol',
    ]);
    line.calls.memberRemoved('bob', 'other');
    expect(line.told()).toEqual([]);
    line.calls.memberRemoved('bob', 'c');
    expect(line.logs).toMatchObject([{ callId: id, outcome: 'completed' }]);
  });
});

test("a user who lost the membership can't rejoin", async () => {
  const line = desk('carol/phone');
  const { id } = await line.dial('alice/phone', ['bob', 'carol']);
  await line.answer('bob/phone', id);
  await line.answer('carol/phone', id);
  line.hangUp('carol/phone', id);
  line.members.delete('carol');
  line.calls.memberRemoved('carol', 'c');
  await expect(line.answer('carol/phone', id)).rejects.toMatchObject({ code: 'NOT_FOUND' });
});

test('a participant who left may rejoin', async () => {
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

describe('during a call', () => {
  test('muting is pushed and included in the roster of later participants', async () => {
    const line = desk('carol/phone');
    const { id } = await line.dial('alice/phone', ['bob', 'carol'], 'video');
    await line.answer('bob/phone', id);
    line.told();
    line.calls.toggleMedia(line.device('alice/phone'), { callId: id, audio: false, screenShare: true });
    expect(line.broadcaster.payloads('call:media-changed')).toEqual([
      { callId: id, userId: 'alice', audio: false, screenShare: true },
    ]);
    expect((await line.answer('carol/phone', id)).participants[0]).toMatchObject({
      userId: 'alice',
      audioMuted: true,
      videoMuted: false,
      screenSharing: true,
    });
  });

  test('a quality report carries its sender and is pushed to the others', async () => {
    const line = desk();
    const { id } = await line.dial('alice/phone', ['bob']);
    await line.answer('bob/phone', id);
    line.told();
    const report = { callId: id, quality: 'poor', rtt: 900 } as const;
    expect(() => line.calls.reportQuality(line.device('bob/phone'), { ...report, userId: 'alice' })).toThrow(
      expect.objectContaining({ code: 'FORBIDDEN' }),
    );
    line.calls.reportQuality(line.device('bob/phone'), { ...report, userId: '' });
    expect(line.broadcaster.payloads('call:quality-changed')).toEqual([
      { callId: id, userId: 'bob', quality: 'poor', rtt: 900 },
    ]);
  });

  test("an invited user can't change the call", async () => {
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

  test('close stops all timers', async () => {
    const line = desk();
    const { id } = await line.dial('alice/phone', ['bob', 'carol']);
    await line.answer('bob/phone', id);
    line.disconnect('bob/phone');
    expect(line.clock.pending).toBeGreaterThan(0);
    line.calls.close();
    expect(line.clock.pending).toBe(0);
  });
});
