/*
 * The port between a call and its media; types only. `CallController` knows the participants and what the user wants.
 * A `MediaBackend` carries tracks between the participants (`MeshBackend` uses one RTCPeerConnection per pair; an SFU
 * adapter can replace it). `LocalMedia` owns the captured tracks. `Playback` detects whether the browser allows audio.
 */
import type { CommError } from '../../../protocol/errors.ts';
import type { QualityLevel } from '../../../protocol/constants.ts';

/** A kind of track that a participant can send. Each has a fixed transceiver for the lifetime of a link. */
export type Slot = 'mic' | 'camera' | 'screen' | 'screenAudio';

/** Identifies a participant's device. Base servers don't send device ids. */
export interface PeerId {
  readonly userId: string;
  readonly deviceId?: string | undefined;
  /** Number of the link to that device, from 0; rebuilding a link increments it. Assigned by the media backend. */
  readonly generation?: number | undefined;
}

/** The configuration of an RTCPeerConnection and its lifetime. */
export interface IceConfig {
  readonly iceServers: readonly RTCIceServer[];
  /** @defaultValue `'all'` */
  readonly iceTransportPolicy?: RTCIceTransportPolicy | undefined;
  /** Milliseconds since the epoch. After it the configuration is requested again before the next connection or restart. */
  readonly expiresAt?: number | undefined;
}

/** The content of a signal, without sender and receiver. */
export type SignalBody =
  | {
      readonly kind: 'offer' | 'answer';
      readonly sdp: string;
      readonly negotiationId?: string | undefined;
      readonly renegotiation?: boolean | undefined;
    }
  | {
      readonly kind: 'candidate';
      /** An empty string signals the end of candidates of an ICE generation. */
      readonly candidate: string;
      readonly sdpMLineIndex: number | null;
      readonly sdpMid: string | null;
      readonly usernameFragment?: string | undefined;
      readonly negotiationId?: string | undefined;
    }
  | { readonly kind: 'ice-restart'; readonly negotiationId?: string | undefined };

/** A signal to send. `to.generation` is the sender's generation of the link; it arrives as `from.generation`. */
export type OutgoingSignal = SignalBody & { readonly to: PeerId };
/** A signal that was received. */
export type IncomingSignal = SignalBody & { readonly from: PeerId };

/** The signalling channel to the other peers. Delivers in order; queues signals while the connection is down. */
export interface SignalPort {
  /** Sends or queues a signal. Never throws. */
  send(message: OutgoingSignal): void;
  /** False while the server connection is down. ICE restarts are postponed then. */
  readonly connected: boolean;
  /** Calls `listener` each time the server connection is restored. Returns a function that removes it. */
  onConnected(listener: () => void): () => void;
}

/** The state of the link to one peer. `failed` is final. */
export type PeerState = 'connecting' | 'connected' | 'disconnected' | 'failed';

/** Quality of the connection between this device and one peer. */
export interface PeerStats {
  readonly peer: PeerId;
  readonly quality: QualityLevel;
  /** Milliseconds. */
  readonly rtt?: number | undefined;
  /** Percent, 0 to 100. */
  readonly packetLoss?: number | undefined;
  /** Milliseconds. */
  readonly jitter?: number | undefined;
  /** kbit/s. */
  readonly availableBandwidth?: number | undefined;
}

/** Events of a {@link MediaBackend}. */
export interface MediaBackendEvents {
  /** A peer's track arrived. Emitted once per slot and link; mute and unmute are signalled by the call instead. */
  track: { readonly peer: PeerId; readonly slot: Slot; readonly track: MediaStreamTrack };
  /** A peer's track ended together with its link. */
  trackEnded: { readonly peer: PeerId; readonly slot: Slot; readonly track: MediaStreamTrack };
  /**
   * The state of a link changed. `failed` is final: recovery is exhausted. `encrypted` is true if the frames of this link
   * are end-to-end encrypted in addition to DTLS-SRTP.
   */
  peerState: { readonly peer: PeerId; readonly state: PeerState; readonly encrypted?: boolean | undefined };
  /** Measured about every 2 s for each connected peer. */
  quality: PeerStats;
  /** Audio levels from 0 to 1 by user id, including the local user. Measured about every 0.5 s, emitted on change. */
  levels: ReadonlyMap<string, number>;
  /** User ids of the active speakers, loudest first, including the local user. Emitted on change. */
  speaker: { readonly userIds: readonly string[] };
  /** Data can be sent to a peer: once it is connected, and again after its connection was rebuilt. */
  dataOpen: { readonly peer: PeerId };
  /** A peer sent data, at most 16,384 UTF-16 code units. Not validated. */
  data: { readonly peer: PeerId; readonly text: string };
  /** A STUN or TURN server can't be used, or `iceServers()` failed. Connections are attempted without it. */
  error: CommError;
}

/** A frame encryption key of one device. */
export interface MediaKey {
  /** Number of the key within the device and call, from 0. */
  readonly keyId: number;
  /** 32 random bytes. */
  readonly secret: Uint8Array<ArrayBuffer>;
}

