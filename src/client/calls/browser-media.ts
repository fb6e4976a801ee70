import type { Clock } from '../../lib/clock.ts';
import { CommError } from '../../protocol/errors.ts';
import type { MediaPlatform } from './media-backend.ts';
import { mediaDevices } from './media-errors.ts';
import { BrowserMedia } from './media.ts';
import { Mesh } from './mesh.ts';
import { watchPage } from './page.ts';
import { hasWebRtc } from './peer.ts';
import { BrowserPlayback } from './playback.ts';

/** Calls between browsers, from each to each. */
export function browserMedia(clock: Clock, report: (error: unknown) => void): MediaPlatform {
  return {
    sealsFrames: typeof RTCRtpScriptTransform === 'function',
    require() {
      if (hasWebRtc()) return;
      throw new CommError('UNSUPPORTED', 'There is no WebRTC here', {
        fix: 'Calls need a browser with RTCPeerConnection; messages and presence work without',
      });
    },
    local: (defaults) => new BrowserMedia(defaults, report),
    backend: () => new Mesh({ clock, report }),
    playback: () => new BrowserPlayback(),
    devices: async () => mediaDevices().enumerateDevices(),
    watchPage,
  };
}
