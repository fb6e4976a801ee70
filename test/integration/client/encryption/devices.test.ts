import { expect, test } from 'vitest';
import { memoryStorage, type CommStorage } from '../../../../src/index.ts';
import { encryptedPair, encrypting } from '../../../helpers/client/encryption.ts';
import { codeOf, rejectionOf } from '../../../helpers/client/rejection.ts';
import { direct, startWorld } from '../../../helpers/client/world.ts';

async function erase(storage: CommStorage, prefix: string): Promise<void> {
  const entries = await storage.list(prefix);
  await storage.transact([], () => ({ writes: new Map(entries.map(([key]) => [key, undefined])), result: undefined }));
}

test('a second device stops until it takes over, and then the first one does', async () => {
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
  await bob.next('encryption:keys-changed');
  await expect.poll(() => codeOf(bob.client.encryption.ready)).toBe('E2EE_OTHER_DEVICE');
});

test('a backup makes a new device the same person: nobody is warned, and what was said is there', async () => {
  const pair = await encryptedPair();
  const { alice, bob, conversationId } = pair;
  await alice.client.messages.send({ conversationId, content: 'the old days', encrypt: true });
  await bob.next('message:new');
  await bob.client.messages.send({ conversationId, content: 'indeed', encrypt: true });
  await alice.next('message:new', ({ content }) => content === 'indeed');
  await bob.client.encryption.verify('alice');
  const backup = await bob.client.encryption.export('correct horse', { history: true });
  const identity = await bob.client.encryption.identityKey();
  await bob.client[Symbol.asyncDispose]();
  alice.forget();

  const device = await pair.join('bob', { encryption: {} });
  expect(await codeOf(device.client.encryption.ready)).toBe('E2EE_OTHER_DEVICE');
  expect(await codeOf(device.client.encryption.import(backup, 'wrong horse'))).toBe('E2EE_DECRYPTION_FAILED');
  expect(await codeOf(alice.client.encryption.import(backup, 'correct horse'))).toBe('E2EE_DECRYPTION_FAILED');
  await device.client.encryption.import(backup, 'correct horse');
  await device.client.encryption.ready;
  expect(await device.client.encryption.identityKey()).toBe(identity);
  expect(await device.client.encryption.trust('alice')).toBe('verified');
  const { messages } = await device.client.messages.list({ conversationId });
  expect(messages.map(({ content }) => content)).toEqual(['the old days', 'indeed']);

  await device.client.messages.send({ conversationId, content: 'new phone, same me', encrypt: true });
  await alice.next('message:new', ({ content }) => content === 'new phone, same me');
  expect(alice.all('encryption:identity-changed')).toEqual([]);
});

test('after an import a peer that goes on with the old session is told, and both read each other again', async () => {
  const pair = await encryptedPair();
  const { alice, bob, conversationId } = pair;
  await alice.client.messages.send({ conversationId, content: 'one', encrypt: true });
  await bob.next('message:new');
  await bob.client.messages.send({ conversationId, content: 'two', encrypt: true });
  await alice.next('message:new', ({ content }) => content === 'two');
  const backup = await bob.client.encryption.export('correct horse');
  await bob.client[Symbol.asyncDispose]();
  const device = await pair.join('bob', { encryption: {} });
  await device.client.encryption.import(backup, 'correct horse');

  alice.forget();
  await alice.client.messages.send({ conversationId, content: 'lost', encrypt: true });
  const lost = await device.next('message:new', ({ senderId }) => senderId === 'alice');
  expect(lost).toMatchObject({ status: 'failed', undecrypted: 'unknown-session' });
  await device.next('encryption:decryption-failed', ({ reason }) => reason === 'unknown-session');
  // Alice hears of it, and sends once more what was written to him: it shows in its place.
  await device.next('message:updated', ({ id, content }) => id === lost.id && content === 'lost');
  const { messages } = await device.client.messages.list({ conversationId });
  expect(messages.map(({ content }) => content)).toEqual(['one', '', 'lost']);
  await alice.client.messages.send({ conversationId, content: 'found', encrypt: true });
  await device.next('message:new', ({ content }) => content === 'found');
  await device.client.messages.send({ conversationId, content: 'again', encrypt: true });
  await alice.next('message:new', ({ content }) => content === 'again');
});

test('what is left of a reset is nothing, under another identity', async () => {
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
  await bob.client.messages.send({ conversationId, content: 'anew', encrypt: true });
  await alice.next('message:new', ({ content }) => content === 'anew');
});

test('one whose sessions are lost starts anew by itself, once for many messages', async () => {
  const storage = memoryStorage();
  const world = await startWorld();
  const alice = await encrypting(world, 'alice');
  const bob = await encrypting(world, 'bob', { storage });
  const conversationId = await direct(alice, bob);
  await alice.client.messages.send({ conversationId, content: 'one', encrypt: true });
  await bob.next('message:new');
  await alice.next('encryption:session-established');
  await bob.client.messages.send({ conversationId, content: 'two', encrypt: true });
  await alice.next('message:new', ({ content }) => content === 'two');
  await bob.client[Symbol.asyncDispose]();
  await erase(storage, 'bob/e2ee/peer/');
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

test('what is wrong in a call is a TypeError', async () => {
  const { alice } = await encryptedPair();
  const { encryption } = alice.client;
  expect(await rejectionOf(encryption.export(''))).toBeInstanceOf(TypeError);
  expect(await rejectionOf(encryption.verify(''))).toBeInstanceOf(TypeError);
  expect(await rejectionOf(encryption.trust('bob', { signal: AbortSignal.abort(new Error('never mind')) }))).toEqual(
    new Error('never mind'),
  );
});

test('a file is encrypted for upload, and comes back as it was', async () => {
  const { alice, bob } = await encryptedPair();
  const file = new Blob(['the plan'], { type: 'text/plain' });
  const { ciphertext, secret } = await alice.client.encryption.encryptAttachment(file);
  expect(await ciphertext.text()).not.toContain('plan');
  const opened = await bob.client.encryption.decryptAttachment(ciphertext, secret);
  expect(await opened.text()).toBe('the plan');
  const cut = ciphertext.slice(0, -1);
  expect(await codeOf(bob.client.encryption.decryptAttachment(cut, secret))).toBe('E2EE_DECRYPTION_FAILED');
});