/** Distributes frame encryption keys to other devices. The transport must be end-to-end encrypted itself. */
export interface MediaKeyPort {
  /** Returns whether that device encrypts its frames too. Constant for the duration of a call. */
  supports(peer: PeerId): boolean;
  /** Sends a key. Resolves when it is sent or queued. */
  send(peer: PeerId, key: MediaKey): Promise<void>;
  /** Calls `listener` for each key received from a peer. Returns a function that removes it. */
  onKey(listener: (peer: PeerId, key: MediaKey) => void): () => void;
}

/** What a {@link MediaBackend} needs to join a call. */
export interface MediaContext {
  readonly callId: string;
  readonly self: PeerId;
  /** The participants who joined before this device, in join order. Each of them sends an offer. */
  readonly roster: readonly PeerId[];
  /** Returns an unexpired configuration, from a cache or from its source. */
  iceServers(): Promise<IceConfig>;
  readonly signal: SignalPort;
  /** Absent if frames are not end-to-end encrypted. */
  readonly keys?: MediaKeyPort | undefined;
  /** Aborted when the call ends, together with `close()`. */
  readonly abort: AbortSignal;
}

/** A channel for short texts to one peer: reliable and in order. A subset of RTCDataChannel. */
export interface DataChannel {
  /** Only `open` channels can send. */
  readonly readyState: RTCDataChannelState;
  /** Number of bytes that wait to be sent. */
  readonly bufferedAmount: number;
  /** Sends a text of at most 16,384 UTF-16 code units. */
  send(text: string): void;
  /** Closes the channel: the peer is not heard any more, until its connection is rebuilt. */
  close(): void;
}

/** Carries the media of one call. Created per call, joined once, closed once. */
export interface MediaBackend {
  /** Joins the call. Resolves when signals can be processed, before any peer is connected. Callable once. */
  join(context: MediaContext): Promise<void>;
  /** Sets the track that a slot sends, or `null` for none. The last call wins. Allowed before `join()`. */
  setSlot(slot: Slot, track: MediaStreamTrack | null): Promise<void>;
  /**
   * Adds a peer. Idempotent.
   *
   * @param offerer - who sends the initial offer: `self` to peers that joined after this device, `peer` if they joined
   * before it
   */
  peerJoined(peer: PeerId, offerer: 'self' | 'peer'): void;
  /** Removes a peer; without a device id, all devices of that user. */
  peerLeft(peer: PeerId): void;
  /** Sends nothing to these users, who have put the call on hold. Replaces the users of an earlier call. */
  setOnHold?(userIds: ReadonlySet<string>): void;
  /** Processes a signal. Signals of one peer arrive in order. Signals of peers that have not joined yet are buffered. */
  onSignal(message: IncomingSignal): void;
  /** Attempts to recover links that are down, after a network or signalling change. */
  recover(reason: 'online' | 'network' | 'signalling'): void;
  /** Returns the data channel of each link. Absent if the backend carries no data. */
  dataChannels?(): readonly (readonly [peer: PeerId, channel: DataChannel])[];
  /** Measures all connected links. */
  stats(): Promise<PeerStats[]>;
  /** Closes all links. Synchronous and idempotent; no event is emitted afterwards. */
  close(): void;
  /** Adds a listener. Returns a function that removes it. */
  on<K extends keyof MediaBackendEvents>(event: K, listener: (payload: MediaBackendEvents[K]) => void): () => void;
}

/**
 * What to capture: `true` for any device, constraints for a matching device, or a track of the app, which this package
 * never stops. `false` captures nothing.
 */
export type TrackSource = boolean | MediaTrackConstraints | MediaStreamTrack;

/** The id of a device, or the side of a phone that its camera faces. */
export type DeviceChoice = string | { readonly facingMode: 'user' | 'environment' };

/** The media to send when a call starts. */
export interface CallMedia {
  /** @defaultValue `true` */
  audio?: TrackSource | undefined;
  /** @defaultValue `true` in a video call */
  video?: TrackSource | undefined;
}

/** A track that an app made of a captured one. */
export interface ProcessedTrack {
  /** A live track of the same kind. It is stopped when it isn't needed any more, unless it is the captured one. */
  readonly track: MediaStreamTrack;
  /** Releases what the processor holds. Called once, when the device is closed, switched or processed by another one. */
  readonly release?: (() => void) | undefined;
}

/** Processes a captured track, for example to blur the background or to suppress noise. Called for each opened device. */
export type TrackProcessor = (track: MediaStreamTrack) => ProcessedTrack | Promise<ProcessedTrack>;

/** Options of screen sharing. */
export interface ScreenShareOptions {
  /**
   * Whether to share the audio of the screen, in browsers that support it.
   * @defaultValue `true`
   */
  audio?: boolean | MediaTrackConstraints | undefined;
  /** Constraints of the captured video. */
  video?: MediaTrackConstraints | undefined;
  /** A stream of the app to share instead of opening the browser's picker. Its tracks are never stopped by this package. */
  stream?: MediaStream | undefined;
}

