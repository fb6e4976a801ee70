import { expect, test } from 'vitest';
import { PushQueue } from '../../../../src/client/encryption/push-queue.ts';
import { deferred } from '../../../../src/lib/deferred.ts';

function rig() {
  const told: unknown[] = [];
  const failures: unknown[] = [];
  const queue = new PushQueue((error) => failures.push(error));
  const plain = (name: string) => queue.run(undefined, () => told.push(name));
  return { told, failures, queue, plain };
}

test('what needs nothing passes at once', () => {
  const { told, plain } = rig();
  plain('a');
  expect(told).toEqual(['a']);
});

test('what comes behind something that takes time waits for it', async () => {
  const { told, queue, plain } = rig();
  const work = deferred<string>();
  queue.run(
    () => work.promise,
    (prepared) => told.push(prepared),
  );
  plain('b');
  expect(told).toEqual([]);
  work.resolve('a');
  await queue.drained();
  expect(told).toEqual(['a', 'b']);
  plain('c');
  expect(told).toEqual(['a', 'b', 'c']);
});

test('what fails is reported and holds up nobody', async () => {
  const { told, failures, queue, plain } = rig();
  queue.run(
    () => Promise.reject(new Error('no')),
    () => told.push('never'),
  );
  plain('b');
  await queue.drained();
  expect(failures).toEqual([new Error('no')]);
  expect(told).toEqual(['b']);
});

test('what waits when the queue is cleared never passes', async () => {
  const { told, queue, plain } = rig();
  const work = deferred<string>();
  queue.run(
    () => work.promise,
    () => told.push('a'),
  );
  plain('b');
  const waiting = queue.drained();
  queue.clear();
  plain('c');
  work.resolve('a');
  await waiting;
  await queue.drained();
  expect(told).toEqual(['c']);
});
