import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { expect, test } from 'vitest';
import { memoryStorage, type EncryptionOptions, type Logger, type LogFields } from '../../../../src/index.ts';
import { fileStorage } from '../../../../src/node/index.ts';
import { encryptedPair, encrypting, serverSees } from '../../../helpers/client/encryption.ts';
import { codeOf } from '../../../helpers/client/rejection.ts';
import { direct, startWorld } from '../../../helpers/client/world.ts';
import { failingStorage } from '../../../helpers/failing-storage.ts';
import fixture from '../../../unit/client/encryption/keystore/storage-with-names.json' with { type: 'json' };
import type { Storable } from '../../../../src/storage/comm-storage.ts';
import { temporaryDirectory } from '../../../helpers/temporary-directory.ts';

async function filesIn(directory: string): Promise<string> {
  const names = await readdir(directory);
  return (await Promise.all(names.map((name) => readFile(path.join(directory, name), 'utf8')))).join('\n');
}

test('a message queued when the process ends is sent by the next one, and is never stored readable', async () => {
  await using directory = await temporaryDirectory();
  const world = await startWorld();
  const encryption = { atRest: { key: new Uint8Array(32).fill(7) } };
  const alice = await encrypting(world, 'alice', {
    storage: fileStorage(path.join(directory.path, 'client.sqlite')),
    encryption,
  });
  const bob = await encrypting(world, 'bob');
  const conversationId = await direct(alice, bob);
  await alice.client.messages.send({ conversationId, content: 'first secret', encrypt: true });
  await bob.next('message:new');
  alice.port.unplug();
  const sending = alice.client.messages.send({ conversationId, content: 'second secret', encrypt: true });
  sending.catch(() => undefined);
  await alice.client[Symbol.asyncDispose]();
  expect(await filesIn(directory.path)).not.toMatch(/secret/);

  const again = world.app('alice', { storage: fileStorage(path.join(directory.path, 'client.sqlite')), encryption });
  const shown = again.client.conversations.open(conversationId);
  await again.client.connect();
  expect(await bob.next('message:new', ({ seq }) => seq === 2)).toMatchObject({ content: 'second secret' });
  await shown.ready;
  const { messages } = await again.client.messages.list({ conversationId });
  expect(messages.map(({ content }) => content)).toEqual(['first secret', 'second secret']);
  expect(again.client.messages.outbox()).toEqual([]);
  await again.client[Symbol.asyncDispose]();
  expect(await filesIn(directory.path)).not.toMatch(/secret/);
});

test('a message that may have been sent is sent again unchanged, also by another process', async () => {
  await using directory = await temporaryDirectory();
  const world = await startWorld();
  const alice = await encrypting(world, 'alice', { storage: fileStorage(path.join(directory.path, 'client.sqlite')) });
  const bob = await encrypting(world, 'bob');
  const conversationId = await direct(alice, bob);
  const frames: string[] = [];
  // The connection is lost after the message was sent and before it was acknowledged.
  const emit = alice.port.emit.bind(alice.port);
  alice.port.emit = (event, payload, acknowledge) => {
    if (event !== 'nk:message:send') return emit(event, payload, acknowledge);
    frames.push((payload as { envelope: { ciphertext: string } }).envelope.ciphertext);
    alice.port.unplug();
  };
  alice.client.messages.send({ conversationId, content: 'once', encrypt: true }).catch(() => undefined);
  await expect.poll(() => frames.length).toBe(1);
  await alice.client[Symbol.asyncDispose]();

  const again = world.app('alice', {
    storage: fileStorage(path.join(directory.path, 'client.sqlite')),
    encryption: {},
  });
  const emitAgain = again.port.emit.bind(again.port);
  again.port.emit = (event, payload, acknowledge) => {
    if (event === 'nk:message:send') frames.push((payload as { envelope: { ciphertext: string } }).envelope.ciphertext);
    emitAgain(event, payload, acknowledge);
  };
  await again.client.connect();
  await bob.next('message:new', ({ content }) => content === 'once');
  expect(frames).toHaveLength(2);
  expect(frames[1]).toBe(frames[0]);
  await again.client[Symbol.asyncDispose]();
});

