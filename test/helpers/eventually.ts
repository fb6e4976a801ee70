import { vi } from 'vitest';

/** Waits until `check` throws no more. Vitest's default, a second, is too short for a busy machine. */
export function eventually<T>(check: () => T | Promise<T>): Promise<T> {
  return vi.waitFor(check, { timeout: 60_000, interval: 5 });
}
