import { expect, test } from 'vitest';
import { memoryStorage, type CommClientOptions } from '../../src/index.ts';
import type { App } from '../helpers/client/app.ts';
import { codeOf } from '../helpers/client/rejection.ts';
import { direct, group } from '../helpers/client/world.ts';
import { MaliciousServer, mapConversations } from './malicious-server.ts';

const participant = (userId: string): object => ({
  userId,
  displayName: userId,
  joinedAt: '2026-01-01T00:00:00.000Z',
  presence: 'offline',
});

/** Reports these members of a conversation to one user. */
function report(server: MaliciousServer, to: string, id: string, members: readonly string[], type?: string): void {
  const lie = (value: unknown): unknown =>
    mapConversations(value, (each) =>
      each.id === id
        ? {
            ...each,
            memberCount: members.length,
            ...(type !== undefined && { type }),
            participants: members.map(participant),
          }
        : each,
    );
  server.altersRest = (_path, body, user) => (user === to ? lie(body) : body);
  server.altersResponse = (_name, data, user) => (user === to ? lie(data) : data);
  server.altersPush = (push, user) => (user === to ? { ...push, data: lie(push.data) } : push);
}

/** Alice, restarted so that she asks the server for the members. */
async function restarted(server: MaliciousServer, alice: App, options: CommClientOptions): Promise<App> {
  await alice.client.disconnect();
  return server.join('alice', options);
}

async function verifiedPair(options: CommClientOptions): Promise<{
  server: MaliciousServer;
  alice: App;
  bob: App;
  conversationId: string;
}> {
  const server = await MaliciousServer.start();
  const [alice, bob] = await Promise.all([server.join('alice', options), server.join('bob'), server.join('mallory')]);
  const conversationId = await direct(alice, bob);
  await alice.client.messages.send({ conversationId, content: 'hello', encrypt: true });
  await bob.next('message:new');
  return { server, alice, bob, conversationId };
}

test.each<[title: string, members: string[], type: string | undefined]>([
  ['adds a member to', ['alice', 'bob', 'mallory'], undefined],
  ['replaces the peer of', ['alice', 'mallory'], undefined],
  ['makes a group of', ['alice', 'bob', 'mallory'], 'group'],
  ['removes the peer of', ['alice'], undefined],
])('a server that %s a direct conversation receives nothing for the intruder', async (_title, members, type) => {
  const options = { storage: memoryStorage() };
  const { server, alice: before, bob, conversationId } = await verifiedPair(options);
  report(server, 'alice', conversationId, members, type);
  const alice = await restarted(server, before, options);
  server.requests.length = 0;
  const clientId = '0197a000-0000-7000-8000-000000000001';
  const sending = alice.client.messages.send({ conversationId, content: 'the secret', encrypt: true, clientId });
  expect(await codeOf(sending)).toBe('E2EE_MEMBERS_CHANGED');
  expect(alice.all('encryption:members-changed')).toMatchObject([{ conversationId, accepted: false }]);
  expect(server.requests.filter(({ name }) => /message:send|session-init/.test(name))).toEqual([]);
  // The honest answer ends it.
  report(server, 'alice', conversationId, ['alice', 'bob']);
  await (await restarted(server, alice, options)).client.messages.retry(clientId);
  await bob.next('message:new', ({ content }) => content === 'the secret');
});

test('with the option required: "direct" a conversation that becomes a group stays encrypted', async () => {
  const options: CommClientOptions = { storage: memoryStorage(), encryption: { required: 'direct' } };
  const { server, alice: before, conversationId } = await verifiedPair(options);
  report(server, 'alice', conversationId, ['alice', 'bob', 'mallory'], 'group');
  const alice = await restarted(server, before, options);
  expect(await codeOf(alice.client.messages.send({ conversationId, content: 'the secret' }))).toBe(
    'E2EE_MEMBERS_CHANGED',
  );
  expect(server.sentBy('alice')).not.toMatch(/secret/);
});

test('the members that the user chose for a new conversation are pinned, not those of the response', async () => {
  const server = await MaliciousServer.start();
  const [alice] = await Promise.all([server.join('alice'), server.join('bob'), server.join('mallory')]);
  const lie = (data: unknown): unknown =>
    mapConversations(data, (each) => ({ ...each, participants: ['alice', 'mallory'].map(participant) }));
  server.altersResponse = (name, data) => (name === 'conversation:create' ? lie(data) : data);
  server.altersPush = (push, to) => (to === 'alice' ? { ...push, data: lie(push.data) } : push);
  server.altersRest = (_path, body, to) => (to === 'alice' ? lie(body) : body);
  const { id } = await alice.client.conversations.create({ type: 'direct', participantIds: ['bob'] });
  const sending = alice.client.messages.send({ conversationId: id, content: 'the secret', encrypt: true });
  expect(await codeOf(sending)).toBe('E2EE_MEMBERS_CHANGED');
});