test.each<[title: string, right: EncryptionOptions['atRest'], wrong: EncryptionOptions['atRest']]>([
  ['a passphrase', { passphrase: () => Promise.resolve('open sesame') }, { passphrase: 'open barley' }],
  ['a key of the app', { key: new Uint8Array(32).fill(1) }, { key: new Uint8Array(32).fill(2) }],
  ['a passphrase that is missing later', { passphrase: 'open sesame' }, undefined],
])('the stored keys are opened by %s and by nothing else', async (_title, right, wrong) => {
  const storage = memoryStorage();
  const world = await startWorld();
  const alice = await encrypting(world, 'alice');
  const bob = await encrypting(world, 'bob', { storage, encryption: { atRest: right } });
  const conversationId = await direct(alice, bob);
  const identity = await bob.client.encryption.identityKey();
  await alice.client.messages.send({ conversationId, content: 'a treasure', encrypt: true });
  const { id } = await bob.next('message:new');
  await bob.client.disconnect();

  const thief = await world.join('bob', { storage, encryption: { atRest: wrong } });
  expect(await codeOf(thief.client.encryption.ready)).toBe('E2EE_LOCKED');
  expect(thief.errors.map(({ code }) => code)).toContain('E2EE_LOCKED');
  expect(await thief.client.messages.get(id)).toMatchObject({ content: '', undecrypted: 'locked' });
  const sending = thief.client.messages.send({ conversationId, content: 'x', encrypt: true, clientId: id });
  expect(await codeOf(sending)).toBe('E2EE_LOCKED');
  thief.client.messages.discard(id);
  await thief.client.disconnect();

  const owner = await encrypting(world, 'bob', { storage, encryption: { atRest: right } });
  expect(await owner.client.encryption.identityKey()).toBe(identity);
  expect(await owner.client.messages.get(id)).toMatchObject({ content: 'a treasure' });
});

test('an unprotected data key is wrapped when atRest is set', async () => {
  const storage = memoryStorage();
  const world = await startWorld();
  const alice = await encrypting(world, 'alice', { storage });
  const identity = await alice.client.encryption.identityKey();
  await alice.client.disconnect();
  const key = new Uint8Array(32).fill(3);
  const again = await encrypting(world, 'alice', { storage, encryption: { atRest: { key } } });
  expect(await again.client.encryption.identityKey()).toBe(identity);
  await again.client.disconnect();
  const without = await world.join('alice', { storage, encryption: {} });
  expect(await codeOf(without.client.encryption.ready)).toBe('E2EE_LOCKED');
});

test('a record that was modified or moved is rejected', async () => {
  const storage = memoryStorage();
  const world = await startWorld();
  const alice = await encrypting(world, 'alice');
  const bob = await encrypting(world, 'bob', { storage });
  const conversationId = await direct(alice, bob);
  for (const content of ['one', 'two']) await alice.client.messages.send({ conversationId, content, encrypt: true });
  await bob.next('message:new', ({ content }) => content === 'two');
  await bob.client.disconnect();
  const texts = await storage.list('bob/e2ee/h/text/');
  const [[one, first], [two, second]] = texts as [(typeof texts)[0], (typeof texts)[0]];
  await storage.transact([], () => ({
    writes: new Map([
      [one, second],
      [two, first],
    ]),
    result: undefined,
  }));
  const again = await encrypting(world, 'bob', { storage });
  const { messages } = await again.client.messages.list({ conversationId });
  expect(messages.map(({ content, undecrypted }) => undecrypted ?? content)).toEqual(['locked', 'locked']);
});

test('a client continues with a storage whose keys contain names', async () => {
  const storage = memoryStorage();
  const writes = new Map(fixture.entries as [string, Storable][]);
  await storage.transact([], () => ({ writes, result: undefined }));
  const world = await startWorld();
  const encryption = { atRest: { passphrase: 'open sesame' } };
  const alice = await encrypting(world, 'alice', { storage, encryption });
  expect(await alice.client.encryption.identityKey()).toBe(fixture.identity);
  expect(await alice.client.encryption.trust('bob')).toBe('verified');
  expect(await alice.client.encryption.safetyNumber('bob')).toBe(fixture.safetyNumber);
  expect(await alice.client.encryption.isRequired(fixture.pair)).toBe(true);
  const found = await alice.client.messages.search({ query: 'hello' });
  expect(found.map(({ content }) => content).toSorted()).toEqual([
    'hello alice',
    'hello bob',
    'hello both',
    'hello group',
  ]);
  const keys = (await storage.list('')).map(([key]) => key);
  expect(keys.filter((key) => /bob|carol/.test(key))).toEqual([]);
  await alice.client[Symbol.asyncDispose]();
  // The data key is wrapped again, at a higher cost.
  const again = await encrypting(world, 'alice', { storage, encryption });
  expect(await again.client.encryption.identityKey()).toBe(fixture.identity);
});

