import { expect, test } from 'vitest';
import { retry, retryDelayMs, type RetryOptions } from '../../../src/lib/retry.ts';
import { systemRandom } from '../../../src/lib/random.ts';
import { manualClock } from '../../helpers/manual-clock.ts';

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const random = (number: number) => ({ ...systemRandom, number: () => number });

class Failure extends Error {
  readonly retryable: boolean;
  readonly retryAfterMs: number | undefined;
  constructor(retryable = true, retryAfterMs?: number) {
    super('failed');
    this.retryable = retryable;
    this.retryAfterMs = retryAfterMs;
  }
}

/** A task that fails with each of these errors once and succeeds then. */
function rig(failures: Failure[], options: Partial<RetryOptions> = {}) {
  const clock = manualClock(0);
  const attempts: number[] = [];
  const task = (): Promise<string> => {
    attempts.push(clock.now());
    const failure = failures.shift();
    return failure === undefined ? Promise.resolve('done') : Promise.reject(failure);
  };
  const done = retry(task, { clock, random: random(0.5) }, { backoff: { baseMs: 1_000, maxMs: 8_000 }, ...options });
  done.catch(() => undefined);
  return { clock, attempts, done };
}

async function run(clock: ReturnType<typeof manualClock>, ms: number): Promise<void> {
  for (let at = 0; at < ms; at += 500) {
    await settled();
    clock.advance(500);
  }
  await settled();
}

test('waits grow exponentially up to the maximum, each scaled by a random number', async () => {
  const { clock, attempts, done } = rig(Array.from({ length: 5 }, () => new Failure()));
  await run(clock, 20_000);
  await expect(done).resolves.toBe('done');
  expect(attempts).toEqual([0, 500, 1_500, 3_500, 7_500, 11_500]);
});

test('clients that fail at the same moment return at different moments', () => {
  const options = { baseMs: 1_000, maxMs: 8_000 };
  const delays = [0.1, 0.9].map((number) => retryDelayMs(new Failure(true, 5_000), 0, random(number), options));
  expect(delays).toEqual([5_100, 5_900]);
});

test('the time that the server asks for is a minimum', async () => {
  const { clock, attempts } = rig([new Failure(true, 10_000)]);
  await run(clock, 12_000);
  expect(attempts).toEqual([0, 10_500]);
});

test('an error that is not retryable ends it at once', async () => {
  const { clock, attempts, done } = rig([new Failure(false)]);
  await expect(done).rejects.toThrow('failed');
  expect([attempts, clock.pending]).toEqual([[0], 0]);
});

test('the caller decides what is retryable', async () => {
  const { clock, attempts, done } = rig([new Failure(false)], { shouldRetry: () => true });
  await run(clock, 1_000);
  await expect(done).resolves.toBe('done');
  expect(attempts).toHaveLength(2);
});

test('an abort ends the wait with the reason of the signal and leaves no timer', async () => {
  const controller = new AbortController();
  const { clock, attempts, done } = rig([new Failure()], { signal: controller.signal });
  await settled();
  expect(clock.pending).toBe(1);
  controller.abort(new Error('closed'));
  await expect(done).rejects.toThrow('closed');
  expect([attempts, clock.pending]).toEqual([[0], 0]);
});

test('no attempt is made under an aborted signal, and no wait begins after an abort during an attempt', async () => {
  await expect(rig([], { signal: AbortSignal.abort(new Error('closed')) }).done).rejects.toThrow('closed');
  const controller = new AbortController();
  const { clock, done } = rig([], {
    signal: controller.signal,
    shouldRetry: () => true,
  });
  await expect(done).resolves.toBe('done');
  const second = retry(
    () => {
      controller.abort(new Error('closed'));
      return Promise.reject(new Failure());
    },
    { clock, random: random(0.5) },
    { backoff: { baseMs: 1, maxMs: 1 }, signal: controller.signal },
  );
  await expect(second).rejects.toThrow('closed');
  expect(clock.pending).toBe(0);
});

test('after an attempt that has failed already it begins with a wait', async () => {
  const { clock, attempts } = rig([new Failure()], { lastError: new Failure() });
  await run(clock, 2_000);
  expect(attempts).toEqual([500, 1_500]);
});
