import { expect, test } from 'vitest';
import { systemClock } from '../../../src/lib/clock.ts';

test('a task runs once, and not after it was cancelled', async () => {
  const ran: string[] = [];
  const cancel = systemClock.after(0, () => ran.push('cancelled'));
  cancel();
  cancel();
  await new Promise<void>((resolve) => void systemClock.after(0, resolve));
  expect(ran).toEqual([]);
});

test('now() returns the time of the machine', () => {
  const before = Date.now();
  const now = systemClock.now();
  expect(now).toBeGreaterThanOrEqual(before);
  expect(now).toBeLessThanOrEqual(Date.now());
});
