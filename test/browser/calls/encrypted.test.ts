import { afterEach, expect, test } from 'vitest';
import { held } from '../../../src/client/calls/held.ts';
import type { MediaKey, MediaKeyPort, PeerId } from '../../../src/client/calls/media-backend.ts';
import { camera, microphone, stopTracks } from './tracks.ts';
import { until } from './until.ts';
import { connected, frames, Wire, type End } from './wire.ts';

/** The encrypted session between everybody here. */
class Keys {
  readonly #listeners = new Map<string, Set<(peer: PeerId, key: MediaKey) => void>>();
  readonly #early = new Map<string, [PeerId, MediaKey][]>();
  readonly sent: [from: string, to: string, keyId: number][] = [];
  /** What arrives in place of a key. */
  bend = (key: MediaKey): MediaKey => key;

  of(self: PeerId, supported: (peer: PeerId) => boolean = () => true): MediaKeyPort {
    return {
      supports: supported,
      send: (peer, key) => {
        this.sent.push([self.userId, peer.userId, key.keyId]);
        const bent = this.bend(key);
        const listeners = this.#listeners.get(peer.userId);
        if (listeners === undefined || listeners.size === 0) {
          this.#early.set(peer.userId, [...(this.#early.get(peer.userId) ?? []), [self, bent]]);
        }
        for (const listener of listeners ?? []) listener(self, bent);
        return Promise.resolve();
      },
      onKey: (listener) => {
        const listeners = this.#listeners.get(self.userId) ?? new Set();
        this.#listeners.set(self.userId, listeners.add(listener));
        for (const [peer, key] of this.#early.get(self.userId) ?? []) listener(peer, key);
        this.#early.delete(self.userId);
        return () => listeners.delete(listener);
      },
    };
  }
}

const wires: Wire[] = [];

async function meet(keys: Keys, supported?: (peer: PeerId) => boolean): Promise<[wire: Wire, alice: End, bob: End]> {
  const wire = new Wire();
  wires.push(wire);
  const [alice, bob] = [wire.add('alice'), wire.add('bob')];
  await alice.mesh.join({ ...alice.context([]), keys: keys.of(alice.self, supported) });
  alice.mesh.peerJoined(bob.self, 'self');
  await bob.mesh.join({ ...bob.context(['alice']), keys: keys.of(bob.self, supported) });
  const [picture, sound] = [await camera(), await microphone()];
  for (const end of [alice, bob]) {
    await end.mesh.setSlot('camera', picture);
    await end.mesh.setSlot('mic', sound);
  }
  return [wire, alice, bob];
}

async function picture(end: End, userId: string): Promise<void> {
  await frames(await until(() => end.track(userId, 'camera')), 10);
}

afterEach(() => {
  for (const wire of wires.splice(0)) wire.close();
  stopTracks();
  expect(held).toEqual({ connections: 0, tracks: 0, timers: 0, listeners: 0, workers: 0 });
});

test('sealed frames are decoded on the other side, and it is said that they were sealed', async () => {
  const [, alice, bob] = await meet(new Keys());
  await Promise.all([picture(alice, 'bob'), picture(bob, 'alice')]);
  expect([alice.encrypted.get('bob'), bob.encrypted.get('alice')]).toEqual([true, true]);
  expect([...alice.errors, ...bob.errors]).toEqual([]);
});

test('with another key nothing is decoded', async () => {
  const keys = new Keys();
  keys.bend = ({ keyId }) => ({ keyId, secret: crypto.getRandomValues(new Uint8Array(32)) });
  const [, alice, bob] = await meet(keys);
  await connected(alice, bob);
  const track = await until(() => bob.track('alice', 'camera'));
  let decoded = false;
  const watching = frames(track, 1).then(() => (decoded = true));
  watching.catch(() => undefined);
  await until(() => bob.quality.length > 0);
  expect(decoded).toBe(false);
});

test('where one side cannot, nothing is sealed, and that is said', async () => {
  const [, alice, bob] = await meet(new Keys(), () => false);
  await picture(bob, 'alice');
  expect([alice.encrypted.get('bob'), bob.encrypted.get('alice')]).toEqual([false, false]);
});

test('when somebody leaves the others change their keys, and go on', async () => {
  const keys = new Keys();
  const [wire, alice, bob] = await meet(keys);
  const carol = wire.add('carol');
  for (const end of [alice, bob]) end.mesh.peerJoined(carol.self, 'self');
  await carol.mesh.join({ ...carol.context(['alice', 'bob']), keys: keys.of(carol.self) });
  await Promise.all([picture(carol, 'alice'), picture(carol, 'bob')]);
  wire.leave('carol');
  await until(() => keys.sent.filter(([, , keyId]) => keyId === 1).length === 2);
  await Promise.all([picture(alice, 'bob'), picture(bob, 'alice')]);
  expect(keys.sent.filter(([, to, keyId]) => keyId === 1 && to === 'carol')).toEqual([]);
});
