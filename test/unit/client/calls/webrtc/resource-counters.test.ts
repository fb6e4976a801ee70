import { expect, test } from 'vitest';
import { countTimers, resourceCounters } from '../../../../../src/client/calls/webrtc/resource-counters.ts';
import { manualClock } from '../../../../helpers/manual-clock.ts';

test('timers of calls are counted until they fire or are cancelled', () => {
  const clock = manualClock();
  const counted = countTimers(clock);
  counted.after(10, () => undefined);
  const cancel = counted.after(20, () => undefined);
  expect(resourceCounters.timers).toBe(2);
  clock.advance(10);
  expect(resourceCounters.timers).toBe(1);
  cancel();
  cancel();
  expect([resourceCounters.timers, clock.pending]).toEqual([0, 0]);
});
