import type { Listener, ListenOptions } from '../../../lib/emitter.ts';
import type { Observable } from '../../../lib/observable.ts';
import type { CallParticipant, ConnectionQualityReport } from '../../../protocol/calls.ts';
import type { CommError } from '../../../protocol/errors.ts';
import type { CallEndDetail, CallEndReason, CallState, CallType, QualityLevel } from '../../../protocol/constants.ts';
import type {
  CallMedia,
  DeviceChoice,
  IceConfig,
  MediaPlatform,
  ScreenShareOptions,
  Slot,
  TrackProcessor,
} from '../webrtc/media-backend.ts';

/** Options of calls. */
export interface CallOptions {
  /**
   * STUN and TURN servers: a list, or a function for credentials that expire. The function is called again before a
   * connection or ICE restart once `expiresAt` has passed.
   * @defaultValue the servers that the server answers with (its options `turn` and `config.iceServers`)
   */
  iceServers?: readonly RTCIceServer[] | (() => IceConfig | Promise<IceConfig>) | undefined;
  /** Constraints that every microphone and camera is opened with. */
  media?: { audio?: MediaTrackConstraints | undefined; video?: MediaTrackConstraints | undefined } | undefined;
  /**
   * Process what microphones and cameras capture, for example to suppress noise or to blur the background. If a processor
   * fails or takes more than 5 s, the captured track is sent, and the event `error` of the call says why.
   */
  processors?: { audio?: TrackProcessor | undefined; video?: TrackProcessor | undefined } | undefined;
  /**
   * Limits the video that this device sends to all participants together, in kbit/s. Each participant gets an equal part of
   * it, at a resolution that fits.
   * @defaultValue 2_500
   */
  maxBitrateKbps?: number | undefined;
  /**
   * The resolution to open cameras with, and the greatest height to send. `media.video` takes precedence for opening.
   * @defaultValue the browser's, usually 640 × 480
   */
  resolution?: { readonly width: number; readonly height: number } | undefined;
  /**
   * Ends an unanswered call on this device after this time in milliseconds, if the server has not ended it.
   * @defaultValue 60_000
   */
  ringTimeoutMs?: number | undefined;
  /**
   * Encrypts media end to end with peers that have this option too. The snapshot's `encrypted` says whether all media of a
   * call is encrypted. Requires the option `encryption`, whose sessions carry the keys, and a browser with
   * `RTCRtpScriptTransform`.
   * @defaultValue `false`
   */
  mediaEncryption?: boolean | undefined;
  /**
   * Replaces the media implementation, for example by an SFU; see `lumen-comm/media`.
   * @defaultValue a mesh of RTCPeerConnections
   */
  platform?: MediaPlatform | undefined;
}

/** What a call is accepted or joined with. */
export interface JoinMedia extends CallMedia {
  /** An open preview, whose devices the call takes over as they are. `audio` and `video` are ignored then. */
  preview?: MediaPreview | undefined;
}

/** The argument of `calls.start()`. */
export interface StartCall {
  conversationId: string;
  type: CallType;
  /** Members of the conversation to call. */
  calleeIds: readonly string[];
  /** @defaultValue microphone, and camera in a video call */
  media?: CallMedia | undefined;
  /** An open preview, whose devices the call takes over as they are. `media` is ignored then. */
  preview?: MediaPreview | undefined;
}

/** State of a {@link MediaPreview}. Frozen; the same object while nothing changes. */
export interface MediaPreviewSnapshot {
  /** Microphone and camera; the same stream until the call ends. `undefined` while neither is open. Play it muted. */
  readonly stream: MediaStream | undefined;
  readonly audioMuted: boolean;
  readonly videoMuted: boolean;
  /** Level of the microphone from 0 to 1, about ten times per second. 0 until the user has interacted with the page. */
  readonly audioLevel: number;
  /** Microphones, cameras and speakers. */
  readonly devices: readonly MediaDeviceInfo[];
  /** The latest error, for example of a camera that could not be opened. */
  readonly error?: CommError | undefined;
  /** True once the preview was stopped or handed to a call. */
  readonly ended: boolean;
}

/** Microphone and camera before a call. Its methods reject with `NOT_FOUND` once it has ended. */
export interface MediaPreview extends Observable<MediaPreviewSnapshot> {
  /** Turns the microphone on or off. @throws CommError `MEDIA_DENIED`, `MEDIA_UNAVAILABLE` */
  setAudio(on: boolean): Promise<void>;
  /** Turns the camera on or off; off closes the device. @throws CommError `MEDIA_DENIED`, `MEDIA_UNAVAILABLE` */
  setVideo(on: boolean): Promise<void>;
  /** Switches the microphone or camera, as `CallSession.switchDevice()`. */
  switchDevice(kind: 'audioinput' | 'videoinput', device: DeviceChoice): Promise<void>;
  /** Processes what is captured, as `CallSession.setProcessor()`. */
  setProcessor(kind: 'audio' | 'video', processor: TrackProcessor | undefined): Promise<void>;
  /** Closes the devices, unless the preview was handed to a call. Idempotent. */
  stop(): void;
}