test('`block` gives keys to an added member of a group only after acceptMembers()', async () => {
  const server = await MaliciousServer.start();
  const options: CommClientOptions = { encryption: { policy: 'block' } };
  const [alice, bob, carol, dave] = await Promise.all([
    server.join('alice', options),
    server.join('bob'),
    server.join('carol'),
    server.join('dave'),
  ]);
  const conversationId = await group(bob, alice, carol);
  await alice.client.messages.send({ conversationId, content: 'hello', encrypt: true });
  await bob.next('message:new');
  await bob.client.conversations.addParticipants(conversationId, ['dave']);
  await alice.next('conversation:updated', ({ participants }) => participants?.length === 4);
  server.requests.length = 0;
  const clientId = '0197a000-0000-7000-8000-000000000002';
  const sending = alice.client.messages.send({ conversationId, content: 'the secret', encrypt: true, clientId });
  expect(await codeOf(sending)).toBe('E2EE_MEMBERS_CHANGED');
  expect(server.requests.filter(({ from, name }) => from === 'alice' && name === 'encryption:session-init')).toEqual(
    [],
  );
  expect(alice.all('encryption:members-changed')).toEqual([
    { conversationId, members: ['bob', 'carol', 'dave'], added: ['dave'], removed: [], accepted: false },
  ]);
  await alice.client.encryption.acceptMembers(conversationId);
  await alice.client.messages.retry(clientId);
  expect(await dave.next('message:new')).toMatchObject({ content: 'the secret' });
});

test('`warn` reports an added member before the first key is sent to them', async () => {
  const server = await MaliciousServer.start();
  const [alice, bob, carol] = await Promise.all([
    server.join('alice'),
    server.join('bob'),
    server.join('carol'),
    server.join('dave'),
  ]);
  const conversationId = await group(bob, alice, carol);
  await alice.client.messages.send({ conversationId, content: 'hello', encrypt: true });
  await bob.client.conversations.addParticipants(conversationId, ['dave']);
  await alice.next('conversation:updated', ({ participants }) => participants?.length === 4);
  server.requests.length = 0;
  const sentBefore: number[] = [];
  alice.client.on('encryption:members-changed', () => sentBefore.push(server.requests.length));
  await alice.client.messages.send({ conversationId, content: 'to all', encrypt: true });
  expect(alice.all('encryption:members-changed')).toMatchObject([{ added: ['dave'], accepted: true }]);
  const keyRequests = server.requests.findIndex(
    ({ from, name }) => from === 'alice' && name === 'encryption:request-keys',
  );
  expect(keyRequests).toBeGreaterThanOrEqual(0);
  expect(sentBefore).toHaveLength(1);
  expect(sentBefore[0]).toBeLessThanOrEqual(keyRequests);
});

test('members whom the user adds need no confirmation', async () => {
  const server = await MaliciousServer.start();
  const [alice, bob, carol, dave] = await Promise.all([
    server.join('alice', { encryption: { policy: 'block' } }),
    server.join('bob'),
    server.join('carol'),
    server.join('dave'),
  ]);
  const conversationId = await group(alice, bob, carol);
  await alice.client.messages.send({ conversationId, content: 'hello', encrypt: true });
  await alice.client.conversations.addParticipants(conversationId, ['dave']);
  await alice.client.messages.send({ conversationId, content: 'welcome', encrypt: true });
  expect(await dave.next('message:new')).toMatchObject({ content: 'welcome' });
  expect(alice.all('encryption:members-changed')).toEqual([]);
});

test('a reader is told of recipients that the server hides from them', async () => {
  const server = await MaliciousServer.start();
  const [alice, bob] = await Promise.all([server.join('alice'), server.join('bob'), server.join('mallory')]);
  // Alice's first look at the conversation is poisoned.
  let id = '';
  const lie = (value: unknown): unknown =>
    mapConversations(value, (each) => ({ ...each, participants: ['alice', 'bob', 'mallory'].map(participant) }));
  server.altersRest = (_path, body, to) => (to === 'alice' ? lie(body) : body);
  server.altersPush = (push, to) => (to === 'alice' ? { ...push, data: lie(push.data) } : push);
  ({ id } = await bob.client.conversations.create({ type: 'group', name: 'Two', participantIds: ['alice'] }));
  await alice.next('conversation:new');
  await alice.client.messages.send({ conversationId: id, content: 'hello', encrypt: true });
  await bob.next('message:new', ({ content }) => content === 'hello');
  expect(await bob.next('encryption:members-changed')).toEqual({
    conversationId: id,
    members: ['alice', 'mallory'],
    added: ['mallory'],
    removed: [],
    accepted: false,
    reportedBy: 'alice',
  });
});
