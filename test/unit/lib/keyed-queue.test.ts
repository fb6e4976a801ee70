import { expect, test } from 'vitest';
import { deferred } from '../../../src/lib/deferred.ts';
import { KeyedQueue } from '../../../src/lib/keyed-queue.ts';
import { fc } from '../../helpers/property.ts';

test('tasks of one key run one after another, in the order of the calls', async () => {
  const queue = new KeyedQueue<string>();
  const log: string[] = [];
  const gate = deferred<undefined>();
  const first = queue.run('a', async () => {
    log.push('first begins');
    await gate.promise;
    log.push('first ends');
  });
  const second = queue.run('a', () => void log.push('second'));
  const third = queue.run('a', () => void log.push('third'));
  await Promise.resolve();
  expect(log).toEqual(['first begins']);
  gate.resolve(undefined);
  await Promise.all([first, second, third]);
  expect(log).toEqual(['first begins', 'first ends', 'second', 'third']);
});

test('tasks of different keys run concurrently', async () => {
  const queue = new KeyedQueue<string>();
  const gate = deferred<undefined>();
  const waiting = queue.run('a', () => gate.promise);
  expect(await queue.run('b', () => 'b')).toBe('b');
  gate.resolve(undefined);
  await waiting;
});

test('a task that fails rejects its own promise and lets the next one run', async () => {
  const queue = new KeyedQueue<string>();
  const error = new Error('task');
  const outcomes = await Promise.allSettled([
    queue.run('a', () => Promise.reject(error)),
    queue.run('a', () => {
      throw error;
    }),
    queue.run('a', () => 'next'),
  ]);
  expect(outcomes).toEqual([
    { status: 'rejected', reason: error },
    { status: 'rejected', reason: error },
    { status: 'fulfilled', value: 'next' },
  ]);
});

test('a task runs after the one that queued it for the same key', async () => {
  const queue = new KeyedQueue<string>();
  const log: string[] = [];
  let inner: Promise<void> | undefined;
  await queue.run('a', () => {
    inner = queue.run('a', () => void log.push('inner'));
    log.push('outer');
  });
  await inner;
  expect(log).toEqual(['outer', 'inner']);
});

test('a key without tasks is deleted', async () => {
  // A key that is an object can be watched leaving: nothing but the queue holds it.
  const queue = new KeyedQueue<object>();
  const collected = deferred<true>();
  const registry = new FinalizationRegistry(() => collected.resolve(true));
  await (async () => {
    const key = {};
    registry.register(key, undefined);
    await queue.run(key, () => undefined);
    await queue.run(key, () => Promise.reject(new Error('task'))).catch(() => undefined);
  })();
  // Garbage is collected between tasks of the event loop, where there is some.
  const churn = async (): Promise<boolean> => {
    for (let round = 0; round < 500; round++) {
      Array.from({ length: 100_000 }, (_, index) => ({ index }));
      const gone = await Promise.race([
        collected.promise,
        new Promise<false>((resolve) => setImmediate(resolve, false)),
      ]);
      if (gone) return true;
    }
    return false;
  };
  expect(await churn()).toBe(true);
  expect(await queue.run({}, () => 'still works')).toBe('still works');
});

test('with any tasks, each key keeps its order and every result is returned', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.record({ key: fc.constantFrom('a', 'b', 'c'), ticks: fc.nat(3), fails: fc.boolean() }), {
        maxLength: 30,
      }),
      async (tasks) => {
        const queue = new KeyedQueue<string>();
        const seen: Record<string, number[]> = {};
        const outcomes = await Promise.allSettled(
          tasks.map(({ key, ticks, fails }, index) =>
            queue.run(key, async () => {
              for (let tick = 0; tick < ticks; tick++) await Promise.resolve();
              (seen[key] ??= []).push(index);
              if (fails) throw new Error(String(index));
              return index;
            }),
          ),
        );
        for (const order of Object.values(seen)) expect(order).toEqual(order.toSorted((a, b) => a - b));
        expect(outcomes.map(({ status }) => status)).toEqual(
          tasks.map(({ fails }) => (fails ? 'rejected' : 'fulfilled')),
        );
      },
    ),
  );
});
