import type { CommStorage, Storable } from '../../storage/comm-storage.ts';
import type { SealedRecords } from '../cipher.ts';

/** The entries of one transaction. Reads only those that it has declared. */
export interface CacheTransaction {
  /** Returns the JSON value; `undefined` if there is none or it can't be read. */
  get(name: string): unknown;
  put(name: string, json: string): void;
  delete(name: string): void;
}

/** The entries of one user, by names of the form `kind/id`. */
export interface CacheStore {
  /** Runs a synchronous step without side effects on the declared entries. All of its writes are stored or none. */
  transact<T>(names: readonly string[], step: (tx: CacheTransaction) => T): Promise<T>;
  /** Returns the values of all entries of a kind. */
  list(kind: string): Promise<unknown[]>;
}

/** Prefix of the kinds of all entries, also of encrypted ones. */
export const KINDS = 'offline-';

/** Returns the prefixes of the storage keys of a user's unencrypted and encrypted entries. */
export function entryPrefixes(userId: string): readonly [plain: string, sealed: string] {
  const user = encodeURIComponent(userId);
  return [`${user}/${KINDS}`, `${user}/e2ee/h/${KINDS}`];
}

/** Stores entries as JSON. */
export function plainStore(storage: CommStorage, userId: string): CacheStore {
  const prefix = `${encodeURIComponent(userId)}/`;
  return {
    transact: (names, step) =>
      storage.transact(
        names.map((name) => prefix + name),
        (values) => {
          const writes = new Map<string, Storable | undefined>();
          const result = step({
            get: (name) => parse(values.get(prefix + name)),
            put: (name, json) => void writes.set(prefix + name, json),
            delete: (name) => void writes.set(prefix + name, undefined),
          });
          return { writes, result };
        },
      ),
    list: async (kind) => (await storage.list(`${prefix}${kind}/`)).map(([, value]) => parse(value)),
  };
}

/** Stores entries as records of the keystore. */
export function sealedStore(records: SealedRecords): CacheStore {
  return {
    transact: (names, step) =>
      records.transact(names, (tx) =>
        step({
          get: (name) => parse(tx.getJson(name) as Storable | undefined),
          put: (name, json) => tx.putJson(name, json),
          delete: (name) => tx.delete(name),
        }),
      ),
    list: async (kind) => (await records.listJson(`${kind}/`)).map(([, value]) => parse(value as Storable)),
  };
}

/** Deletes all entries whose keys start with one of the prefixes. */
export async function deleteAll(storage: CommStorage, prefixes: readonly string[]): Promise<void> {
  const keys: string[] = [];
  for (const prefix of prefixes) for (const [key] of await storage.list(prefix)) keys.push(key);
  if (keys.length === 0) return;
  const writes = new Map(keys.map((key) => [key, undefined] as const));
  await storage.transact([], () => ({ writes, result: undefined }));
}

function parse(value: Storable | undefined): unknown {
  if (typeof value !== 'string') return undefined;
  try {
    return JSON.parse(value) as unknown;
  } catch {
    return undefined;
  }
}