/** A media stream of another participant. */
export interface RemoteStream {
  readonly userId: string;
  readonly stream: MediaStream;
  /** `camera`: microphone and camera; `screen`: the shared screen with its audio. */
  readonly kind: 'camera' | 'screen';
}

/** State of a call for views. Frozen; the same object while nothing changes. */
export interface CallSnapshot {
  /** Empty until the server has assigned an id. */
  readonly id: string;
  readonly conversationId: string;
  readonly state: CallState;
  readonly direction: 'incoming' | 'outgoing';
  readonly type: CallType;
  readonly callerId: string;
  /** True if the user was in another call when this one started to ring. */
  readonly waiting: boolean;
  /** True while this device has put the call on hold; see `setHold()`. */
  readonly onHold: boolean;
  /** In join order, including the local user once joined. `onHold` is set while a participant has put the call on hold. */
  readonly participants: readonly CallParticipant[];
  /** The microphone and camera of this device. Play it muted. */
  readonly localStream: MediaStream | undefined;
  /** The screen that this device shares. */
  readonly localScreen: MediaStream | undefined;
  /** True while this device sends no audio. Known before the call is joined, unlike the entry in `participants`. */
  readonly audioMuted: boolean;
  /** True while this device sends no camera video. */
  readonly videoMuted: boolean;
  /** True while this device shares a screen. */
  readonly screenSharing: boolean;
  /** Microphone and camera of the other participants, by user id. */
  readonly remoteStreams: ReadonlyMap<string, MediaStream>;
  /** Shared screens of the other participants, by user id. */
  readonly remoteScreens: ReadonlyMap<string, MediaStream>;
  /** User ids of participants whose media connection is currently interrupted. */
  readonly interrupted: readonly string[];
  /** User ids, loudest first. */
  readonly activeSpeakers: readonly string[];
  /** Audio levels from 0 to 1 by user id, including the local user. Updated about twice a second. */
  readonly audioLevels: ReadonlyMap<string, number>;
  /** Connection quality to the other participants as measured here, by user id. */
  readonly quality: ReadonlyMap<string, ConnectionQualityReport>;
  /** The level that each participant reports for its own worst connection, by user id, including the local user. */
  readonly participantQuality: ReadonlyMap<string, QualityLevel>;
  /** User ids of participants who raise their hand, including the local user, in the order in which they raised it. */
  readonly raisedHands: readonly string[];
  /** True while the browser's autoplay policy blocks audio. Call `resumeAudio()` in a user gesture. */
  readonly audioBlocked: boolean;
  /** True while media to and from all peers is end-to-end encrypted, in addition to DTLS-SRTP. */
  readonly encrypted: boolean;
  /** ISO 8601. */
  readonly answeredAt?: string | undefined;
  readonly endReason?: CallEndReason | undefined;
  readonly detail?: CallEndDetail | undefined;
}

/** The calls of a device that have not ended. Frozen; the same object while both are the same. */
export interface CurrentCalls {
  /** The call that this device takes part in or is starting, otherwise one on hold. */
  readonly call?: CallSession | undefined;
  /** The call that rings on this device. If several do, the one that began to ring first. */
  readonly incoming?: CallSession | undefined;
}

/** Events of a {@link CallSession}. */
export interface CallSessionEvents {
  /** The state of the call changed. */
  state: CallState;
  /** A stream of another participant is available. */
  stream: RemoteStream;
  /** A stream of another participant ended. */
  'stream-ended': RemoteStream;
  /** Another participant joined. */
  'participant-joined': CallParticipant;
  /** Another participant left. */
  'participant-left': CallParticipant;
  /** Another participant muted or unmuted, started or stopped sharing the screen, or put the call on hold or took it up. */
  'media-changed': CallParticipant;
  /** Measured about every two seconds for each other participant. */
  quality: ConnectionQualityReport;
  /** The active speakers changed; user ids, loudest first. */
  'active-speakers': readonly string[];
  /** A participant sent a reaction, including the local user. */
  reaction: { readonly userId: string; readonly emoji: string };
  /** Another participant sent a value with `send()`. Its content is not validated. */
  data: { readonly userId: string; readonly data: unknown };
  /** `audioBlocked` changed. */
  'audio-blocked': boolean;
  /** A local track ended: the user stopped sharing in the browser's own control, or a device was unplugged. */
  'local-track-ended': { readonly slot: Slot; readonly reason: 'stopped' | 'unplugged' };
  /** The list of available devices changed. */
  'devices-changed': readonly MediaDeviceInfo[];
  /** A request of the app failed without ending the call, such as a camera that was denied. */
  error: CommError;
}

