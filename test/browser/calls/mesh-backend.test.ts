import { afterEach, expect, test, vi } from 'vitest';
import { seededRandom } from '../../../src/lib/seeded-random.ts';
import { resourceCounters } from '../../../src/client/calls/webrtc/resource-counters.ts';
import type { IceConfig } from '../../../src/client/calls/webrtc/media-backend.ts';
import { camera, microphone, canvasTrack, stopTracks } from './tracks.ts';
import { until } from './until.ts';
import { connected, frames, PATIENT, TestClock, TestSignaling, type TestPeer, type Sent } from './test-signaling.ts';

const signalings: TestSignaling[] = [];

function createSignaling(): TestSignaling {
  const signaling = new TestSignaling();
  signalings.push(signaling);
  return signaling;
}

/** Waits for the track of a slot, and for decoded frames of a video track. */
async function receives(peer: TestPeer, userId: string, slot: 'mic' | 'camera' | 'screen'): Promise<void> {
  const track = await until(() => peer.remoteTrack(userId, slot));
  if (track.kind === 'video') await frames(track);
}

/** Resolves after the operations of closed connections, which run on the same thread of the browser. */
async function pendingOperations(): Promise<void> {
  const connection = new RTCPeerConnection();
  await connection.createOffer();
  connection.close();
}

const NO_RESOURCES = { connections: 0, tracks: 0, timers: 0, listeners: 0, workers: 0 };

afterEach(() => {
  for (const signaling of signalings.splice(0)) signaling.close();
  stopTracks();
  expect(resourceCounters).toEqual(NO_RESOURCES);
});

test('both sides decode frames of the other after one offer and one answer', async () => {
  const signaling = createSignaling();
  const [cameraTrack, micTrack] = [await camera(), await microphone()];
  const clock = new TestClock(PATIENT);
  const alice = signaling.join('alice', [], { clock });
  const bob = signaling.join('bob', ['alice'], { clock });
  for (const peer of [alice, bob]) {
    await peer.backend.setSlot('camera', cameraTrack);
    await peer.backend.setSlot('mic', micTrack);
  }
  await Promise.all([receives(alice, 'bob', 'camera'), receives(bob, 'alice', 'camera')]);
  await Promise.all([receives(alice, 'bob', 'mic'), receives(bob, 'alice', 'mic')]);
  expect(
    signaling.sent.filter(({ kind }) => kind !== 'candidate').map(({ kind, from }) => [kind, from.userId]),
  ).toEqual([
    ['offer', 'alice'],
    ['answer', 'bob'],
  ]);
  expect([alice.log, bob.log]).toEqual([
    ['bob connecting', 'bob connected'],
    ['alice connecting', 'alice connected'],
  ]);
  expect([...alice.errors, ...bob.errors]).toEqual([]);
});

test('an audio-only call has no video tracks', async () => {
  const signaling = createSignaling();
  const micTrack = await microphone();
  const alice = signaling.join('alice', []);
  const bob = signaling.join('bob', ['alice']);
  await Promise.all([alice.backend.setSlot('mic', micTrack), bob.backend.setSlot('mic', micTrack)]);
  await Promise.all([receives(alice, 'bob', 'mic'), receives(bob, 'alice', 'mic')]);
  // Chromium may probe the bandwidth with packets of the last video slot, which unmutes its track on the other side.
  const tracks = [...alice.tracks.keys(), ...bob.tracks.keys()].filter((track) => !track.endsWith(' screen'));
  expect(tracks).toEqual(['bob mic', 'alice mic']);
});

test('candidates that arrive before the offer and before the peer has joined are used', async () => {
  const signaling = createSignaling();
  let offer: Sent | undefined;
  signaling.intercept = (message) => {
    if (message.kind === 'offer') {
      offer = message;
      return [];
    }
    return [message];
  };
  const [alice, bob] = [signaling.add('alice'), signaling.add('bob')];
  void alice.backend.join(alice.context([]));
  alice.backend.peerJoined(bob.self, 'self');
  await until(() => signaling.sent.some(({ kind }) => kind === 'candidate'));
  await bob.backend.join(bob.context([]));
  if (offer !== undefined) signaling.deliver(offer);
  bob.backend.peerJoined(alice.self, 'peer');
  await connected(alice, bob);
  expect([...alice.errors, ...bob.errors]).toEqual([]);
});

