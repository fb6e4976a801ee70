import { expect, test } from 'vitest';
import { lazily, lazy } from '../../../src/lib/lazy.ts';

class Counter {
  readonly ready = Promise.resolve();
  #count = 0;
  add(by: number): Promise<number> {
    return Promise.resolve((this.#count += by));
  }
}

test('the object loads with the first call of a method, and only once', async () => {
  let loads = 0;
  const load = lazy(() => {
    loads += 1;
    return Promise.resolve(new Counter());
  });
  const counter = lazily(load);
  expect(loads).toBe(0);
  await counter.ready;
  expect(await Promise.all([counter.add(1), counter.add(2)])).toEqual([1, 3]);
  expect(loads).toBe(1);
});

test('awaiting or inspecting the stand-in does not load the object', async () => {
  const counter = lazily<Counter>(() => Promise.reject(new Error('loaded')));
  expect(await Promise.resolve(counter)).toBe(counter);
  expect(String(Object.keys(counter))).toBe('');
  await expect(counter.add(1)).rejects.toThrow('loaded');
  await expect(counter.ready).rejects.toThrow('loaded');
});
