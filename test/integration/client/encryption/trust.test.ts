import { expect, test } from 'vitest';
import type { CommClientOptions } from '../../../../src/index.ts';
import type { App } from '../../../helpers/client/app.ts';
import { encryptedPair, type EncryptedPair } from '../../../helpers/client/encryption.ts';
import { codeOf, rejectionOf } from '../../../helpers/client/rejection.ts';

/** Bob on a new device that has taken over with another identity. */
async function newDevice(pair: EncryptedPair): Promise<App> {
  await pair.bob.client.disconnect();
  const bob = await pair.join('bob', { encryption: {} });
  await bob.client.encryption.takeOver();
  return bob;
}

async function acquainted(options: CommClientOptions = {}): Promise<EncryptedPair> {
  const pair = await encryptedPair(options);
  const { alice, bob, conversationId } = pair;
  await alice.client.messages.send({ conversationId, content: 'hello', encrypt: true });
  await bob.next('message:new', ({ content }) => content === 'hello');
  await alice.sessionWith('bob');
  return pair;
}

test('the first key seen is pinned', async () => {
  const { alice, bob, conversationId } = await encryptedPair();
  expect(await alice.client.encryption.trust('bob')).toBe('unknown');
  await alice.client.messages.send({ conversationId, content: 'hello', encrypt: true });
  await bob.next('message:new');
  expect(await alice.client.encryption.trust('bob')).toBe('pinned');
  expect(await bob.client.encryption.trust('alice')).toBe('pinned');
});

test('both users see the same safety number and can verify each other', async () => {
  const { alice, bob } = await acquainted();
  const number = await alice.client.encryption.safetyNumber('bob');
  expect(number).toMatch(/^\d{60}$/);
  expect(await bob.client.encryption.safetyNumber('alice')).toBe(number);
  await alice.client.encryption.verify('bob', number);
  expect(await alice.client.encryption.trust('bob')).toBe('verified');
  expect(await bob.client.encryption.trust('alice')).toBe('pinned');
});

test('a scanned QR code verifies its owner and no other user', async () => {
  const { alice, bob } = await acquainted();
  expect(await alice.client.encryption.verifyQr('bob', await alice.client.encryption.qr('bob'))).toBe(false);
  expect(await alice.client.encryption.trust('bob')).toBe('pinned');
  expect(await alice.client.encryption.verifyQr('bob', await bob.client.encryption.qr('alice'))).toBe(true);
  expect(await alice.client.encryption.trust('bob')).toBe('verified');
});

test('a user without keys has no safety number and is unknown', async () => {
  const { alice } = await encryptedPair();
  expect(await codeOf(alice.client.encryption.safetyNumber('dave'))).toBe('E2EE_NO_KEYS');
  expect(await alice.client.encryption.trust('dave')).toBe('unknown');
});

test('`warn` reports another key before the message under it, and pins it', async () => {
  const pair = await acquainted();
  const { alice, conversationId } = pair;
  const before = await pair.bob.client.encryption.identityKey();
  const bob = await newDevice(pair);
  alice.forget();
  await bob.client.messages.send({ conversationId, content: 'from my new phone', encrypt: true });
  await alice.next('message:new', ({ content }) => content === 'from my new phone');
  const emitted = alice.events.map(({ name }) => name).filter((name) => /identity-changed|message:new/.test(name));
  expect(emitted).toEqual(['encryption:identity-changed', 'message:new']);
  expect(alice.all('encryption:identity-changed')).toEqual([
    {
      userId: 'bob',
      identityKey: await bob.client.encryption.identityKey(),
      previousKey: before,
      wasVerified: false,
      accepted: true,
    },
  ]);
  expect(await alice.client.encryption.trust('bob')).toBe('pinned');
  await alice.client.messages.send({ conversationId, content: 'nice', encrypt: true });
  await bob.next('message:new', ({ content }) => content === 'nice');
});

