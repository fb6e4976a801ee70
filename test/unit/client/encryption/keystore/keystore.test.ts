import { describe, expect, test } from 'vitest';
import {
  DISTRIBUTED_KEYS,
  distributedKeys,
  getSessionRecord,
  getTrust,
  Keystore,
  putTrust,
  receivingChains,
  RECORDS,
} from '../../../../../src/client/encryption/keystore/keystore.ts';
import { encodeSessionRecord, newSessionRecord } from '../../../../../src/client/encryption/nkc1/session-record.ts';
import {
  unwrapWithSuppliedKey,
  wrapWithSuppliedKey,
} from '../../../../../src/client/encryption/keystore/supplied-key.ts';
import { fromBase64, toBase64 } from '../../../../../src/lib/base64.ts';
import { lazy } from '../../../../../src/lib/lazy.ts';
import type { CommStorage, Storable } from '../../../../../src/storage/comm-storage.ts';
import { memoryStorage } from '../../../../../src/storage/memory-storage.ts';
import { openKeystore, openStoredKeystore } from '../../../../helpers/client/keystore.ts';
import { codeOf } from '../../../../helpers/client/rejection.ts';
import { randomOf } from '../nkc1/parties.ts';
import fixture from './storage-with-names.json' with { type: 'json' };

async function identityOf(seed: string): Promise<Uint8Array> {
  const keystore = await openKeystore('alice', randomOf(seed));
  return keystore.records.transact([RECORDS.identity], (tx) => keystore.identity(tx).publicKey);
}

test('the identity is generated from the injected random source', async () => {
  expect(await identityOf('one')).toEqual(await identityOf('one'));
  expect(await identityOf('one')).not.toEqual(await identityOf('two'));
});

test('a session record of a later version locks the keys instead of reading as empty', async () => {
  const keystore = await openKeystore('alice');
  const name = RECORDS.session('bob');
  const later = encodeSessionRecord(newSessionRecord('bob')).with(0, 2);
  await keystore.records.transact([], (tx) => tx.put(name, later));
  const reading = keystore.records.transact([name], (tx) => getSessionRecord(tx, 'bob'));
  expect(await codeOf(reading)).toBe('E2EE_LOCKED');
});

test('an identity of a later format locks the keys', async () => {
  const storage = memoryStorage();
  const keystore = await openStoredKeystore(storage, 'alice');
  await keystore.records.transact([], (tx) => tx.put(RECORDS.identity, new Uint8Array(33)));
  const reading = keystore.records.transact([RECORDS.identity], (tx) => keystore.identity(tx));
  expect(await codeOf(reading)).toBe('E2EE_LOCKED');
});

test('a data key that a later version has wrapped locks the keys, and is kept', async () => {
  const storage = memoryStorage();
  await openStoredKeystore(storage, 'alice');
  const later = { wrap: 'passkey', key: 'AAAA' };
  await storage.transact([], () => ({ writes: new Map([['alice/e2ee/vault', later]]), result: undefined }));
  expect(await codeOf(openStoredKeystore(storage, 'alice'))).toBe('E2EE_LOCKED');
  expect(await storage.get('alice/e2ee/vault')).toEqual(later);
});

/** Asks for a passphrase, and counts how often. */
function passphraseOf(text: string): { passphrase: () => string; asked: number } {
  const prompt = { passphrase: () => ((prompt.asked += 1), text), asked: 0 };
  return prompt;
}

/** The data key of the fixture, which is wrapped with scrypt at N = 2¹⁵. */
const dataKeyOfFixture = lazy(async () => {
  const stored = fixture.entries.find(([name]) => name === 'alice/e2ee/vault')?.[1];
  const { key, salt, log2N } = stored as { key: string; salt: string; log2N: number };
  expect(log2N).toBe(15);
  const [wrapped, saltBytes] = [key, salt].map((text) => fromBase64(text) ?? new Uint8Array());
  const params = { salt: saltBytes ?? new Uint8Array(), log2N };
  const dataKey = await unwrapWithSuppliedKey(wrapped ?? new Uint8Array(), { passphrase: 'open sesame' }, params);
  return dataKey ?? new Uint8Array();
});

/** The storage of the fixture with a data key that opens without scrypt. */
async function storageWithNames(): Promise<CommStorage> {
  const storage = memoryStorage();
  const writes = new Map(fixture.entries as [string, Storable][]);
  writes.set('alice/e2ee/vault', { wrap: 'none', key: toBase64(await dataKeyOfFixture()) });
  await storage.transact([], () => ({ writes, result: undefined }));
  return storage;
}

test('a data key under a passphrase at a lower cost is opened and wrapped again, with one question', async () => {
  const storage = await storageWithNames();
  const random = randomOf('wrapping');
  const dataKey = await dataKeyOfFixture();
  const { wrapped, params } = await wrapWithSuppliedKey(dataKey, { passphrase: 'open sesame' }, 10, random);
  const weak = { wrap: 'passphrase', key: toBase64(wrapped), salt: toBase64(params?.salt ?? dataKey), log2N: 10 };
  await storage.transact([], () => ({ writes: new Map([['alice/e2ee/vault', weak]]), result: undefined }));
  const prompt = passphraseOf('open sesame');
  await openStoredKeystore(storage, 'alice', prompt);
  expect(prompt.asked).toBe(1);
  expect(await storage.get('alice/e2ee/vault')).toMatchObject({ wrap: 'passphrase', log2N: 17 });
});

