import { describe, expect, test } from 'vitest';
import type { CallKey, CallKeys, Cipher, TakeCallKey } from '../../../../src/client/cipher.ts';
import { mediaKeys } from '../../../../src/client/calls/media-keys.ts';
import type { MediaKey, MediaKeyPort, PeerId } from '../../../../src/client/calls/media-backend.ts';
import type { CallParticipant } from '../../../../src/protocol/calls.ts';
import { CommError } from '../../../../src/protocol/errors.ts';
import { lazy } from '../../../../src/lib/lazy.ts';
import { manualClock } from '../../../helpers/manual-clock.ts';

const KEY: CallKey = { keyId: 0, secret: new Uint8Array(32).fill(7) };
const BOB: PeerId = { userId: 'bob', deviceId: 'laptop' };

/** The encrypted sessions, by hand. */
class Sessions implements CallKeys {
  readonly sent: [userId: string, about: string, key: CallKey][] = [];
  readonly looked: string[] = [];
  take: TakeCallKey | undefined;
  isReady = Promise.resolve();
  refusal: Error | undefined;

  ready(): Promise<void> {
    return this.isReady;
  }

  send(userId: string, about: string, key: CallKey): Promise<void> {
    this.sent.push([userId, about, key]);
    return this.refusal === undefined ? Promise.resolve() : Promise.reject(this.refusal);
  }

  listen(take: TakeCallKey): () => void {
    this.take = take;
    return () => (this.take = undefined);
  }

  look(senderId: string): void {
    this.looked.push(senderId);
  }
}

function contextOf(sessions: Sessions, clock = manualClock()) {
  const callKeys = lazy(() => Promise.resolve<CallKeys>(sessions));
  return { clock, cipher: lazy(() => Promise.resolve({ callKeys } as Pick<Cipher, 'callKeys'> as Cipher)) };
}

const participant = (userId: string, deviceId: string, mediaEncryption = true): CallParticipant => ({
  userId,
  joinedAt: '2026-01-01T00:00:00.000Z',
  audioMuted: false,
  videoMuted: true,
  screenSharing: false,
  deviceId,
  ...(mediaEncryption && { mediaEncryption }),
});

/** Alice's, on her phone, in a call with Bob. */
async function alices(roster = [participant('alice', 'phone'), participant('bob', 'laptop')]): Promise<{
  sessions: Sessions;
  roster: CallParticipant[];
  port: MediaKeyPort;
  came: [PeerId, MediaKey][];
  failures: CommError[];
}> {
  const sessions = new Sessions();
  const came: [PeerId, MediaKey][] = [];
  const failures: CommError[] = [];
  const port = (await mediaKeys(contextOf(sessions)))({
    callId: 'x',
    self: { userId: 'alice', deviceId: 'phone' },
    roster: () => roster,
    failed: (error) => failures.push(error),
  });
  port.onKey((peer, key) => came.push([peer, key]));
  return { sessions, roster, port, came, failures };
}

describe('whether frames are sealed for somebody', () => {
  test('is so where both say that they do', async () => {
    expect((await alices()).port.supports(BOB)).toBe(true);
  });

  test.each<[string, CallParticipant[], PeerId]>([
    ['they say nothing', [participant('alice', 'phone'), participant('bob', 'laptop', false)], BOB],
    [
      'the server has not passed on what we say',
      [participant('alice', 'phone', false), participant('bob', 'laptop')],
      BOB,
    ],
    ['they are on another device', [participant('alice', 'phone'), participant('bob', 'tablet')], BOB],
    ['the server names no devices', [participant('alice', 'phone'), participant('bob', 'laptop')], { userId: 'bob' }],
    ['they are not in the call', [participant('alice', 'phone')], BOB],
  ])('is not so where %s', async (_, roster, peer) => {
    expect((await alices(roster)).port.supports(peer)).toBe(false);
  });
});

describe('a key that comes', () => {
  test('is of its sender on the device that is in the call', async () => {
    const { sessions, came } = await alices();
    expect(sessions.take?.('bob', '["x","laptop"]', KEY)).toBe(true);
    expect(came).toEqual([[BOB, KEY]]);
  });

  test.each([
    ['another call', 'bob', '["y","laptop"]'],
    ['another device', 'bob', '["x","tablet"]'],
    ['another participant’s device', 'bob', '["x","phone"]'],
    ['somebody outside', 'zoe', '["x","laptop"]'],
    ['nothing that makes sense', 'bob', 'x laptop'],
  ])('for or from %s is left alone', async (_, senderId, about) => {
    const { sessions, came } = await alices();
    expect(sessions.take?.(senderId, about, KEY)).toBe(false);
    expect(came).toEqual([]);
  });

  test('before its sender is left for when they are in the call, and is then looked for', async () => {
    const { sessions, roster, port, came } = await alices([participant('alice', 'phone')]);
    expect(sessions.take?.('bob', '["x","laptop"]', KEY)).toBe(false);
    roster.push(participant('bob', 'laptop'));
    expect(port.supports(BOB)).toBe(true);
    await port.send(BOB, KEY);
    expect(sessions.looked).toEqual(['bob']);
    expect(sessions.take?.('bob', '["x","laptop"]', KEY)).toBe(true);
    expect(came).toHaveLength(1);
  });
});

test('a key is sent as one of this call from this device', async () => {
  const { sessions, port } = await alices();
  await port.send(BOB, KEY);
  expect(sessions.sent).toEqual([['bob', '["x","phone"]', KEY]]);
});

test('that somebody can not be given it is told', async () => {
  const { sessions, port, failures } = await alices();
  sessions.refusal = new CommError('E2EE_IDENTITY_CHANGED', 'another key');
  await port.send(BOB, KEY);
  expect(failures.map(({ code }) => code)).toEqual(['E2EE_IDENTITY_CHANGED']);
});

test('a call does not wait long for keys that are not published', async () => {
  const sessions = new Sessions();
  sessions.isReady = new Promise(() => undefined);
  const clock = manualClock();
  const made = mediaKeys(contextOf(sessions, clock));
  clock.advance(5_000);
  await expect(made).rejects.toMatchObject({ code: 'TIMEOUT' });
});
