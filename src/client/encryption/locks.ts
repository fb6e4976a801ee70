import { KeyedQueue } from '../../lib/keyed-queue.ts';

const queue = new KeyedQueue<string>();

/** Runs `task` while nobody else runs one of that name: in no other tab, where there are Web Locks, or at least not here. */
export function locked<T>(name: string, task: () => Promise<T>): Promise<T> {
  // Absent outside of secure contexts, whatever the types say.
  const locks = typeof navigator === 'undefined' ? undefined : (navigator.locks as LockManager | undefined);
  if (locks === undefined) return queue.run(name, task);
  let ran = false;
  const once = (): Promise<T> => {
    ran = true;
    return task();
  };
  // Where they are blocked, the task hasn't begun.
  return locks
    .request(name, once)
    .catch((error: unknown) => (ran ? Promise.reject(error as Error) : queue.run(name, task)));
}
