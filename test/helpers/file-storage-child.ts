/**
 * A child process for the tests of `fileStorage`. Arguments: `<path> <mode>`. It prints one line per completed step, so that
 * the parent knows what was acknowledged before it killed the process.
 */
import { writeSync } from 'node:fs';
import { isCommError } from '../../src/protocol/errors.ts';
import type { Storable } from '../../src/storage/comm-storage.ts';
import { fileStorage } from '../../src/storage/file-storage.ts';
import { increment, put } from './storage-steps.ts';

const [path = '', mode = ''] = process.argv.slice(2);
const storage = fileStorage(path);
// Synchronous, unlike console.log: a line must be written before the process can be killed.
const print = (line: string): number => writeSync(1, `${line}\n`);

/** Runs transactions of several keys until the process is killed. */
async function writeForever(lane: string): Promise<void> {
  for (;;) {
    const n = await storage.transact([`left/${lane}`], (values) => {
      const next = ((values.get(`left/${lane}`) as number | undefined) ?? 0) + 1;
      const writes = new Map<string, Storable>([
        [`left/${lane}`, next],
        [`right/${lane}`, next],
        ['blob', 'x'.repeat(2_000)],
      ]);
      return { writes, result: next };
    });
    print(`${lane} ${String(n)}`);
  }
}

if (mode === 'write') await Promise.all(['0', '1', '2', '3'].map(writeForever));
if (mode === 'hang') {
  // The first write is part of the transaction in which the second step hangs.
  const first = put(storage, { n: 100, other: 1 });
  const second = storage.transact(['n'], () => {
    print('in the step');
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
    return { writes: new Map(), result: undefined };
  });
  await Promise.all([first, second]);
}
if (mode === 'count') {
  for (let n = 0; n < 25; n += 1) await increment(storage, 'n');
  await storage.close();
  print('done');
}
if (mode === 'fill') {
  let stored = 0;
  try {
    for (;;) {
      await put(storage, { [`filler/${String(stored)}`]: 'x'.repeat(1_000) });
      stored += 1;
    }
  } catch (error) {
    print(isCommError(error) ? `${error.code} ${String(stored)}` : String(error));
  }
  print(`readable ${String((await storage.list('filler/')).length)}`);
  await storage.close();
}
