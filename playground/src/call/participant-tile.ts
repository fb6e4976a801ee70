import type { ConnectionQualityReport, QualityLevel } from 'lumen-comm';
import { h, setAttributes, setText } from '../lib/dom.ts';
import { icon } from '../lib/icons.ts';
import type { ItemView } from '../lib/keyed-list.ts';
import { avatar, personAvatar } from '../ui/avatar.ts';

export interface TileData {
  readonly key: string;
  readonly name: string;
  readonly userId: string;
  readonly kind: 'camera' | 'screen';
  readonly isSelf: boolean;
  readonly stream: MediaStream | undefined;
  readonly hasVideo: boolean;
  /** Always false in an audio call. */
  readonly isCameraOff: boolean;
  readonly isMuted: boolean;
  readonly isSharing: boolean;
  readonly isSpeaking: boolean;
  readonly isHandRaised: boolean;
  readonly isInterrupted: boolean;
  readonly isOnHold: boolean;
  readonly quality: ConnectionQualityReport | undefined;
}

const LEVELS: Readonly<Record<QualityLevel, { bars: number; text: string }>> = {
  excellent: { bars: 4, text: 'excellent' },
  good: { bars: 3, text: 'good' },
  fair: { bars: 2, text: 'fair' },
  poor: { bars: 1, text: 'poor' },
};

/** A participant: video or initials, with marks for mute, screen sharing and quality. The local video is mirrored. */
export function tileView({ name, userId, kind, isSelf }: TileData): ItemView<TileData> {
  const video = h('video', { autoplay: true, playsinline: true, 'aria-label': `Video of ${name}`, tabindex: -1 });
  // The attribute only sets the default; a created element needs the property.
  video.muted = isSelf;
  const picture = h('span', { class: 'tile-picture' }, personAvatar(userId, 'large'));
  const muted = mark('mic-off', 'Muted');
  const hand = mark('hand', 'Hand raised');
  const cameraOff = mark('camera-off', 'Camera off');
  const sharing = mark('screen', 'Shares the screen');
  const label = kind === 'screen' ? (isSelf ? 'Your screen' : `${name}: screen`) : isSelf ? 'You' : name;
  const bars = h('span', { class: 'quality', role: 'img', hidden: true }, ...[0, 1, 2, 3].map(() => h('i', {})));
  const lost = h('span', { class: 'tile-lost', hidden: true }, 'Connection lost…');
  const element = h(
    'li',
    { class: 'tile', 'aria-label': label, 'data-kind': kind, 'data-self': isSelf },
    video,
    picture,
    lost,
    h('span', { class: 'tile-label' }, hand, muted, h('span', { class: 'tile-name' }, label), sharing, cameraOff, bars),
  );
  return {
    element,
    update(tile) {
      if (video.srcObject !== (tile.stream ?? null)) video.srcObject = tile.stream ?? null;
      setAttributes(element, { 'data-video': tile.hasVideo, 'data-speaking': tile.isSpeaking });
      setAttributes(video, { 'aria-hidden': tile.hasVideo ? undefined : 'true' });
      hand.hidden = !tile.isHandRaised;
      muted.hidden = !tile.isMuted;
      cameraOff.hidden = !tile.isCameraOff;
      sharing.hidden = !tile.isSharing;
      lost.hidden = !tile.isInterrupted && !tile.isOnHold;
      setText(lost, tile.isOnHold ? 'On hold' : 'Connection lost…');
      showQuality(bars, tile.quality);
    },
    dispose() {
      video.srcObject = null;
    },
  };
}

function mark(name: 'mic-off' | 'camera-off' | 'screen' | 'hand', text: string): HTMLElement {
  return h('span', { class: 'tile-mark', role: 'img', 'aria-label': text, title: text, hidden: true }, icon(name, 16));
}

function showQuality(element: HTMLElement, report: ConnectionQualityReport | undefined): void {
  element.hidden = report === undefined;
  if (report === undefined) return;
  const { bars, text } = LEVELS[report.quality];
  const rtt = report.rtt === undefined ? '' : `, ${Math.round(report.rtt)} ms`;
  const loss = report.packetLoss === undefined ? '' : `, ${report.packetLoss.toFixed(0)} % lost`;
  setAttributes(element, {
    'data-level': report.quality,
    'aria-label': `Connection ${text}`,
    title: `Connection ${text}${rtt}${loss}`,
  });
  for (const [at, bar] of [...element.children].entries()) setAttributes(bar, { 'data-on': at < bars });
}

/** The placeholder before another participant has joined. */
export function waitingView(): { element: HTMLElement; update(name: string, id: string, text: string): void } {
  const picture = h('span', { class: 'waiting-picture' });
  const title = h('strong', {});
  const status = h('span', { class: 'muted', role: 'status' });
  const element = h('div', { class: 'stage-waiting' }, picture, title, status);
  return {
    element,
    update(name, id, text) {
      if (title.textContent !== name) picture.replaceChildren(avatar(name, 'large', id));
      setText(title, name);
      setText(status, text);
    },
  };
}