test('a changed key is fetched before the next message is sent', async () => {
  const pair = await acquainted();
  const { alice, conversationId } = pair;
  const bob = await newDevice(pair);
  await alice.pushed('encryption:keys-changed');
  await alice.client.messages.send({ conversationId, content: 'to the new phone', encrypt: true });
  await bob.next('message:new', ({ content }) => content === 'to the new phone');
  expect(alice.all('encryption:identity-changed')).toMatchObject([{ userId: 'bob', accepted: true }]);
});

test.each<[title: string, options: CommClientOptions, verify: boolean]>([
  ['with `block`', { encryption: { policy: 'block' } }, false],
  ['of a verified user', { encryption: {} }, true],
])('%s another identity key blocks messages until it is accepted', async (_title, options, verify) => {
  const pair = await acquainted(options);
  const { alice, conversationId } = pair;
  const number = await alice.client.encryption.safetyNumber('bob');
  if (verify) await alice.client.encryption.verify('bob', number);
  const bob = await newDevice(pair);
  const key = await bob.client.encryption.identityKey();
  await bob.client.messages.send({ conversationId, content: 'held', encrypt: true });
  const change = await alice.next('encryption:identity-changed');
  expect(change).toMatchObject({ userId: 'bob', identityKey: key, accepted: false, wasVerified: verify });
  const held = await alice.next('message:new', ({ senderId }) => senderId === 'bob');
  expect(held).toMatchObject({ content: '', status: 'failed', undecrypted: 'identity-changed' });
  expect(await alice.client.encryption.trust('bob')).toBe('changed');
  const clientId = '0197a000-0000-7000-8000-000000000001';
  const sending = alice.client.messages.send({ conversationId, content: 'to whom?', encrypt: true, clientId });
  expect(await codeOf(sending)).toBe('E2EE_IDENTITY_CHANGED');
  const newNumber = await bob.client.encryption.safetyNumber('alice');
  expect(await codeOf(alice.client.encryption.verify('bob', newNumber))).toBe('E2EE_IDENTITY_CHANGED');
  expect(await codeOf(alice.client.encryption.acceptIdentity('bob', change.previousKey))).toBe('CONFLICT');
  expect(await rejectionOf(alice.client.encryption.acceptIdentity('bob', 'x'))).toBeInstanceOf(TypeError);
  // The safety number contains the pinned key until the new one is accepted.
  expect(await alice.client.encryption.safetyNumber('bob')).toBe(number);
  await alice.client.encryption.acceptIdentity('bob', key);
  expect(await alice.client.encryption.safetyNumber('bob')).toBe(newNumber);
  await alice.next('message:updated', ({ content }) => content === 'held');
  expect(await alice.client.encryption.trust('bob')).toBe('pinned');
  await alice.client.messages.retry(clientId);
  await bob.next('message:new', ({ content }) => content === 'to whom?');
  expect(alice.all('encryption:identity-changed')).toHaveLength(1);
});

test('verify() marks the key whose safety number was compared, and no newer one', async () => {
  const pair = await acquainted();
  const { alice, conversationId } = pair;
  const compared = await alice.client.encryption.safetyNumber('bob');
  const bob = await newDevice(pair);
  await bob.client.messages.send({ conversationId, content: 'from elsewhere', encrypt: true });
  await alice.next('encryption:identity-changed', ({ accepted }) => accepted);
  expect(await codeOf(alice.client.encryption.verify('bob', compared))).toBe('E2EE_IDENTITY_CHANGED');
  expect(await alice.client.encryption.trust('bob')).toBe('pinned');
  expect(await rejectionOf(alice.client.encryption.verify('bob', '123'))).toBeInstanceOf(TypeError);
  const digits = await alice.client.encryption.safetyNumber('bob');
  await alice.client.encryption.verify('bob', digits.replaceAll(/(.{5})/g, '$1 '));
  expect(await alice.client.encryption.trust('bob')).toBe('verified');
});
