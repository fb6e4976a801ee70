import { onTestFinished } from 'vitest';
import type { Clock } from '../../../src/lib/clock.ts';
import { systemRandom } from '../../../src/lib/random.ts';
import type { Random } from '../../../src/lib/seeded-random.ts';
import type {
  IceConfig,
  IncomingSignal,
  MediaBackendEvents,
  MediaContext,
  OutgoingSignal,
  PeerId,
  PeerState,
  SignalPort,
  Slot,
} from '../../../src/client/calls/webrtc/media-backend.ts';
import { MeshBackend } from '../../../src/client/calls/webrtc/mesh-backend.ts';
import { manualClock } from '../../helpers/manual-clock.ts';
import { until } from './until.ts';

export type Sent = OutgoingSignal & { readonly from: PeerId };

/** In-memory signalling between test peers. Signals of a pair arrive in order; a test can drop, repeat or hold them. */
export class TestSignaling {
  readonly sent: Sent[] = [];
  readonly #peers = new Map<string, TestPeer>();
  /** Returns the signals to deliver in place of one that was sent. */
  intercept: (message: Sent) => readonly Sent[] = (message) => [message];
  /** While true, signals are held per pair until `deliverHeld()`. */
  isHolding = false;
  readonly #held = new Map<string, Sent[]>();

  /** Adds a peer and joins it after others, who send offers. */
  join(userId: string, before: readonly string[], options: TestPeerOptions = {}): TestPeer {
    const peer = this.add(userId, options);
    for (const other of before) this.#peers.get(other)?.backend.peerJoined(peer.self, 'self');
    void peer.backend.join(peer.context(before));
    return peer;
  }

  add(userId: string, options: TestPeerOptions = {}): TestPeer {
    const peer = new TestPeer(this, { userId, deviceId: `${userId}-1` }, options);
    this.#peers.set(userId, peer);
    return peer;
  }

