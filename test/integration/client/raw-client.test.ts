import { expect, test } from 'vitest';
import { connectRaw } from '../../helpers/raw-client.ts';
import { startWorld } from '../../helpers/client/world.ts';

test('a client that knows part 1 alone chats with ours through our server', async () => {
  const { server, join } = await startWorld();
  const raw = await connectRaw(server.url, { userId: 'rachel' });
  const alice = await join('alice');
  raw.emit('conversation:create', { type: 'direct', participantIds: ['alice'] });
  const { id: conversationId } = await alice.next('conversation:new');
  expect(await raw.next('conversation:new')).toMatchObject({ id: conversationId });
  const view = alice.client.conversations.open(conversationId);
  await view.ready;

  raw.emit('conversation:join', { conversationId });
  raw.emit('typing:start', { conversationId });
  await alice.next('typing:update', ({ userId, isTyping }) => userId === 'rachel' && isTyping);
  raw.emit('message:send', { conversationId, content: 'Hello from 2024', type: 'text' });
  const first = await alice.next('message:new');
  expect(first).toMatchObject({ content: 'Hello from 2024', senderId: 'rachel', seq: 1 });
  expect(await raw.next('message:new')).toMatchObject({ id: first.id, content: 'Hello from 2024' });

  const sent = await alice.client.messages.send({ conversationId, content: 'Hello back', replyTo: first.id });
  expect(await raw.next('message:new', ({ content }) => content === 'Hello back')).toMatchObject({
    id: sent.id,
    senderId: 'alice',
    replyTo: first.id,
  });
  // A base client in the room counts as having received it.
  await alice.next('message:status', ({ messageId, status }) => messageId === sent.id && status === 'delivered');
  raw.emit('message:read', { conversationId, messageId: sent.id });
  await alice.next('message:status', ({ messageId, status }) => messageId === sent.id && status === 'read');

  raw.emit('message:react', { conversationId, messageId: sent.id, emoji: '👍' });
  await alice.next('message:reaction-update', ({ reactions }) => reactions[0]?.users.includes('rachel') === true);
  raw.emit('message:edit', { conversationId, messageId: first.id, content: 'Hello from 2026' });
  await alice.next('message:updated', ({ content }) => content === 'Hello from 2026');
  raw.emit('message:delete', { conversationId, messageId: first.id });
  await alice.next('message:deleted', ({ messageId }) => messageId === first.id);
  await alice.client.messages.edit({ conversationId, messageId: sent.id, content: 'Edited' });
  await raw.next('message:updated', ({ content }) => content === 'Edited');
  await alice.client.messages.delete({ conversationId, messageId: sent.id });
  await raw.next('message:deleted', ({ messageId }) => messageId === sent.id);

  alice.client.presence.watch(['rachel']);
  await alice.next('presence:changed', ({ userId, status }) => userId === 'rachel' && status === 'online');
  raw.emit('presence:update', { status: 'away' });
  await alice.next('presence:changed', ({ status }) => status === 'away');
  expect(view.getSnapshot().messages.map(({ content, deletedAt }) => [content, deletedAt !== undefined])).toEqual([
    ['', true],
    ['', true],
  ]);
  expect(alice.all('message:new')).toHaveLength(2);
  expect(alice.errors).toEqual([]);
  raw.close();
});
