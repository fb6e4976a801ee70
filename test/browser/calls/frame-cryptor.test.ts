import { afterEach, expect, test } from 'vitest';
import { resourceCounters } from '../../../src/client/calls/webrtc/resource-counters.ts';
import type { MediaKey, MediaKeyPort, PeerId } from '../../../src/client/calls/webrtc/media-backend.ts';
import { camera, microphone, stopTracks } from './tracks.ts';
import { until } from './until.ts';
import { connected, frames, TestSignaling, type TestPeer } from './test-signaling.ts';

/** In-memory key exchange between all peers of a test. */
class KeyExchange {
  readonly #listeners = new Map<string, Set<(peer: PeerId, key: MediaKey) => void>>();
  readonly #undelivered = new Map<string, [PeerId, MediaKey][]>();
  readonly sent: [from: string, to: string, keyId: number][] = [];
  /** Returns the key to deliver in place of one that was sent. */
  intercept = (key: MediaKey): MediaKey => key;

  of(self: PeerId, supported: (peer: PeerId) => boolean = () => true): MediaKeyPort {
    return {
      supports: supported,
      send: (peer, key) => {
        this.sent.push([self.userId, peer.userId, key.keyId]);
        const delivered = this.intercept(key);
        const listeners = this.#listeners.get(peer.userId);
        if (listeners === undefined || listeners.size === 0) {
          this.#undelivered.set(peer.userId, [...(this.#undelivered.get(peer.userId) ?? []), [self, delivered]]);
        }
        for (const listener of listeners ?? []) listener(self, delivered);
        return Promise.resolve();
      },
      onKey: (listener) => {
        const listeners = this.#listeners.get(self.userId) ?? new Set();
        this.#listeners.set(self.userId, listeners.add(listener));
        for (const [peer, key] of this.#undelivered.get(self.userId) ?? []) listener(peer, key);
        this.#undelivered.delete(self.userId);
        return () => listeners.delete(listener);
      },
    };
  }
}

const signalings: TestSignaling[] = [];

async function meet(
  keys: KeyExchange,
  supported?: (peer: PeerId) => boolean,
): Promise<[signaling: TestSignaling, alice: TestPeer, bob: TestPeer]> {
  const signaling = new TestSignaling();
  signalings.push(signaling);
  const [alice, bob] = [signaling.add('alice'), signaling.add('bob')];
  await alice.backend.join({ ...alice.context([]), keys: keys.of(alice.self, supported) });
  alice.backend.peerJoined(bob.self, 'self');
  await bob.backend.join({ ...bob.context(['alice']), keys: keys.of(bob.self, supported) });
  const [cameraTrack, micTrack] = [await camera(), await microphone()];
  for (const peer of [alice, bob]) {
    await peer.backend.setSlot('camera', cameraTrack);
    await peer.backend.setSlot('mic', micTrack);
  }
  return [signaling, alice, bob];
}

async function receivesVideo(peer: TestPeer, userId: string): Promise<void> {
  await frames(await until(() => peer.remoteTrack(userId, 'camera')), 10);
}

/** Resolves when the sound of a user was decoded, which is done only while it is played. */
async function hears(peer: TestPeer, userId: string): Promise<void> {
  const audio = new Audio();
  audio.srcObject = new MediaStream([await until(() => peer.remoteTrack(userId, 'mic'))]);
  await audio.play();
  await until(() => peer.speakers.includes(userId));
  audio.srcObject = null;
}

afterEach(() => {
  for (const signaling of signalings.splice(0)) signaling.close();
  stopTracks();
  expect(resourceCounters).toEqual({ connections: 0, tracks: 0, timers: 0, listeners: 0, workers: 0 });
});

test('encrypted frames are decoded by the other side, and the link is reported as encrypted', async () => {
  const [, alice, bob] = await meet(new KeyExchange());
  await Promise.all([receivesVideo(alice, 'bob'), receivesVideo(bob, 'alice')]);
  expect([alice.encrypted.get('bob'), bob.encrypted.get('alice')]).toEqual([true, true]);
  await hears(alice, 'bob');
  expect([...alice.errors, ...bob.errors]).toEqual([]);
});

test('frames are not decoded with another key', async () => {
  const keys = new KeyExchange();
  keys.intercept = ({ keyId }) => ({ keyId, secret: crypto.getRandomValues(new Uint8Array(32)) });
  const [, alice, bob] = await meet(keys);
  await connected(alice, bob);
  const track = await until(() => bob.remoteTrack('alice', 'camera'));
  let decoded = false;
  const watching = frames(track, 1).then(() => (decoded = true));
  watching.catch(() => undefined);
  await until(() => bob.quality.length > 0);
  expect(decoded).toBe(false);
});

test('if one side does not support encryption, frames are not encrypted, and this is reported', async () => {
  const [, alice, bob] = await meet(new KeyExchange(), () => false);
  await receivesVideo(bob, 'alice');
  expect([alice.encrypted.get('bob'), bob.encrypted.get('alice')]).toEqual([false, false]);
});

test('when a participant leaves, the others rotate their keys and continue', async () => {
  const keys = new KeyExchange();
  const [signaling, alice, bob] = await meet(keys);
  const carol = signaling.add('carol');
  for (const peer of [alice, bob]) peer.backend.peerJoined(carol.self, 'self');
  await carol.backend.join({ ...carol.context(['alice', 'bob']), keys: keys.of(carol.self) });
  await Promise.all([receivesVideo(carol, 'alice'), receivesVideo(carol, 'bob')]);
  signaling.leave('carol');
  await until(() => keys.sent.filter(([, , keyId]) => keyId === 1).length === 2);
  await Promise.all([receivesVideo(alice, 'bob'), receivesVideo(bob, 'alice')]);
  expect(keys.sent.filter(([, to, keyId]) => keyId === 1 && to === 'carol')).toEqual([]);
});
