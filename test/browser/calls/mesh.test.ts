import { afterEach, expect, test, vi } from 'vitest';
import { held } from '../../../src/client/calls/held.ts';
import { frames, Wire } from './wire.ts';

const wires: Wire[] = [];
const streams: MediaStream[] = [];

function newWire(): Wire {
  const wire = new Wire();
  wires.push(wire);
  return wire;
}

async function open(constraints: MediaStreamConstraints): Promise<[MediaStreamTrack, MediaStreamTrack | undefined]> {
  const stream = await navigator.mediaDevices.getUserMedia(constraints);
  streams.push(stream);
  const [first, second] = [...stream.getVideoTracks(), ...stream.getAudioTracks()];
  if (first === undefined) throw new Error('No track');
  return [first, second];
}

afterEach(() => {
  for (const wire of wires.splice(0)) wire.close();
  for (const stream of streams.splice(0)) for (const track of stream.getTracks()) track.stop();
  expect(held).toEqual({ connections: 0, tracks: 0, timers: 0, listeners: 0 });
});

test('frames of both sides are decoded on the other, after one offer and one answer', async () => {
  const wire = newWire();
  const [camera, mic] = await open({ video: true, audio: true });
  const alice = wire.join('alice', []);
  const bob = wire.join('bob', ['alice']);
  for (const end of [alice, bob]) {
    await end.mesh.setSlot('camera', camera);
    await end.mesh.setSlot('mic', mic ?? null);
  }
  await vi.waitUntil(() => alice.track('bob', 'camera') !== undefined && bob.track('alice', 'camera') !== undefined, {
    timeout: 10_000,
  });
  const [atAlice, atBob] = [alice.track('bob', 'camera'), bob.track('alice', 'camera')];
  if (atAlice === undefined || atBob === undefined) throw new Error('No track');
  const decoded = await Promise.all([frames(atAlice), frames(atBob)]);
  expect(decoded.every((count) => count > 0)).toBe(true);
  expect(wire.offers().map(({ from }) => from.userId)).toEqual(['alice']);
  expect([alice.states.get('bob'), bob.states.get('alice')]).toEqual(['connected', 'connected']);
  expect([...alice.errors, ...bob.errors]).toEqual([]);
});
