import { expect, test } from 'vitest';
import { memoryStorage, type CommStorage } from '../../../../src/index.ts';
import { encryptedPair, encrypting } from '../../../helpers/client/encryption.ts';
import { codeOf, rejectionOf } from '../../../helpers/client/rejection.ts';
import { direct, startWorld } from '../../../helpers/client/world.ts';

async function erase(storage: CommStorage, prefix: string): Promise<void> {
  const entries = await storage.list(prefix);
  await storage.transact([], () => ({ writes: new Map(entries.map(([key]) => [key, undefined])), result: undefined }));
}

test('a second device is inactive until it takes over, which deactivates the first one', async () => {
  const pair = await encryptedPair();
  const { alice, bob, conversationId } = pair;
  const second = await pair.join('bob', { encryption: {} });
  expect(await codeOf(second.client.encryption.ready)).toBe('E2EE_OTHER_DEVICE');
  const sending = second.client.messages.send({ conversationId, content: 'x', encrypt: true });
  expect(await codeOf(sending)).toBe('E2EE_OTHER_DEVICE');
  await second.client.encryption.takeOver();
  await second.client.encryption.ready;
  const [waiting] = second.client.messages.outbox();
  await second.client.messages.retry(waiting?.clientId ?? '');
  await alice.next('message:new', ({ content }) => content === 'x');
  await bob.pushed('encryption:keys-changed');
  await expect.poll(() => codeOf(bob.client.encryption.ready)).toBe('E2EE_OTHER_DEVICE');
});

test('importing a backup restores identity, trust, requirement and history, and peers see no change', async () => {
  const pair = await encryptedPair();
  const { alice, bob, conversationId } = pair;
  await alice.client.messages.send({ conversationId, content: 'the old days', encrypt: true });
  await bob.next('message:new');
  await bob.client.messages.send({ conversationId, content: 'indeed', encrypt: true });
  await alice.next('message:new', ({ content }) => content === 'indeed');
  await bob.client.encryption.verify('alice', await bob.client.encryption.safetyNumber('alice'));
  await bob.client.encryption.setRequired(conversationId, true);
  const backup = await bob.client.encryption.exportBackup('correct horse', { history: true });
  const identity = await bob.client.encryption.identityKey();
  await bob.client[Symbol.asyncDispose]();
  alice.forget();

  const device = await pair.join('bob', { encryption: {} });
  expect(await codeOf(device.client.encryption.ready)).toBe('E2EE_OTHER_DEVICE');
  expect(await codeOf(device.client.encryption.importBackup(backup, 'wrong horse'))).toBe('E2EE_DECRYPTION_FAILED');
  expect(await codeOf(alice.client.encryption.importBackup(backup, 'correct horse'))).toBe('E2EE_DECRYPTION_FAILED');
  await device.client.encryption.importBackup(backup, 'correct horse');
  await device.client.encryption.ready;
  expect(await device.client.encryption.identityKey()).toBe(identity);
  expect(await device.client.encryption.trust('alice')).toBe('verified');
  const { messages } = await device.client.messages.list({ conversationId });
  expect(messages.map(({ content }) => content)).toEqual(['the old days', 'indeed']);

  expect(await device.client.encryption.isRequired(conversationId)).toBe(true);
  const sent = await device.client.messages.send({ conversationId, content: 'new phone, same me' });
  expect(sent.encrypted).toBe(true);
  await alice.next('message:new', ({ content }) => content === 'new phone, same me');
  expect(alice.all('encryption:identity-changed')).toEqual([]);
});

