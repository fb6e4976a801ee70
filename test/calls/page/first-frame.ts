import { CommClient } from '../../../src/index.ts';

/** Two connected clients in one page; bob accepts every call. */
let clients: Promise<readonly [alice: CommClient, conversationId: string]> | undefined;

async function connect(): Promise<readonly [CommClient, string]> {
  const alice = new CommClient({ userId: 'bench-alice' });
  const bob = new CommClient({ userId: 'bench-bob' });
  bob.on('call', (call) => void call.accept());
  await Promise.all([alice.connect(), bob.connect()]);
  const { id } = await alice.conversations.create({ type: 'direct', participantIds: ['bench-bob'] });
  return [alice, id];
}

/** Measures the milliseconds from `start()` to the first decoded frame of the remote video. */
export async function lumenMs(): Promise<number> {
  clients ??= connect();
  const [alice, conversationId] = await clients;
  const begun = performance.now();
  const call = await alice.calls.start({ conversationId, type: 'video', calleeIds: ['bench-bob'] });
  try {
    const stream =
      call.remoteStreams.get('bench-bob') ??
      (await new Promise<MediaStream>((resolve) => call.on('stream', (remote) => resolve(remote.stream))));
    await firstFrame(stream);
    return performance.now() - begun;
  } finally {
    call.hangup();
    await call.ended;
  }
}

/** Measures the same with two plain RTCPeerConnections: camera and microphone on both sides, one offer, one answer. */
export async function baselineMs(): Promise<number> {
  const begun = performance.now();
  const [alice, bob] = [new RTCPeerConnection(), new RTCPeerConnection()];
  const streams: MediaStream[] = [];
  try {
    alice.addEventListener('icecandidate', ({ candidate }) => void bob.addIceCandidate(candidate ?? undefined));
    bob.addEventListener('icecandidate', ({ candidate }) => void alice.addIceCandidate(candidate ?? undefined));
    const remote = new Promise<MediaStream>((resolve) => {
      alice.addEventListener('track', ({ streams: [stream] }) => {
        if (stream !== undefined) resolve(stream);
      });
    });
    const open = async (connection: RTCPeerConnection): Promise<void> => {
      const stream = await navigator.mediaDevices.getUserMedia({ audio: true, video: true });
      streams.push(stream);
      for (const track of stream.getTracks()) connection.addTrack(track, stream);
    };
    await Promise.all([open(alice), open(bob)]);
    await alice.setLocalDescription(await alice.createOffer());
    await bob.setRemoteDescription(alice.localDescription ?? { type: 'offer' });
    await bob.setLocalDescription(await bob.createAnswer());
    await alice.setRemoteDescription(bob.localDescription ?? { type: 'answer' });
    await firstFrame(await remote);
    return performance.now() - begun;
  } finally {
    alice.close();
    bob.close();
    for (const stream of streams) for (const track of stream.getTracks()) track.stop();
  }
}

async function firstFrame(stream: MediaStream): Promise<void> {
  const video = document.createElement('video');
  video.muted = true;
  video.srcObject = stream;
  const shown = new Promise<void>((resolve) => video.requestVideoFrameCallback(() => resolve()));
  await video.play();
  await shown;
  video.srcObject = null;
}
