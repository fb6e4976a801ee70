import { expect } from 'vitest';
import type { CommStorage, Storable } from '../../src/storage/comm-storage.ts';
import { fc } from './property.ts';

type Writes = readonly (readonly [key: string, value: Storable | undefined])[];

export type StorageCommand =
  | { type: 'transact'; reads: readonly string[]; writes: Writes }
  | { type: 'throw'; reads: readonly string[] }
  | { type: 'together'; steps: readonly Writes[] }
  | { type: 'list'; prefix: string }
  | { type: 'reopen' };

// Few keys, so that commands collide; some are prefixes of others.
const key = fc.constantFrom('a', 'a/', 'a/b', 'a/b/1', 'a/b/10', 'a/b/2', 'b', 'a!', 'a~');
const value = fc.option(
  // JSON has no -0.
  fc.jsonValue({ maxDepth: 3 }).map((json) => JSON.parse(JSON.stringify(json)) as Storable),
  { nil: undefined, freq: 3 },
);
const writes = fc.array(fc.tuple(key, value), { maxLength: 4 });
const reads = fc.array(key, { maxLength: 4 });

export const storageCommands: fc.Arbitrary<StorageCommand[]> = fc.array(
  fc.oneof(
    fc.record({ type: fc.constant('transact' as const), reads, writes }),
    fc.record({ type: fc.constant('throw' as const), reads }),
    fc.record({ type: fc.constant('together' as const), steps: fc.array(writes, { maxLength: 5 }) }),
    fc.record({ type: fc.constant('list' as const), prefix: fc.constantFrom('', 'a', 'a/', 'a/b/', 'c') }),
    fc.record({ type: fc.constant('reopen' as const) }),
  ),
  { maxLength: 20 },
);

/** Runs `commands` on a storage and on a `Map` and compares the two after each command. */
export async function compareWithModel(
  commands: readonly StorageCommand[],
  opened: CommStorage,
  reopen: (storage: CommStorage) => Promise<CommStorage>,
): Promise<CommStorage> {
  let storage = opened;
  const model = new Map<string, Storable>();
  const apply = (changes: Writes): void => {
    for (const [each, next] of changes) {
      if (next === undefined) model.delete(each);
      else model.set(each, next);
    }
  };
  const listed = (prefix: string): [string, Storable][] =>
    [...model].filter(([each]) => each.startsWith(prefix)).toSorted(([a], [b]) => (a < b ? -1 : 1));
  const seenBy = (keys: readonly string[]): Map<string, Storable> =>
    new Map(keys.flatMap((each) => (model.has(each) ? [[each, model.get(each) as Storable] as const] : [])));
  const write = (changes: Writes): Promise<void> =>
    storage.transact([], () => ({ writes: new Map(changes), result: undefined }));

  for (const command of commands) {
    switch (command.type) {
      case 'transact': {
        const expected = seenBy(command.reads);
        const seen = await storage.transact(command.reads, (values) => ({
          writes: new Map(command.writes),
          result: new Map(values),
        }));
        expect(seen).toEqual(expected);
        apply(command.writes);
        break;
      }
      case 'throw':
        await expect(
          storage.transact(command.reads, () => {
            throw new RangeError('on purpose');
          }),
        ).rejects.toThrow(RangeError);
        break;
      case 'together':
        await Promise.all(command.steps.map(write));
        for (const step of command.steps) apply(step);
        break;
      case 'list':
        expect(await storage.list(command.prefix)).toEqual(listed(command.prefix));
        break;
      case 'reopen':
        storage = await reopen(storage);
        break;
    }
    expect(await storage.list('')).toEqual(listed(''));
  }
  return storage;
}