test('unprotected keys are reported by one warning, except in memory', async () => {
  await using directory = await temporaryDirectory();
  const warnings: string[] = [];
  const ignore = (): void => undefined;
  const logger: Logger = { debug: ignore, info: ignore, error: ignore, warn: (message) => warnings.push(message) };
  const world = await startWorld();
  await encrypting(world, 'alice', { storage: memoryStorage(), logger });
  expect(warnings).toEqual([]);
  const bob = await encrypting(world, 'bob', {
    storage: fileStorage(path.join(directory.path, 'client.sqlite')),
    logger,
  });
  await bob.client[Symbol.asyncDispose]();
  const again = await encrypting(world, 'bob', {
    storage: fileStorage(path.join(directory.path, 'client.sqlite')),
    logger,
  });
  await again.client[Symbol.asyncDispose]();
  expect(warnings.filter((message) => message.includes('atRest'))).toHaveLength(1);
});

test('no message text, key or passphrase appears in logs, errors or URLs', async () => {
  const lines: string[] = [];
  const write = (message: string, fields?: LogFields): void => void lines.push(`${message} ${JSON.stringify(fields)}`);
  const logger: Logger = { debug: write, info: write, warn: write, error: write };
  const urls: string[] = [];
  const watching: typeof fetch = (input, init) => {
    urls.push(input instanceof Request ? input.url : String(input));
    return fetch(input, init);
  };
  const encryption = { atRest: { passphrase: 'open sesame' }, policy: 'block' as const };
  const pair = await encryptedPair({ logger, fetch: watching, encryption });
  const { alice, bob, conversationId } = pair;
  await alice.client.messages.send({ conversationId, content: 'my secret', encrypt: true });
  await bob.next('message:new');
  await bob.client.messages.send({ conversationId, content: 'my secret answer', encrypt: true });
  await alice.next('message:new', ({ senderId }) => senderId === 'bob');
  const backup = await alice.client.encryption.exportBackup('battery staple');
  await codeOf(alice.client.encryption.importBackup(backup, 'wrong staple'));
  await bob.client.disconnect();
  const other = await pair.join('bob', { logger, fetch: watching, encryption: {} });
  await other.client.encryption.takeOver();
  await other.client.messages.send({ conversationId, content: 'my secret return', encrypt: true });
  await alice.next('encryption:identity-changed');
  const failing = alice.client.messages.send({ conversationId, content: 'my secret doubt', encrypt: true });
  await codeOf(failing);
  await alice.client.messages.search({ query: 'nothing' });
  const errors = [...alice.errors, ...bob.errors, ...other.errors].map((error) => inspect(error));
  const keys = [await alice.client.encryption.identityKey(), await other.client.encryption.identityKey()];
  const visible = [...lines, ...errors, ...urls].join('\n');
  expect(visible).not.toMatch(/secret|sesame|staple/);
  for (const key of keys) expect(visible).not.toContain(key);
});

function inspect(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return `${error.message} ${JSON.stringify(error)} ${inspect(error.cause)}`;
}

test('a required conversation stays required if the storage fails later', async () => {
  const storage = failingStorage();
  const world = await startWorld();
  const bob = await encrypting(world, 'bob');
  const before = await encrypting(world, 'alice', { storage });
  const conversationId = await direct(before, bob);
  await before.client.encryption.setRequired(conversationId, true);
  await before.client.disconnect();
  const alice = await encrypting(world, 'alice', { storage });
  storage.breakDown('all');
  // Nothing can be encrypted without a stored state, and nothing is sent readable.
  expect(await codeOf(alice.client.messages.send({ conversationId, content: 'secret' }))).toBe('STORAGE');
  expect(await alice.client.encryption.isRequired(conversationId)).toBe(true);
  expect(await serverSees(world.server)).not.toMatch(/secret/);
});
