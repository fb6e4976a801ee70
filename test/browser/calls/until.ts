import { vi } from 'vitest';

/** Polls `probe` and resolves with its first truthy value. */
export function until<T>(probe: () => T, timeout = 60_000): ReturnType<typeof vi.waitUntil<T>> {
  return vi.waitUntil(probe, { timeout, interval: 20 });
}
