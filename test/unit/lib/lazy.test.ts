import { expect, test } from 'vitest';
import { lazily, lazy } from '../../../src/lib/lazy.ts';
import { Remembered } from '../../../src/lib/remembered.ts';

class Counter {
  readonly ready = Promise.resolve();
  #count = 0;
  add(by: number): Promise<number> {
    return Promise.resolve((this.#count += by));
  }
}

test('methods load what they belong to with the first call, and once', async () => {
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

test('it can be awaited and looked at without loading anything', async () => {
  const counter = lazily<Counter>(() => Promise.reject(new Error('loaded')));
  expect(await Promise.resolve(counter)).toBe(counter);
  expect(String(Object.keys(counter))).toBe('');
  await expect(counter.add(1)).rejects.toThrow('loaded');
  await expect(counter.ready).rejects.toThrow('loaded');
});

test('the last so many texts are remembered', () => {
  const remembered = new Remembered(2);
  expect(['a', 'b', 'a', 'c', 'a'].map((text) => remembered.add(text))).toEqual([true, true, false, true, true]);
  expect(remembered.has('b')).toBe(false);
  remembered.clear();
  expect(remembered.has('c')).toBe(false);
});
