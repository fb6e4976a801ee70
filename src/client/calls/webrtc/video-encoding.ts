/** What limits the video that this device sends. */
export interface VideoLimits {
  /** Sum over all receivers, in kbit/s. */
  readonly maxBitrateKbps: number;
  /** Number of peers that receive the video. */
  readonly receivers: number;
  /** Whether a screen is sent next to the camera. */
  readonly isSharing: boolean;
  /** Height of the captured video in pixels; `undefined` if the browser doesn't tell. */
  readonly sourceHeight: number | undefined;
  /** The greatest height to send. */
  readonly maxHeight?: number | undefined;
}

/** How to encode one video (W3C WebRTC, RTCRtpEncodingParameters and RTCRtpSendParameters). */
export interface VideoEncoding {
  /** bit/s. */
  readonly maxBitrate: number;
  readonly scaleResolutionDownBy: number;
  readonly degradationPreference: 'balanced' | 'maintain-resolution';
}

/** Video with less is unusable, so the budget is exceeded where it would be lower. */
const MIN_KBPS = 100;
/** While a screen is shared it gets most of the budget, because its text must be readable. */
const CAMERA_SHARE = 0.25;
/** The greatest height that is sent with a bitrate of at least so many kbit/s. */
const HEIGHTS = [
  [1_200, 1_080],
  [700, 720],
  [400, 480],
  [200, 360],
  [0, 180],
] as const;

/** Returns how to encode a video for one receiver, so that all receivers together stay within the budget. */
export function videoEncoding(
  slot: 'camera' | 'screen',
  { maxBitrateKbps, receivers, isSharing, sourceHeight = 0, maxHeight = Infinity }: VideoLimits,
): VideoEncoding {
  const share = slot === 'screen' ? 1 - CAMERA_SHARE : isSharing ? CAMERA_SHARE : 1;
  const kbps = Math.max(MIN_KBPS, (maxBitrateKbps * share) / Math.max(1, receivers));
  const maxBitrate = Math.round(kbps * 1_000);
  // Scaling makes text unreadable, so the frame rate of a screen adapts instead.
  if (slot === 'screen') return { maxBitrate, scaleResolutionDownBy: 1, degradationPreference: 'maintain-resolution' };
  const [, height] = HEIGHTS.find(([least]) => kbps >= least) ?? [0, 180];
  const scaleResolutionDownBy = Math.max(1, sourceHeight / Math.min(height, maxHeight));
  return { maxBitrate, scaleResolutionDownBy, degradationPreference: 'balanced' };
}