test('repeated and late answers are dropped', async () => {
  const signaling = createSignaling();
  const answers: Sent[] = [];
  signaling.intercept = (message) => {
    if (message.kind !== 'answer') return [message];
    answers.push(message);
    return [message, message, message];
  };
  const clock = new TestClock(PATIENT);
  const alice = signaling.join('alice', [], { clock });
  const bob = signaling.join('bob', ['alice'], { clock });
  await connected(alice, bob);
  for (const answer of answers) signaling.deliver(answer);
  await alice.backend.setSlot('camera', await camera());
  await receives(bob, 'alice', 'camera');
  expect([...alice.errors, ...bob.errors]).toEqual([]);
  expect(alice.log).toEqual(['bob connecting', 'bob connected']);
});

test('fifty initial offers that collide in random orders result in a connection', { timeout: 480_000 }, async () => {
  const clock = new TestClock(PATIENT);
  for (let seed = 0; seed < 50; seed += 1) {
    const random = seededRandom(seed);
    const signaling = createSignaling();
    signaling.isHolding = true;
    const [alice, bob] = [signaling.add('alice', { clock }), signaling.add('bob', { clock })];
    // Both sides believe that they joined first.
    await Promise.all([alice.backend.join(alice.context([])), bob.backend.join(bob.context([]))]);
    const [first, second] = random.chance(0.5) ? [alice, bob] : [bob, alice];
    first.backend.peerJoined(second.self, 'self');
    if (random.chance(0.5)) await until(() => signaling.held > 0);
    second.backend.peerJoined(first.self, 'self');
    await until(() => {
      signaling.deliverHeld(random, random.between(0, 8));
      return alice.states.get('bob') === 'connected' && bob.states.get('alice') === 'connected';
    });
    expect([alice.log, bob.log]).toEqual([
      ['bob connecting', 'bob connected'],
      ['alice connecting', 'alice connected'],
    ]);
    signaling.close();
  }
});

test('switching between audio, camera and screen needs no further offer', async () => {
  const signaling = createSignaling();
  const [cameraTrack, micTrack] = [await camera(), await microphone()];
  const clock = new TestClock(PATIENT);
  const alice = signaling.join('alice', [], { clock });
  const bob = signaling.join('bob', ['alice'], { clock });
  await alice.backend.setSlot('mic', micTrack);
  await receives(bob, 'alice', 'mic');
  await alice.backend.setSlot('camera', cameraTrack);
  await receives(bob, 'alice', 'camera');
  // The answerer can send without renegotiation, too.
  await bob.backend.setSlot('screen', canvasTrack());
  await bob.backend.setSlot('screenAudio', micTrack);
  await receives(alice, 'bob', 'screen');
  await bob.backend.setSlot('screen', null);
  await bob.backend.setSlot('screen', canvasTrack());
  await bob.backend.setSlot('camera', cameraTrack);
  await receives(alice, 'bob', 'camera');
  expect(signaling.offers()).toHaveLength(1);
  expect([...alice.errors, ...bob.errors]).toEqual([]);
});

test('of many tracks set in a slot the last one is sent', async () => {
  const signaling = createSignaling();
  const [first, last] = [await camera(), canvasTrack()];
  const alice = signaling.join('alice', []);
  const bob = signaling.join('bob', ['alice']);
  const set: Promise<void>[] = [];
  for (let n = 0; n < 20; n += 1) set.push(alice.backend.setSlot('camera', n % 2 === 0 ? first : null));
  set.push(alice.backend.setSlot('camera', last));
  await Promise.all(set);
  await receives(bob, 'alice', 'camera');
  // The canvas is 300 pixels wide, the fake camera is not.
  await until(() => bob.remoteTrack('alice', 'camera')?.getSettings().width === 300);
});

test('four participants exchange six offers and receive the video of all others', async () => {
  const signaling = createSignaling();
  const cameraTrack = await camera();
  const names = ['dan', 'alice', 'carol', 'bob'];
  const clock = new TestClock(PATIENT);
  const peers = names.map((name, n) => signaling.join(name, names.slice(0, n), { clock }));
  for (const peer of peers) await peer.backend.setSlot('camera', cameraTrack);
  await connected(...peers);
  for (const peer of peers) {
    await Promise.all(names.filter((name) => name !== peer.self.userId).map((name) => receives(peer, name, 'camera')));
  }
  expect(
    signaling
      .offers()
      .map(({ from, to }) => `${from.userId} ${to.userId}`)
      .toSorted(),
  ).toEqual(['dan alice', 'dan carol', 'dan bob', 'alice carol', 'alice bob', 'carol bob'].toSorted());
  expect(resourceCounters.connections).toBe(12);
  signaling.leave('carol');
  expect(resourceCounters.connections).toBe(6);
  expect([...(peers[0]?.tracks.keys() ?? [])].filter((each) => each.startsWith('carol'))).toEqual([]);
});