  leave(userId: string): void {
    const peer = this.#peers.get(userId);
    if (peer === undefined) return;
    this.#peers.delete(userId);
    peer.close();
    for (const other of this.#peers.values()) other.backend.peerLeft(peer.self);
  }

  send(message: Sent): void {
    this.sent.push(message);
    for (const each of this.intercept(message)) {
      const pair = `${each.from.userId} ${each.to.userId}`;
      if (this.isHolding) this.#held.set(pair, [...(this.#held.get(pair) ?? []), each]);
      // Asynchronous, as over a socket.
      else queueMicrotask(() => this.deliver(each));
    }
  }

  /** Number of held signals. */
  get held(): number {
    return [...this.#held.values()].reduce((sum, { length }) => sum + length, 0);
  }

  /** Delivers up to `count` held signals of randomly chosen pairs. */
  deliverHeld(random: Random, count: number): void {
    for (let n = 0; n < count && this.held > 0; n += 1) {
      const pairs = [...this.#held.values()].filter(({ length }) => length > 0);
      const message = random.pick(pairs).shift();
      if (message !== undefined) this.deliver(message);
    }
  }

  deliver({ to, from, ...body }: Sent): void {
    const incoming: IncomingSignal = { ...body, from: { ...from, generation: to.generation } };
    this.#peers.get(to.userId)?.backend.onSignal(incoming);
  }

  /** The offers that were sent, optionally by one user. */
  offers(from?: string): Sent[] {
    return this.sent.filter((each) => each.kind === 'offer' && (from === undefined || each.from.userId === from));
  }

  close(): void {
    for (const peer of this.#peers.values()) peer.close();
    this.#peers.clear();
  }
}

const TICK_MS = 10;

/**
 * A clock of a test with its own speed, which the test may change. It stands still while the page stalls: on a busy machine
 * connecting would exceed the time limits of a call.
 */
export class TestClock implements Clock {
  /** How much faster than real time it runs. */
  speed: number;
  readonly #clock = manualClock();

  constructor(speed = 1) {
    this.speed = speed;
    const timer = setInterval(() => this.#clock.advance(TICK_MS * this.speed), TICK_MS);
    onTestFinished(() => clearInterval(timer));
  }

  now(): number {
    return this.#clock.now();
  }

  after(delayMs: number, task: () => void): () => void {
    return this.#clock.after(delayMs, task);
  }
}

/** Slow enough that a call gives up or repeats nothing, however long connecting takes. */
export const PATIENT = 1 / 20;

export interface TestPeerOptions {
  readonly clock?: Clock | undefined;
  readonly iceServers?: (() => Promise<IceConfig>) | undefined;
}

/** A participant: a mesh backend with everything that it reported. */
export class TestPeer implements SignalPort {
  readonly self: PeerId;
  readonly backend: MeshBackend;
  readonly states = new Map<string, PeerState>();
  readonly encrypted = new Map<string, boolean | undefined>();
  readonly tracks = new Map<string, MediaStreamTrack>();
  /** Each reported state, as `<userId> <state>`. */
  readonly log: string[] = [];
  readonly errors: unknown[] = [];
  readonly quality: MediaBackendEvents['quality'][] = [];
  speakers: readonly string[] = [];
  readonly #signaling: TestSignaling;
  readonly #options: TestPeerOptions;
  readonly #abort = new AbortController();
  readonly #listeners = new Set<() => void>();
  readonly #queue: OutgoingSignal[] = [];
  #connected = true;

  constructor(signaling: TestSignaling, self: PeerId, options: TestPeerOptions) {
    this.#signaling = signaling;
    this.self = self;
    this.#options = options;
    const { clock = new TestClock() } = options;
    this.backend = new MeshBackend({ clock, random: systemRandom, report: (error) => this.errors.push(error) });
    this.backend.on('peerState', ({ peer, state, encrypted }) => {
      this.encrypted.set(peer.userId, encrypted);
      this.states.set(peer.userId, state);
      this.log.push(`${peer.userId} ${state}`);
    });
    this.backend.on('track', ({ peer, slot, track }) => this.tracks.set(`${peer.userId} ${slot}`, track));
    this.backend.on('trackEnded', ({ peer, slot }) => this.tracks.delete(`${peer.userId} ${slot}`));
    this.backend.on('quality', (stats) => this.quality.push(stats));
    this.backend.on('error', (error) => this.errors.push(error));
    this.backend.on('speaker', ({ userIds }) => (this.speakers = userIds));
  }

  get connected(): boolean {
    return this.#connected;
  }

  set connected(connected: boolean) {
    this.#connected = connected;
    if (!connected) return;
    for (const message of this.#queue.splice(0)) this.send(message);
    for (const listener of this.#listeners) listener();
  }

  context(before: readonly string[]): MediaContext {
    return {
      callId: 'call',
      self: this.self,
      roster: before.map((userId) => ({ userId, deviceId: `${userId}-1` })),
      iceServers: this.#options.iceServers ?? (() => Promise.resolve({ iceServers: [] })),
      signal: this,
      abort: this.#abort.signal,
    };
  }

  /** Number of signals that wait for the connection. */
  get queued(): number {
    return this.#queue.length;
  }

  send(message: OutgoingSignal): void {
    if (this.#connected) this.#signaling.send({ ...message, from: this.self });
    else this.#queue.push(message);
  }

  onConnected(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  remoteTrack(userId: string, slot: Slot): MediaStreamTrack | undefined {
    return this.tracks.get(`${userId} ${slot}`);
  }

  close(): void {
    this.#abort.abort();
  }
}

/** Resolves when all peers are connected with each other. */
export async function connected(...peers: readonly TestPeer[]): Promise<void> {
  await until(() =>
    peers.every(
      ({ states }) => [...states.values()].filter((each) => each === 'connected').length === peers.length - 1,
    ),
  );
}

/** Resolves with the number of decoded frames of a video track after `count` more frames. */
export async function frames(track: MediaStreamTrack, count = 3): Promise<number> {
  const video = document.createElement('video');
  video.muted = true;
  video.srcObject = new MediaStream([track]);
  await video.play();
  try {
    for (let seen = 0; seen < count; seen += 1) {
      await new Promise<void>((resolve) => video.requestVideoFrameCallback(() => resolve()));
    }
    return video.getVideoPlaybackQuality().totalVideoFrames;
  } finally {
    video.srcObject = null;
  }
}
