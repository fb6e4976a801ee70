import { lazy } from '../lib/lazy.ts';
import type { CommStorage } from './comm-storage.ts';

/** A storage that is opened when it is first used. */
export function lazyStorage(open: () => Promise<CommStorage>): CommStorage {
  const storage = lazy(open);
  return {
    /** Known once it is open. */
    get sharedAs() {
      return storage.current?.sharedAs;
    },
    get: async (key) => (await storage()).get(key),
    list: async (prefix) => (await storage()).list(prefix),
    transact: async (keys, step) => (await storage()).transact(keys, step),
    close: async () => storage.current?.close(),
  };
}
