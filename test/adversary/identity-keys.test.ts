import { expect, test } from 'vitest';
import { memoryStorage, type CommClientOptions, type CommStorage } from '../../src/index.ts';
import type { App } from '../helpers/client/app.ts';
import { codeOf } from '../helpers/client/rejection.ts';
import { direct } from '../helpers/client/world.ts';
import { MaliciousServer } from './malicious-server.ts';

interface Pair {
  server: MaliciousServer;
  alice: App;
  bob: App;
  conversationId: string;
  storage: CommStorage;
  /** Answers Alice's requests for Bob's keys with Mallory's. */
  lie: () => Promise<void>;
  /** Answers them honestly. */
  tellTheTruth: () => void;
}

/** Alice and Bob, who have a session; Mallory's keys are known to the server. */
async function pair(options: CommClientOptions = {}): Promise<Pair> {
  const server = await MaliciousServer.start();
  const storage = memoryStorage();
  const [alice, bob] = await Promise.all([
    server.join('alice', { storage, ...options }),
    server.join('bob'),
    server.join('mallory'),
  ]);
  const conversationId = await direct(alice, bob);
  // The server knows Mallory's keys only if Alice may ask for them.
  await alice.client.conversations.create({ type: 'direct', participantIds: ['mallory'] });
  await alice.client.messages.send({ conversationId, content: 'hello', encrypt: true });
  await bob.next('message:new');
  await alice.sessionWith('bob');
  const lie = async (): Promise<void> => {
    server.altersRequest = (name, payload, from) =>
      name === 'encryption:request-keys' &&
      from === 'alice' &&
      (payload as { recipientId: string }).recipientId === 'bob'
        ? { recipientId: 'mallory' }
        : payload;
    server.altersResponse = (name, data, to) =>
      name === 'encryption:request-keys' &&
      to === 'alice' &&
      (data as { recipientId: string }).recipientId === 'mallory'
        ? { ...(data as object), recipientId: 'bob' }
        : data;
    server.push('alice', 'encryption:keys-changed', { userId: 'bob', identityKey: '' });
    await alice.pushed('encryption:keys-changed');
  };
  const tellTheTruth = (): void => {
    server.altersRequest = (_name, payload) => payload;
    server.altersResponse = (_name, data) => data;
  };
  return { server, alice, bob, conversationId, storage, lie, tellTheTruth };
}

/** Verifies Bob, and lets the server present another key. */
async function locked(): Promise<Pair & { clientId: string }> {
  const found = await pair();
  const { alice, conversationId, lie } = found;
  await alice.client.encryption.verify('bob', await alice.client.encryption.safetyNumber('bob'));
  await lie();
  const clientId = '0197a000-0000-7000-8000-000000000001';
  const sending = alice.client.messages.send({ conversationId, content: 'the secret', encrypt: true, clientId });
  expect(await codeOf(sending)).toBe('E2EE_IDENTITY_CHANGED');
  expect(await alice.client.encryption.trust('bob')).toBe('changed');
  return { ...found, clientId };
}

test('a false key ends its effect when the server presents the pinned key again', async () => {
  const { alice, bob, clientId, tellTheTruth } = await locked();
  tellTheTruth();
  await alice.client.messages.retry(clientId);
  expect(await bob.next('message:new')).toMatchObject({ content: 'the secret' });
  expect(await alice.client.encryption.trust('bob')).toBe('verified');
});

test('a message under the pinned key ends the suspicion', async () => {
  const { alice, bob, conversationId } = await locked();
  await bob.client.messages.send({ conversationId, content: 'it is me', encrypt: true });
  expect(await alice.next('message:new', ({ senderId }) => senderId === 'bob')).toMatchObject({ content: 'it is me' });
  expect(await alice.client.encryption.trust('bob')).toBe('verified');
});

test('rejectIdentity() keeps the pinned key in use while the server goes on lying', async () => {
  const { alice, bob, clientId, conversationId, lie } = await locked();
  await alice.client.encryption.rejectIdentity('bob');
  expect(await alice.client.encryption.trust('bob')).toBe('verified');
  await alice.client.messages.retry(clientId);
  expect(await bob.next('message:new')).toMatchObject({ content: 'the secret' });
  await lie();
  await alice.client.messages.send({ conversationId, content: 'and again', encrypt: true });
  expect(await bob.next('message:new')).toMatchObject({ content: 'and again' });
  expect(alice.all('encryption:identity-changed')).toHaveLength(1);
});

test('the safety number and the QR code contain the pinned key, not the presented one', async () => {
  const { alice, bob } = await locked();
  const number = await bob.client.encryption.safetyNumber('alice');
  expect(await alice.client.encryption.safetyNumber('bob')).toBe(number);
  expect(await alice.client.encryption.verifyQr('bob', await bob.client.encryption.qr('alice'))).toBe(true);
  expect(await alice.client.encryption.trust('bob')).toBe('verified');
});

test('under `warn` a change leaves a trace after a reload, until it is acknowledged', async () => {
  const { server, alice, bob, conversationId, storage, lie } = await pair();
  const key = await bob.client.encryption.identityKey();
  await bob.client.disconnect();
  await lie();
  await alice.client.messages.send({ conversationId, content: 'to whom?', encrypt: true });
  const change = await alice.next('encryption:identity-changed');
  expect(change).toMatchObject({ previousKey: key, accepted: true });
  await alice.client.disconnect();
  const again = await server.join('alice', { storage });
  const trace = await again.client.encryption.identityChange('bob');
  expect(trace).toMatchObject(change);
  expect(trace?.changedAt).toMatch(/^\d{4}-/);
  await again.client.encryption.acceptIdentity('bob', change.identityKey);
  expect(await again.client.encryption.identityChange('bob')).toBeUndefined();
});

test('a rejected key leaves no open change', async () => {
  const { alice } = await locked();
  expect(await alice.client.encryption.identityChange('bob')).toMatchObject({ accepted: false, wasVerified: true });
  await alice.client.encryption.rejectIdentity('bob');
  expect(await alice.client.encryption.identityChange('bob')).toBeUndefined();
});

test('importBackup() keeps the keys that were pinned after the backup', async () => {
  const { server, alice } = await pair();
  const backup = await alice.client.encryption.exportBackup('a long passphrase');
  const carol = await server.join('carol');
  const withCarol = await direct(alice, carol);
  await alice.client.messages.send({ conversationId: withCarol, content: 'hello', encrypt: true });
  await alice.client.encryption.verify('carol', await alice.client.encryption.safetyNumber('carol'));
  await alice.client.encryption.verify('bob', await alice.client.encryption.safetyNumber('bob'));
  await alice.client.encryption.importBackup(backup, 'a long passphrase');
  expect(await alice.client.encryption.trust('carol')).toBe('verified');
  expect(await alice.client.encryption.trust('bob')).toBe('verified');
});

test('importBackup() does not replace a verified key by another one that the server has presented since', async () => {
  const { alice, bob, lie, conversationId } = await pair();
  await alice.client.encryption.verify('bob', await alice.client.encryption.safetyNumber('bob'));
  const backup = await alice.client.encryption.exportBackup('a long passphrase');
  await alice.client.encryption.reset();
  await bob.client.disconnect();
  await lie();
  await alice.client.messages.send({ conversationId, content: 'to whom?', encrypt: true });
  expect(await alice.client.encryption.trust('bob')).toBe('pinned');
  await alice.client.encryption.importBackup(backup, 'a long passphrase');
  expect(await alice.client.encryption.trust('bob')).toBe('changed');
  expect(await alice.client.encryption.identityChange('bob')).toMatchObject({ wasVerified: true });
});
