import { toBase64Url } from '../../../lib/base64.ts';
import { BoundedMap } from '../../../lib/bounded-map.ts';
import { concat, decodeUtf8, encodeUtf8 } from '../../../lib/bytes.ts';
import { CommError } from '../../../protocol/errors.ts';
import type { CommStorage, Storable } from '../../../storage/comm-storage.ts';
import { hmacSha256, type Random, sha256 } from '../nkc1/primitives.ts';
import { decryptRecord, encryptRecord } from './record-cipher.ts';

/** The records of one transaction. Reading a record that the transaction has neither declared nor written throws. */
export interface RecordTransaction {
  get(name: string): Uint8Array | undefined;
  put(name: string, data: Uint8Array): void;
  /** Reads a record that {@link putJson} wrote. Throws `E2EE_LOCKED` if a later version wrote it in its own format. */
  getJson(name: string): unknown;
  /**
   * Stores a JSON value. Later versions add the field `v` to a value that this one must neither read nor replace.
   */
  putJson(name: string, value: object | string | true): void;
  delete(name: string): void;
}

/** Name of the wrapped data key, which is not a record. */
export const DATA_KEY_NAME = 'vault';
const NAME_LABEL = encodeUtf8('NKC1-NAMES');
/** Part of all storage keys with hashed names. Earlier versions have stored records under their names. */
export const HASHED = 'h/';
const HASH_BYTES = 16;
const MAX_CACHED_KEYS = 2_000;

/**
 * A user's records, each encrypted under the data key. The names contain the ids of peers and conversations, so a storage key
 * contains only the kind of the record and a hash of the name; the name itself is part of the encrypted record.
 */
export class RecordStore {
  readonly #storage: CommStorage;
  readonly #prefix: string;
  readonly #dataKey: Uint8Array;
  readonly #nameKey: Uint8Array;
  readonly #random: Random;
  /** Storage keys by name. */
  readonly #keys = new BoundedMap<string, string>(MAX_CACHED_KEYS);
  /** Storage key of a record that exists until all are deleted. */
  #guard: string | undefined;

  /** @param prefix - prefix of all storage keys */
  constructor(storage: CommStorage, prefix: string, dataKey: Uint8Array, random: Random) {
    this.#storage = storage;
    this.#prefix = prefix;
    this.#dataKey = dataKey;
    this.#nameKey = hmacSha256(dataKey, NAME_LABEL);
    this.#random = random;
  }

