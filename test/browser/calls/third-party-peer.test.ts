import { afterEach, expect, test } from 'vitest';
import { resourceCounters } from '../../../src/client/calls/webrtc/resource-counters.ts';
import type { OutgoingSignal, SignalBody } from '../../../src/client/calls/webrtc/media-backend.ts';
import { camera, microphone, canvasTrack, stopTracks } from './tracks.ts';
import { until } from './until.ts';
import { frames, PATIENT, TestClock, TestSignaling, type TestPeer } from './test-signaling.ts';

/** A peer that negotiates like an app on a LumenJS server: one connection, its own transceivers, no optional fields. */
class ThirdPartyPeer {
  readonly pc = new RTCPeerConnection();
  readonly tracks: MediaStreamTrack[] = [];
  readonly #peer: TestPeer;
  readonly #early: RTCIceCandidateInit[] = [];
  #queue: Promise<void> = Promise.resolve();

  constructor(signaling: TestSignaling, peer: TestPeer) {
    this.#peer = peer;
    this.pc.addEventListener('icecandidate', ({ candidate }) => {
      if (candidate === null) return;
      const { candidate: line, sdpMLineIndex, sdpMid } = candidate;
      this.#send({ kind: 'candidate', candidate: line, sdpMLineIndex, sdpMid });
    });
    this.pc.addEventListener('track', ({ track }) => this.tracks.push(track));
    signaling.intercept = (message) => {
      this.#queue = this.#queue.then(() => this.#on(message));
      return [];
    };
  }

  async offer(options?: RTCOfferOptions): Promise<void> {
    const offer = await this.pc.createOffer(options);
    await this.pc.setLocalDescription(offer);
    this.#send({ kind: 'offer', sdp: offer.sdp ?? '' });
  }

  #send(body: SignalBody): void {
    queueMicrotask(() => this.#peer.backend.onSignal({ ...body, from: { userId: 'third-party' } }));
  }

  async #on(message: OutgoingSignal): Promise<void> {
    if (message.kind === 'candidate') {
      const { candidate, sdpMLineIndex, sdpMid } = message;
      if (this.pc.remoteDescription === null) this.#early.push({ candidate, sdpMLineIndex, sdpMid });
      else await this.pc.addIceCandidate({ candidate, sdpMLineIndex, sdpMid });
    } else if (message.kind !== 'ice-restart') {
      await this.pc.setRemoteDescription({ type: message.kind, sdp: message.sdp });
      for (const candidate of this.#early.splice(0)) await this.pc.addIceCandidate(candidate);
      if (message.kind !== 'offer') return;
      const answer = await this.pc.createAnswer();
      await this.pc.setLocalDescription(answer);
      this.#send({ kind: 'answer', sdp: answer.sdp ?? '' });
    }
  }
}

const signalings: TestSignaling[] = [];
const connections: RTCPeerConnection[] = [];

async function meet(
  offerer: 'self' | 'peer',
  tracks: readonly MediaStreamTrack[],
): Promise<[TestPeer, ThirdPartyPeer]> {
  const signaling = new TestSignaling();
  signalings.push(signaling);
  const peer = signaling.add('alice', { clock: new TestClock(PATIENT) });
  const thirdParty = new ThirdPartyPeer(signaling, peer);
  connections.push(thirdParty.pc);
  const stream = new MediaStream([...tracks]);
  for (const track of tracks) thirdParty.pc.addTrack(track, stream);
  await peer.backend.join(peer.context([]));
  await peer.backend.setSlot('mic', await microphone());
  peer.backend.peerJoined({ userId: 'third-party' }, offerer);
  if (offerer === 'peer') await thirdParty.offer();
  await until(() => peer.states.get('third-party') === 'connected');
  return [peer, thirdParty];
}

/** Resolves when the third-party peer has decoded frames. */
async function receivesVideo(thirdParty: ThirdPartyPeer): Promise<void> {
  const seen = thirdParty.tracks.filter(({ kind }) => kind === 'video').map((track) => frames(track));
  await Promise.any(seen);
}

afterEach(() => {
  for (const signaling of signalings.splice(0)) signaling.close();
  for (const connection of connections.splice(0)) connection.close();
  stopTracks();
  expect(resourceCounters).toEqual({ connections: 0, tracks: 0, timers: 0, listeners: 0, workers: 0 });
});

test('a third-party answerer exchanges video', async () => {
  const [peer, thirdParty] = await meet('self', [await camera(), await microphone()]);
  await peer.backend.setSlot('camera', await camera());
  await frames(await until(() => peer.remoteTrack('third-party', 'camera')));
  await receivesVideo(thirdParty);
});

test('a third-party offerer without video receives it by an offer of this side', async () => {
  const [peer, thirdParty] = await meet('peer', [await microphone()]);
  await peer.backend.setSlot('camera', await camera());
  await until(() => thirdParty.tracks.some(({ kind }) => kind === 'video'));
  await receivesVideo(thirdParty);
  expect(peer.errors).toEqual([]);
});

test('a screen that a third-party peer shares by another offer is received', async () => {
  const [peer, thirdParty] = await meet('self', [await camera()]);
  thirdParty.pc.addTrack(canvasTrack(), new MediaStream());
  await thirdParty.offer();
  await frames(await until(() => peer.remoteTrack('third-party', 'screen')));
  expect(peer.errors).toEqual([]);
});

test('an ICE restart of a third-party offerer is answered', async () => {
  const [peer, thirdParty] = await meet('peer', [await camera()]);
  const before = thirdParty.pc.localDescription?.sdp;
  await thirdParty.offer({ iceRestart: true });
  await until(() => thirdParty.pc.signalingState === 'stable');
  expect(thirdParty.pc.localDescription?.sdp).not.toBe(before);
  await frames(await until(() => peer.remoteTrack('third-party', 'camera')));
  expect([peer.log, peer.errors]).toEqual([['third-party connecting', 'third-party connected'], []]);
});

test('after a malformed third-party offer the link still connects', async () => {
  const signaling = new TestSignaling();
  signalings.push(signaling);
  const clock = new TestClock(4);
  const peer = signaling.add('alice', { clock });
  const thirdParty = new ThirdPartyPeer(signaling, peer);
  connections.push(thirdParty.pc);
  await peer.backend.join(peer.context([]));
  peer.backend.peerJoined({ userId: 'third-party' }, 'peer');
  const from = { userId: 'third-party' };
  peer.backend.onSignal({ kind: 'answer', sdp: 'v=0', from });
  peer.backend.onSignal({ kind: 'candidate', candidate: 'candidate:garbage', sdpMid: '9', sdpMLineIndex: 9, from });
  peer.backend.onSignal({ kind: 'offer', sdp: 'garbage', from });
  await until(() => signaling.offers().length > 0);
  clock.speed = PATIENT;
  await until(() => peer.states.get('third-party') === 'connected');
  expect(peer.errors.length).toBeGreaterThan(0);
});
