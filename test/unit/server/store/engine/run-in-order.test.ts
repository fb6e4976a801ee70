import { expect, test } from 'vitest';
import { runInOrder } from '../../../../../src/server/store/engine/run-in-order.ts';

interface Item {
  readonly name: string;
  readonly keys: readonly string[] | undefined;
}

/** Runs items that end when told; `events` says which began. */
function start(...items: Item[]) {
  const ends = new Map<string, (error?: Error) => void>();
  const begun: string[] = [];
  const done = runInOrder(items, ({ name }) => {
    begun.push(name);
    return new Promise<void>((resolve, reject) =>
      ends.set(name, (error) => (error === undefined ? resolve() : reject(error))),
    );
  });
  const outcome = done.then(
    () => 'done',
    (error: unknown) => String(error),
  );
  const end = async (name: string, error?: Error): Promise<void> => {
    ends.get(name)?.(error);
    await new Promise<void>((resolve) => {
      setImmediate(resolve);
    });
  };
  return { begun, end, outcome };
}
const item = (name: string, ...keys: string[]): Item => ({ name, keys });

test('items with a common key run in order, the others at the same time', async () => {
  const { begun, end, outcome } = start(item('a', 'x'), item('b', 'y'), item('c', 'x', 'y'), item('d', 'z'));
  expect(begun).toEqual(['a', 'b', 'd']);
  await end('a');
  expect(begun).toEqual(['a', 'b', 'd']);
  await end('b');
  expect(begun).toEqual(['a', 'b', 'd', 'c']);
  await end('c');
  await end('d');
  expect(await outcome).toBe('done');
});

test('an item without keys waits for all before it, and all after it wait', async () => {
  const { begun, end } = start(item('a', 'x'), { name: 'b', keys: undefined }, item('c', 'y'));
  expect(begun).toEqual(['a']);
  await end('a');
  expect(begun).toEqual(['a', 'b']);
  await end('b');
  expect(begun).toEqual(['a', 'b', 'c']);
});

test('an item that fails keeps those from starting that follow it, and the others end first', async () => {
  const { begun, end, outcome } = start(item('a', 'x'), item('b', 'y'), item('c', 'x'), item('d', 'y'));
  await end('a', new Error('failed'));
  await end('b');
  expect(begun).toEqual(['a', 'b', 'd']);
  await end('d');
  expect(await outcome).toBe('Error: failed');
});
