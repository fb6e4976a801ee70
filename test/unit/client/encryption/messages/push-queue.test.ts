import { expect, test } from 'vitest';
import { PushQueue } from '../../../../../src/client/encryption/messages/push-queue.ts';
import { deferred } from '../../../../../src/lib/deferred.ts';

function rig() {
  const delivered: unknown[] = [];
  const failures: unknown[] = [];
  const queue = new PushQueue((error) => failures.push(error));
  const plain = (name: string) => queue.run(undefined, () => delivered.push(name));
  return { delivered, failures, queue, plain };
}

test('a push without preparation is delivered at once', () => {
  const { delivered, plain } = rig();
  plain('a');
  expect(delivered).toEqual(['a']);
});

test('a push waits for the preparation of earlier ones', async () => {
  const { delivered, queue, plain } = rig();
  const work = deferred<string>();
  queue.run(
    () => work.promise,
    (prepared) => delivered.push(prepared),
  );
  plain('b');
  expect(delivered).toEqual([]);
  work.resolve('a');
  await queue.drained();
  expect(delivered).toEqual(['a', 'b']);
  plain('c');
  expect(delivered).toEqual(['a', 'b', 'c']);
});

test('a failed preparation is reported and does not block later pushes', async () => {
  const { delivered, failures, queue, plain } = rig();
  queue.run(
    () => Promise.reject(new Error('no')),
    () => delivered.push('never'),
  );
  plain('b');
  await queue.drained();
  expect(failures).toEqual([new Error('no')]);
  expect(delivered).toEqual(['b']);
});

test('a cleared queue drops the waiting pushes', async () => {
  const { delivered, queue, plain } = rig();
  const work = deferred<string>();
  queue.run(
    () => work.promise,
    () => delivered.push('a'),
  );
  plain('b');
  const waiting = queue.drained();
  queue.clear();
  plain('c');
  work.resolve('a');
  await waiting;
  await queue.drained();
  expect(delivered).toEqual(['c']);
});
