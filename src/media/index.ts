/**
 * The media port of calls: what a `MediaPlatform` has to implement to replace the mesh of `RTCPeerConnection`s, for
 * example by an SFU. Pass it to the client as `calls.platform`. Types only.
 *
 * @experimental These types may change in any minor version.
 *
 * @packageDocumentation
 */
export type {
  CallMedia,
  DataChannel,
  DeviceChoice,
  IceConfig,
  IncomingSignal,
  LocalMedia,
  LocalMediaEvents,
  MediaBackend,
  MediaBackendEvents,
  MediaContext,
  MediaKey,
  MediaKeyPort,
  MediaPlatform,
  OutgoingSignal,
  PeerId,
  PeerState,
  PeerStats,
  Playback,
  ProcessedTrack,
  ScreenShareOptions,
  SignalBody,
  SignalPort,
  Slot,
  TrackProcessor,
  TrackSource,
} from '../client/calls/webrtc/media-backend.ts';