/** Events of {@link LocalMedia}. */
export interface LocalMediaEvents {
  /** The track that a slot sends changed. */
  slot: { readonly slot: Slot; readonly track: MediaStreamTrack | null };
  /**
   * A track ended. `stopped`: the user stopped sharing in the browser's own control. `unplugged`: the device was removed
   * and no other device could replace it.
   */
  ended: { readonly slot: Slot; readonly reason: 'stopped' | 'unplugged' };
  /** Turning a device on failed after `setEnabled()`, and the slot is off; or its processor failed, and isn't used. */
  failed: { readonly slot: Slot; readonly error: CommError };
  /** The list of available devices changed. */
  devicechange: readonly MediaDeviceInfo[];
}

/** Captures local media. Owns every track that it opened. */
export interface LocalMedia {
  /** The microphone and camera tracks; the same object for the whole call. `undefined` while neither is open. */
  readonly stream: MediaStream | undefined;
  /** The shared screen, if any. */
  readonly screenStream: MediaStream | undefined;
  /** Returns whether a slot currently sends a track. */
  isSending(slot: Slot): boolean;
  /** Returns whether a device is to be on, also while it is still opening. Without it, whether it sends. */
  isEnabled?(slot: 'mic' | 'camera'): boolean;
  /**
   * Opens the requested devices. Tracks that arrive after `signal` was aborted are stopped.
   *
   * @throws CommError `MEDIA_DENIED`, `MEDIA_UNAVAILABLE`; the reason of `signal`
   */
  start(sources: Required<CallMedia>, signal: AbortSignal): Promise<void>;
  /**
   * Turns microphone or camera on or off. The last call wins.
   *
   * @returns when the state is applied or superseded by a later call
   * @throws CommError `MEDIA_DENIED`, `MEDIA_UNAVAILABLE`
   */
  setEnabled(slot: 'mic' | 'camera', enabled: boolean): Promise<void>;
  /**
   * Shares a screen, replacing the one shared before.
   *
   * @throws CommError `MEDIA_DENIED` (also if the user closes the picker), `MEDIA_UNAVAILABLE`
   */
  shareScreen(options: ScreenShareOptions, signal: AbortSignal): Promise<void>;
  /** Stops sharing the screen. Idempotent. */
  stopScreenShare(): void;
  /**
   * Switches to another device, also for later captures. If it fails, the previous track continues.
   *
   * @throws CommError `MEDIA_DENIED`, `MEDIA_UNAVAILABLE`, `NOT_FOUND` (the call ended meanwhile)
   */
  switchDevice(kind: 'audioinput' | 'videoinput', choice: DeviceChoice): Promise<void>;
  /** Lists the available devices. */
  devices(): Promise<MediaDeviceInfo[]>;
  /** Stops all tracks that this object opened. Synchronous and idempotent; no event is emitted afterwards. */
  dispose(): void;
  /** Adds a listener. Returns a function that removes it. */
  on<K extends keyof LocalMediaEvents>(event: K, listener: (payload: LocalMediaEvents[K]) => void): () => void;
}

/** Creates remote streams and detects whether the browser's autoplay policy blocks their audio. */
export interface Playback {
  /** Creates an empty stream for remote tracks. */
  newStream(): MediaStream;
  /** Starts to detect whether audio of `stream` is blocked. */
  watch(stream: MediaStream): void;
  /** Stops watching `stream`. */
  unwatch(stream: MediaStream): void;
  /** True while the browser blocks audio. */
  readonly blocked: boolean;
  /** Calls `listener` when `blocked` changes. Returns a function that removes it. */
  onBlocked(listener: (blocked: boolean) => void): () => void;
  /** Plays every media element of the page that shows a watched stream. Call it in a user gesture. */
  resume(): Promise<void>;
  /** Stops watching all streams. */
  dispose(): void;
}

/** Creates the media objects of calls. The only part of calls that depends on browser APIs. */
export interface MediaPlatform {
  /**
   * True if its backends encrypt frames when they are given `keys`.
   * @defaultValue `false`
   */
  readonly supportsFrameEncryption?: boolean | undefined;
  /** @throws CommError `UNSUPPORTED` with a `fix` if calls are impossible here */
  assertSupported(): void;
  /** Creates the local media of one call. `defaults` are the constraints for every microphone and camera. */
  createLocalMedia(defaults: {
    audio?: MediaTrackConstraints | undefined;
    video?: MediaTrackConstraints | undefined;
  }): LocalMedia;
  /** Creates the media backend of one call. */
  createBackend(): MediaBackend;
  /** Creates the playback of one call. */
  createPlayback(): Playback;
  /** Lists microphones, cameras and speakers. */
  devices(): Promise<MediaDeviceInfo[]>;
  /** Watches for page unload and network changes while calls exist. Returns a function that stops watching. */
  watchPage(listener: { hidden(): void; network(reason: 'online' | 'network'): void }): () => void;
}
