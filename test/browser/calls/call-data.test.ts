import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { resourceCounters } from '../../../src/client/calls/webrtc/resource-counters.ts';
import { connected, PATIENT, TestClock, TestSignaling, type TestPeer } from './test-signaling.ts';
import { until } from './until.ts';

let signaling: TestSignaling;
/** Returns the data channels in the order in which they were created. */
let channels: () => RTCDataChannel[];

beforeEach(() => {
  signaling = new TestSignaling();
  const { mock } = vi.spyOn(RTCPeerConnection.prototype, 'createDataChannel');
  channels = () => mock.results.map(({ value }) => value as RTCDataChannel);
});

afterEach(async () => {
  signaling.close();
  await expect.poll(() => resourceCounters).toEqual({ connections: 0, tracks: 0, timers: 0, listeners: 0, workers: 0 });
});

/** Returns what a peer receives from then on, as `<userId> <text>`, and to whom it can send data. */
function follow({ backend }: TestPeer): { received: string[]; open: string[] } {
  const followed: { received: string[]; open: string[] } = { received: [], open: [] };
  backend.on('data', ({ peer, text }) => followed.received.push(`${peer.userId} ${text}`));
  backend.on('dataOpen', ({ peer }) => followed.open.push(peer.userId));
  return followed;
}

function send({ backend }: TestPeer, text: string, to?: string): void {
  for (const [{ userId }, channel] of backend.dataChannels()) if (userId === (to ?? userId)) channel.send(text);
}

async function pair() {
  const clock = new TestClock(PATIENT);
  const [alice, bob] = [signaling.add('alice', { clock }), signaling.add('bob', { clock })];
  const [atAlice, atBob] = [follow(alice), follow(bob)];
  await Promise.all([alice.backend.join(alice.context([])), bob.backend.join(bob.context(['alice']))]);
  alice.backend.peerJoined(bob.self, 'self');
  await connected(alice, bob);
  await until(() => atAlice.open.length >= 1 && atBob.open.length >= 1);
  return { alice, bob, atAlice, atBob };
}

test('data is sent to one peer, or to all, in order', async () => {
  const clock = new TestClock(PATIENT);
  const peers = ['alice', 'bob', 'carol'].map((userId) => signaling.add(userId, { clock }));
  const [alice, bob, carol] = peers as [TestPeer, TestPeer, TestPeer];
  const [atAlice, atBob, atCarol] = [follow(alice), follow(bob), follow(carol)];
  void alice.backend.join(alice.context([]));
  void bob.backend.join(bob.context(['alice']));
  void carol.backend.join(carol.context(['alice', 'bob']));
  alice.backend.peerJoined(bob.self, 'self');
  for (const each of [alice, bob]) each.backend.peerJoined(carol.self, 'self');
  await until(() => [atAlice, atBob, atCarol].every(({ open }) => open.length >= 2));
  send(alice, 'one', 'carol');
  send(alice, 'two');
  send(bob, 'three');
  await until(() => atCarol.received.length === 3 && atBob.received.length === 1 && atAlice.received.length === 1);
  expect(atCarol.received.filter((each) => each.startsWith('alice'))).toEqual(['alice one', 'alice two']);
  expect([atBob.received, atAlice.received]).toEqual([['alice two'], ['bob three']]);
});

test('data that is too long or not text counts as an empty message', async () => {
  const { alice, atBob } = await pair();
  const channel = alice.backend.dataChannels()[0]?.[1];
  channel?.send('x'.repeat(16_385));
  channel?.send(new Uint8Array(8));
  channel?.send('x'.repeat(16_384));
  send(alice, 'last');
  await until(() => atBob.received.length === 4);
  const empty = 'alice '.length;
  expect(atBob.received.map(({ length }) => length)).toEqual([empty, empty, empty + 16_384, empty + 'last'.length]);
});

test('closing the channel of a peer keeps its media', async () => {
  const { alice, bob } = await pair();
  for (const [, channel] of bob.backend.dataChannels()) channel.close();
  await until(() => channels().every(({ readyState }) => readyState === 'closed'));
  await until(() => alice.states.get('bob') === 'connected' && bob.states.get('alice') === 'connected');
  expect([...alice.errors, ...bob.errors]).toEqual([]);
});

test('data can be sent again to a peer who left and joined again', async () => {
  const { alice, bob, atBob, atAlice } = await pair();
  alice.backend.peerLeft(bob.self);
  bob.backend.peerLeft(alice.self);
  bob.backend.peerJoined(alice.self, 'peer');
  alice.backend.peerJoined(bob.self, 'self');
  await until(() => atAlice.open.length >= 2 && atBob.open.length >= 2);
  send(alice, 'again');
  await until(() => atBob.received.length === 1);
});
