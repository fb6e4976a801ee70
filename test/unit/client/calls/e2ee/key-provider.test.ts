import { describe, expect, test } from 'vitest';
import type { CallKey, CallKeys, Cipher, TakeCallKey } from '../../../../../src/client/cipher.ts';
import { loadKeyProvider } from '../../../../../src/client/calls/e2ee/key-provider.ts';
import type { MediaKey, MediaKeyPort, PeerId } from '../../../../../src/client/calls/webrtc/media-backend.ts';
import type { CallParticipant } from '../../../../../src/protocol/calls.ts';
import { CommError } from '../../../../../src/protocol/errors.ts';
import { lazy } from '../../../../../src/lib/lazy.ts';
import { manualClock } from '../../../../helpers/manual-clock.ts';

const KEY: CallKey = { keyId: 0, secret: new Uint8Array(32).fill(7) };
const BOB: PeerId = { userId: 'bob', deviceId: 'laptop' };

/** Fake encrypted sessions. */
class FakeSessions implements CallKeys {
  readonly sent: [userId: string, about: string, key: CallKey][] = [];
  readonly lookedUp: string[] = [];
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
    this.lookedUp.push(senderId);
  }
}

function contextOf(sessions: FakeSessions, clock = manualClock()) {
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

/** Creates the key provider of alice's phone in a call with bob. */
async function setup(roster = [participant('alice', 'phone'), participant('bob', 'laptop')]): Promise<{
  sessions: FakeSessions;
  roster: CallParticipant[];
  port: MediaKeyPort;
  received: [PeerId, MediaKey][];
  failures: CommError[];
}> {
  const sessions = new FakeSessions();
  const received: [PeerId, MediaKey][] = [];
  const failures: CommError[] = [];
  const port = (await loadKeyProvider(contextOf(sessions)))({
    callId: 'x',
    self: { userId: 'alice', deviceId: 'phone' },
    roster: () => roster,
    onError: (error) => failures.push(error),
  });
  port.onKey((peer, key) => received.push([peer, key]));
  return { sessions, roster, port, received, failures };
}

describe('supports()', () => {
  test('is true if both devices announce support', async () => {
    expect((await setup()).port.supports(BOB)).toBe(true);
  });

  test.each<[string, CallParticipant[], PeerId]>([
    ['the peer announces nothing', [participant('alice', 'phone'), participant('bob', 'laptop', false)], BOB],
    [
      'the server did not relay our announcement',
      [participant('alice', 'phone', false), participant('bob', 'laptop')],
      BOB,
    ],
    ['the peer uses another device', [participant('alice', 'phone'), participant('bob', 'tablet')], BOB],
    [
      'the server sends no device ids',
      [participant('alice', 'phone'), participant('bob', 'laptop')],
      { userId: 'bob' },
    ],
    ['the peer is not in the call', [participant('alice', 'phone')], BOB],
  ])('is false if %s', async (_, roster, peer) => {
    expect((await setup(roster)).port.supports(peer)).toBe(false);
  });
});

describe('a received key', () => {
  test('belongs to the device of its sender that is in the call', async () => {
    const { sessions, received } = await setup();
    expect(sessions.take?.('bob', '["x","laptop"]', KEY)).toBe(true);
    expect(received).toEqual([[BOB, KEY]]);
  });

  test.each([
    ['another call', 'bob', '["y","laptop"]'],
    ['another device', 'bob', '["x","tablet"]'],
    ['the device of another participant', 'bob', '["x","phone"]'],
    ['a user who is not in the call', 'zoe', '["x","laptop"]'],
    ['a malformed context', 'bob', 'x laptop'],
  ])('for or from %s is ignored', async (_, senderId, about) => {
    const { sessions, received } = await setup();
    expect(sessions.take?.(senderId, about, KEY)).toBe(false);
    expect(received).toEqual([]);
  });

  test('that arrives before its sender is in the call is requested again when a key is sent to them', async () => {
    const { sessions, roster, port, received } = await setup([participant('alice', 'phone')]);
    expect(sessions.take?.('bob', '["x","laptop"]', KEY)).toBe(false);
    roster.push(participant('bob', 'laptop'));
    expect(port.supports(BOB)).toBe(true);
    await port.send(BOB, KEY);
    expect(sessions.lookedUp).toEqual(['bob']);
    expect(sessions.take?.('bob', '["x","laptop"]', KEY)).toBe(true);
    expect(received).toHaveLength(1);
  });
});

test('a key is sent with the call and the sending device', async () => {
  const { sessions, port } = await setup();
  await port.send(BOB, KEY);
  expect(sessions.sent).toEqual([['bob', '["x","phone"]', KEY]]);
});

test('a failure to send a key is reported', async () => {
  const { sessions, port, failures } = await setup();
  sessions.refusal = new CommError('E2EE_IDENTITY_CHANGED', 'another key');
  await port.send(BOB, KEY);
  expect(failures.map(({ code }) => code)).toEqual(['E2EE_IDENTITY_CHANGED']);
});

test('a call waits 5 s for keys to be published', async () => {
  const sessions = new FakeSessions();
  sessions.isReady = new Promise(() => undefined);
  const clock = manualClock();
  const made = loadKeyProvider(contextOf(sessions, clock));
  clock.advance(5_000);
  await expect(made).rejects.toMatchObject({ code: 'TIMEOUT' });
});
