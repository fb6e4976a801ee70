import { deferred } from '../../src/lib/deferred.ts';
import { CommError } from '../../src/protocol/errors.ts';
import type { CommStorage, Step, Storable } from '../../src/storage/comm-storage.ts';
import { memoryStorage } from '../../src/storage/memory.ts';

export interface FailingStorage extends CommStorage {
  /** `writes`: only `transact` fails, as with a full disk; `all`: nothing works any more. */
  breakDown(what: 'writes' | 'all'): void;
  /** Everything works again. */
  mend(): void;
  /** Writes wait until the returned function is called. */
  stall(): () => void;
}

/** A storage in memory that fails on command. */
export function failingStorage(): FailingStorage {
  const memory = memoryStorage();
  let broken: 'writes' | 'all' | undefined;
  let stalled: Promise<unknown> = Promise.resolve();
  const check = (needs: 'writes' | 'all'): void => {
    if (broken === 'all' || broken === needs) throw new CommError('STORAGE', 'Broken on command');
  };
  return {
    async get(key: string) {
      check('all');
      return memory.get(key);
    },
    async list(prefix: string) {
      check('all');
      return memory.list(prefix);
    },
    async transact<T>(keys: readonly string[], step: (values: ReadonlyMap<string, Storable>) => Step<T>) {
      const blocked = stalled;
      check('writes');
      await blocked;
      return memory.transact(keys, step);
    },
    async close() {
      check('all');
      return memory.close();
    },
    breakDown: (what) => (broken = what),
    mend: () => (broken = undefined),
    stall() {
      const gate = deferred<undefined>();
      stalled = gate.promise;
      return () => {
        stalled = Promise.resolve();
        gate.resolve(undefined);
      };
    },
  };
}
