import type { PendingMessage } from 'lumen-comm';
import { h, setAttributes, setText, svg } from '../lib/dom.ts';
import { fileSize } from '../lib/format.ts';
import { iconButton } from '../ui/button.ts';

const RADIUS = 19;
const LENGTH = 2 * Math.PI * RADIUS;

export interface UploadRing {
  readonly element: HTMLElement;
  update(upload: PendingMessage['upload']): void;
}

/** The progress of an upload as a ring around a button that cancels it. */
export function uploadRing(cancel: () => void): UploadRing {
  const circle = { cx: 22, cy: 22, r: RADIUS, fill: 'none', 'stroke-width': 3 };
  const arc = svg('circle', { ...circle, class: 'upload-arc', stroke: 'currentColor', 'stroke-dasharray': LENGTH });
  const ring = h(
    'span',
    { class: 'upload-progress', role: 'progressbar', 'aria-label': 'Upload', 'aria-valuemin': 0, 'aria-valuemax': 100 },
    svg(
      'svg',
      { viewBox: '0 0 44 44', 'aria-hidden': 'true' },
      svg('circle', { ...circle, class: 'upload-track' }),
      arc,
    ),
  );
  const text = h('span', { class: 'upload-text' });
  const stop = iconButton({ label: 'Cancel upload', icon: 'close', class: 'upload-cancel' }, cancel);
  const element = h('div', { class: 'upload', hidden: true }, h('span', { class: 'upload-ring' }, ring, stop), text);
  return {
    element,
    update(upload) {
      element.hidden = upload === undefined || upload.state === 'failed';
      if (upload === undefined) return;
      const { state, sentBytes, totalBytes, survivesReload } = upload;
      const part = state === 'uploaded' || totalBytes === 0 ? 1 : sentBytes / totalBytes;
      arc.style.strokeDashoffset = String(LENGTH * (1 - part));
      setAttributes(ring, { 'aria-valuenow': Math.round(part * 100), 'data-state': state });
      const words = {
        waiting: 'Waiting',
        uploading: `${fileSize(sentBytes)} of ${fileSize(totalBytes)}`,
        uploaded: 'Sending',
        failed: '',
      };
      setText(text, words[state]);
      const advice = survivesReload ? undefined : 'Keep this page open until the files are sent';
      setAttributes(text, { title: advice });
    },
  };
}
