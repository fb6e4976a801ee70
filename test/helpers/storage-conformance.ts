import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { CommStorage, Storable } from '../../src/storage/comm-storage.ts';
import { increment, put } from './storage-steps.ts';

export interface StorageUnderTest {
  storage: CommStorage;
  /** Closes the storage and opens the same data again; absent if the data is lost with the object. */
  reopen?: () => Promise<CommStorage>;
  dispose(): Promise<void>;
}

/** Tests the contract of `CommStorage`. */
export function describeStorage(name: string, make: () => Promise<StorageUnderTest>): void {
  describe(`${name} as a storage`, () => {
    let subject: StorageUnderTest;
    let storage: CommStorage;
    beforeEach(async () => {
      subject = await make();
      storage = subject.storage;
    });
    afterEach(() => subject.dispose());

    test('get() of an unknown key returns undefined', async () => {
      expect(await storage.get('ann/none')).toBeUndefined();
      expect(await storage.list('ann/')).toEqual([]);
    });

    test.each<[string, Storable]>([
      ['null', null],
      ['false', false],
      ['zero', 0],
      ['the empty string', ''],
      ['non-ASCII text with a lone surrogate', 'žluťoučký 🐎 \ud83d \u2028'],
      ['nested arrays and objects', { list: [1, [2, { three: '3' }]], empty: {}, none: null }],
      ['an object with a key named __proto__', JSON.parse('{"__proto__":{"polluted":true}}') as Storable],
    ])('%s is read as it was written', async (_title, value) => {
      await put(storage, { 'ann/key': value });
      expect(await storage.get('ann/key')).toEqual(value);
      expect(await storage.list('ann/')).toEqual([['ann/key', value]]);
    });

    test('list() returns exactly the keys with the prefix, sorted', async () => {
      await put(storage, { 'ann/b/2': 2, 'ann/b/10': 10, 'ann/b': 0, 'ann/c': 3, 'anna/b/1': 4, 'ann/b/~': 5 });
      expect(await storage.list('ann/b/')).toEqual([
        ['ann/b/10', 10],
        ['ann/b/2', 2],
        ['ann/b/~', 5],
      ]);
      expect((await storage.list('')).map(([key]) => key)).toEqual([
        'ann/b',
        'ann/b/10',
        'ann/b/2',
        'ann/b/~',
        'ann/c',
        'anna/b/1',
      ]);
    });

    test('a step gets the values of its keys, without those that have none', async () => {
      await put(storage, { 'ann/a': 1, 'ann/b': 2 });
      const seen = await storage.transact(['ann/a', 'ann/c'], (values) => ({ writes: new Map(), result: [...values] }));
      expect(seen).toEqual([['ann/a', 1]]);
    });

    test('writing undefined deletes the key', async () => {
      await put(storage, { 'ann/a': 1, 'ann/b': 2 });
      await put(storage, { 'ann/a': undefined, 'ann/none': undefined });
      expect(await storage.list('ann/')).toEqual([['ann/b', 2]]);
    });

    test('a step that throws writes nothing, and transact() rejects with the error', async () => {
      await put(storage, { 'ann/a': 1 });
      const thrown = new RangeError('thrown by the step');
      const failing = storage.transact(['ann/a'], () => {
        throw thrown;
      });
      await expect(failing).rejects.toBe(thrown);
      expect(await storage.get('ann/a')).toBe(1);
      expect(await increment(storage, 'ann/a')).toBe(2);
    });

    test('an unstorable value is a TypeError, and nothing of its step is written', async () => {
      const poison = (() => undefined) as never;
      const failing = put(storage, { 'ann/a': 1, 'ann/b': poison, 'ann/c': 3 });
      await expect(failing).rejects.toThrow(TypeError);
      expect(await storage.list('ann/')).toEqual([]);
      expect(await increment(storage, 'ann/a')).toBe(1);
    });

    test('mutating a value after it was written or read does not change the stored one', async () => {
      const written = { tags: ['a'] };
      await put(storage, { 'ann/a': written });
      written.tags.push('b');
      const read = (await storage.get('ann/a')) as { tags: string[] };
      read.tags.push('c');
      await storage.transact(['ann/a'], (values) => {
        (values.get('ann/a') as { tags: string[] }).tags.push('d');
        return { writes: new Map(), result: undefined };
      });
      expect(await storage.get('ann/a')).toEqual({ tags: ['a'] });
    });

    test('concurrent steps on one key are serialized', async () => {
      const results = await Promise.all(Array.from({ length: 50 }, () => increment(storage, 'ann/n')));
      expect(results.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 50 }, (_, index) => index + 1));
      expect(await storage.get('ann/n')).toBe(50);
    });

    test('a read requested after a write in the same turn sees it', async () => {
      const writing = put(storage, { 'ann/a': 1 });
      const reading = storage.get('ann/a');
      const listing = storage.list('ann/');
      await writing;
      expect(await reading).toBe(1);
      expect(await listing).toEqual([['ann/a', 1]]);
    });

    test('close() keeps the data and is idempotent, and the next use opens the storage again', async () => {
      await put(storage, { 'ann/a': 1 });
      await Promise.all([storage.close(), storage.close()]);
      await storage.close();
      expect(await storage.get('ann/a')).toBe(1);
      expect(await increment(storage, 'ann/a')).toBe(2);
    });

    test('close() resolves for an unused storage', async () => {
      await expect(storage.close()).resolves.toBeUndefined();
    });

    test('close() waits for pending operations', async () => {
      const writing = put(storage, { 'ann/a': 1 });
      await storage.close();
      await writing;
      expect(await storage.get('ann/a')).toBe(1);
    });

    test('writes and deletions persist when the data is opened again', async ({ skip }) => {
      if (subject.reopen === undefined) skip('not persistent');
      await put(storage, { 'ann/a': 1, 'ann/b': 'two', 'ann/c': null });
      await put(storage, { 'ann/a': undefined, 'ann/b': { three: 3 } });
      const again = await subject.reopen?.();
      expect(await again?.list('')).toEqual([
        ['ann/b', { three: 3 }],
        ['ann/c', null],
      ]);
      await again?.close();
    });
  });
}
