/*
 * The boundary between a call and its media: types only. `CallSession` knows who is in the call and what the user wants;
 * a `MediaBackend` carries tracks between the people (the mesh of RTCPeerConnections is the first one, an SFU can be
 * another), `LocalMedia` owns what is captured here, `Playback` knows whether the browser lets it be heard.
 */
import type { CommError } from '../../protocol/errors.ts';
import type { QualityLevel } from '../../protocol/vocabulary.ts';

/** What a peer can send, each in a place of its own for as long as the link lives. */
export type Slot = 'mic' | 'camera' | 'screen' | 'screenAudio';

/** Somebody in the call, on one device. A base server names no devices. */
export interface PeerId {
  readonly userId: string;
  readonly deviceId?: string | undefined;
  /** Which link with that device, from 0 on: a rebuilt link is the next generation. The media side counts it. */
  readonly generation?: number | undefined;
}

/** What an RTCPeerConnection is configured with, and for how long that is good. */
export interface IceConfig {
  readonly iceServers: readonly RTCIceServer[];
  /** @defaultValue `'all'` */
  readonly iceTransportPolicy?: RTCIceTransportPolicy | undefined;
  /** Milliseconds since the epoch. Asked for anew before every connection and restart once it is over. */
  readonly expiresAt?: number | undefined;
}

/** What a signal says, apart from who sends it to whom. */
export type SignalBody =
  | {
      readonly kind: 'offer' | 'answer';
      readonly sdp: string;
      readonly negotiationId?: string | undefined;
      readonly renegotiation?: boolean | undefined;
    }
  | {
      readonly kind: 'candidate';
      /** Empty: there are no more of this generation of ICE. */
      readonly candidate: string;
      readonly sdpMLineIndex: number | null;
      readonly sdpMid: string | null;
      readonly usernameFragment?: string | undefined;
      readonly negotiationId?: string | undefined;
    }
  | { readonly kind: 'ice-restart'; readonly negotiationId?: string | undefined };

/** `to.generation` is the sender's generation of the link, and arrives as `from.generation`. */
export type OutgoingSignal = SignalBody & { readonly to: PeerId };
export type IncomingSignal = SignalBody & { readonly from: PeerId };

/** The way to the other peers. Everything is in order; what is sent while it is down waits for it in order, too. */
export interface SignalPort {
  /** Never throws. */
  send(message: OutgoingSignal): void;
  /** False while the socket is down: restarts wait then. */
  readonly up: boolean;
  /** Calls `listener` whenever it is up again. */
  onUp(listener: () => void): () => void;
}

export type PeerState = 'connecting' | 'connected' | 'disconnected' | 'failed';

/** Of the way between this device and one peer. */
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

export interface MediaBackendEvents {
  /** Something comes from a peer. Once for each slot and link; mute and unmute are told by the call, not by this. */
  track: { readonly peer: PeerId; readonly slot: Slot; readonly track: MediaStreamTrack };
  trackEnded: { readonly peer: PeerId; readonly slot: Slot; readonly track: MediaStreamTrack };
  /**
   * On every change. `failed` is final: recovery is exhausted. `encrypted`: this link's media is end-to-end encrypted
   * beyond DTLS.
   */
  peerState: { readonly peer: PeerId; readonly state: PeerState; readonly encrypted?: boolean | undefined };
  /** About every 2 s for each connected peer. */
  quality: PeerStats;
  /** User ids of those who speak, the loudest first, on every change; one's own among them. */
  speaker: { readonly userIds: readonly string[] };
}

/** What one device seals its frames with. */
export interface MediaKey {
  /** Counts the keys of a device in a call, from 0 on. */
  readonly keyId: number;
  /** 32 random bytes. */
  readonly secret: Uint8Array<ArrayBuffer>;
}

/** The way of media keys to the other devices: end-to-end encrypted, or there is no point in them. */
export interface MediaKeyPort {
  /** Whether that device seals its frames too. Says the same for as long as the call lasts. */
  supports(peer: PeerId): boolean;
  /** Resolves when it is on its way. */
  send(peer: PeerId, key: MediaKey): Promise<void>;
  /** Keys of others, as often as they change. */
  onKey(listener: (peer: PeerId, key: MediaKey) => void): () => void;
}

export interface MediaContext {
  readonly callId: string;
  readonly self: PeerId;
  /** Who was in before us, in the order they joined, without us: each of them offers to us. */
  readonly roster: readonly PeerId[];
  /** Fresh: cached and asked for again by its expiry. */
  iceServers(): Promise<IceConfig>;
  readonly signal: SignalPort;
  /** Absent: frames are not encrypted beyond DTLS. */
  readonly keys?: MediaKeyPort | undefined;
  /** Aborted at the end, together with `close()`. */
  readonly abort: AbortSignal;
}

