import { getEventListeners } from 'node:events';
import { expect, test } from 'vitest';
import { abortable } from '../../../src/lib/abort.ts';
import { deferred } from '../../../src/lib/deferred.ts';

test('without a signal the promise itself is returned', () => {
  const promise = Promise.resolve(1);
  expect(abortable(promise, undefined)).toBe(promise);
});

test('it settles as the promise does', async () => {
  const { signal } = new AbortController();
  const error = new Error('inner');
  await expect(abortable(Promise.resolve(1), signal)).resolves.toBe(1);
  await expect(abortable(Promise.reject(error), signal)).rejects.toBe(error);
});

test('an abort rejects with the reason of the signal, and the promise continues', async () => {
  const controller = new AbortController();
  const inner = deferred<string>();
  const outer = abortable(inner.promise, controller.signal);
  const reason = new Error('changed my mind');
  controller.abort(reason);
  await expect(outer).rejects.toBe(reason);
  inner.resolve('late');
  await expect(inner.promise).resolves.toBe('late');
});

test('an aborted signal rejects at once, and a later rejection of the promise is not unhandled', async () => {
  const reason = new Error('before');
  await expect(abortable(Promise.reject(new Error('inner')), AbortSignal.abort(reason))).rejects.toBe(reason);
});

test('a rejection after the abort is not an unhandled rejection', async () => {
  const controller = new AbortController();
  const inner = Promise.withResolvers<string>();
  const outer = abortable(inner.promise, controller.signal);
  controller.abort();
  await expect(outer).rejects.toThrow(/abort/i);
  inner.reject(new Error('late'));
  // An unhandled rejection would fail the run: give it the chance.
  await new Promise((resolve) => setImmediate(resolve));
});

test.each<[title: string, settle: (inner: PromiseWithResolvers<number>) => void]>([
  ['resolved', ({ resolve }) => resolve(1)],
  ['rejected', ({ reject }) => reject(new Error('inner'))],
])('once the promise has %s, the signal no longer references it', async (_title, settle) => {
  const { signal } = new AbortController();
  const inner = Promise.withResolvers<number>();
  const outer = abortable(inner.promise, signal);
  expect(getEventListeners(signal, 'abort')).toHaveLength(1);
  settle(inner);
  await Promise.allSettled([outer]);
  await new Promise((resolve) => setImmediate(resolve));
  expect(getEventListeners(signal, 'abort')).toHaveLength(0);
});
