import { expect, test } from 'vitest';
import { memoryStorage } from '../../../../src/index.ts';
import { until, type App } from '../../../helpers/client/app.ts';
import { startBase, type BaseWorld } from '../../../helpers/client/base-world.ts';
import { codeOf } from '../../../helpers/client/rejection.ts';

interface BasePair {
  world: BaseWorld;
  alice: App;
  bob: App;
  conversationId: string;
}

async function encrypting(world: BaseWorld, userId: string, storage = memoryStorage()): Promise<App> {
  const app = await world.join(userId, { encryption: {}, storage });
  await app.client.encryption.ready;
  return app;
}

/** Opening a conversation joins its room on a base server. */
async function entered(app: App, conversationId: string): Promise<void> {
  await app.client.conversations.open(conversationId).ready;
}

/** A base server reports the members of a conversation only when it is created. */
async function created(owner: App, others: readonly App[]): Promise<string> {
  const participantIds = others.map(({ client }) => client.userId ?? '');
  const type = others.length === 1 ? 'direct' : 'group';
  const { id } = await owner.client.conversations.create({ type, name: 'All', participantIds });
  await Promise.all(others.map((app) => app.next('conversation:new')));
  await Promise.all([owner, ...others].map((app) => entered(app, id)));
  return id;
}

async function basePair(): Promise<BasePair> {
  const world = await startBase();
  const [alice, bob] = await Promise.all([encrypting(world, 'alice'), encrypting(world, 'bob')]);
  const conversationId = await created(alice, [bob]);
  return { world, alice, bob, conversationId };
}

test('with a base server both users decrypt each other’s messages, and the server stores envelopes', async () => {
  const { world, alice, bob, conversationId } = await basePair();
  const sent = await alice.client.messages.send({ conversationId, content: 'to bob', encrypt: true });
  expect(sent.content).toBe('to bob');
  await bob.next('message:new', ({ content }) => content === 'to bob');
  await bob.client.messages.send({ conversationId, content: 'to alice', encrypt: true });
  await alice.next('message:new', ({ content }) => content === 'to alice');
  await alice.sessionWith('bob');
  const rows = JSON.stringify(world.server.data.messagesOf(conversationId, 50, undefined));
  expect(rows).not.toMatch(/to bob|to alice/);
});

test('history rows with the envelope in their content are decrypted', async () => {
  const world = await startBase();
  const storage = memoryStorage();
  const alice = await encrypting(world, 'alice', storage);
  const bob = await encrypting(world, 'bob');
  const conversationId = await created(alice, [bob]);
  await bob.client.disconnect();
  for (const content of ['one', 'two', 'three']) {
    await alice.client.messages.send({ conversationId, content, encrypt: true });
  }
  await bob.client.connect();
  const view = bob.client.conversations.open(conversationId);
  await until(view, ({ messages }) => messages.length === 3);
  expect(view.getSnapshot().messages.map(({ content }) => content)).toEqual(['one', 'two', 'three']);
  await alice.client.disconnect();
  const again = await encrypting(world, 'alice', storage);
  const { messages } = await again.client.messages.list({ conversationId });
  expect(messages.map(({ content }) => content)).toEqual(['one', 'two', 'three']);
});

test('a message that was stored before the connection was lost is found by its ciphertext and stored once', async () => {
  const { world, alice, bob, conversationId } = await basePair();
  alice.port.losesPush = (event) => event === 'message:new';
  const sending = alice.client.messages.send({ conversationId, content: 'once', encrypt: true });
  await bob.next('message:new', ({ content }) => content === 'once');
  alice.port.cut();
  alice.port.losesPush = () => false;
  expect(await sending).toMatchObject({ content: 'once' });
  expect(world.server.data.messagesOf(conversationId, 50, undefined)).toHaveLength(1);
});

test('in a group connected members decrypt all messages, and a member who was offline requests the sender key', async () => {
  const world = await startBase();
  const [alice, bob, cleo] = await Promise.all([
    encrypting(world, 'alice'),
    encrypting(world, 'bob'),
    encrypting(world, 'cleo'),
  ]);
  const conversationId = await created(alice, [bob, cleo]);
  await cleo.client.disconnect();
  await alice.client.messages.send({ conversationId, content: 'to all', encrypt: true });
  await bob.next('message:new', ({ content }) => content === 'to all');
  // A base server drops what it can't deliver.
  await cleo.client.connect();
  await alice.client.messages.send({ conversationId, content: 'to all again', encrypt: true });
  await cleo.next('message:updated', ({ content }) => content === 'to all again');
});

test('editing an encrypted message fails if the server can not store the envelope', async () => {
  const { alice, conversationId } = await basePair();
  const { id } = await alice.client.messages.send({ conversationId, content: 'fixed', encrypt: true });
  const editing = alice.client.messages.edit({ conversationId, messageId: id, content: 'broken' });
  expect(await codeOf(editing)).toBe('UNSUPPORTED');
});

test('a message is not sent while the members are unknown, until the other user has sent one', async () => {
  const world = await startBase();
  const conversationId = world.server.seedConversation({ type: 'direct', participantIds: ['alice', 'bob'] });
  const [alice, bob] = await Promise.all([encrypting(world, 'alice'), encrypting(world, 'bob')]);
  await Promise.all([entered(alice, conversationId), entered(bob, conversationId)]);
  const clientId = '0197a000-0000-7000-8000-000000000001';
  const sending = alice.client.messages.send({ conversationId, content: 'x', encrypt: true, clientId });
  expect(await codeOf(sending)).toBe('UNSUPPORTED');
  expect(world.server.data.messagesOf(conversationId, 50, undefined)).toEqual([]);
  await bob.client.messages.send({ conversationId, content: 'it is me' });
  await alice.next('message:new', ({ content }) => content === 'it is me');
  await alice.client.messages.retry(clientId);
  await bob.next('message:new', ({ content }) => content === 'x');
});

test('a message to a user without keys is not sent', async () => {
  const world = await startBase();
  const [alice, bob] = await Promise.all([encrypting(world, 'alice'), world.join('bob')]);
  const conversationId = await created(alice, [bob]);
  const sending = alice.client.messages.send({ conversationId, content: 'x', encrypt: true });
  expect(await codeOf(sending)).toBe('E2EE_NO_KEYS');
  expect(world.server.data.messagesOf(conversationId, 50, undefined)).toEqual([]);
});
