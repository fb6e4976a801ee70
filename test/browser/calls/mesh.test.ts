import { afterEach, expect, test } from 'vitest';
import { held } from '../../../src/client/calls/held.ts';
import type { IceConfig } from '../../../src/client/calls/media-backend.ts';
import { camera, microphone, painted, stopTracks } from './tracks.ts';
import { until } from './until.ts';
import { connected, frames, hurried, Wire, type End, type Sent } from './wire.ts';

const wires: Wire[] = [];

function newWire(): Wire {
  const wire = new Wire();
  wires.push(wire);
  return wire;
}

/** Waits for what comes from somebody in a slot, and for frames of it where it is a picture. */
async function comes(end: End, userId: string, slot: 'mic' | 'camera' | 'screen'): Promise<void> {
  const track = await until(() => end.track(userId, slot));
  if (track.kind === 'video') await frames(track);
}

const nothing = { connections: 0, tracks: 0, timers: 0, listeners: 0, workers: 0 };

afterEach(() => {
  for (const wire of wires.splice(0)) wire.close();
  stopTracks();
  expect(held).toEqual(nothing);
});

test('frames of both sides are decoded on the other, after one offer and one answer', async () => {
  const wire = newWire();
  const [picture, sound] = [await camera(), await microphone()];
  const alice = wire.join('alice', []);
  const bob = wire.join('bob', ['alice']);
  for (const end of [alice, bob]) {
    await end.mesh.setSlot('camera', picture);
    await end.mesh.setSlot('mic', sound);
  }
  await Promise.all([comes(alice, 'bob', 'camera'), comes(bob, 'alice', 'camera')]);
  await Promise.all([comes(alice, 'bob', 'mic'), comes(bob, 'alice', 'mic')]);
  expect(wire.sent.filter(({ kind }) => kind !== 'candidate').map(({ kind, from }) => [kind, from.userId])).toEqual([
    ['offer', 'alice'],
    ['answer', 'bob'],
  ]);
  expect([alice.said, bob.said]).toEqual([
    ['bob connecting', 'bob connected'],
    ['alice connecting', 'alice connected'],
  ]);
  expect([...alice.errors, ...bob.errors]).toEqual([]);
});

test('with sound alone no picture comes', async () => {
  const wire = newWire();
  const sound = await microphone();
  const alice = wire.join('alice', []);
  const bob = wire.join('bob', ['alice']);
  await Promise.all([alice.mesh.setSlot('mic', sound), bob.mesh.setSlot('mic', sound)]);
  await Promise.all([comes(alice, 'bob', 'mic'), comes(bob, 'alice', 'mic')]);
  expect([...alice.tracks.keys(), ...bob.tracks.keys()]).toEqual(['bob mic', 'alice mic']);
});

test('candidates that come before the offer, and before anybody has joined, connect it', async () => {
  const wire = newWire();
  let offer: Sent | undefined;
  wire.bend = (message) => {
    if (message.kind === 'offer') {
      offer = message;
      return [];
    }
    return [message];
  };
  const [alice, bob] = [wire.add('alice'), wire.add('bob')];
  void alice.mesh.join(alice.context([]));
  alice.mesh.peerJoined(bob.self, 'self');
  await until(() => wire.sent.some(({ kind }) => kind === 'candidate'));
  await bob.mesh.join(bob.context([]));
  if (offer !== undefined) wire.deliver(offer);
  bob.mesh.peerJoined(alice.self, 'peer');
  await connected(alice, bob);
  expect([...alice.errors, ...bob.errors]).toEqual([]);
});

test('answers that come twice or late are dropped', async () => {
  const wire = newWire();
  const answers: Sent[] = [];
  wire.bend = (message) => {
    if (message.kind !== 'answer') return [message];
    answers.push(message);
    return [message, message, message];
  };
  const alice = wire.join('alice', []);
  const bob = wire.join('bob', ['alice']);
  await connected(alice, bob);
  for (const answer of answers) wire.deliver(answer);
  await alice.mesh.setSlot('camera', await camera());
  await comes(bob, 'alice', 'camera');
  expect([...alice.errors, ...bob.errors]).toEqual([]);
  expect(alice.said).toEqual(['bob connecting', 'bob connected']);
});