test('a data key that another tab has replaced meanwhile is not overwritten by its former one', async () => {
  const storage = memoryStorage();
  await openStoredKeystore(storage, 'alice');
  const other = { wrap: 'none', key: toBase64(new Uint8Array(32).fill(5)) };
  const passphrase = async (): Promise<string> => {
    // The other tab resets the keys while this one asks for the passphrase.
    await storage.transact([], () => ({ writes: new Map([['alice/e2ee/vault', other]]), result: undefined }));
    return 'new';
  };
  await openStoredKeystore(storage, 'alice', { passphrase }).catch(() => undefined);
  expect(await storage.get('alice/e2ee/vault')).toEqual(other);
});

test('a tab whose keys another tab has reset stores nothing more', async () => {
  const storage = memoryStorage();
  const [former, resetting] = [await openStoredKeystore(storage, 'alice'), await openStoredKeystore(storage, 'alice')];
  await Keystore.erase(storage, resetting.userId);
  const put = (keystore: Keystore, id: string): Promise<void> =>
    keystore.records.transact([], (tx) => tx.putJson(RECORDS.draft(id), { id }));
  expect(await codeOf(put(former, 'before'))).toBe('E2EE_LOCKED');
  const next = await openStoredKeystore(storage, 'alice');
  expect(await codeOf(put(former, 'after'))).toBe('E2EE_LOCKED');
  await put(next, 'new');
  expect(await next.records.listJson(RECORDS.draft(''))).toEqual([[RECORDS.draft('new'), { id: 'new' }]]);
});

test('what another tab stores while all records are deleted is deleted too', async () => {
  const storage = memoryStorage();
  const other = await openStoredKeystore(storage, 'alice');
  const list = storage.list.bind(storage);
  let isFirst = true;
  storage.list = async (prefix) => {
    const entries = await list(prefix);
    if (isFirst) await other.records.transact([], (tx) => tx.putJson(RECORDS.draft('late'), {}));
    isFirst = false;
    return entries;
  };
  await Keystore.erase(storage, 'alice');
  expect(await list('')).toEqual([]);
});

describe('a storage of an earlier version, whose keys contain names', () => {
  const key = { key: new Uint8Array(32).fill(9) };

  test('is moved to hashed names with all its records', async () => {
    const storage = await storageWithNames();
    const keystore = await openStoredKeystore(storage, 'alice', key);
    const stored = (await storage.list('alice/')).map(([name]) => name);
    expect(stored).toHaveLength(fixture.entries.length - 2);
    expect(stored.filter((name) => !/^alice\/e2ee\/(?:vault|h\/(?:[a-z]+\/)?[\w-]{22})$/.test(name))).toEqual([]);
    const names = [RECORDS.identity, RECORDS.preKeys, RECORDS.session('bob'), RECORDS.trust('bob')];
    await keystore.records.transact(names, (tx) => {
      expect(toBase64(keystore.identity(tx).publicKey)).toBe(fixture.identity);
      expect(keystore.localParty(tx).preKeys.oneTimePreKeys.length).toBeGreaterThan(90);
      expect(getSessionRecord(tx, 'bob').primary?.isAcknowledged).toBe(true);
      expect(getTrust(tx, 'bob')?.verified).toBe(true);
    });
    const texts = (await keystore.records.listJson(RECORDS.plaintext(''))) as [string, { content: string }][];
    expect(texts.map(([name, { content }]) => [name, content])).toEqual([
      ['text/1', 'hello bob'],
      ['text/2', 'hello alice'],
      ['text/3', 'hello group'],
      ['text/4', 'hello both'],
    ]);
    expect(await keystore.records.listNames(distributedKeys(fixture.group))).toHaveLength(2);
    expect(await keystore.records.listNames(receivingChains(fixture.group))).toHaveLength(1);
    expect(await keystore.records.hasAny(DISTRIBUTED_KEYS)).toBe(true);
  });

  test('is moved once, also by tabs that start together, and what is newer stays', async () => {
    const storage = await storageWithNames();
    const [one] = await Promise.all([1, 2, 3].map(() => openStoredKeystore(storage, 'alice', key)));
    const before = await storage.list('');
    await one?.records.transact([], (tx) => putTrust(tx, 'bob', { key: fixture.identity, verified: false }));
    // A tab of the earlier version writes under the former names.
    const old = new Map((fixture.entries as [string, Storable][]).filter(([name]) => /identity|pin/.test(name)));
    await storage.transact([], () => ({ writes: old, result: undefined }));
    const again = await openStoredKeystore(storage, 'alice', key);
    expect((await storage.list('')).map(([name]) => name)).toEqual(before.map(([name]) => name));
    await again.records.transact([RECORDS.trust('bob')], (tx) => {
      expect(getTrust(tx, 'bob')).toEqual({ key: fixture.identity, verified: false });
    });
  });

  test('leaves no identity to a tab of the earlier version, which stops because of that', async () => {
    const storage = await storageWithNames();
    expect(await storage.get('alice/e2ee/identity')).toBeDefined();
    await openStoredKeystore(storage, 'alice', key);
    expect(await storage.get('alice/e2ee/identity')).toBeUndefined();
  });
});