  /**
   * Runs `step` on the declared records in one transaction: all writes are stored or none, and no other transaction on these
   * records runs in between. `step` is synchronous, may run twice and must have no side effects. It may delete any record, and
   * may put undeclared records only under new names.
   *
   * @param names - the records that `step` reads; reading any other throws an `Error`
   * @throws CommError `E2EE_LOCKED` if a record was modified or is encrypted under another key
   */
  transact<T>(names: readonly string[], step: (tx: RecordTransaction) => T): Promise<T> {
    const keys = names.map((name) => this.#keyOf(name));
    const guard = this.#guard;
    return this.#storage.transact(guard === undefined ? keys : [...keys, guard], (values) => {
      // What is written under a former data key would lock the records of the new one.
      if (guard !== undefined && !values.has(guard)) throw resetError();
      const revisions = new Map<string, number>();
      // A declared record that doesn't exist has an entry too: what has none must not be read.
      const data = new Map<string, Uint8Array | undefined>();
      for (const [at, name] of names.entries()) {
        const value = values.get(keys[at] ?? '');
        const opened = value === undefined ? undefined : this.#decrypt(value);
        if (opened !== undefined && opened.name !== name) throw modifiedError();
        if (opened !== undefined) revisions.set(name, opened.rev);
        data.set(name, opened?.data);
      }
      const writes = new Map<string, Storable | undefined>();
      const get = (name: string): Uint8Array | undefined => {
        if (!data.has(name)) throw new Error(`The transaction reads the undeclared record ${name}`);
        return data.get(name);
      };
      const put = (name: string, bytes: Uint8Array): void => {
        const rev = (revisions.get(name) ?? 0) + 1;
        data.set(name, bytes);
        writes.set(this.#keyOf(name), encryptRecord(this.#dataKey, this.#prefix + name, rev, bytes, this.#random));
      };
      const tx: RecordTransaction = {
        get,
        put,
        getJson: (name) => parse(get(name)),
        putJson: (name, value) => put(name, encodeUtf8(JSON.stringify(value))),
        delete: (name) => {
          data.set(name, undefined);
          writes.set(this.#keyOf(name), undefined);
        },
      };
      const result = step(tx);
      return { writes, result };
    });
  }

  /** Returns the same records over another view of the storage. */
  over(storage: CommStorage): RecordStore {
    const records = new RecordStore(storage, this.#prefix, this.#dataKey, this.#random);
    records.#guard = this.#guard;
    return records;
  }

  /** Lets all transactions fail with `E2EE_LOCKED` from when another tab deletes all records, and with them this one. */
  endWithout(name: string): void {
    this.#guard = this.#keyOf(name);
  }

  /** Reads all JSON records whose names start with `prefix`, in the order of their names. */
  async listJson(prefix: string): Promise<[name: string, value: unknown][]> {
    return (await this.#list(prefix)).map(([name, data]) => [name, parse(data)]);
  }

  /** Returns the names that start with `prefix`, sorted. */
  async listNames(prefix: string): Promise<string[]> {
    return (await this.#list(prefix)).map(([name]) => name);
  }

  /** Returns true if there is a record of the kind, which is the part of its name up to the first slash. */
  async hasAny(kind: string): Promise<boolean> {
    return (await this.#storage.list(this.#prefix + HASHED + kind)).length > 0;
  }

  /** Returns the storage key of a record. */
  storageKey(name: string): string {
    // Half of the hash: it can't be extended to the hash of a longer name.
    const hash = sha256(concat(this.#nameKey, encodeUtf8(name))).subarray(0, HASH_BYTES);
    return this.#prefix + HASHED + kindOf(name) + toBase64Url(hash);
  }

  async #list(prefix: string): Promise<[name: string, data: Uint8Array][]> {
    const entries = await this.#storage.list(this.#prefix + HASHED + kindOf(prefix));
    const found: [name: string, data: Uint8Array][] = [];
    for (const [key, value] of entries) {
      const { name, data } = this.#decrypt(value);
      // A record that was copied to another storage key would be listed twice.
      if (this.storageKey(name) !== key) throw modifiedError();
      if (name.startsWith(prefix)) found.push([name, data]);
    }
    return found.toSorted(([a], [b]) => (a < b ? -1 : 1));
  }

  #keyOf(name: string): string {
    const known = this.#keys.get(name);
    if (known !== undefined) return known;
    const key = this.storageKey(name);
    this.#keys.set(name, key);
    return key;
  }

  #decrypt(value: Storable): { name: string; rev: number; data: Uint8Array } {
    const opened = decryptRecord(this.#dataKey, value);
    if (opened?.storeKey.startsWith(this.#prefix) !== true) throw modifiedError();
    const { storeKey, rev, data } = opened;
    return { name: storeKey.slice(this.#prefix.length), rev, data };
  }
}

/** Creates the error for a stored record in a format of a later version. To continue without it would drop what it protects. */
export function laterFormatError(): CommError {
  return new CommError('E2EE_LOCKED', 'A stored record has a format that this version does not know', {
    fix: 'Update the app.',
  });
}

/** Creates the error for a keystore that another tab has deleted. */
export function resetError(): CommError {
  return new CommError('E2EE_LOCKED', 'The identity was reset in another tab', { fix: 'Reload the page.' });
}

function modifiedError(): CommError {
  return new CommError('E2EE_LOCKED', 'A stored record was modified');
}

/** Returns the kind of a record with its slash; empty for records that exist once. */
function kindOf(name: string): string {
  return name.slice(0, name.indexOf('/') + 1);
}

function parse(data: Uint8Array | undefined): unknown {
  if (data === undefined) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(decodeUtf8(data) ?? '');
  } catch {
    throw laterFormatError();
  }
  if (typeof value === 'object' && value !== null && 'v' in value) throw laterFormatError();
  return value;
}