test('the video to all peers shares one budget', async () => {
  const encodings = new Map<RTCRtpSender, RTCRtpSendParameters>();
  const setParameters = Reflect.get(RTCRtpSender.prototype, 'setParameters');
  vi.spyOn(RTCRtpSender.prototype, 'setParameters').mockImplementation(async function (
    this: RTCRtpSender,
    parameters: RTCRtpSendParameters,
  ) {
    await setParameters.call(this, parameters);
    encodings.set(this, this.getParameters());
  });
  const limits = (): (number | undefined)[] =>
    Array.from(encodings.values(), ({ encodings: [each] }) => each?.maxBitrate);
  const signaling = createSignaling();
  const alice = signaling.join('alice', []);
  await alice.backend.setSlot('camera', await camera());
  const bob = signaling.join('bob', ['alice']);
  await until(() => limits().join() === '2500000');
  signaling.join('carol', ['alice', 'bob']);
  await until(() => limits().join() === '1250000,1250000');
  // A screen gets most of it.
  const screen = canvasTrack();
  await alice.backend.setSlot('screen', screen);
  await until(() => limits().join() === '312500,312500,937500,937500');
  await alice.backend.setSlot('screen', null);
  signaling.leave('carol');
  await until(() => limits().includes(2_500_000));
  await receives(bob, 'alice', 'camera');
  expect([...alice.errors, ...bob.errors]).toEqual([]);
});

test('speech is sent without packets during silence, and with redundancy', async () => {
  const signaling = createSignaling();
  const micTrack = await microphone();
  const clock = new TestClock(PATIENT);
  const alice = signaling.join('alice', [], { clock });
  const bob = signaling.join('bob', ['alice'], { clock });
  await alice.backend.setSlot('mic', micTrack);
  await receives(bob, 'alice', 'mic');
  const descriptions = signaling.sent.flatMap((each) => ('sdp' in each ? [each.sdp] : []));
  expect(descriptions).toHaveLength(2);
  for (const sdp of descriptions) {
    expect(sdp.match(/usedtx=1/g)?.length).toBe(sdp.match(/useinbandfec=1/g)?.length);
    const [, first = ''] = /^m=audio \d+ \S+ (\d+)/m.exec(sdp) ?? [];
    expect(sdp).toMatch(new RegExp(`^a=rtpmap:${first} red/48000`, 'm'));
  }
});

test('if one of four fails, it is reported once and three continue', { timeout: 480_000 }, async () => {
  const signaling = createSignaling();
  const names = ['alice', 'bob', 'carol', 'dan'];
  const clock = new TestClock(PATIENT);
  const peers = names.map((name, n) => signaling.join(name, names.slice(0, n), { clock }));
  await connected(...peers);
  const others = peers.slice(0, 3);
  // Closed without `peerLeft()` at the others, as after a crash.
  peers[3]?.backend.close();
  clock.speed = 3;
  await until(() => others.every(({ states }) => states.get('dan') === 'failed'), 240_000);
  await others[0]?.backend.setSlot('camera', await camera());
  await Promise.all(others.slice(1).map((peer) => receives(peer, 'alice', 'camera')));
  for (const { log } of others) {
    expect(log.filter((each) => each === 'dan failed')).toHaveLength(1);
    expect(log.filter((each) => /failed|disconnected/.test(each) && !each.startsWith('dan'))).toEqual([]);
  }
});

test('a participant who receives no offer sends one', async () => {
  const signaling = createSignaling();
  const clock = new TestClock(5);
  const [alice, bob] = [signaling.add('alice', { clock }), signaling.add('bob', { clock })];
  await Promise.all([alice.backend.join(alice.context(['bob'])), bob.backend.join(bob.context(['alice']))]);
  await until(() => signaling.offers().length > 0);
  clock.speed = PATIENT;
  await connected(alice, bob);
});

