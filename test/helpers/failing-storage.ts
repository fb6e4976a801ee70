import { deferred } from '../../src/lib/deferred.ts';
import { CommError } from '../../src/protocol/errors.ts';
import type { CommStorage, Step, Storable } from '../../src/storage/comm-storage.ts';
import { memoryStorage } from '../../src/storage/memory-storage.ts';

export interface FailingStorage extends CommStorage {
  /** `writes`: only `transact` fails, as with a full disk; `all`: every operation fails. */
  breakDown(what: 'writes' | 'all'): void;
  /** Lets all operations succeed again. */
  mend(): void;
  /** Blocks writes until the returned function is called. */
  stall(): () => void;
}

/** A memory storage whose operations can be made to fail or to hang. */
export function failingStorage(): FailingStorage {
  const memory = memoryStorage();
  let broken: 'writes' | 'all' | undefined;
  let stalled: Promise<unknown> = Promise.resolve();
  const check = (needs: 'writes' | 'all'): void => {
    if (broken === 'all' || broken === needs) throw new CommError('STORAGE', 'Broken by the test');
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
