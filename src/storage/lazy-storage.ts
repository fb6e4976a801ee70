import { lazy } from '../lib/lazy.ts';
import type { CommStorage } from './comm-storage.ts';
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
    ...of(storage),
    optional: { ...of(async () => (await storage()).optional), close },
    close: async () => storage.current?.close(),
  };
}

const close = async (): Promise<void> => undefined;

function of(open: () => Promise<CommStorage>): Pick<CommStorage, 'get' | 'list' | 'transact'> {
  return {
    get: async (key) => (await open()).get(key),
    list: async (prefix) => (await open()).list(prefix),
    transact: async (keys, step) => (await open()).transact(keys, step),
  };
}
