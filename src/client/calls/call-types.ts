import type { Listener, ListenOptions } from '../../lib/emitter.ts';
import type { Observable } from '../../lib/observable.ts';
import type { CallParticipant, ConnectionQualityReport, MediaChanged } from '../../protocol/calls.ts';
import type { CommError } from '../../protocol/errors.ts';
import type { CallEndDetail, CallEndReason, CallState, CallType } from '../../protocol/vocabulary.ts';
import type { CallMedia, IceConfig, MediaPlatform, ScreenShareOptions, Slot } from './media-backend.ts';

/** How calls are made. */
export interface CallOptions {
  /**
   * STUN and TURN servers: a list, or a function for credentials that expire. It is asked again before a connection or a
   * restart once `expiresAt` is over.
   * @defaultValue none: only peers that reach each other directly connect
   */
  iceServers?: readonly RTCIceServer[] | (() => IceConfig | Promise<IceConfig>) | undefined;
  /** What every microphone and camera is opened with. */
  media?: { audio?: MediaTrackConstraints | undefined; video?: MediaTrackConstraints | undefined } | undefined;
  /**
   * A call without an answer ends here by itself, in milliseconds, should the server not end it.
   * @defaultValue 60_000
   */
  ringTimeoutMs?: number | undefined;
  /**
   * Media is encrypted end to end to everybody who has this on as well, and nobody's is where they haven't: `encrypted` of
   * the snapshot says how it is. Needs the option `encryption`, over whose sessions the keys go, and a browser with
   * `RTCRtpScriptTransform`.
   * @defaultValue `false`
   */
  mediaEncryption?: boolean | undefined;
  /** In place of the mesh of RTCPeerConnections: an SFU, or what tests need. */
  platform?: MediaPlatform | undefined;
}

/** Whom to call, and with what. */
export interface StartCall {
  conversationId: string;
  type: CallType;
  /** People of the conversation. */
  calleeIds: readonly string[];
  /** @defaultValue microphone, and camera in a video call */
  media?: CallMedia | undefined;
}

/** A stream of somebody else. */
export interface RemoteStream {
  readonly userId: string;
  readonly stream: MediaStream;
  /** `camera`: microphone and camera; `screen`: what they share, and its sound. */
  readonly kind: 'camera' | 'screen';
}

/** State of a call for views. Frozen; the same object while nothing changes. */
export interface CallSnapshot {
  /** Empty until the server has given one. */
  readonly id: string;
  readonly conversationId: string;
  readonly state: CallState;
  readonly direction: 'incoming' | 'outgoing';
  readonly type: CallType;
  readonly callerId: string;
  /** In the order they joined, oneself among them. */
  readonly participants: readonly CallParticipant[];
  readonly localStream: MediaStream | undefined;
  readonly localScreen: MediaStream | undefined;
  /** Whether microphone, camera and screen are sent. */
  readonly audio: boolean;
  readonly video: boolean;
  readonly screen: boolean;
  /** By user id: microphone and camera. */
  readonly remoteStreams: ReadonlyMap<string, MediaStream>;
  /** By user id: what they share of their screens. */
  readonly remoteScreens: ReadonlyMap<string, MediaStream>;
  /** User ids of those whose connection is down at the moment. */
  readonly interrupted: readonly string[];
  /** User ids, the loudest first. */
  readonly activeSpeakers: readonly string[];
  /** By user id: the way to each of the others, as measured here. */
  readonly quality: ReadonlyMap<string, ConnectionQualityReport>;
  /** The browser plays no sound before somebody has clicked: `resumeAudio()`. */
  readonly audioBlocked: boolean;
  /** Media is encrypted end to end to every peer, beyond what WebRTC does. */
  readonly encrypted: boolean;
  /** When it was answered, ISO 8601. */
  readonly answeredAt?: string | undefined;
  readonly endReason?: CallEndReason | undefined;
  readonly detail?: CallEndDetail | undefined;
}

export interface CallSessionEvents {
  state: CallState;
  stream: RemoteStream;
  'stream-ended': RemoteStream;
  'participant-joined': CallParticipant;
  'participant-left': { readonly userId: string };
  'media-changed': MediaChanged;
  /** About every two seconds for each of the others. */
  quality: ConnectionQualityReport;
  speakers: readonly string[];
  'audio-blocked': boolean;
  /** What one sends oneself ended: "stop sharing" in the browser, or a device was unplugged. */
  'local-ended': { readonly slot: Slot; readonly reason: 'stopped' | 'unplugged' };
  devices: readonly MediaDeviceInfo[];
  /** What was wanted in a call and can't be had, such as a camera that is denied. */
  error: CommError;
}

/** One call, from the first ring to its end. */
export interface CallSession extends Observable<CallSnapshot> {
  /** Empty until the server has given one: `start()` resolves after that. */
  readonly id: string;
  readonly conversationId: string;
  readonly direction: 'incoming' | 'outgoing';
  readonly type: CallType;
  readonly callerId: string;
  readonly state: CallState;
  readonly endReason?: CallEndReason | undefined;
  readonly detail?: CallEndDetail | undefined;
  readonly participants: readonly CallParticipant[];
  /** Resolves once, with why it ended. Never rejects. */
  readonly ended: Promise<CallEndReason>;
  readonly localStream: MediaStream | undefined;
  readonly remoteStreams: ReadonlyMap<string, MediaStream>;
  /**
   * Answers. The first of one's devices wins.
   * @returns when the server has taken it
   * @throws CommError `MEDIA_DENIED`, `MEDIA_UNAVAILABLE` (the call then ends as `failed`), `UNSUPPORTED` (it goes on
   * ringing), `CONFLICT` (answered elsewhere), `BUSY`, `NOT_FOUND` (over meanwhile)
   */
  accept(media?: CallMedia): Promise<void>;
  /** Declines, on all of one's devices. Only while it rings here. */
  reject(): void;
  /** Leaves, cancels, or declines, whatever there is to do; twice is once. */
  hangup(): void;
  /** Microphone on or off. The last one said wins. @throws CommError `MEDIA_DENIED`, `MEDIA_UNAVAILABLE` */
  setAudio(on: boolean): Promise<void>;
  /** Camera on or off: off stops the device. @throws CommError `MEDIA_DENIED`, `MEDIA_UNAVAILABLE` */
  setVideo(on: boolean): Promise<void>;
  /** @throws CommError `MEDIA_DENIED` (also where the user closes the picker), `MEDIA_UNAVAILABLE` */
  shareScreen(options?: ScreenShareOptions): Promise<void>;
  stopScreenShare(): void;
  /** @param kind - `audiooutput` is the app's: `setSinkId()` of its elements */
  switchDevice(kind: 'audioinput' | 'videoinput', deviceId: string): Promise<void>;
  /** Rings somebody else of the conversation. @throws CommError `BUSY`, `NOT_FOUND` */
  addParticipant(userId: string): Promise<void>;
  /** Of the caller alone. @throws CommError `FORBIDDEN`, `NOT_FOUND` */
  removeParticipant(userId: string): Promise<void>;
  /** The way to each of the others, measured now. */
  stats(): Promise<ConnectionQualityReport[]>;
  /** Call it in a click when `audioBlocked`. */
  resumeAudio(): Promise<void>;
  on<K extends keyof CallSessionEvents>(
    event: K,
    listener: Listener<CallSessionEvents[K]>,
    options?: ListenOptions,
  ): () => void;
}
