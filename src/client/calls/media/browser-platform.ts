import { CommError } from '../../../protocol/errors.ts';
import type { CallOptions } from '../session/call-types.ts';
import type { MediaPlatform } from '../webrtc/media-backend.ts';
import { MeshBackend, type MeshBackendOptions } from '../webrtc/mesh-backend.ts';
import { hasWebRtc } from '../webrtc/peer-connection.ts';
import { BrowserLocalMedia } from './local-media.ts';
import { requireMediaDevices } from '../../devices/media-errors.ts';
import { watchPage } from './page-events.ts';
import { BrowserPlayback } from './playback.ts';

type VideoOptions = Pick<CallOptions, 'maxBitrateKbps' | 'resolution'>;

/** Returns the default platform: browser devices and a mesh of peer connections. */
export function browserPlatform(
  { clock, random, report }: Pick<MeshBackendOptions, 'clock' | 'random' | 'report'>,
  { maxBitrateKbps, resolution }: VideoOptions,
): MediaPlatform {
  return {
    supportsFrameEncryption: typeof RTCRtpScriptTransform === 'function',
    assertSupported() {
      if (hasWebRtc()) return;
      throw new CommError('UNSUPPORTED', 'WebRTC is not available here', {
        fix: 'Use a browser with RTCPeerConnection.',
      });
    },
    createLocalMedia: ({ audio, video }) =>
      new BrowserLocalMedia({ audio, video: { ...resolution, ...video } }, { clock, report }),
    createBackend: () => new MeshBackend({ clock, random, report, maxBitrateKbps, maxHeight: resolution?.height }),
    createPlayback: () => new BrowserPlayback(),
    devices: async () => requireMediaDevices().enumerateDevices(),
    watchPage,
  };
}
