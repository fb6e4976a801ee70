import type { CommStorage, Storable } from '../../src/storage/comm-storage.ts';

/** Writes entries without reading. */
export function put(storage: CommStorage, entries: Record<string, Storable | undefined>): Promise<void> {
  return storage.transact([], () => ({ writes: new Map(Object.entries(entries)), result: undefined }));
}

/** Increments a counter and returns its new value. */
export function increment(storage: CommStorage, key: string): Promise<number> {
  return storage.transact([key], (values) => {
    const next = ((values.get(key) as number | undefined) ?? 0) + 1;
    return { writes: new Map([[key, next]]), result: next };
  });
}
