import { svg } from '../lib/dom.ts';

const HEIGHT = 28;
const STEP = 4;
const BAR = 2.5;
const LEAST = 2.5;

/** Draws bars of a waveform. @param values - from 0 to 1 */
export function drawWaveform(picture: SVGSVGElement, values: readonly number[]): void {
  const bars = values.map((value, at) => {
    const height = Math.max(LEAST, Math.min(1, value) * HEIGHT);
    return `M${at * STEP + BAR / 2} ${(HEIGHT - height) / 2 + BAR / 2}v${Math.max(0.01, height - BAR)}`;
  });
  picture.setAttribute('viewBox', `0 0 ${Math.max(1, values.length * STEP - (STEP - BAR))} ${HEIGHT}`);
  picture.firstElementChild?.setAttribute('d', bars.join(''));
}

/** Creates an empty picture for `drawWaveform()`. It is decorative. */
export function waveformPicture(className: string): SVGSVGElement {
  const line = { 'stroke-width': BAR, 'stroke-linecap': 'round', 'vector-effect': 'non-scaling-stroke' };
  const path = svg('path', { ...line, stroke: 'currentColor' });
  return svg('svg', { class: className, preserveAspectRatio: 'none', 'aria-hidden': 'true' }, path);
}

/** Returns `count` values, each the highest of its part. */
export function fitWaveform(values: readonly number[], count: number): number[] {
  return Array.from({ length: count }, (_, at) => {
    const from = Math.floor((at * values.length) / count);
    const part = values.slice(from, Math.max(from + 1, Math.floor(((at + 1) * values.length) / count)));
    return Math.max(0, ...part);
  });
}
