import { decodeUtf8, encodeUtf8 } from '../../lib/bytes.ts';
import { CommError } from '../../protocol/errors.ts';
import type { CommStorage, Storable } from '../../storage/comm-storage.ts';
import type { Random } from './primitives.ts';
import { openRecord, sealRecord } from './sealed.ts';

/** What a step sees of the records it named, and what it leaves behind. */
export interface View {
  get(name: string): Uint8Array | undefined;
  put(name: string, data: Uint8Array): void;
  /** The same for what is kept as JSON. */
  read(name: string): unknown;
  write(name: string, value: Storable): void;
  delete(name: string): void;
}

/** A user's records: each of them sealed, all of one step written in one transaction or none. */
export class Records {
  readonly #storage: CommStorage;
  readonly #prefix: string;
  readonly #dataKey: Uint8Array;
  readonly #random: Random;

  /** @param prefix - of the keys in the storage */
  constructor(storage: CommStorage, prefix: string, dataKey: Uint8Array, random: Random) {
    this.#storage = storage;
    this.#prefix = prefix;
    this.#dataKey = dataKey;
    this.#random = random;
  }

  /**
   * Runs `step` on the records named; nobody else's step comes between. It is synchronous, may run twice and has no effects
   * but what it writes. What it writes without having named it must be new.
   *
   * @throws CommError `E2EE_LOCKED` when a record isn't what was written here
   */
  transact<T>(names: readonly string[], step: (view: View) => T): Promise<T> {
    const keys = names.map((name) => this.#prefix + name);
    return this.#storage.transact(keys, (values) => {
      const revisions = new Map<string, number>();
      const data = new Map<string, Uint8Array>();
      for (const [key, value] of values) {
        const opened = this.#open(key, value);
        revisions.set(key, opened.rev);
        data.set(key, opened.data);
      }
      const writes = new Map<string, Storable | undefined>();
      const put = (name: string, bytes: Uint8Array): void => {
        const key = this.#prefix + name;
        data.set(key, bytes);
        writes.set(key, sealRecord(this.#dataKey, key, (revisions.get(key) ?? 0) + 1, bytes, this.#random));
      };
      const get = (name: string): Uint8Array | undefined => data.get(this.#prefix + name);
      const view: View = {
        get,
        put,
        read: (name) => parse(get(name)),
        write: (name, value) => put(name, encodeUtf8(JSON.stringify(value))),
        delete: (name) => {
          data.delete(this.#prefix + name);
          writes.set(this.#prefix + name, undefined);
        },
      };
      const result = step(view);
      return { writes, result };
    });
  }

  /** Every JSON record whose name starts with `prefix`, by name, in the order of their names. */
  async list(prefix: string): Promise<[name: string, value: unknown][]> {
    const entries = await this.#storage.list(this.#prefix + prefix);
    return entries.map(([key, value]) => [key.slice(this.#prefix.length), parse(this.#open(key, value).data)]);
  }

  /** Names alone: nothing is opened. */
  async names(prefix: string): Promise<string[]> {
    const entries = await this.#storage.list(this.#prefix + prefix);
    return entries.map(([key]) => key.slice(this.#prefix.length));
  }

  #open(key: string, value: Storable): { rev: number; data: Uint8Array } {
    const opened = openRecord(this.#dataKey, key, value);
    if (opened === undefined) throw new CommError('E2EE_LOCKED', 'A stored record is not what was written');
    return opened;
  }
}

function parse(data: Uint8Array | undefined): unknown {
  return data === undefined ? undefined : (JSON.parse(decodeUtf8(data) ?? 'null') as unknown);
}
