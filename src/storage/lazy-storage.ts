import { lazy } from '../lib/lazy.ts';
import type { ClientStorage } from './resilient-storage.ts';

/** Wraps a storage that is loaded and opened by its first use. */
export function lazyStorage(open: () => Promise<ClientStorage>): ClientStorage {
  const storage = lazy(open);
  return {
    /** `undefined` until the storage is open. */
    get sharedAs() {
      return storage.current?.sharedAs;
    },
    get hasFailed() {
      return storage.current?.hasFailed === true;
    },
    get: async (key) => (await storage()).get(key),
    list: async (prefix) => (await storage()).list(prefix),
    transact: async (keys, step) => (await storage()).transact(keys, step),
    close: async () => storage.current?.close(),
  };
}
