import type {
  CallMedia,
  IncomingSignal,
  LocalMedia,
  LocalMediaEvents,
  MediaBackend,
  MediaBackendEvents,
  MediaContext,
  MediaKey,
  MediaPlatform,
  PeerId,
  PeerState,
  PeerStats,
  Playback,
  Slot,
} from '../../../src/client/calls/media-backend.ts';
import { deferred, type Deferred } from '../../../src/lib/deferred.ts';
import { Emitter } from '../../../src/lib/emitter.ts';

const throwIt = (error: unknown): never => {
  throw error;
};

/** A track without a browser. */
function fakeTrack(kind: 'audio' | 'video'): MediaStreamTrack {
  return Object.assign(new EventTarget(), { kind, id: crypto.randomUUID() }) as EventTarget & {
    kind: string;
    id: string;
  } as MediaStreamTrack;
}

function fakeStream(): MediaStream {
  const tracks: MediaStreamTrack[] = [];
  return Object.assign(new EventTarget(), {
    addTrack: (track: MediaStreamTrack) => void (tracks.includes(track) || tracks.push(track)),
    removeTrack: (track: MediaStreamTrack) => void tracks.splice(tracks.indexOf(track), 1),
    getTracks: () => [...tracks],
  }) as EventTarget & Pick<MediaStream, 'addTrack' | 'removeTrack' | 'getTracks'> as MediaStream;
}

/** Devices that are there at once, unless the test says otherwise. */
export class FakeLocal implements LocalMedia {
  readonly #emitter = new Emitter<LocalMediaEvents>(throwIt);
  readonly #on = new Set<Slot>();
  readonly #platform: FakePlatform;
  readonly calls: string[] = [];
  stream: MediaStream | undefined;
  screenStream: MediaStream | undefined;
  disposed = 0;

  constructor(platform: FakePlatform) {
    this.#platform = platform;
  }

  isOn(slot: Slot): boolean {
    return this.#on.has(slot);
  }

  async start({ audio, video }: Required<CallMedia>, signal: AbortSignal): Promise<void> {
    await this.#platform.permission?.promise;
    signal.throwIfAborted();
    this.stream = fakeStream();
    if (audio !== false) this.turn('mic', true);
    if (video !== false) this.turn('camera', true);
  }

  async setDesired(slot: 'mic' | 'camera', on: boolean): Promise<void> {
    this.calls.push(`${slot} ${on ? 'on' : 'off'}`);
    await Promise.resolve();
    this.turn(slot, on);
  }

  async shareScreen(): Promise<void> {
    await Promise.resolve();
    this.screenStream = fakeStream();
    this.turn('screen', true);
  }

  stopScreen(): void {
    this.turn('screen', false);
  }

  /** "Stop sharing" in the browser. */
  browserStops(): void {
    this.turn('screen', false);
    this.#emitter.emit('ended', { slot: 'screen', reason: 'stopped' });
  }

  async switchDevice(kind: string, deviceId: string): Promise<void> {
    this.calls.push(`${kind} ${deviceId}`);
    await Promise.resolve();
  }

  devices(): Promise<MediaDeviceInfo[]> {
    return Promise.resolve([]);
  }

  dispose(): void {
    this.disposed += 1;
    this.#on.clear();
  }

  on<K extends keyof LocalMediaEvents>(event: K, listener: (payload: LocalMediaEvents[K]) => void): () => void {
    return this.#platform.counted(this.#emitter.on(event, listener));
  }

  turn(slot: Slot, on: boolean): void {
    if (this.#on.has(slot) === on) return;
    if (on) this.#on.add(slot);
    else this.#on.delete(slot);
    const track = on ? fakeTrack(slot === 'mic' || slot === 'screenAudio' ? 'audio' : 'video') : null;
    this.#emitter.emit('slot', { slot, track });
  }
}

/** Links that connect as soon as an offer has been answered, through the real signalling. */
export class FakeBackend implements MediaBackend {
  readonly #emitter = new Emitter<MediaBackendEvents>(throwIt);
  readonly #platform: FakePlatform;
  readonly peers = new Map<string, PeerId>();
  readonly states = new Map<string, PeerState>();
  readonly signals: IncomingSignal[] = [];
  readonly slots = new Map<Slot, MediaStreamTrack | null>();
  readonly recoveries: string[] = [];
  context: MediaContext | undefined;
  /** Keys that came for this call, in their order. */
  readonly keys: (MediaKey & { from: PeerId })[] = [];
  /** To whom frames would be sealed. */
  readonly sealed = new Set<string>();
  ownKey: MediaKey = { keyId: 0, secret: crypto.getRandomValues(new Uint8Array(32)) };
  #stopKeys = (): void => undefined;
  closed = 0;
  offers = 0;

  constructor(platform: FakePlatform) {
    this.#platform = platform;
  }

  join(context: MediaContext): Promise<void> {
    this.context = context;
    const stop = context.keys?.onKey((from, key) => this.keys.push({ from, ...key }));
    if (stop !== undefined) this.#stopKeys = this.#platform.counted(stop);
    for (const peer of context.roster) this.peerJoined(peer, 'peer');
    return Promise.resolve();
  }

  setSlot(slot: Slot, track: MediaStreamTrack | null): Promise<void> {
    this.slots.set(slot, track);
    return Promise.resolve();
  }

  peerJoined(peer: PeerId, offerer: 'self' | 'peer'): void {
    if (this.peers.has(peer.userId)) throw new Error(`${peer.userId} joined twice`);
    this.peers.set(peer.userId, peer);
    if (this.context?.keys?.supports(peer) === true) {
      this.sealed.add(peer.userId);
      void this.context.keys.send(peer, this.ownKey);
    }
    this.state(peer.userId, 'connecting');
    if (offerer === 'self') {
      this.offers += 1;
      this.context?.signal.send({ kind: 'offer', sdp: 'v=0', to: { ...peer, generation: 0 } });
    }
    for (const signal of this.signals.splice(0)) this.onSignal(signal);
  }

