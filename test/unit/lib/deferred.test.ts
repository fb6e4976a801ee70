import { expect, test } from 'vitest';
import { deferred } from '../../../src/lib/deferred.ts';

test('it is settled from outside, and the first word counts', async () => {
  const { promise, resolve, reject } = deferred<number>();
  resolve(1);
  resolve(2);
  reject(new Error('too late'));
  expect(await promise).toBe(1);
});

test('a rejection reaches those who wait', async () => {
  const { promise, reject } = deferred<number>();
  const error = new Error('no');
  reject(error);
  await expect(promise).rejects.toBe(error);
});

test('a rejection that nobody waits for is no unhandled one', async () => {
  const unhandled: unknown[] = [];
  const onUnhandled = (reason: unknown): void => void unhandled.push(reason);
  process.on('unhandledRejection', onUnhandled);
  deferred().reject(new Error('nobody looks'));
  await new Promise((resolve) => setImmediate(resolve));
  process.off('unhandledRejection', onUnhandled);
  expect(unhandled).toEqual([]);
});
