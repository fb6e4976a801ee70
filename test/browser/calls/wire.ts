import { systemClock, type Clock } from '../../../src/lib/clock.ts';
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
} from '../../../src/client/calls/media-backend.ts';
import { Mesh } from '../../../src/client/calls/mesh.ts';
import { until } from './until.ts';

export type Sent = OutgoingSignal & { readonly from: PeerId };

/** Signalling in memory: in order, and stopped or bent where a test wants it. */
export class Wire {
  readonly sent: Sent[] = [];
  readonly #ends = new Map<string, End>();
  /** Returns what arrives in place of a signal: nothing, it, it twice. */
  bend: (message: Sent) => readonly Sent[] = (message) => [message];
  /** How many milliseconds each takes; the order between two ends stays. */
  delay: () => number = () => 0;
  readonly #lanes = new Map<string, Promise<void>>();

  /** Joins after others, who offer. */
  join(userId: string, before: readonly string[], options: EndOptions = {}): End {
    const end = this.add(userId, options);
    for (const other of before) this.#ends.get(other)?.mesh.peerJoined(end.self, 'self');
    void end.mesh.join(end.context(before));
    return end;
  }

  add(userId: string, options: EndOptions = {}): End {
    const end = new End(this, { userId, deviceId: `${userId}-1` }, options);
    this.#ends.set(userId, end);
    return end;
  }

  leave(userId: string): void {
    const end = this.#ends.get(userId);
    if (end === undefined) return;
    this.#ends.delete(userId);
    end.close();
    for (const other of this.#ends.values()) other.mesh.peerLeft(end.self);
  }

  send(message: Sent): void {
    this.sent.push(message);
    for (const each of this.bend(message)) {
      const lane = `${each.from.userId} ${each.to.userId}`;
      const before = this.#lanes.get(lane) ?? Promise.resolve();
      const ms = this.delay();
      // As over a socket: never within the call that sends it.
      const sent = before.then(async () => {
        if (ms > 0) await new Promise((resolve) => setTimeout(resolve, ms));
        this.deliver(each);
      });
      this.#lanes.set(lane, sent);
    }
  }

  deliver({ to, from, ...body }: Sent): void {
    const incoming: IncomingSignal = { ...body, from: { ...from, generation: to.generation } };
    this.#ends.get(to.userId)?.mesh.onSignal(incoming);
  }

  /** Initial offers and later ones alike. */
  offers(from?: string): Sent[] {
    return this.sent.filter((each) => each.kind === 'offer' && (from === undefined || each.from.userId === from));
  }

  close(): void {
    for (const end of this.#ends.values()) end.close();
    this.#ends.clear();
  }
}

/** A clock on which everything happens so many times sooner. */
export function hurried(times: number): Clock {
  return { now: () => Date.now() * times, after: (ms, task) => systemClock.after(ms / times, task) };
}

export interface EndOptions {
  readonly clock?: Clock | undefined;
  readonly iceServers?: (() => Promise<IceConfig>) | undefined;
}

/** One person in the call. */
export class End implements SignalPort {
  readonly self: PeerId;
  readonly mesh: Mesh;
  readonly states = new Map<string, PeerState>();
  readonly encrypted = new Map<string, boolean | undefined>();
  readonly tracks = new Map<string, MediaStreamTrack>();
  readonly said: string[] = [];
  readonly errors: unknown[] = [];
  readonly quality: MediaBackendEvents['quality'][] = [];
  speakers: readonly string[] = [];
  readonly #wire: Wire;
  readonly #options: EndOptions;
  readonly #abort = new AbortController();
  readonly #ups = new Set<() => void>();
  readonly #waiting: OutgoingSignal[] = [];
  #up = true;

  constructor(wire: Wire, self: PeerId, options: EndOptions) {
    this.#wire = wire;
    this.self = self;
    this.#options = options;
    this.mesh = new Mesh({ clock: options.clock ?? systemClock, report: (error) => this.errors.push(error) });
    this.mesh.on('peerState', ({ peer, state, encrypted }) => {
      this.encrypted.set(peer.userId, encrypted);
      this.states.set(peer.userId, state);
      this.said.push(`${peer.userId} ${state}`);
    });
    this.mesh.on('track', ({ peer, slot, track }) => this.tracks.set(`${peer.userId} ${slot}`, track));
    this.mesh.on('trackEnded', ({ peer, slot }) => this.tracks.delete(`${peer.userId} ${slot}`));
    this.mesh.on('quality', (stats) => this.quality.push(stats));
    this.mesh.on('speaker', ({ userIds }) => (this.speakers = userIds));
  }

  get up(): boolean {
    return this.#up;
  }

  set up(up: boolean) {
    this.#up = up;
    if (!up) return;
    for (const message of this.#waiting.splice(0)) this.send(message);
    for (const listener of this.#ups) listener();
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

  /** How many signals wait for the line. */
  get kept(): number {
    return this.#waiting.length;
  }

  send(message: OutgoingSignal): void {
    if (this.#up) this.#wire.send({ ...message, from: this.self });
    else this.#waiting.push(message);
  }

  onUp(listener: () => void): () => void {
    this.#ups.add(listener);
    return () => this.#ups.delete(listener);
  }

  track(userId: string, slot: Slot): MediaStreamTrack | undefined {
    return this.tracks.get(`${userId} ${slot}`);
  }

  close(): void {
    this.#abort.abort();
  }
}

/** Resolves when all of them are connected with each other. */
export async function connected(...ends: readonly End[]): Promise<void> {
  await until(() =>
    ends.every(({ states }) => [...states.values()].filter((each) => each === 'connected').length === ends.length - 1),
  );
}

/** Resolves with the number of frames that were decoded of a video track, once there are some. */
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
