import { describe, expect, test } from 'vitest';
import { WriteQueue, type QueuedWrite } from '../../../../../src/server/store/engine/write-queue.ts';

interface Named extends QueuedWrite {
  readonly name: string;
}

/** `a1:x,y` is the write `a1` with the keys `x` and `y`; without a colon it declares nothing; `*5` is its number of rows. */
function parse(text: string): Named {
  const [, name = '', keys, rows = '1'] = /^(\w+)(?::([\w,]*))?(?:\*(\d+))?$/.exec(text) ?? [];
  return { name, keys: () => keys?.split(',').filter(Boolean), rows: () => Number(rows) };
}

/** Runs steps, and returns them with the names that each `take` took. `end` ends the transaction with this number. */
function run(writers: number, steps: readonly string[]): string[] {
  const queue = new WriteQueue<Named>(writers);
  const transactions: (readonly Named[])[] = [];
  return steps.map((step) => {
    const [verb, ...rest] = step.split(' ');
    if (verb === 'push') for (const each of rest) queue.push(parse(each));
    else if (verb === 'end') queue.ended(transactions[Number(rest[0])] ?? []);
    else {
      const taken = queue.take();
      transactions.push(taken);
      return ['take', ...taken.map(({ name }) => name)].join(' ');
    }
    return step;
  });
}

describe('WriteQueue', () => {
  test.each<[string, number, string[]]>([
    ['with one writer, all that wait are one transaction, in order', 1, ['push a:x b:y c d:x', 'take a b c d', 'take']],
    ['with one writer, the next transaction waits', 1, ['push a', 'take a', 'push b', 'take', 'end 0', 'take b']],
    ['writes without a common key run at the same time', 2, ['push a:x', 'take a', 'push b:y', 'take b']],
    ['at most as many as there are writers', 2, ['push a:x', 'take a', 'push b:y', 'take b', 'push c:z', 'take']],
    ['a write waits for a running one with its key', 2, ['push a:x', 'take a', 'push b:x', 'take', 'end 0', 'take b']],
    [
      'a write waits for an earlier one that waits',
      3,
      ['push a:x', 'take a', 'push b:x,y c:y d:z', 'take d', 'take', 'end 0', 'take b c'],
    ],
    ['a write that declares nothing runs alone', 2, ['push a:x', 'take a', 'push b', 'take', 'end 0', 'take b']],
    ['no write passes one that declares nothing', 2, ['push a:x', 'take a', 'push b c:z', 'take', 'end 0', 'take b c']],
    ['nor one that others have passed', 2, ['push a:x b c:z', 'take a', 'take', 'end 0', 'take b c']],
    ['none begins while one runs alone', 2, ['push a', 'take a', 'push b:x', 'take', 'end 0', 'take b']],
    ['a write without keys waits for none but those', 2, ['push a:x', 'take a', 'push b:', 'take b', 'end 0']],
    ['rows are bounded', 2, ['push a:x*40 b:y*40 c:z', 'take a c', 'take b']],
    ['a write with more rows is committed alone', 2, ['push a:x*400 b:y', 'take a', 'take b']],
    ['rows are bounded with one writer', 1, ['push a*40 b*40 c', 'take a', 'end 0', 'take b c']],
  ])('%s', (_, writers, steps) => expect(run(writers, steps)).toEqual(steps));

  test('a write with too many keys declares nothing', () => {
    const keys = Array.from({ length: 65 }, (_, at) => `k${at}`).join();
    const steps = ['push a:x', 'take a', `push b:${keys}`, 'take', 'end 0', 'take b'];
    expect(run(2, steps)).toEqual(steps);
  });

  test('keys of a transaction are bounded', () => {
    const many = (from: number): string => Array.from({ length: 40 }, (_, at) => `k${from + at}`).join();
    const steps = [`push a:${many(0)} b:${many(40)} c:z`, 'take a c', 'take b'];
    expect(run(2, steps)).toEqual(steps);
  });

  test('what a write changes is asked once', () => {
    let asked = 0;
    const queue = new WriteQueue<QueuedWrite>(2);
    const keys = (): string[] => [`asked ${(asked += 1)}`];
    queue.push({ rows: () => 1, keys });
    const [item] = queue.take();
    expect(item && queue.keysOf(item)).toEqual(['asked 1']);
    expect(asked).toBe(1);
  });

  test('is empty when nothing waits or runs', () => {
    const queue = new WriteQueue<Named>(2);
    queue.push(parse('a:x'));
    expect(queue.isEmpty).toBe(false);
    const taken = queue.take();
    expect(queue.isEmpty).toBe(false);
    queue.ended(taken);
    expect(queue.isEmpty).toBe(true);
  });
});
