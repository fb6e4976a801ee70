/**
 * A process of its own for the tests of `fileStorage`, told what to do by its arguments: `<directory> <mode>`. It prints
 * one line a step, so that whoever kills it knows what had been promised by then.
 */
import { writeSync } from 'node:fs';
import { isCommError } from '../../src/protocol/errors.ts';
import type { Storable } from '../../src/storage/comm-storage.ts';
import { fileStorage } from '../../src/storage/file.ts';
import { increment, put } from './storage-steps.ts';

const [directory = '', mode = ''] = process.argv.slice(2);
const storage = fileStorage(directory);
// Not console.log: what was printed must be out before a kill can come.
const print = (line: string): number => writeSync(1, `${line}\n`);

/** Several transactions at once, each of several keys, for ever: batches of lines for a kill to fall into. */
async function writeForEver(lane: string): Promise<void> {
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

if (mode === 'write') await Promise.all(['0', '1', '2', '3'].map(writeForEver));
if (mode === 'hold') {
  await put(storage, { held: true });
  print('held');
  // A handle that keeps the process alive until it is killed.
  process.stdin.resume();
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
if (mode === 'race') {
  try {
    await increment(storage, 'winner');
    print('won');
    process.stdin.resume();
  } catch (error) {
    print(isCommError(error) ? error.code : String(error));
  }
}
