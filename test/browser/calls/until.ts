import { vi } from 'vitest';

/** Resolves with what the probe gives once that is something. A slow machine may take its time. */
export function until<T>(probe: () => T, timeout = 20_000): ReturnType<typeof vi.waitUntil<T>> {
  return vi.waitUntil(probe, { timeout, interval: 20 });
}