test('after an import a peer with the old session is reset, and both decrypt each other again', async () => {
  const pair = await encryptedPair();
  const { alice, bob, conversationId } = pair;
  await alice.client.messages.send({ conversationId, content: 'one', encrypt: true });
  await bob.next('message:new');
  await bob.client.messages.send({ conversationId, content: 'two', encrypt: true });
  await alice.next('message:new', ({ content }) => content === 'two');
  const backup = await bob.client.encryption.exportBackup('correct horse');
  await bob.client[Symbol.asyncDispose]();
  const device = await pair.join('bob', { encryption: {} });
  await device.client.encryption.importBackup(backup, 'correct horse');

  alice.forget();
  await alice.client.messages.send({ conversationId, content: 'lost', encrypt: true });
  const lost = await device.next('message:new', ({ senderId }) => senderId === 'alice');
  expect(lost).toMatchObject({ status: 'failed', undecrypted: 'unknown-session' });
  await device.next('encryption:decryption-failed', ({ reason }) => reason === 'unknown-session');
  // Alice receives the reset and sends her messages again: they appear in their place.
  await device.next('message:updated', ({ id, content }) => id === lost.id && content === 'lost');
  const { messages } = await device.client.messages.list({ conversationId });
  expect(messages.map(({ content }) => content)).toEqual(['one', '', 'lost']);
  await alice.client.messages.send({ conversationId, content: 'found', encrypt: true });
  await device.next('message:new', ({ content }) => content === 'found');
  await device.client.messages.send({ conversationId, content: 'again', encrypt: true });
  await alice.next('message:new', ({ content }) => content === 'again');
});

test('a reset deletes all keys and messages and creates another identity', async () => {
  const storage = memoryStorage();
  const world = await startWorld();
  const alice = await encrypting(world, 'alice');
  const bob = await encrypting(world, 'bob', { storage });
  const conversationId = await direct(alice, bob);
  await alice.client.messages.send({ conversationId, content: 'gone', encrypt: true });
  const { id } = await bob.next('message:new');
  const before = await bob.client.encryption.identityKey();
  await bob.client.encryption.reset();
  expect(await bob.client.encryption.identityKey()).not.toBe(before);
  expect(await bob.client.encryption.trust('alice')).toBe('unknown');
  expect(await bob.client.messages.search({ query: 'gone' })).toEqual([]);
  expect(await bob.client.messages.get(id)).toMatchObject({ content: '', status: 'failed' });
  await bob.client.messages.send({ conversationId, content: 'after the reset', encrypt: true });
  await alice.next('message:new', ({ content }) => content === 'after the reset');
});

test('lost sessions are reset automatically, once for many messages', async () => {
  const storage = memoryStorage();
  const world = await startWorld();
  const alice = await encrypting(world, 'alice');
  const bob = await encrypting(world, 'bob', { storage });
  const conversationId = await direct(alice, bob);
  await alice.client.messages.send({ conversationId, content: 'one', encrypt: true });
  await bob.next('message:new');
  await alice.sessionWith('bob');
  await bob.client.messages.send({ conversationId, content: 'two', encrypt: true });
  await alice.next('message:new', ({ content }) => content === 'two');
  await bob.client[Symbol.asyncDispose]();
  await erase(storage, 'bob/e2ee/h/peer/');
  const again = await encrypting(world, 'bob', { storage });
  alice.forget();
  for (const content of ['three', 'four', 'five']) {
    await alice.client.messages.send({ conversationId, content, encrypt: true });
  }
  for (const content of ['three', 'four', 'five']) {
    await again.next('message:updated', (message) => message.content === content);
  }
  await alice.client.messages.send({ conversationId, content: 'six', encrypt: true });
  await again.next('message:new', ({ content }) => content === 'six');
  expect(again.port.sent.filter((name) => name === 'encryption:request-keys')).toHaveLength(2);
});

test('invalid arguments are rejected with a TypeError', async () => {
  const { alice } = await encryptedPair();
  const { encryption } = alice.client;
  expect(await rejectionOf(encryption.exportBackup(''))).toBeInstanceOf(TypeError);
  expect(await rejectionOf(encryption.verify('', '0'.repeat(60)))).toBeInstanceOf(TypeError);
  expect(await rejectionOf(encryption.trust('bob', { signal: AbortSignal.abort(new Error('never mind')) }))).toEqual(
    new Error('never mind'),
  );
});

test('a file survives encryption and decryption', async () => {
  const { alice, bob } = await encryptedPair();
  const file = new Blob(['the plan'], { type: 'text/plain' });
  const { ciphertext, secret } = await alice.client.encryption.encryptAttachment(file);
  expect(await ciphertext.text()).not.toContain('plan');
  const opened = await bob.client.encryption.decryptAttachment(ciphertext, secret);
  expect(await opened.text()).toBe('the plan');
  const cut = ciphertext.slice(0, -1);
  expect(await codeOf(bob.client.encryption.decryptAttachment(cut, secret))).toBe('E2EE_DECRYPTION_FAILED');
});
