import type {
  CallMedia,
  DeviceChoice,
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
} from '../../../src/client/calls/webrtc/media-backend.ts';
import { deferred, type Deferred } from '../../../src/lib/deferred.ts';
import { CommError } from '../../../src/index.ts';
import { Emitter } from '../../../src/lib/emitter.ts';

const throwIt = (error: unknown): never => {
  throw error;
};

/** Creates a track without a browser. */
function fakeTrack(kind: 'audio' | 'video'): MediaStreamTrack {
  return Object.assign(new EventTarget(), { kind, id: crypto.randomUUID(), enabled: true }) as EventTarget & {
    kind: string;
    id: string;
    enabled: boolean;
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

/** Local media whose devices open at once, unless the test withholds the permission. */
export class FakeLocalMedia implements LocalMedia {
  readonly #emitter = new Emitter<LocalMediaEvents>(throwIt);
  readonly #on = new Set<Slot>();
  /** Devices that are to be on. */
  readonly #wanted = new Set<Slot>();
  readonly #platform: FakePlatform;
  readonly calls: string[] = [];
  stream: MediaStream | undefined;
  screenStream: MediaStream | undefined;
  disposed = 0;

  constructor(platform: FakePlatform) {
    this.#platform = platform;
  }

  isSending(slot: Slot): boolean {
    return this.#on.has(slot);
  }

  isEnabled(slot: 'mic' | 'camera'): boolean {
    return this.#wanted.has(slot);
  }

  async start({ audio, video }: Required<CallMedia>, signal: AbortSignal): Promise<void> {
    await this.#platform.permission?.promise;
    signal.throwIfAborted();
    const { missing } = this.#platform;
    if ((audio !== false && missing.has('mic')) || (video !== false && missing.has('camera'))) {
      throw new CommError('MEDIA_UNAVAILABLE', 'No device of the requested kind was found');
    }
    this.stream = fakeStream();
    if (audio !== false) await this.#want('mic', true);
    if (video !== false) await this.#want('camera', true);
  }

  async setEnabled(slot: 'mic' | 'camera', on: boolean): Promise<void> {
    this.calls.push(`${slot} ${on ? 'on' : 'off'}`);
    await this.#want(slot, on);
  }

  /** The last request wins. Requests are applied in order. */
  async #want(slot: 'mic' | 'camera', on: boolean): Promise<void> {
    if (on) this.#wanted.add(slot);
    else this.#wanted.delete(slot);
    await this.#platform.opening?.promise;
    if (this.disposed === 0) this.turn(slot, this.#wanted.has(slot));
  }

  async shareScreen(): Promise<void> {
    await Promise.resolve();
    this.screenStream = fakeStream();
    this.turn('screen', true);
  }

  stopScreenShare(): void {
    this.turn('screen', false);
  }

  /** Simulates "Stop sharing" in the browser. */
  browserStops(): void {
    this.turn('screen', false);
    this.#emitter.emit('ended', { slot: 'screen', reason: 'stopped' });
  }

  async switchDevice(kind: string, choice: DeviceChoice): Promise<void> {
    this.calls.push(`${kind} ${typeof choice === 'string' ? choice : choice.facingMode}`);
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

/** A media backend whose links connect when an offer is answered. Offers and answers go through the real signalling. */
export class FakeBackend implements MediaBackend {
  readonly #emitter = new Emitter<MediaBackendEvents>(throwIt);
  readonly #platform: FakePlatform;
  readonly peers = new Map<string, PeerId>();
  readonly states = new Map<string, PeerState>();
  readonly signals: IncomingSignal[] = [];
  readonly slots = new Map<Slot, MediaStreamTrack | null>();
  readonly recoveries: string[] = [];
  /** User ids to which nothing is sent. */
  onHold: ReadonlySet<string> = new Set();
  context: MediaContext | undefined;
  /** Received media keys, in order. */
  readonly keys: (MediaKey & { from: PeerId })[] = [];
  /** User ids of peers whose frames would be encrypted. */
  readonly encrypted = new Set<string>();
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
      this.encrypted.add(peer.userId);
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
    if (!this.encrypted.delete(userId)) return;
    this.ownKey = { keyId: this.ownKey.keyId + 1, secret: crypto.getRandomValues(new Uint8Array(32)) };
    for (const peer of this.peers.values()) {
      if (this.encrypted.has(peer.userId)) void this.context?.keys?.send(peer, this.ownKey);
    }
  }

  setOnHold(userIds: ReadonlySet<string>): void {
    this.onHold = userIds;
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
    const encrypted = this.context?.keys && this.encrypted.has(userId);
    this.#emitter.emit('peerState', { peer, state, encrypted });
  }

  measure(stats: PeerStats): void {
    this.#emitter.emit('quality', stats);
  }

  setLevels(levels: Readonly<Record<string, number>>): void {
    this.#emitter.emit('levels', new Map(Object.entries(levels)));
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

  unwatch(stream: MediaStream): void {
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

/** The media platform of a client in a test. Keeps every object that it created. */
export class FakePlatform implements MediaPlatform {
  readonly locals: FakeLocalMedia[] = [];
  readonly backends: FakeBackend[] = [];
  /** User ids of peers whose links never connect. */
  readonly unreachable = new Set<string>();
  /** The pending permission prompt. Resolving it grants access, rejecting it denies access. */
  permission: Deferred<void> | undefined;
  /** While set, no device is turned on or off before it is resolved. */
  opening: Deferred<void> | undefined;
  /** Devices that this platform doesn't have. */
  readonly missing = new Set<'mic' | 'camera'>();
  autoplayBlocked = false;
  supportsFrameEncryption = true;
  webRtc = true;
  /** Number of listeners on the created objects and on the page. */
  listeners = 0;
  page: Parameters<MediaPlatform['watchPage']>[0] | undefined;

  /** Withholds the permission for devices until the returned promise is settled. */
  withholdPermission(): Deferred<void> {
    return (this.permission = deferred());
  }

  assertSupported(): void {
    if (!this.webRtc) throw new Error('WebRTC is not available');
  }

  createLocalMedia(): FakeLocalMedia {
    const local = new FakeLocalMedia(this);
    this.locals.push(local);
    return local;
  }

  createBackend(): FakeBackend {
    const backend = new FakeBackend(this);
    this.backends.push(backend);
    return backend;
  }

  createPlayback(): Playback {
    return new FakePlayback(this);
  }

  devices(): Promise<MediaDeviceInfo[]> {
    return Promise.resolve([]);
  }

  watchPage(listener: Parameters<MediaPlatform['watchPage']>[0]): () => void {
    this.page = listener;
    return this.counted(() => (this.page = undefined));
  }

  /** The media backend of the newest call. */
  get backend(): FakeBackend {
    const backend = this.backends.at(-1);
    if (backend === undefined) throw new Error('No call was started');
    return backend;
  }

  /** The local media of the newest call. */
  get localMedia(): FakeLocalMedia {
    const local = this.locals.at(-1);
    if (local === undefined) throw new Error('No call was started');
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