test('unanswered offers are repeated, then the connection is rebuilt', async () => {
  const signaling = createSignaling();
  const clock = new TestClock(3);
  signaling.intercept = (message) => {
    if (message.kind === 'answer' && message.to.generation === 0) return [];
    // Connecting again may take its time.
    if (message.kind === 'offer' && message.to.generation !== 0) clock.speed = PATIENT;
    return [message];
  };
  const alice = signaling.join('alice', [], { clock });
  const bob = signaling.join('bob', ['alice'], { clock });
  await bob.backend.setSlot('camera', await camera());
  await connected(alice, bob);
  await receives(alice, 'bob', 'camera');
  expect(signaling.offers().map(({ negotiationId }) => negotiationId)).toEqual(['0.1', '0.2', '1.3']);
  expect(resourceCounters.connections).toBe(2);
});

test('credentials are requested again before a restart, and the restart connects', async () => {
  const signaling = createSignaling();
  const requests: number[] = [];
  // Relay-only without a relay can't connect; later configurations allow all candidates.
  const iceServers = (): Promise<IceConfig> => {
    requests.push(requests.length);
    return Promise.resolve({ iceServers: [], iceTransportPolicy: requests.length > 2 ? 'all' : 'relay' });
  };
  const clock = new TestClock(4);
  const alice = signaling.join('alice', [], { clock, iceServers });
  const bob = signaling.join('bob', ['alice'], { clock, iceServers });
  await until(() => requests.length > 2);
  clock.speed = 1 / 4;
  await connected(alice, bob);
  expect(requests.length).toBeGreaterThan(2);
  expect(signaling.offers().length).toBeGreaterThan(1);
  expect(signaling.offers('bob')).toEqual([]);
});

test.each<[title: string, iceServers: () => Promise<IceConfig>]>([
  ['rejects', () => Promise.reject(new Error('No credentials'))],
  ['never answers', () => new Promise(() => undefined)],
])('an iceServers function that %s does not prevent the connection', async (_title, iceServers) => {
  const signaling = createSignaling();
  const clock = new TestClock(3);
  const alice = signaling.join('alice', [], { clock, iceServers });
  const bob = signaling.join('bob', ['alice'], { clock });
  await until(() => alice.errors.length > 0);
  clock.speed = PATIENT;
  await connected(alice, bob);
  expect(alice.errors).toHaveLength(1);
});

test('signals sent while disconnected are used after the reconnect', async () => {
  const signaling = createSignaling();
  const alice = signaling.join('alice', []);
  alice.connected = false;
  const bob = signaling.join('bob', ['alice']);
  await until(() => alice.queued > 0);
  alice.connected = true;
  await connected(alice, bob);
});

test('quality and active speakers are reported while connected', async () => {
  const signaling = createSignaling();
  const micTrack = await microphone();
  const alice = signaling.join('alice', []);
  const bob = signaling.join('bob', ['alice']);
  await bob.backend.setSlot('mic', micTrack);
  const track = await until(() => alice.remoteTrack('bob', 'mic'));
  // Audio that is not played is not decoded, and has no level.
  const audio = new Audio();
  audio.srcObject = new MediaStream([track]);
  await audio.play();
  await until(() => alice.quality.length > 0 && alice.speakers.includes('bob'));
  audio.srcObject = null;
  expect(alice.quality[0]?.peer).toEqual({ userId: 'bob', deviceId: 'bob-1', generation: 0 });
  expect(alice.quality[0]?.quality).toMatch(/excellent|good|fair|poor/);
  await until(() => bob.speakers.includes('bob'));
  const [stats] = await alice.backend.stats();
  expect(stats?.rtt).toBeGreaterThanOrEqual(0);
  expect(bob.speakers).not.toContain('alice');
});

test('a participant who leaves and rejoins is connected again', async () => {
  const signaling = createSignaling();
  const alice = signaling.join('alice', []);
  await connected(alice, signaling.join('bob', ['alice']));
  signaling.leave('bob');
  expect(resourceCounters.connections).toBe(0);
  const bob = signaling.join('bob', ['alice']);
  await bob.backend.setSlot('camera', await camera());
  await receives(alice, 'bob', 'camera');
});

test('a backend that is closed while connecting releases all resources and emits nothing', async () => {
  for (let signals = 0; signals < 10; signals += 1) {
    const signaling = createSignaling();
    const alice = signaling.join('alice', []);
    const bob = signaling.join('bob', ['alice']);
    await until(() => signaling.sent.length >= signals || alice.states.get('bob') === 'connected');
    alice.backend.close();
    const log = alice.log.length;
    bob.backend.close();
    bob.backend.close();
    await pendingOperations();
    expect(alice.log).toHaveLength(log);
    expect(resourceCounters).toEqual(NO_RESOURCES);
    expect([...alice.errors, ...bob.errors]).toEqual([]);
  }
});