/** One call, from ringing to its end. */
export interface CallSession extends Observable<CallSnapshot> {
  /** Empty until the server has assigned an id, which is before `start()` resolves. */
  readonly id: string;
  readonly conversationId: string;
  readonly direction: 'incoming' | 'outgoing';
  readonly type: CallType;
  readonly callerId: string;
  readonly state: CallState;
  readonly endReason?: CallEndReason | undefined;
  readonly detail?: CallEndDetail | undefined;
  /** In join order, including the local user once joined. */
  readonly participants: readonly CallParticipant[];
  /** Resolves with the reason when the call has ended. Never rejects. */
  readonly ended: Promise<CallEndReason>;
  readonly localStream: MediaStream | undefined;
  readonly remoteStreams: ReadonlyMap<string, MediaStream>;
  /**
   * Accepts an incoming call. The first device of the user wins. If the camera of a video call can't be opened, the call is
   * accepted with audio only, and the event `error` reports why.
   *
   * @returns when the server has confirmed
   * @throws CommError `MEDIA_DENIED`, `MEDIA_UNAVAILABLE`, `UNSUPPORTED` (the call continues to ring, and can be accepted
   * with other media), `CONFLICT` (accepted on another device), `BUSY`, `NOT_FOUND` (it has ended)
   * @throws TypeError for an outgoing call, and for a preview that has ended
   */
  accept(media?: JoinMedia): Promise<void>;
  /** Rejects a ringing call on all devices of the user. Does nothing in other states. */
  reject(): void;
  /** Leaves, cancels or rejects the call, depending on its state. Idempotent. */
  hangup(): void;
  /** Turns the microphone on or off. The last call wins. @throws CommError `MEDIA_DENIED`, `MEDIA_UNAVAILABLE` */
  setAudio(on: boolean): Promise<void>;
  /** Turns the camera on or off; off closes the device. @throws CommError `MEDIA_DENIED`, `MEDIA_UNAVAILABLE` */
  setVideo(on: boolean): Promise<void>;
  /**
   * Puts the call on hold, so that another one can be accepted or started, or takes it up again. On hold, microphone and
   * camera are off, the shared screen is stopped, and the others neither hear nor see this device, nor it them. Taking a
   * call up turns the devices on that were on, and puts the active call on hold. Without a connection to the server, or
   * while the call is being started or accepted, the request waits.
   *
   * @returns when the server has confirmed
   * @throws CommError `CONFLICT` (not accepted), `BUSY` (another device of the user is in a call), `UNSUPPORTED` (LumenJS
   * server), `NOT_FOUND` (it has ended)
   */
  setHold(on: boolean): Promise<void>;
  /**
   * Shares a screen, replacing the one shared before.
   *
   * @throws CommError `MEDIA_DENIED` (also if the user closes the picker), `MEDIA_UNAVAILABLE`, `CONFLICT` (on hold)
   */
  shareScreen(options?: ScreenShareOptions): Promise<void>;
  /** Stops sharing the screen. Idempotent. */
  stopScreenShare(): void;
  /**
   * Switches the microphone or camera, also while it is off. On phones, `{ facingMode }` switches between the cameras.
   * Speakers (`audiooutput`) are selected by the app, with `setSinkId()` of its media elements.
   *
   * @throws CommError `MEDIA_DENIED`, `MEDIA_UNAVAILABLE` (the device is missing or in use); the previous device continues.
   * `NOT_FOUND` if the call ends meanwhile
   */
  switchDevice(kind: 'audioinput' | 'videoinput', device: DeviceChoice): Promise<void>;
  /**
   * Raises or lowers the hand of the local user. Participants who join later see raised hands too.
   *
   * @throws CommError `RATE_LIMITED` (more than 20 messages at once or 5/s), `UNSUPPORTED` (by the media backend),
   * `CONFLICT` before the call was accepted
   */
  raiseHand(raised: boolean): Promise<void>;
  /** Shows a reaction, a single emoji, to the participants who are connected. @throws as `raiseHand()` */
  react(emoji: string): Promise<void>;
  /**
   * Sends a JSON value of the app to the participants who are connected, directly between the browsers. They receive it as
   * the event `data`, in order.
   *
   * @throws CommError `MESSAGE_TOO_LONG` (more than 16,000 characters as JSON), and as `raiseHand()`
   */
  send(data: unknown): Promise<void>;
  /**
   * Processes what the microphone or the camera captures, also after it is switched or turned off and on. `undefined` ends
   * it. If the processor fails or takes more than 5 s, the captured track is sent, and the event `error` says why.
   *
   * @returns when the open device is processed, or its processor has failed
   */
  setProcessor(kind: 'audio' | 'video', processor: TrackProcessor | undefined): Promise<void>;
  /** Calls another member of the conversation. @throws CommError `BUSY`, `NOT_FOUND` */
  addParticipant(userId: string): Promise<void>;
  /** Removes a participant. Only for the caller. @throws CommError `FORBIDDEN`, `NOT_FOUND` */
  removeParticipant(userId: string): Promise<void>;
  /** Measures the connection to each other participant. */
  stats(): Promise<ConnectionQualityReport[]>;
  /** Plays audio that the autoplay policy blocked. Call it in a user gesture. */
  resumeAudio(): Promise<void>;
  /** Adds a listener. Returns a function that removes it. */
  on<K extends keyof CallSessionEvents>(
    event: K,
    listener: Listener<CallSessionEvents[K]>,
    options?: ListenOptions,
  ): () => void;
}