test('fifty random glares end stable and connected', { timeout: 120_000 }, async () => {
  for (let n = 0; n < 50; n += 1) {
    const wire = newWire();
    wire.delay = () => Math.random() * 20;
    const alice = wire.add('alice');
    const bob = wire.add('bob');
    // Both believe that they were in first.
    await Promise.all([alice.mesh.join(alice.context([])), bob.mesh.join(bob.context([]))]);
    const ends = [alice, bob].sort(() => Math.random() - 0.5);
    for (const end of ends) {
      end.mesh.peerJoined(end === alice ? bob.self : alice.self, 'self');
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 30));
    }
    await connected(alice, bob);
    expect([alice.said, bob.said]).toEqual([
      ['bob connecting', 'bob connected'],
      ['alice connecting', 'alice connected'],
    ]);
    wire.close();
  }
});

test('from sound to picture to screen and back, with no further offer', async () => {
  const wire = newWire();
  const [picture, sound] = [await camera(), await microphone()];
  const alice = wire.join('alice', []);
  const bob = wire.join('bob', ['alice']);
  await alice.mesh.setSlot('mic', sound);
  await comes(bob, 'alice', 'mic');
  await alice.mesh.setSlot('camera', picture);
  await comes(bob, 'alice', 'camera');
  // The side that answered as well.
  await bob.mesh.setSlot('screen', painted());
  await bob.mesh.setSlot('screenAudio', sound);
  await comes(alice, 'bob', 'screen');
  await bob.mesh.setSlot('screen', null);
  await bob.mesh.setSlot('screen', painted());
  await bob.mesh.setSlot('camera', picture);
  await comes(alice, 'bob', 'camera');
  expect(wire.offers()).toHaveLength(1);
  expect([...alice.errors, ...bob.errors]).toEqual([]);
});

test('the last of many tracks in a slot is the one that is sent', async () => {
  const wire = newWire();
  const [first, last] = [await camera(), painted()];
  const alice = wire.join('alice', []);
  const bob = wire.join('bob', ['alice']);
  const set: Promise<void>[] = [];
  for (let n = 0; n < 20; n += 1) set.push(alice.mesh.setSlot('camera', n % 2 === 0 ? first : null));
  set.push(alice.mesh.setSlot('camera', last));
  await Promise.all(set);
  await comes(bob, 'alice', 'camera');
  // The canvas is 300 pixels wide, the camera isn't.
  await until(() => bob.track('alice', 'camera')?.getSettings().width === 300);
});

test('four are six pairs and exactly six offers, and everybody sees everybody', async () => {
  const wire = newWire();
  const picture = await camera();
  const names = ['dan', 'alice', 'carol', 'bob'];
  const ends = names.map((name, n) => wire.join(name, names.slice(0, n)));
  for (const end of ends) await end.mesh.setSlot('camera', picture);
  await connected(...ends);
  for (const end of ends) {
    await Promise.all(names.filter((name) => name !== end.self.userId).map((name) => comes(end, name, 'camera')));
  }
  expect(
    wire
      .offers()
      .map(({ from, to }) => `${from.userId} ${to.userId}`)
      .toSorted(),
  ).toEqual(['dan alice', 'dan carol', 'dan bob', 'alice carol', 'alice bob', 'carol bob'].toSorted());
  expect(held.connections).toBe(12);
  wire.leave('carol');
  expect(held.connections).toBe(6);
  expect([...(ends[0]?.tracks.keys() ?? [])].filter((each) => each.startsWith('carol'))).toEqual([]);
});

test('one of four fails, once, and three go on', { timeout: 120_000 }, async () => {
  const wire = newWire();
  const names = ['alice', 'bob', 'carol', 'dan'];
  const ends = names.map((name, n) => wire.join(name, names.slice(0, n), { clock: hurried(3) }));
  await connected(...ends);
  const others = ends.slice(0, 3);
  // Without a word: nobody is told that he left.
  ends[3]?.mesh.close();
  await until(() => others.every(({ states }) => states.get('dan') === 'failed'), 60_000);
  await others[0]?.mesh.setSlot('camera', await camera());
  await Promise.all(others.slice(1).map((end) => comes(end, 'alice', 'camera')));
  for (const { said } of others) {
    expect(said.filter((each) => each === 'dan failed')).toHaveLength(1);
    expect(said.filter((each) => /failed|disconnected/.test(each) && !each.startsWith('dan'))).toEqual([]);
  }
});

test('the newcomer offers when none comes', async () => {
  const wire = newWire();
  const [alice, bob] = [wire.add('alice', { clock: hurried(5) }), wire.add('bob', { clock: hurried(5) })];
  await Promise.all([alice.mesh.join(alice.context(['bob'])), bob.mesh.join(bob.context(['alice']))]);
  await connected(alice, bob);
});

