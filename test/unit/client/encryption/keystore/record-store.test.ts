import { expect, test } from 'vitest';
import { RecordStore, type RecordTransaction } from '../../../../../src/client/encryption/keystore/record-store.ts';
import { getTrust } from '../../../../../src/client/encryption/keystore/keystore.ts';
import { memoryStorage } from '../../../../../src/storage/memory-storage.ts';
import { ascii, bytesOf, randomOf } from '../nkc1/parties.ts';

const createStore = (): RecordStore => new RecordStore(memoryStorage(), 'ann/', bytesOf(1), randomOf('record store'));
const read = (store: RecordStore, name: string): Promise<Uint8Array | undefined> =>
  store.transact([name], (tx) => tx.get(name));

test('a declared record is read, and a missing one is undefined', async () => {
  const store = createStore();
  await store.transact(['session/bob'], (tx) => tx.put('session/bob', ascii('state')));
  expect(await read(store, 'session/bob')).toEqual(ascii('state'));
  expect(await read(store, 'session/carol')).toBeUndefined();
});

test.each<[title: string, step: (tx: RecordTransaction) => unknown]>([
  ['get', (tx) => tx.get('session/bob')],
  ['getJson', (tx) => tx.getJson('session/bob')],
])('%s of an undeclared record throws and stores nothing', async (_title, step) => {
  const store = createStore();
  await store.transact(['session/bob'], (tx) => tx.put('session/bob', ascii('state')));
  const transaction = store.transact(['trust/bob'], (tx) => {
    tx.put('trust/bob', ascii('new'));
    step(tx);
  });
  await expect(transaction).rejects.toThrow('undeclared record session/bob');
  expect(await read(store, 'trust/bob')).toBeUndefined();
  expect(await read(store, 'session/bob')).toEqual(ascii('state'));
});

test('a record that the transaction has written or deleted can be read', async () => {
  const result = await createStore().transact(['trust/bob'], (tx) => {
    tx.putJson('mailbox/1', { n: 1 });
    tx.delete('trust/bob');
    return [tx.getJson('mailbox/1'), tx.get('trust/bob')];
  });
  expect(result).toEqual([{ n: 1 }, undefined]);
});

test('storage keys contain the kind of a record and no name', async () => {
  const storage = memoryStorage();
  const store = new RecordStore(storage, 'ann/', bytesOf(1), randomOf('record store'));
  await store.transact([], (tx) =>
    ['peer/bob', 'chain/team/bob/1', 'prekeys'].forEach((name) => tx.put(name, ascii(''))),
  );
  const keys = (await storage.list('')).map(([key]) => key.replace(/[\w-]{22}$/, '#'));
  expect(keys.toSorted()).toEqual(['ann/h/#', 'ann/h/chain/#', 'ann/h/peer/#']);
  const other = new RecordStore(storage, 'ann/', bytesOf(2), randomOf('record store'));
  expect(await read(other, 'peer/bob')).toBeUndefined();
});

test('records are listed by the start of their names, in the order of their names', async () => {
  const store = createStore();
  const names = ['chain/b/1', 'chain/a/2', 'chain/a/1', 'chains/a', 'chain/aa/1'];
  await store.transact([], (tx) => names.forEach((name) => tx.putJson(name, name)));
  expect(await store.listNames('chain/a/')).toEqual(['chain/a/1', 'chain/a/2']);
  expect(await store.listJson('chain/')).toEqual(
    ['chain/a/1', 'chain/a/2', 'chain/aa/1', 'chain/b/1'].map((name) => [name, name]),
  );
  expect([await store.hasAny('chain/'), await store.hasAny('peer/')]).toEqual([true, false]);
});

test.each<[title: string, run: (store: RecordStore) => Promise<unknown>]>([
  ['read', (store) => read(store, 'peer/bob')],
  ['listed', (store) => store.listNames('peer/')],
])('a record that was copied to the storage key of another one is not %s', async (_title, run) => {
  const storage = memoryStorage();
  const store = new RecordStore(storage, 'ann/', bytesOf(1), randomOf('record store'));
  await store.transact([], (tx) => tx.put('peer/carol', ascii('carol')));
  const [[, carol] = ['', '']] = await storage.list('');
  await store.transact([], (tx) => tx.put('peer/bob', ascii('bob')));
  const keys = (await storage.list('')).map(([key]) => key);
  await storage.transact([], () => ({ writes: new Map(keys.map((key) => [key, carol])), result: undefined }));
  await expect(run(store)).rejects.toMatchObject({ code: 'E2EE_LOCKED' });
});

test.each<[title: string, bytes: Uint8Array]>([
  ['with a version', ascii('{"v":2,"key":"AAAA"}')],
  ['that is not JSON', ascii('\u0002key')],
  ['that is not UTF-8', bytesOf(255)],
])('a JSON record %s locks the keys instead of reading as empty', async (_title, bytes) => {
  const store = createStore();
  await store.transact([], (tx) => tx.put('pin/bob', bytes));
  const reading = store.transact(['pin/bob'], (tx) => getTrust(tx, 'bob'));
  await expect(reading).rejects.toMatchObject({ code: 'E2EE_LOCKED', fix: 'Update the app.' });
  await expect(store.listJson('pin/')).rejects.toMatchObject({ code: 'E2EE_LOCKED' });
});
