import type { Clock } from '../../../lib/clock.ts';
import { lazy } from '../../../lib/lazy.ts';
import { withoutKey } from '../../../lib/without-key.ts';
import type { ConnectionQualityReport } from '../../../protocol/calls.ts';
import type { QualityLevel } from '../../../protocol/constants.ts';
import type { CallSessionEvents, CallSnapshot, RemoteStream } from '../session/call-types.ts';
import type { ActivitySnapshot, CallActivity } from '../session/call-activity.ts';
import type {
  LocalMedia,
  LocalMediaEvents,
  MediaBackend,
  MediaPlatform,
  PeerState,
  Playback,
  Slot,
} from '../webrtc/media-backend.ts';

type StreamKind = RemoteStream['kind'];

/** The values of a call's snapshot that {@link SessionMedia} holds. */
export type MediaSnapshot = Pick<
  CallSnapshot,
  | 'localStream'
  | 'localScreen'
  | 'audioMuted'
  | 'videoMuted'
  | 'screenSharing'
  | 'remoteStreams'
  | 'remoteScreens'
  | 'interrupted'
  | 'audioBlocked'
  | 'encrypted'
> &
  ActivitySnapshot;

/** Maximum number of events that wait until {@link CallActivity} has loaded. */
const MAX_WAITING = 256;

const NO_STREAMS: ReadonlyMap<string, MediaStream> = new Map();
const NO_USERS: readonly string[] = Object.freeze([]);

const NO_ACTIVITY: ActivitySnapshot = {
  activeSpeakers: NO_USERS,
  audioLevels: new Map(),
  quality: new Map(),
  participantQuality: new Map(),
  raisedHands: NO_USERS,
};

/** The values before media is opened. */
export const NO_MEDIA: MediaSnapshot = Object.freeze({
  localStream: undefined,
  localScreen: undefined,
  audioMuted: true,
  videoMuted: true,
  screenSharing: false,
  remoteStreams: NO_STREAMS,
  remoteScreens: NO_STREAMS,
  interrupted: NO_USERS,
  ...NO_ACTIVITY,
  audioBlocked: false,
  encrypted: false,
});

/** What {@link SessionMedia} needs of its call. */
export interface SessionMediaHost {
  readonly clock: Clock;
  callId(): string;
  /** The id of the local user. */
  userId(): string;
  /** A value of the snapshot changed. */
  onChanged(): void;
  /** What this device sends changed. */
  onLocalMediaChanged(): void;
  /** The links changed: at least one is connected, none is, or all have failed. */
  onConnectivity(state: 'connected' | 'disconnected' | 'failed'): void;
  /** The level of the worst connection changed. */
  onQualityLevel(report: ConnectionQualityReport): void;
  /** Emits an event of the call. */
  emit<
    K extends
      | 'stream'
      | 'stream-ended'
      | 'quality'
      | 'active-speakers'
      | 'reaction'
      | 'data'
      | 'audio-blocked'
      | 'local-track-ended'
      | 'devices-changed'
      | 'error',
  >(
    event: K,
    payload: CallSessionEvents[K],
  ): void;
}

/** The media that a preview hands to a call. */
export interface HandedMedia {
  readonly local: LocalMedia;
  /** The tracks that are sent. */
  readonly slots: readonly LocalMediaEvents['slot'][];
}

/** The media of one call: local tracks, remote streams and the state of the links. */
export class SessionMedia {
  readonly backend: MediaBackend;
  readonly playback: Playback;
  readonly #host: SessionMediaHost;
  readonly #removeListeners: (() => void)[] = [];
  #local!: LocalMedia;
  #removeLocalListeners: (() => void)[] = [];
  readonly #peerStates = new Map<string, PeerState>();
  readonly #encryptedPeers = new Set<string>();
  readonly activity = lazy(async () => {
    const { CallActivity: Activity } = await import('../session/call-activity.ts');
    const { backend } = this;
    return new Activity({
      ...this.#host,
      isPeer: (userId) => this.#peerStates.has(userId),
      dataChannels: () => backend.dataChannels?.(),
    });
  });
  /** Every link has screen tracks, used or not. They are exposed while their owner shares the screen. */
  readonly #screens = new Map<string, MediaStream>();
  #sharing: ReadonlySet<string> = new Set();
  /** Number of events that wait until the activity has loaded. */
  #waiting = 0;
  #closed = false;
  #remoteStreams = NO_STREAMS;
  #remoteScreens = NO_STREAMS;
  #interrupted = NO_USERS;

