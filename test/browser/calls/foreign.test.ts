import { afterEach, expect, test } from 'vitest';
import { held } from '../../../src/client/calls/held.ts';
import type { OutgoingSignal, SignalBody } from '../../../src/client/calls/media-backend.ts';
import { camera, microphone, painted, stopTracks } from './tracks.ts';
import { until } from './until.ts';
import { frames, hurried, Wire, type End } from './wire.ts';

/** A peer as a LumenJS app has it: one connection, tracks of its own, and none of our fields. */
class Foreigner {
  readonly pc = new RTCPeerConnection();
  readonly tracks: MediaStreamTrack[] = [];
  readonly #end: End;
  readonly #early: RTCIceCandidateInit[] = [];
  #queue: Promise<void> = Promise.resolve();

  constructor(wire: Wire, end: End) {
    this.#end = end;
    this.pc.addEventListener('icecandidate', ({ candidate }) => {
      if (candidate === null) return;
      const { candidate: line, sdpMLineIndex, sdpMid } = candidate;
      this.#send({ kind: 'candidate', candidate: line, sdpMLineIndex, sdpMid });
    });
    this.pc.addEventListener('track', ({ track }) => this.tracks.push(track));
    wire.bend = (message) => {
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
    queueMicrotask(() => this.#end.mesh.onSignal({ ...body, from: { userId: 'foreign' } }));
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

const wires: Wire[] = [];
const connections: RTCPeerConnection[] = [];

async function meet(offerer: 'self' | 'peer', tracks: readonly MediaStreamTrack[]): Promise<[End, Foreigner]> {
  const wire = new Wire();
  wires.push(wire);
  const end = wire.add('alice', { clock: hurried(2) });
  const foreigner = new Foreigner(wire, end);
  connections.push(foreigner.pc);
  const stream = new MediaStream([...tracks]);
  for (const track of tracks) foreigner.pc.addTrack(track, stream);
  await end.mesh.join(end.context([]));
  await end.mesh.setSlot('mic', await microphone());
  end.mesh.peerJoined({ userId: 'foreign' }, offerer);
  if (offerer === 'peer') await foreigner.offer();
  await until(() => end.states.get('foreign') === 'connected');
  return [end, foreigner];
}

/** Resolves when a picture comes at the foreign side. */
async function seenBy(foreigner: Foreigner): Promise<void> {
  const seen = foreigner.tracks.filter(({ kind }) => kind === 'video').map((track) => frames(track));
  await Promise.any(seen);
}

afterEach(() => {
  for (const wire of wires.splice(0)) wire.close();
  for (const connection of connections.splice(0)) connection.close();
  stopTracks();
  expect(held).toEqual({ connections: 0, tracks: 0, timers: 0, listeners: 0, workers: 0 });
});

test('a foreign answerer sees and is seen', async () => {
  const [end, foreigner] = await meet('self', [await camera(), await microphone()]);
  await end.mesh.setSlot('camera', await camera());
  await frames(await until(() => end.track('foreign', 'camera')));
  await seenBy(foreigner);
});

test('a foreign offerer with sound alone gets the picture by an offer of ours', async () => {
  const [end, foreigner] = await meet('peer', [await microphone()]);
  await end.mesh.setSlot('camera', await camera());
  await until(() => foreigner.tracks.some(({ kind }) => kind === 'video'));
  await seenBy(foreigner);
  expect(end.errors).toEqual([]);
});

test('a foreign peer that shares its screen by another offer is seen', async () => {
  const [end, foreigner] = await meet('self', [await camera()]);
  foreigner.pc.addTrack(painted(), new MediaStream());
  await foreigner.offer();
  await frames(await until(() => end.track('foreign', 'screen')));
  expect(end.errors).toEqual([]);
});

test('an ICE restart of a foreign offerer is answered', async () => {
  const [end, foreigner] = await meet('peer', [await camera()]);
  const before = foreigner.pc.localDescription?.sdp;
  await foreigner.offer({ iceRestart: true });
  await until(() => foreigner.pc.signalingState === 'stable');
  expect(foreigner.pc.localDescription?.sdp).not.toBe(before);
  await frames(await until(() => end.track('foreign', 'camera')));
  expect([end.said, end.errors]).toEqual([['foreign connecting', 'foreign connected'], []]);
});

test('a foreign offer that makes no sense leaves a link that still connects', async () => {
  const wire = new Wire();
  wires.push(wire);
  const end = wire.add('alice', { clock: hurried(4) });
  const foreigner = new Foreigner(wire, end);
  connections.push(foreigner.pc);
  await end.mesh.join(end.context([]));
  end.mesh.peerJoined({ userId: 'foreign' }, 'peer');
  const from = { userId: 'foreign' };
  end.mesh.onSignal({ kind: 'answer', sdp: 'v=0', from });
  end.mesh.onSignal({ kind: 'candidate', candidate: 'candidate:garbage', sdpMid: '9', sdpMLineIndex: 9, from });
  end.mesh.onSignal({ kind: 'offer', sdp: 'garbage', from });
  await until(() => end.states.get('foreign') === 'connected');
  expect(end.errors.length).toBeGreaterThan(0);
});
