import { afterEach, describe, expect, test, vi } from 'vitest';
import { indexedDbStorage } from '../../../src/storage/indexed-db-storage.ts';
import { describeStorage } from '../../helpers/storage-conformance.ts';
import { increment, put } from '../../helpers/storage-steps.ts';
import { manualClock } from '../../helpers/manual-clock.ts';

let counter = 0;
const names: string[] = [];
function newName(): string {
  const name = `storage-test-${String((counter += 1))}`;
  names.push(name);
  return name;
}

function settled(request: IDBOpenDBRequest): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.addEventListener('error', () => reject(request.error ?? new Error('The request failed')));
  });
}

afterEach(async () => {
  vi.unstubAllGlobals();
  await Promise.all(names.splice(0).map((name) => settled(indexedDB.deleteDatabase(name))));
});

describeStorage('indexedDbStorage', () => {
  const name = newName();
  const storage = indexedDbStorage({ name });
  return Promise.resolve({
    storage,
    reopen: async () => {
      await storage.close();
      return indexedDbStorage({ name });
    },
    dispose: () => storage.close(),
  });
});

test('constructing a storage creates no database', async () => {
  const name = newName();
  indexedDbStorage({ name });
  expect((await indexedDB.databases()).map((each) => each.name)).not.toContain(name);
});

test('concurrent increments by workers and the page are all counted', async () => {
  const name = newName();
  const storage = indexedDbStorage({ name });
  const workers = Array.from(
    { length: 3 },
    () => new Worker(new URL('./increment-worker.ts', import.meta.url), { type: 'module' }),
  );
  const finished = workers.map(
    (worker) =>
      new Promise<void>((resolve, reject) => {
        worker.addEventListener('message', () => resolve());
        worker.addEventListener('error', (event) => reject(new Error(event.message)));
        worker.postMessage({ name, key: 'ann/n', times: 100 });
      }),
  );
  for (let n = 0; n < 100; n += 1) await increment(storage, 'ann/n');
  await Promise.all(finished);
  expect(await storage.get('ann/n')).toBe(400);
  for (const worker of workers) worker.terminate();
  await storage.close();
});

describe('another tab', () => {
  test('can delete the open database; the next use creates it again', async () => {
    const name = newName();
    const storage = indexedDbStorage({ name });
    await put(storage, { 'ann/a': 1 });
    await settled(indexedDB.deleteDatabase(name));
    expect(await storage.get('ann/a')).toBeUndefined();
    expect(await increment(storage, 'ann/a')).toBe(1);
    await storage.close();
  });

  test('can upgrade the open database; the next use reads its entries', async () => {
    const name = newName();
    const storage = indexedDbStorage({ name });
    await put(storage, { 'ann/a': 1 });
    const other = await settled(indexedDB.open(name, 7));
    other.close();
    expect(await storage.get('ann/a')).toBe(1);
    await storage.close();
  });

  test('that blocks opening causes STORAGE after a timeout, and the write does not happen later', async () => {
    const name = newName();
    const holder = await settled(indexedDB.open(name));
    const deleting = settled(indexedDB.deleteDatabase(name));
    const clock = manualClock();
    const storage = indexedDbStorage({ name, clock });
    const writing = put(storage, { 'ann/a': 1 });
    clock.advance(10_000);
    await expect(writing).rejects.toMatchObject({ code: 'STORAGE', fix: expect.stringContaining('tabs') as string });
    // The database can be opened now, but the caller has been told that the write failed.
    holder.close();
    await deleting;
    expect(await storage.list('')).toEqual([]);
    expect(await increment(storage, 'ann/a')).toBe(1);
    await storage.close();
  });
});

describe('a STORAGE error with a fix is the result of', () => {
  const code = 'STORAGE';

  test('a database with that name that another library created', async () => {
    // Not deleted afterwards: idb-keyval keeps a connection that can't be closed.
    const name = 'foreign-database';
    (await settled(indexedDB.open(name, 3))).close();
    const storage = indexedDbStorage({ name });
    await expect(storage.get('a')).rejects.toMatchObject({ code, fix: expect.stringContaining('name') as string });
    await expect(put(storage, { a: 1 })).rejects.toMatchObject({ code });
  });

  test('an environment without IndexedDB', async () => {
    vi.stubGlobal('indexedDB', undefined);
    const storage = indexedDbStorage({ name: newName() });
    await expect(storage.get('a')).rejects.toMatchObject({
      code,
      fix: expect.stringContaining('memoryStorage') as string,
    });
    vi.unstubAllGlobals();
    expect(await increment(storage, 'a')).toBe(1);
    await storage.close();
  });

  test('a browser that blocks storage', async () => {
    // A page with an opaque origin, for which the browser blocks IndexedDB.
    const frame = document.createElement('iframe');
    frame.setAttribute('sandbox', 'allow-scripts');
    const thrown = new Promise<string>((resolve) => {
      window.addEventListener('message', ({ data }) => resolve(String(data)), { once: true });
    });
    frame.srcdoc = `<script>try { indexedDB.open('x'); } catch (error) { parent.postMessage(error.name, '*'); }</script>`;
    document.body.append(frame);
    const name = await thrown;
    frame.remove();
    // Simulates the same error in this page.
    vi.stubGlobal('indexedDB', {
      open: () => {
        throw new DOMException('Blocked', name);
      },
    });
    const storage = indexedDbStorage({ name: newName() });
    await expect(storage.get('a')).rejects.toMatchObject({ code, fix: expect.stringContaining('site data') as string });
    vi.unstubAllGlobals();
  });
});