  constructor(platform: MediaPlatform, captured: HandedMedia, host: SessionMediaHost) {
    this.#host = host;
    this.backend = platform.createBackend();
    this.playback = platform.createPlayback();
    this.useLocal(captured);
    this.#removeListeners.push(
      this.backend.on('track', ({ peer, slot, track }) => this.#onTrack(peer.userId, slot, track)),
      this.backend.on('trackEnded', ({ peer, slot, track }) => this.#onTrackEnded(peer.userId, slot, track)),
      this.backend.on('peerState', ({ peer, state, encrypted }) => this.#onPeerState(peer.userId, state, encrypted)),
      this.backend.on('error', (error) => host.emit('error', error)),
      this.backend.on('quality', (stats) => this.#tell((activity) => activity.onQuality(stats))),
      this.backend.on('levels', (levels) => this.#tell((activity) => activity.onLevels(levels))),
      this.backend.on('speaker', ({ userIds }) => this.#tell((activity) => activity.onSpeakers(userIds))),
      this.backend.on('data', ({ peer, text }) => this.#tell((activity) => activity.onData(peer, text))),
      // Before the activity has loaded, there is nothing to send.
      this.backend.on('dataOpen', ({ peer }) => this.activity.current?.onDataOpen(peer)),
      this.playback.onBlocked((blocked) => {
        host.emit('audio-blocked', blocked);
        host.onChanged();
      }),
    );
  }

  /** The captured media. */
  get local(): LocalMedia {
    return this.#local;
  }

  get clock(): Clock {
    return this.#host.clock;
  }

  /** Replaces the captured media. */
  useLocal({ local, slots }: HandedMedia): void {
    const host = this.#host;
    for (const removeListener of this.#removeLocalListeners) removeListener();
    const onSlot = ({ slot, track }: LocalMediaEvents['slot']): void => {
      this.backend.setSlot(slot, track).catch(() => undefined);
      host.onLocalMediaChanged();
    };
    this.#local = local;
    this.#removeLocalListeners = [
      local.on('slot', onSlot),
      local.on('ended', (ended) => host.emit('local-track-ended', ended)),
      local.on('failed', ({ error }) => host.emit('error', error)),
      local.on('devicechange', (devices) => host.emit('devices-changed', devices)),
    ];
    for (const slot of slots) onSlot(slot);
  }

  /** The current values. After `dispose()` local media is off, and the last quality reports remain. */
  get snapshot(): MediaSnapshot {
    const local = this.#closed ? undefined : this.local;
    return {
      localStream: local?.stream,
      localScreen: local?.screenStream,
      audioMuted: local?.isSending('mic') !== true,
      videoMuted: local?.isSending('camera') !== true,
      screenSharing: local?.isSending('screen') === true,
      remoteStreams: this.#remoteStreams,
      remoteScreens: this.#remoteScreens,
      interrupted: this.#interrupted,
      ...(this.activity.current?.snapshot ?? NO_ACTIVITY),
      audioBlocked: !this.#closed && this.playback.blocked,
      encrypted: this.#isEncrypted,
    };
  }

  /** True if the media of all peers, at least one, is end-to-end encrypted. */
  get #isEncrypted(): boolean {
    return (
      this.#peerStates.size > 0 && [...this.#peerStates.keys()].every((userId) => this.#encryptedPeers.has(userId))
    );
  }

  /** Measures the connection to each other participant. */
  async stats(): Promise<ConnectionQualityReport[]> {
    return (await this.activity()).toReports(await this.backend.stats());
  }

  /** Stores the connection quality that a participant reports. */
  setParticipantQuality(userId: string, level: QualityLevel): void {
    this.#tell((activity) => activity.onParticipantQuality(userId, level));
  }

  /** Removes a peer and its streams. */
  peerLeft(userId: string): void {
    this.backend.peerLeft({ userId });
    this.#peerStates.delete(userId);
    this.#encryptedPeers.delete(userId);
    this.activity.current?.peerLeft(userId);
    for (const kind of ['camera', 'screen'] as const) this.#removeStream(userId, kind);
    this.#updateConnectivity();
  }

  /** Sets the users who share their screen. */
  setSharing(sharing: ReadonlySet<string>): void {
    const before = this.#sharing;
    this.#sharing = sharing;
    for (const userId of before) if (!sharing.has(userId)) this.#hideScreen(userId);
    for (const userId of sharing) this.#showScreen(userId);
  }

  /** Stops all tracks and closes all links. Emits `stream-ended` for the remote streams. Synchronous and idempotent. */
  dispose(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const removeListener of [...this.#removeListeners, ...this.#removeLocalListeners]) removeListener();
    this.local.dispose();
    this.backend.close();
    this.playback.dispose();
    for (const userId of this.#remoteStreams.keys()) this.#removeStream(userId, 'camera');
    for (const userId of this.#screens.keys()) this.#removeStream(userId, 'screen');
    this.#peerStates.clear();
    this.activity.current?.end();
    this.#interrupted = NO_USERS;
  }

  /** Passes an event to the activity, which the first event loads. Too many events that wait for it are dropped. */
  #tell(event: (activity: CallActivity) => void): void {
    if (this.activity.current === undefined && (this.#waiting += 1) > MAX_WAITING) return;
    this.activity().then(
      (activity) => this.#closed || event(activity),
      // All that waited are lost. The next event loads the activity again.
      () => (this.#waiting = 0),
    );
  }

  #onTrack(userId: string, slot: Slot, track: MediaStreamTrack): void {
    const kind = streamKindOf(slot);
    const streams = kind === 'camera' ? this.#remoteStreams : this.#screens;
    const found = streams.get(userId);
    const stream = found ?? this.playback.newStream();
    stream.addTrack(track);
    if (kind === 'screen') {
      this.#screens.set(userId, stream);
      this.#showScreen(userId);
    } else if (found === undefined) {
      this.#remoteStreams = new Map(this.#remoteStreams).set(userId, stream);
      this.#emitStream('stream', { userId, stream, kind });
    }
    // Only audio can be blocked.
    if (track.kind === 'audio') this.playback.watch(stream);
  }

  #onTrackEnded(userId: string, slot: Slot, track: MediaStreamTrack): void {
    const kind = streamKindOf(slot);
    const stream = kind === 'camera' ? this.#remoteStreams.get(userId) : this.#screens.get(userId);
    stream?.removeTrack(track);
    if (stream?.getTracks().length === 0) this.#removeStream(userId, kind);
  }

  #removeStream(userId: string, kind: StreamKind): void {
    if (kind === 'screen') {
      this.#hideScreen(userId);
      const screen = this.#screens.get(userId);
      if (screen !== undefined) this.playback.unwatch(screen);
      this.#screens.delete(userId);
      return;
    }
    const stream = this.#remoteStreams.get(userId);
    if (stream === undefined) return;
    this.playback.unwatch(stream);
    this.#remoteStreams = withoutKey(this.#remoteStreams, userId);
    this.#emitStream('stream-ended', { userId, stream, kind });
  }

  #showScreen(userId: string): void {
    const stream = this.#screens.get(userId);
    if (stream === undefined || !this.#sharing.has(userId) || this.#remoteScreens.has(userId)) return;
    this.#remoteScreens = new Map(this.#remoteScreens).set(userId, stream);
    this.#emitStream('stream', { userId, stream, kind: 'screen' });
  }

  #hideScreen(userId: string): void {
    const stream = this.#remoteScreens.get(userId);
    if (stream === undefined) return;
    this.#remoteScreens = withoutKey(this.#remoteScreens, userId);
    this.#emitStream('stream-ended', { userId, stream, kind: 'screen' });
  }

  #emitStream(event: 'stream' | 'stream-ended', remote: RemoteStream): void {
    this.#host.emit(event, Object.freeze(remote));
    this.#host.onChanged();
  }

  #onPeerState(userId: string, state: PeerState, encrypted: boolean | undefined): void {
    this.#peerStates.set(userId, state);
    if (encrypted === true) this.#encryptedPeers.add(userId);
    else if (encrypted === false) this.#encryptedPeers.delete(userId);
    this.#updateConnectivity();
  }

  #updateConnectivity(): void {
    const down = [...this.#peerStates].filter(([, state]) => state === 'disconnected' || state === 'failed');
    const interrupted = down.map(([userId]) => userId);
    if (interrupted.join() !== this.#interrupted.join()) this.#interrupted = Object.freeze(interrupted);
    this.#host.onChanged();
    const states = [...this.#peerStates.values()];
    // Without peers there is no connectivity; the server decides how the call continues.
    if (states.length === 0) return;
    if (states.includes('connected')) this.#host.onConnectivity('connected');
    else this.#host.onConnectivity(states.every((state) => state === 'failed') ? 'failed' : 'disconnected');
  }
}

function streamKindOf(slot: Slot): StreamKind {
  return slot === 'mic' || slot === 'camera' ? 'camera' : 'screen';
}
