import { LIMITS } from '../../protocol/limits.ts';

/** Returns the peaks of equal parts of a sound, relative to the highest one. @param samples - at any constant rate */
export function waveformOf(samples: ArrayLike<number>): number[] {
  const count = Math.min(LIMITS.waveformValues, samples.length);
  const peaks = Array.from({ length: count }, (_, part) => {
    let peak = 0;
    const end = Math.floor(((part + 1) * samples.length) / count);
    for (let at = Math.floor((part * samples.length) / count); at < end; at += 1) {
      peak = Math.max(peak, Math.abs(samples[at] ?? 0));
    }
    return peak;
  });
  const highest = Math.max(...peaks);
  return peaks.map((peak) => (highest === 0 ? 0 : Math.round((peak / highest) * 100)));
}
