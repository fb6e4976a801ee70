import { DatabaseSync } from 'node:sqlite';
import { expect, test } from 'vitest';
import type { Message } from '../../../../src/protocol/messages.ts';
import { createCommunicationApi, type SendAsSystem, type SendAsUser } from '../../../../src/server/index.ts';
import { startServer } from '../../../helpers/server/comm-server.ts';

const MISSING = '00000000-0000-4000-8000-000000000000';

async function startGroup() {
  const server = await startServer();
  const { api } = server.server;
  const [ann, bob, base] = [await server.connect('ann'), await server.connect('bob'), await server.connectBase('old')];
  const participantIds = ['ann', 'bob', 'old'];
  const { id: conversationId } = await api.conversations.create({ type: 'group', name: 'crew', participantIds });
  await base.ask('conversation:join', { conversationId });
  return { server, api, ann, bob, base, conversationId, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
}

test('a message that is sent as a user reaches all clients, and is stored once', async () => {
  await using group = await startGroup();
  const { api, ann, bob, base, conversationId } = group;
  const wanted = { conversationId, senderId: 'ann', content: 'sent by the backend', clientId: 'order-1' };
  const sent = await api.messages.send(wanted);
  expect(sent).toMatchObject({ senderId: 'ann', content: 'sent by the backend', type: 'text', seq: 1, rev: 1 });
  for (const client of [ann, bob, base]) expect((await client.next('message:new')).id).toBe(sent.id);
  expect((await api.messages.send(wanted)).id).toBe(sent.id);
  const reply = await bob.ask('message:send', { conversationId, content: 'thanks', type: 'text', replyTo: sent.id });
  expect(reply.seq).toBe(2);
});

test('a message of the system has no user as its sender, and cannot be edited', async () => {
  await using group = await startGroup();
  const { api, bob, base, conversationId } = group;
  const sent = await api.messages.send({ conversationId, system: true, content: 'Your order has been shipped' });
  expect(sent).toMatchObject({ senderId: 'system', type: 'system', content: 'Your order has been shipped', seq: 1 });
  expect(await bob.next('message:new')).toMatchObject({ id: sent.id, senderId: 'system' });
  expect(await base.next('message:new')).toMatchObject({ content: 'Your order has been shipped' });
  const edit = { conversationId, messageId: sent.id, content: 'changed it' };
  expect(await bob.refused('message:edit', edit)).toMatchObject({ code: 'FORBIDDEN' });
});

test('a moderator deletes a message of any user, which all clients see', async () => {
  await using group = await startGroup();
  const { api, ann, bob, base, conversationId } = group;
  const { id: messageId } = await ann.ask('message:send', { conversationId, content: 'an insult', type: 'text' });
  const tombstone = await api.messages.delete({ conversationId, messageId, deletedBy: 'mod-7' });
  expect(tombstone).toMatchObject({ id: messageId, content: '', rev: 2, deletedBy: 'mod-7' });
  expect(tombstone.deletedAt).toBeDefined();
  for (const client of [ann, bob, base]) {
    expect(await client.next('message:deleted')).toMatchObject({ messageId, deletedBy: 'mod-7' });
    expect(await client.next('message:updated')).toMatchObject({ id: messageId, content: '' });
  }
  expect(await api.messages.delete({ conversationId, messageId })).toEqual(tombstone);
  await bob.settled();
  expect(bob.payloads('message:deleted')).toHaveLength(1);
});

test('wrong use is rejected with a code, and changes nothing', async () => {
  await using group = await startGroup();
  const { server, api, ann, conversationId } = group;
  const content = 'hello there';
  const attempts: [object, string][] = [
    [{ conversationId, senderId: 'eve', content }, 'NOT_FOUND'],
    [{ conversationId: MISSING, senderId: 'ann', content }, 'NOT_FOUND'],
    [{ conversationId: MISSING, system: true, content }, 'NOT_FOUND'],
    [{ conversationId, content }, 'INVALID'],
    [{ conversationId, senderId: 'ann', content: ' ' }, 'INVALID'],
    [{ conversationId, system: true, content: '' }, 'INVALID'],
    [{ conversationId, system: true }, 'INVALID'],
    [{ conversationId, senderId: 'ann', content: 'x'.repeat(100_000) }, 'MESSAGE_TOO_LONG'],
    [{ conversationId, system: true, content: 'x'.repeat(100_000) }, 'MESSAGE_TOO_LONG'],
    [{ conversationId, senderId: 7, content }, 'INVALID'],
  ];
  for (const [message, code] of attempts) {
    await expect(api.messages.send(message as SendAsUser | SendAsSystem)).rejects.toMatchObject({ code });
  }
  const { id: messageId } = await ann.ask('message:send', { conversationId, content, type: 'text' });
  await expect(api.messages.delete({ conversationId: MISSING, messageId })).rejects.toMatchObject({
    code: 'NOT_FOUND',
  });
  await expect(api.messages.delete({ conversationId, messageId: '999' })).rejects.toMatchObject({ code: 'NOT_FOUND' });
  const messages = (await (await server.rest(`/conversations/${conversationId}/messages`, 'ann')).json()) as Message[];
  expect(messages).toMatchObject([{ content, seq: 1 }]);
});

test('an embedder shares the sockets of the server with the same database', async () => {
  const db = new DatabaseSync(':memory:');
  await using server = await startServer({ db });
  const bob = await server.connect('bob');
  const api = createCommunicationApi({ db });
  const { id: conversationId } = await api.conversations.create({ type: 'direct', participantIds: ['ann', 'bob'] });
  expect((await bob.next('conversation:new')).id).toBe(conversationId);
  await api.messages.send({ conversationId, senderId: 'ann', content: 'from the app' });
  expect(await bob.next('message:new')).toMatchObject({ content: 'from the app' });
});
