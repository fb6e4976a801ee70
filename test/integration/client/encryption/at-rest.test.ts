import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { expect, test } from 'vitest';
import { memoryStorage, type EncryptionOptions, type Logger, type LogFields } from '../../../../src/index.ts';
import { fileStorage } from '../../../../src/node/index.ts';
import { encryptedPair, encrypting, serverSees } from '../../../helpers/client/encryption.ts';
import { codeOf } from '../../../helpers/client/rejection.ts';
import { direct, startWorld } from '../../../helpers/client/world.ts';
import { failingStorage } from '../../../helpers/failing-storage.ts';
import { temporaryDirectory } from '../../../helpers/temporary-directory.ts';

async function filesIn(directory: string): Promise<string> {
  const names = await readdir(directory);
  return (await Promise.all(names.map((name) => readFile(path.join(directory, name), 'utf8')))).join('\n');
}

test('what waits in the outbox when the process ends leaves with the next one, and is never readable on the disk', async () => {
  await using directory = await temporaryDirectory();
  const world = await startWorld();
  const encryption = { atRest: { key: new Uint8Array(32).fill(7) } };
  const alice = await encrypting(world, 'alice', { storage: fileStorage(directory.path), encryption });
  const bob = await encrypting(world, 'bob');
  const conversationId = await direct(alice, bob);
  await alice.client.messages.send({ conversationId, content: 'first secret', encrypt: true });
  await bob.next('message:new');
  alice.port.unplug();
  const sending = alice.client.messages.send({ conversationId, content: 'second secret', encrypt: true });
  sending.catch(() => undefined);
  await alice.client[Symbol.asyncDispose]();
  expect(await filesIn(directory.path)).not.toMatch(/secret/);

  const again = world.app('alice', { storage: fileStorage(directory.path), encryption });
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

test('bytes that may have left are the ones that leave again, also from another process', async () => {
  await using directory = await temporaryDirectory();
  const world = await startWorld();
  const alice = await encrypting(world, 'alice', { storage: fileStorage(directory.path) });
  const bob = await encrypting(world, 'bob');
  const conversationId = await direct(alice, bob);
  const frames: string[] = [];
  // It leaves, and the line is cut before anybody hears of it.
  const emit = alice.port.emit.bind(alice.port);
  alice.port.emit = (event, payload, acknowledge) => {
    if (event !== 'nk:message:send') return emit(event, payload, acknowledge);
    frames.push((payload as { envelope: { ciphertext: string } }).envelope.ciphertext);
    alice.port.unplug();
  };
  alice.client.messages.send({ conversationId, content: 'once', encrypt: true }).catch(() => undefined);
  await expect.poll(() => frames.length).toBe(1);
  await alice.client[Symbol.asyncDispose]();

  const again = world.app('alice', { storage: fileStorage(directory.path), encryption: {} });
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
])('%s opens what is stored, and nothing else does', async (_title, right, wrong) => {
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

test('what was stored without a key is wrapped once one is given', async () => {
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

test('a record that was changed or moved is not taken for one of ours', async () => {
  const storage = memoryStorage();
  const world = await startWorld();
  const alice = await encrypting(world, 'alice');
  const bob = await encrypting(world, 'bob', { storage });
  const conversationId = await direct(alice, bob);
  for (const content of ['one', 'two']) await alice.client.messages.send({ conversationId, content, encrypt: true });
  await bob.next('message:new', ({ content }) => content === 'two');
  await bob.client.disconnect();
  const texts = await storage.list('bob/e2ee/text/');
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

test('without a key to guard what is stored a warning says so, once, and not of what is in memory', async () => {
  await using directory = await temporaryDirectory();
  const warnings: string[] = [];
  const ignore = (): void => undefined;
  const logger: Logger = { debug: ignore, info: ignore, error: ignore, warn: (message) => warnings.push(message) };
  const world = await startWorld();
  await encrypting(world, 'alice', { storage: memoryStorage(), logger });
  expect(warnings).toEqual([]);
  const bob = await encrypting(world, 'bob', { storage: fileStorage(directory.path), logger });
  await bob.client[Symbol.asyncDispose]();
  const again = await encrypting(world, 'bob', { storage: fileStorage(directory.path), logger });
  await again.client[Symbol.asyncDispose]();
  expect(warnings.filter((message) => message.includes('atRest'))).toHaveLength(1);
});

test('no text, key or passphrase is in what is logged, told as an error, or asked for in an address', async () => {
  const lines: string[] = [];
  const write = (message: string, fields?: LogFields): void => void lines.push(`${message} ${JSON.stringify(fields)}`);
  const logger: Logger = { debug: write, info: write, warn: write, error: write };
  const urls: string[] = [];
  const watching: typeof fetch = (input, init) => {
    urls.push(input instanceof Request ? input.url : String(input));
    return fetch(input, init);
  };
  const encryption = { atRest: { passphrase: 'open sesame' }, identityChanges: 'block' as const };
  const pair = await encryptedPair({ logger, fetch: watching, encryption });
  const { alice, bob, conversationId } = pair;
  await alice.client.messages.send({ conversationId, content: 'my secret', encrypt: true });
  await bob.next('message:new');
  await bob.client.messages.send({ conversationId, content: 'my secret answer', encrypt: true });
  await alice.next('message:new', ({ senderId }) => senderId === 'bob');
  const backup = await alice.client.encryption.export('battery staple');
  await codeOf(alice.client.encryption.import(backup, 'wrong staple'));
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
  const told = [...lines, ...errors, ...urls].join('\n');
  expect(told).not.toMatch(/secret|sesame|staple/);
  for (const key of keys) expect(told).not.toContain(key);
});

function inspect(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return `${error.message} ${JSON.stringify(error)} ${inspect(error.cause)}`;
}

test('what was required stays required when the storage fails before anybody has asked', async () => {
  const storage = failingStorage();
  const world = await startWorld();
  const bob = await encrypting(world, 'bob');
  const before = await encrypting(world, 'alice', { storage });
  const conversationId = await direct(before, bob);
  await before.client.encryption.require(conversationId, true);
  await before.client.disconnect();
  const alice = await encrypting(world, 'alice', { storage });
  storage.breakDown('all');
  expect(await alice.client.messages.send({ conversationId, content: 'secret' })).toMatchObject({ encrypted: true });
  await bob.next('message:new', ({ content }) => content === 'secret');
  expect(await serverSees(world.server)).not.toMatch(/secret/);
});
