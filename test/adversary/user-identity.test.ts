import { expect, test } from 'vitest';
import { memoryStorage } from '../../src/index.ts';
import { codeOf } from '../helpers/client/rejection.ts';
import { direct } from '../helpers/client/world.ts';
import { MaliciousServer } from './malicious-server.ts';

/** Names another user in the hello of this user. */
function rename(server: MaliciousServer, userId: string, claimed: string): void {
  server.altersPush = (push, to) =>
    to === userId && push.event === 'comm:hello'
      ? { ...push, data: { ...(push.data as object), userId: claimed } }
      : push;
}

test('a hello that names another user than the option is refused, and nothing is sent', async () => {
  const server = await MaliciousServer.start();
  const storage = memoryStorage();
  const [alice, bob] = await Promise.all([server.join('alice', { storage }), server.join('bob')]);
  const conversationId = await direct(alice, bob);
  await alice.client.encryption.setRequired(conversationId, true);
  await alice.client.disconnect();
  rename(server, 'alice', 'mallory');
  const again = server.app('alice', { storage });
  again.client.messages.send({ conversationId, content: 'the secret' }).catch(() => undefined);
  server.requests.length = 0;
  expect(await codeOf(again.client.connect())).toBe('E2EE_LOCKED');
  expect(again.client.status).toBe('disconnected');
  expect(again.client.userId).toBe('alice');
  expect(await codeOf(again.client.encryption.ready)).toBe('E2EE_LOCKED');
  expect(server.requests).toEqual([]);
});

test('a hello that changes the user on a reconnect is refused', async () => {
  const server = await MaliciousServer.start();
  const [alice, bob] = await Promise.all([server.join('alice'), server.join('bob')]);
  const conversationId = await direct(alice, bob);
  await alice.client.encryption.setRequired(conversationId, true);
  rename(server, 'alice', 'mallory');
  server.requests.length = 0;
  server.cut('alice');
  const error = await alice.next('error', ({ code }) => code === 'E2EE_LOCKED');
  expect(error.message).toMatch(/another user than alice/);
  alice.client.messages.send({ conversationId, content: 'the secret' }).catch(() => undefined);
  expect(alice.client.status).toBe('disconnected');
  expect(server.sentBy('alice')).not.toMatch(/secret/);
});

test('without the option userId the owner of the stored keys is the user', async () => {
  const server = await MaliciousServer.start({ auth: ({ token = '' }) => ({ userId: token }) });
  const storage = memoryStorage();
  const options = { userId: undefined, token: 'alice', storage };
  const alice = await server.join('alice', options);
  await alice.client.disconnect();
  rename(server, 'alice', 'mallory');
  const again = server.app('alice', options);
  expect(await codeOf(again.client.connect())).toBe('E2EE_LOCKED');
  expect(again.client.userId).not.toBe('mallory');
  rename(server, 'alice', 'alice');
  await again.client.connect();
  expect(again.client.userId).toBe('alice');
});

test('another user whom the app names may sign in on the same storage', async () => {
  const server = await MaliciousServer.start();
  const storage = memoryStorage();
  const alice = await server.join('alice', { storage });
  await alice.client.disconnect();
  const bob = await server.join('bob', { storage });
  expect(bob.client.userId).toBe('bob');
});

test('a requirement holds before the user is known, and for every user of the storage', async () => {
  const server = await MaliciousServer.start();
  const storage = memoryStorage();
  const [alice, bob] = await Promise.all([server.join('alice', { storage }), server.join('bob')]);
  const conversationId = await direct(alice, bob);
  await alice.client.encryption.setRequired(conversationId, true);
  const unknown = server.app('alice', { userId: undefined, storage });
  expect(await unknown.client.encryption.isRequired(conversationId)).toBe(true);
  const another = server.app('mallory', { storage });
  expect(await another.client.encryption.isRequired(conversationId)).toBe(true);
});

test.each<[title: string, required: true | 'direct' | ((conversation: { type: string }) => boolean)]>([
  ['true', true],
  ['"direct"', 'direct'],
  ['a function', ({ type }) => type === 'direct'],
  [
    'a function that throws',
    () => {
      throw new Error('no answer');
    },
  ],
])('with the option required: %s a message leaves encrypted without any further call', async (_title, required) => {
  const server = await MaliciousServer.start();
  const [alice, bob] = await Promise.all([server.join('alice', { encryption: { required } }), server.join('bob')]);
  const conversationId = await direct(alice, bob);
  expect(await alice.client.encryption.isRequired(conversationId)).toBe(true);
  await alice.client.messages.send({ conversationId, content: 'the secret', encrypt: false });
  expect(await bob.next('message:new')).toMatchObject({ content: 'the secret', encrypted: true });
  expect(server.sentBy('alice')).not.toMatch(/secret/);
});

test('with the option required a conversation that the server does not report requires encryption', async () => {
  const server = await MaliciousServer.start();
  const alice = await server.join('alice', { encryption: { required: 'direct' } });
  expect(await alice.client.encryption.isRequired('404')).toBe(true);
});

test('the option required: "direct" leaves groups readable', async () => {
  const server = await MaliciousServer.start();
  const alice = await server.join('alice', { encryption: { required: 'direct' } });
  const { id } = await alice.client.conversations.create({ type: 'group', name: 'Friends', participantIds: [] });
  expect(await alice.client.encryption.isRequired(id)).toBe(false);
});