/** Carries the media of one call. Made for it, joined once, closed once. */
export interface MediaBackend {
  /** Resolves when it stands (not when anybody is connected); signals and slots may come before. */
  join(context: MediaContext): Promise<void>;
  /** What is sent in a slot from now on; `null`: nothing. The last one wins. Before `join()` too. */
  setSlot(slot: Slot, track: MediaStreamTrack | null): Promise<void>;
  /**
   * @param offerer - who makes the first offer: we to whoever joins after us; they where they turn out to have been in
   * before. A peer that is there already changes nothing.
   */
  peerJoined(peer: PeerId, offerer: 'self' | 'peer'): void;
  /** Without a device: on all of them. */
  peerLeft(peer: PeerId): void;
  /** In order. May name peers that haven't joined yet: their offers and candidates are kept until they have. */
  onSignal(message: IncomingSignal): void;
  /** Something hints that links may be dead, or that a restart may get through now. */
  recover(reason: 'online' | 'network' | 'signalling'): void;
  stats(): Promise<PeerStats[]>;
  /** Synchronous, twice is once; nothing is emitted after it. */
  close(): void;
  on<K extends keyof MediaBackendEvents>(event: K, listener: (payload: MediaBackendEvents[K]) => void): () => void;
}

/** `true`: any; constraints: such a one; a track: this one, which stays the app's and is never stopped here. */
export type WantedTrack = boolean | MediaTrackConstraints | MediaStreamTrack;

/** What to send from the start. */
export interface CallMedia {
  /** @defaultValue `true` */
  audio?: WantedTrack | undefined;
  /** @defaultValue `true` in a video call */
  video?: WantedTrack | undefined;
}

export interface ScreenShareOptions {
  /**
   * The sound of what is shared, where the browser has it.
   * @defaultValue `true`
   */
  audio?: boolean | MediaTrackConstraints | undefined;
  video?: MediaTrackConstraints | undefined;
  /** In place of the browser's picker: video, and perhaps audio. Its tracks are never stopped here. */
  stream?: MediaStream | undefined;
}

export interface LocalMediaEvents {
  /** What goes out in a slot from now on: the session hands it to the backend. */
  slot: { readonly slot: Slot; readonly track: MediaStreamTrack | null };
  /**
   * It ended by itself. `stopped`: "stop sharing" in the browser. `unplugged`: and there was no other device to take its
   * place.
   */
  ended: { readonly slot: Slot; readonly reason: 'stopped' | 'unplugged' };
  /** What the user wanted of `setDesired` can't be had: the slot is off. */
  failed: { readonly slot: Slot; readonly error: CommError };
  devicechange: readonly MediaDeviceInfo[];
}

/** The one owner of every track that is opened here. */
export interface LocalMedia {
  /** Microphone and camera as they are sent; the same object for the whole call, `undefined` while there is neither. */
  readonly stream: MediaStream | undefined;
  /** What is shared of the screen. */
  readonly screenStream: MediaStream | undefined;
  /** Whether a slot sends now. */
  isOn(slot: Slot): boolean;
  /**
   * Opens what is wanted.
   * @throws CommError `MEDIA_DENIED`, `MEDIA_UNAVAILABLE`; the signal's reason, and what arrives late is stopped
   */
  start(wanted: Required<CallMedia>, signal: AbortSignal): Promise<void>;
  /**
   * One reconciler follows the last one said.
   * @returns when it is so, or when something later was said
   * @throws CommError `MEDIA_DENIED`, `MEDIA_UNAVAILABLE`
   */
  setDesired(slot: 'mic' | 'camera', on: boolean): Promise<void>;
  /** @throws CommError `MEDIA_DENIED` (also where the user closes the picker), `MEDIA_UNAVAILABLE` */
  shareScreen(options: ScreenShareOptions, signal: AbortSignal): Promise<void>;
  stopScreen(): void;
  /** The next capture too. @throws CommError `MEDIA_DENIED`, `MEDIA_UNAVAILABLE`; what was sent before goes on */
  switchDevice(kind: 'audioinput' | 'videoinput', deviceId: string): Promise<void>;
  devices(): Promise<MediaDeviceInfo[]>;
  /** Synchronous, twice is once: stops all tracks opened here; nothing is emitted after it. */
  dispose(): void;
  on<K extends keyof LocalMediaEvents>(event: K, listener: (payload: LocalMediaEvents[K]) => void): () => void;
}

/** Streams of the others, and whether the browser lets them be heard before somebody has clicked. */
export interface Playback {
  newStream(): MediaStream;
  /** Finds out by playing it inaudibly. */
  watch(stream: MediaStream): void;
  forget(stream: MediaStream): void;
  readonly blocked: boolean;
  onBlocked(listener: (blocked: boolean) => void): () => void;
  /** Called in a click: plays every media element of the page that shows one of the streams. */
  resume(): Promise<void>;
  dispose(): void;
}

/** Makes the media of a call; the only part that touches the browser. */
export interface MediaPlatform {
  /** Whether its backends seal frames where they are given `keys`. Absent: they don't. */
  readonly sealsFrames?: boolean | undefined;
  /** @throws CommError `UNSUPPORTED` where there is no WebRTC, with a `fix` */
  require(): void;
  local(defaults: { audio?: MediaTrackConstraints | undefined; video?: MediaTrackConstraints | undefined }): LocalMedia;
  backend(): MediaBackend;
  playback(): Playback;
  devices(): Promise<MediaDeviceInfo[]>;
  /** Tells when the page goes away, and when the network is back or another one. */
  watchPage(tell: { hidden(): void; network(reason: 'online' | 'network'): void }): () => void;
}
