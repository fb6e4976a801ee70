import { expect, test } from 'vitest';
import { startServer } from '../../../helpers/server/comm-server.ts';

test('a profile that the app stores is pushed, and is part of an export until the user is erased', async () => {
  await using server = await startServer();
  const { api } = server.server;
  const bob = await server.connect('bob');
  const { id: conversationId } = await api.conversations.create({ type: 'group', participantIds: ['ann', 'bob'] });
  const stored = await api.users.upsert({ id: 'ann', displayName: 'Ann Miller', metadata: { team: 'blue' } });
  expect(stored).toMatchObject({ id: 'ann', displayName: 'Ann Miller', metadata: { team: 'blue' } });
  expect(await bob.next('user:updated')).toMatchObject({ id: 'ann', displayName: 'Ann Miller' });
  expect(await api.users.upsert({ id: 'ann', metadata: null })).not.toHaveProperty('metadata');
  const root = await api.messages.send({ conversationId, senderId: 'bob', content: 'a question to ann' });
  await api.messages.send({ conversationId, senderId: 'ann', content: 'an answer', threadId: root.id });
  await bob.ask('user:block', { userId: 'ann', blocked: true });
  const kinds = new Map<string, object>();
  for await (const { kind, data } of api.exportUser('ann')) kinds.set(kind, data);
  expect(kinds.get('profile')).toMatchObject({ displayName: 'Ann Miller' });
  expect(kinds.get('thread')).toMatchObject({ conversationId, threadId: root.id });
  expect(kinds.has('block')).toBe(false);
  await api.eraseUser('ann');
  const left = new Set<string>();
  for await (const { kind } of api.exportUser('ann')) left.add(kind);
  expect([...left]).toEqual(['message']);
  expect(await bob.ask('user:blocked', {})).toEqual({ userIds: [] });
});

test('a profile that is not valid is rejected', async () => {
  await using server = await startServer();
  const { users } = server.server.api;
  await expect(users.upsert({ id: 'ann' })).rejects.toMatchObject({ code: 'INVALID' });
  await expect(users.upsert({ id: '', displayName: 'Ann' })).rejects.toMatchObject({ code: 'INVALID' });
  const avatarUrl = 'javascript:alert(1)';
  await expect(users.upsert({ id: 'ann', avatarUrl })).rejects.toMatchObject({ code: 'INVALID' });
});
