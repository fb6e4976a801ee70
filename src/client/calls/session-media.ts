import type { LocalMedia, MediaBackend, MediaPlatform, PeerState, PeerStats, Playback, Slot } from './media-backend.ts';
import type { CallOptions, CallSessionEvents, RemoteStream } from './call-types.ts';

type Kind = RemoteStream['kind'];

/** What the media of a call tells the call. */
export interface MediaListener {
  /** Something that the snapshot shows. */
  changed(): void;
  /** What is sent has changed. */
  sending(): void;
  /** How the peers stand as a whole. */
  peers(state: 'up' | 'down' | 'failed'): void;
  quality(stats: PeerStats): void;
  event<K extends 'stream' | 'stream-ended' | 'speakers' | 'audio-blocked' | 'local-ended' | 'devices' | 'error'>(
    event: K,
    payload: CallSessionEvents[K],
  ): void;
}

/** The media of one call: what is captured here, what comes from the others, and how the links stand. */
export class SessionMedia {
  readonly local: LocalMedia;
  readonly backend: MediaBackend;
  readonly playback: Playback;
  readonly #listener: MediaListener;
  readonly #stops: (() => void)[] = [];
  readonly #states = new Map<string, PeerState>();
  readonly #encrypted = new Set<string>();
  /** Screens come with every link, used or not: shown while somebody says that they share. */
  readonly #screens = new Map<string, MediaStream>();
  #sharing: ReadonlySet<string> = new Set();
  #closed = false;
  remoteStreams: ReadonlyMap<string, MediaStream> = new Map();
  remoteScreens: ReadonlyMap<string, MediaStream> = new Map();
  speakers: readonly string[] = Object.freeze([]);
  interrupted: readonly string[] = Object.freeze([]);

  constructor(platform: MediaPlatform, defaults: CallOptions['media'], listener: MediaListener) {
    this.#listener = listener;
    this.local = platform.local(defaults ?? {});
    this.backend = platform.backend();
    this.playback = platform.playback();
    this.#stops.push(
      this.local.on('slot', ({ slot, track }) => {
        this.backend.setSlot(slot, track).catch(() => undefined);
        listener.sending();
      }),
      this.local.on('ended', (ended) => listener.event('local-ended', ended)),
      this.local.on('failed', ({ error }) => listener.event('error', error)),
      this.local.on('devicechange', (devices) => listener.event('devices', devices)),
      this.backend.on('track', ({ peer, slot, track }) => this.#track(peer.userId, slot, track)),
      this.backend.on('trackEnded', ({ peer, slot, track }) => this.#trackEnded(peer.userId, slot, track)),
      this.backend.on('peerState', ({ peer, state, encrypted }) => this.#peerState(peer.userId, state, encrypted)),
      this.backend.on('quality', (stats) => listener.quality(stats)),
      this.backend.on('speaker', ({ userIds }) => {
        this.speakers = Object.freeze([...userIds]);
        listener.event('speakers', this.speakers);
        listener.changed();
      }),
      this.playback.onBlocked((blocked) => {
        listener.event('audio-blocked', blocked);
        listener.changed();
      }),
    );
  }

  /** To everybody, or it doesn't count. */
  get encrypted(): boolean {
    return this.#states.size > 0 && [...this.#states.keys()].every((userId) => this.#encrypted.has(userId));
  }

  peerLeft(userId: string): void {
    this.backend.peerLeft({ userId });
    this.#states.delete(userId);
    this.#encrypted.delete(userId);
    for (const kind of ['camera', 'screen'] as const) this.#drop(userId, kind);
    this.#tellPeers();
  }

  /** Who says that they share their screen. */
  share(sharing: ReadonlySet<string>): void {
    const before = this.#sharing;
    this.#sharing = sharing;
    for (const userId of before) if (!sharing.has(userId)) this.#hideScreen(userId);
    for (const userId of sharing) this.#showScreen(userId);
  }

  /** Synchronous, twice is once. What is heard and seen ends before anybody is told. */
  dispose(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const stop of this.#stops) stop();
    this.local.dispose();
    this.backend.close();
    this.playback.dispose();
    for (const userId of this.remoteStreams.keys()) this.#drop(userId, 'camera');
    for (const userId of this.#screens.keys()) this.#drop(userId, 'screen');
    this.#states.clear();
    this.speakers = Object.freeze([]);
    this.interrupted = Object.freeze([]);
  }

  #track(userId: string, slot: Slot, track: MediaStreamTrack): void {
    const kind = kindOf(slot);
    const streams = kind === 'camera' ? this.remoteStreams : this.#screens;
    const found = streams.get(userId);
    const stream = found ?? this.playback.newStream();
    stream.addTrack(track);
    if (kind === 'screen') {
      this.#screens.set(userId, stream);
      this.#showScreen(userId);
    } else if (found === undefined) {
      this.remoteStreams = new Map(this.remoteStreams).set(userId, stream);
      this.#tellStream('stream', { userId, stream, kind });
    }
    // A stream without sound can't be blocked.
    if (track.kind === 'audio') this.playback.watch(stream);
  }

  #trackEnded(userId: string, slot: Slot, track: MediaStreamTrack): void {
    const kind = kindOf(slot);
    const stream = kind === 'camera' ? this.remoteStreams.get(userId) : this.#screens.get(userId);
    stream?.removeTrack(track);
    if (stream?.getTracks().length === 0) this.#drop(userId, kind);
  }

  #drop(userId: string, kind: Kind): void {
    if (kind === 'screen') {
      this.#hideScreen(userId);
      const screen = this.#screens.get(userId);
      if (screen !== undefined) this.playback.forget(screen);
      this.#screens.delete(userId);
      return;
    }
    const stream = this.remoteStreams.get(userId);
    if (stream === undefined) return;
    this.playback.forget(stream);
    this.remoteStreams = without(this.remoteStreams, userId);
    this.#tellStream('stream-ended', { userId, stream, kind });
  }