test('offers without an answer are made again, then by a connection built anew', async () => {
  const wire = newWire();
  wire.bend = (message) => (message.kind === 'answer' && message.to.generation === 0 ? [] : [message]);
  const alice = wire.join('alice', [], { clock: hurried(3) });
  const bob = wire.join('bob', ['alice'], { clock: hurried(3) });
  await bob.mesh.setSlot('camera', await camera());
  await connected(alice, bob);
  await comes(alice, 'bob', 'camera');
  expect(wire.offers().map(({ negotiationId }) => negotiationId)).toEqual(['0.1', '0.2', '1.3']);
  expect(held.connections).toBe(2);
});

test('credentials are asked for again before a restart, and the restart connects', async () => {
  const wire = newWire();
  const asked: number[] = [];
  // Relays only, and there is none: nothing connects, until the second answer lets everything.
  const iceServers = (): Promise<IceConfig> => {
    asked.push(asked.length);
    return Promise.resolve({ iceServers: [], iceTransportPolicy: asked.length > 2 ? 'all' : 'relay' });
  };
  const alice = wire.join('alice', [], { clock: hurried(4), iceServers });
  const bob = wire.join('bob', ['alice'], { clock: hurried(4), iceServers });
  await connected(alice, bob);
  expect(asked.length).toBeGreaterThan(2);
  expect(wire.offers().length).toBeGreaterThan(1);
  expect(wire.offers('bob')).toEqual([]);
});

test.each<[title: string, iceServers: () => Promise<IceConfig>]>([
  ['rejects', () => Promise.reject(new Error('No credentials'))],
  ['never answers', () => new Promise(() => undefined)],
])('a source of credentials that %s keeps nobody from connecting', async (_title, iceServers) => {
  const wire = newWire();
  const alice = wire.join('alice', [], { clock: hurried(3), iceServers });
  const bob = wire.join('bob', ['alice']);
  await connected(alice, bob);
  expect(alice.errors).toHaveLength(1);
});

test('what is signalled while the line is down connects when it is up', async () => {
  const wire = newWire();
  const alice = wire.join('alice', []);
  alice.up = false;
  const bob = wire.join('bob', ['alice']);
  await until(() => alice.kept > 0);
  alice.up = true;
  await connected(alice, bob);
});

test('quality and who speaks are told while connected', async () => {
  const wire = newWire();
  const sound = await microphone();
  const alice = wire.join('alice', []);
  const bob = wire.join('bob', ['alice']);
  await bob.mesh.setSlot('mic', sound);
  const track = await until(() => alice.track('bob', 'mic'));
  // What nobody plays is never decoded, and has no level.
  const audio = new Audio();
  audio.srcObject = new MediaStream([track]);
  await audio.play();
  await until(() => alice.quality.length > 0 && alice.speakers.includes('bob'));
  audio.srcObject = null;
  expect(alice.quality[0]?.peer).toEqual({ userId: 'bob', deviceId: 'bob-1', generation: 0 });
  expect(alice.quality[0]?.quality).toMatch(/excellent|good|fair|poor/);
  await until(() => bob.speakers.includes('bob'));
  const [stats] = await alice.mesh.stats();
  expect(stats?.rtt).toBeGreaterThanOrEqual(0);
  expect(bob.speakers).not.toContain('alice');
});

test('whoever leaves and joins again is connected again', async () => {
  const wire = newWire();
  const alice = wire.join('alice', []);
  await connected(alice, wire.join('bob', ['alice']));
  wire.leave('bob');
  expect(held.connections).toBe(0);
  const bob = wire.join('bob', ['alice']);
  await bob.mesh.setSlot('camera', await camera());
  await comes(alice, 'bob', 'camera');
});

test('a mesh that is closed while it connects leaves nothing behind and says nothing', async () => {
  for (let ms = 0; ms < 100; ms += 10) {
    const wire = newWire();
    const alice = wire.join('alice', []);
    const bob = wire.join('bob', ['alice']);
    await new Promise((resolve) => setTimeout(resolve, ms));
    alice.mesh.close();
    const said = alice.said.length;
    bob.mesh.close();
    bob.mesh.close();
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(alice.said).toHaveLength(said);
    expect(held).toEqual(nothing);
    expect([...alice.errors, ...bob.errors]).toEqual([]);
  }
});
