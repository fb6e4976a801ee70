import { expect, test } from 'vitest';
import type { Conversation } from '../../../src/index.ts';
import { codeOf } from '../../helpers/client/rejection.ts';
import { chat, group, nextMillisecond } from '../../helpers/client/world.ts';

test('a pair has one direct conversation', async () => {
  const { alice, bob, conversationId } = await chat();
  expect((await alice.client.conversations.create({ type: 'direct', participantIds: ['bob'] })).id).toBe(
    conversationId,
  );
  expect((await bob.client.conversations.create({ type: 'direct', participantIds: ['alice'] })).id).toBe(
    conversationId,
  );
});

test('list() pages from the newest activity, get() reads one', async () => {
  const { alice, bob, conversationId } = await chat();
  const other = await group(alice, bob);
  await nextMillisecond();
  await alice.client.messages.send({ conversationId, content: 'newest' });
  const ids = (conversations: Conversation[]): string[] => conversations.map(({ id }) => id);
  expect(ids(await alice.client.conversations.list())).toEqual([conversationId, other]);
  expect(ids(await alice.client.conversations.list({ limit: 1 }))).toEqual([conversationId]);
  expect(ids(await alice.client.conversations.list({ limit: 1, offset: 1 }))).toEqual([other]);
  expect(await bob.client.conversations.get(conversationId)).toMatchObject({
    id: conversationId,
    unreadCount: 1,
    lastMessage: { content: 'newest' },
  });
  expect(await codeOf(bob.client.conversations.get('unknown'))).toBe('NOT_FOUND');
});

test('archive, mute and pin are for this user alone, on all their devices', async () => {
  const { alice, bob, join, conversationId } = await chat();
  const phone = await join('alice');
  await alice.client.conversations.archive(conversationId, true);
  await alice.client.conversations.mute(conversationId, true);
  await alice.client.conversations.pin(conversationId, true);
  await phone.next('conversation:updated', ({ pinned }) => pinned === true);
  expect(await alice.client.conversations.get(conversationId)).toMatchObject({
    archived: true,
    muted: true,
    pinned: true,
  });
  expect(await bob.client.conversations.get(conversationId)).toMatchObject({
    archived: false,
    muted: false,
    pinned: false,
  });
  await alice.client.messages.send({ conversationId, content: 'x' });
  await bob.next('message:new');
  expect(bob.all('conversation:updated')).toEqual([]);
});

test('a group is managed by its owner and admins', async () => {
  const { alice, bob, join } = await chat();
  const carol = await join('carol');
  const id = await group(alice, bob);
  expect(await codeOf(bob.client.conversations.rename(id, 'Mine'))).toBe('FORBIDDEN');
  expect(await alice.client.conversations.rename(id, 'Ours')).toMatchObject({ name: 'Ours' });
  await bob.next('conversation:updated', ({ name }) => name === 'Ours');
  expect((await alice.client.conversations.addParticipants(id, ['carol'])).participants).toHaveLength(3);
  await carol.next('conversation:new', (conversation) => conversation.id === id);
  const { participants } = await alice.client.conversations.setRole(id, 'bob', 'admin');
  expect(participants.find(({ userId }) => userId === 'bob')).toMatchObject({ role: 'admin' });
  await bob.client.conversations.removeParticipant(id, 'carol');
  expect(await carol.next('conversation:left')).toEqual({ conversationId: id, userId: 'carol' });
  await bob.client.conversations.removeParticipant(id, 'bob');
  expect(await bob.next('conversation:left', ({ userId }) => userId === 'bob')).toEqual({
    conversationId: id,
    userId: 'bob',
  });
  expect(await codeOf(bob.client.conversations.get(id))).toBe('NOT_FOUND');
});

test('join() and leave() enter and leave a room, not the conversation', async () => {
  const { alice, bob, conversationId } = await chat();
  await bob.client.conversations.join(conversationId);
  await bob.client.conversations.leave(conversationId);
  await alice.client.messages.send({ conversationId, content: 'still here' });
  await bob.next('message:new');
  expect(await codeOf(bob.client.conversations.join('unknown'))).toBe('NOT_FOUND');
});