  #showScreen(userId: string): void {
    const stream = this.#screens.get(userId);
    if (stream === undefined || !this.#sharing.has(userId) || this.remoteScreens.has(userId)) return;
    this.remoteScreens = new Map(this.remoteScreens).set(userId, stream);
    this.#tellStream('stream', { userId, stream, kind: 'screen' });
  }

  #hideScreen(userId: string): void {
    const stream = this.remoteScreens.get(userId);
    if (stream === undefined) return;
    this.remoteScreens = without(this.remoteScreens, userId);
    this.#tellStream('stream-ended', { userId, stream, kind: 'screen' });
  }

  #tellStream(event: 'stream' | 'stream-ended', remote: RemoteStream): void {
    this.#listener.event(event, Object.freeze(remote));
    this.#listener.changed();
  }

  #peerState(userId: string, state: PeerState, encrypted: boolean | undefined): void {
    this.#states.set(userId, state);
    if (encrypted === true) this.#encrypted.add(userId);
    else if (encrypted === false) this.#encrypted.delete(userId);
    this.#tellPeers();
  }

  #tellPeers(): void {
    const down = [...this.#states].filter(([, state]) => state === 'disconnected' || state === 'failed');
    const interrupted = down.map(([userId]) => userId);
    if (interrupted.join() !== this.interrupted.join()) this.interrupted = Object.freeze(interrupted);
    this.#listener.changed();
    const states = [...this.#states.values()];
    // Without anybody there is nothing to be said of the way to them: the server tells how the call goes on.
    if (states.length === 0) return;
    if (states.includes('connected')) this.#listener.peers('up');
    else this.#listener.peers(states.every((state) => state === 'failed') ? 'failed' : 'down');
  }
}

/** Which stream of the sender a slot is part of. */
function kindOf(slot: Slot): Kind {
  return slot === 'mic' || slot === 'camera' ? 'camera' : 'screen';
}

function without<V>(map: ReadonlyMap<string, V>, key: string): ReadonlyMap<string, V> {
  const rest = new Map(map);
  rest.delete(key);
  return rest;
}
