import { KeyedQueue } from '../../../lib/keyed-queue.ts';

const queue = new KeyedQueue<string>();

/**
 * Runs `task` while holding the lock `name`: exclusively among all tabs if the browser has Web Locks, otherwise among all
 * clients in this process.
 */
export function withLock<T>(name: string, task: () => Promise<T>): Promise<T> {
  // Absent in insecure contexts, although the type says otherwise.
  const locks = typeof navigator === 'undefined' ? undefined : (navigator.locks as LockManager | undefined);
  if (locks === undefined) return queue.run(name, task);
  let hasStarted = false;
  const start = (): Promise<T> => {
    hasStarted = true;
    return task();
  };
  // If the browser denies the lock request, the task has not started.
  return locks
    .request(name, start)
    .catch((error: unknown) => (hasStarted ? Promise.reject(error as Error) : queue.run(name, task)));
}
