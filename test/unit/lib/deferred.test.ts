import { expect, test } from 'vitest';
import { deferred } from '../../../src/lib/deferred.ts';

test('it is settled from outside, and only the first result counts', async () => {
  const { promise, resolve, reject } = deferred<number>();
  resolve(1);
  resolve(2);
  reject(new Error('too late'));
  expect(await promise).toBe(1);
});

test('a rejection reaches the callers that await the promise', async () => {
  const { promise, reject } = deferred<number>();
  const error = new Error('no');
  reject(error);
  await expect(promise).rejects.toBe(error);
});

test('a rejection that is not awaited is not an unhandled rejection', async () => {
  const unhandled: unknown[] = [];
  const onUnhandled = (reason: unknown): void => void unhandled.push(reason);
  process.on('unhandledRejection', onUnhandled);
  deferred().reject(new Error('not awaited'));
  await new Promise((resolve) => setImmediate(resolve));
  process.off('unhandledRejection', onUnhandled);
  expect(unhandled).toEqual([]);
});
