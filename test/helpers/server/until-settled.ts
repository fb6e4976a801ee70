import type { ManualClock } from '../manual-clock.ts';

/** Time in ms in which the server collects receipts and confirmations. */
const INTERVAL_MS = 250;

/** Lets intervals of the server pass until the promises are settled, and returns what they resolve with. */
export async function untilSettled<T>(clock: ManualClock, ...promises: readonly Promise<T>[]): Promise<T[]> {
  const state = { isSettled: false };
  const settled = Promise.all(promises).finally(() => (state.isSettled = true));
  settled.catch(() => undefined);
  while (!state.isSettled) {
    await new Promise<void>((resolve) => {
      setImmediate(resolve);
    });
    clock.advance(INTERVAL_MS);
  }
  return await settled;
}
