/* Loaded on demand: only a storage of an earlier version needs it, once. */
import type { CommStorage, Storable } from '../../../storage/comm-storage.ts';
import { DATA_KEY_NAME, HASHED, type RecordStore } from './record-store.ts';

/**
 * Moves the records of an earlier version, whose storage keys contain their names. One transaction moves all: a tab that runs the
 * earlier version finds no identity afterwards and stops, because the sessions that it would continue are no longer there.
 */
export async function hashNames(storage: CommStorage, prefix: string, records: RecordStore): Promise<void> {
  const names = (await storage.list(prefix)).map(([key]) => key.slice(prefix.length));
  const moved = names.filter((name) => !name.startsWith(HASHED) && name !== DATA_KEY_NAME);
  const keys = moved.map((name) => [prefix + name, records.storageKey(name)] as const);
  await storage.transact(keys.flat(), (values) => {
    const writes = new Map<string, Storable | undefined>();
    for (const [from, to] of keys) {
      const value = values.get(from);
      // The encrypted record stays as it is. One that this version has stored is newer.
      if (value !== undefined && !values.has(to)) writes.set(to, value);
      writes.set(from, undefined);
    }
    return { writes, result: undefined };
  });
}