  peerLeft({ userId }: PeerId): void {
    this.peers.delete(userId);
    this.states.delete(userId);
    if (!this.sealed.delete(userId)) return;
    this.ownKey = { keyId: this.ownKey.keyId + 1, secret: crypto.getRandomValues(new Uint8Array(32)) };
    for (const peer of this.peers.values()) {
      if (this.sealed.has(peer.userId)) void this.context?.keys?.send(peer, this.ownKey);
    }
  }

  onSignal(message: IncomingSignal): void {
    const { from, kind } = message;
    const peer = this.peers.get(from.userId);
    if (peer === undefined) this.signals.push(message);
    else if (this.#platform.unreachable.has(from.userId)) this.states.set(from.userId, 'connecting');
    else if (kind === 'offer') {
      this.context?.signal.send({ kind: 'answer', sdp: 'v=1', to: { ...peer, generation: 0 } });
      this.connect(from.userId);
    } else if (kind === 'answer') this.connect(from.userId);
  }

  connect(userId: string): void {
    const peer = this.peers.get(userId);
    if (peer === undefined || this.states.get(userId) === 'connected') return;
    this.state(userId, 'connected');
    this.#emitter.emit('track', { peer, slot: 'mic', track: fakeTrack('audio') });
    this.#emitter.emit('track', { peer, slot: 'camera', track: fakeTrack('video') });
    this.#emitter.emit('track', { peer, slot: 'screen', track: fakeTrack('video') });
  }

  state(userId: string, state: PeerState): void {
    if (this.closed > 0) return;
    this.states.set(userId, state);
    const peer = this.peers.get(userId) ?? { userId };
    const encrypted = this.context?.keys && this.sealed.has(userId);
    this.#emitter.emit('peerState', { peer, state, encrypted });
  }

  measure(stats: PeerStats): void {
    this.#emitter.emit('quality', stats);
  }

  speak(...userIds: string[]): void {
    this.#emitter.emit('speaker', { userIds });
  }

  recover(reason: string): void {
    this.recoveries.push(reason);
  }

  stats(): Promise<PeerStats[]> {
    return Promise.resolve([...this.peers.values()].map((peer) => ({ peer, quality: 'good', rtt: 20 })));
  }

  close(): void {
    this.closed += 1;
    this.#stopKeys();
  }

  on<K extends keyof MediaBackendEvents>(event: K, listener: (payload: MediaBackendEvents[K]) => void): () => void {
    return this.#platform.counted(this.#emitter.on(event, listener));
  }
}

class FakePlayback implements Playback {
  readonly #listeners = new Set<(blocked: boolean) => void>();
  readonly #platform: FakePlatform;
  readonly watched = new Set<MediaStream>();
  blocked = false;

  constructor(platform: FakePlatform) {
    this.#platform = platform;
  }

  newStream(): MediaStream {
    return fakeStream();
  }

  watch(stream: MediaStream): void {
    this.watched.add(stream);
    if (this.#platform.autoplayBlocked) this.#set(true);
  }

  forget(stream: MediaStream): void {
    this.watched.delete(stream);
  }

  onBlocked(listener: (blocked: boolean) => void): () => void {
    this.#listeners.add(listener);
    return this.#platform.counted(() => void this.#listeners.delete(listener));
  }

  resume(): Promise<void> {
    this.#set(false);
    return Promise.resolve();
  }

  dispose(): void {
    this.#listeners.clear();
  }

  #set(blocked: boolean): void {
    this.blocked = blocked;
    for (const listener of this.#listeners) listener(blocked);
  }
}

/** Media of a client in a test, with everything that it handed out. */
export class FakePlatform implements MediaPlatform {
  readonly locals: FakeLocal[] = [];
  readonly backends: FakeBackend[] = [];
  /** People to whom no link connects. */
  readonly unreachable = new Set<string>();
  /** While it is there the user hasn't answered the browser's question; a rejection is a no. */
  permission: Deferred<void> | undefined;
  autoplayBlocked = false;
  sealsFrames = true;
  webRtc = true;
  /** How many listeners are on the parts handed out, and on the page. */
  listeners = 0;
  page: Parameters<MediaPlatform['watchPage']>[0] | undefined;

  ask(): Deferred<void> {
    return (this.permission = deferred());
  }

  require(): void {
    if (!this.webRtc) throw new Error('no WebRTC');
  }

  local(): FakeLocal {
    const local = new FakeLocal(this);
    this.locals.push(local);
    return local;
  }

  backend(): FakeBackend {
    const backend = new FakeBackend(this);
    this.backends.push(backend);
    return backend;
  }

  playback(): Playback {
    return new FakePlayback(this);
  }

  devices(): Promise<MediaDeviceInfo[]> {
    return Promise.resolve([]);
  }

  watchPage(tell: Parameters<MediaPlatform['watchPage']>[0]): () => void {
    this.page = tell;
    return this.counted(() => (this.page = undefined));
  }

  /** The links of the newest call. */
  get links(): FakeBackend {
    const links = this.backends.at(-1);
    if (links === undefined) throw new Error('No call has been made');
    return links;
  }

  get devicesOfCall(): FakeLocal {
    const local = this.locals.at(-1);
    if (local === undefined) throw new Error('No call has been made');
    return local;
  }

  counted(stop: () => void): () => void {
    this.listeners += 1;
    let stopped = false;
    return () => {
      if (!stopped) this.listeners -= 1;
      stopped = true;
      stop();
    };
  }
}
