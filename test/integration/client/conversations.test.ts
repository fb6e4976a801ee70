import { expect, test } from 'vitest';
import type { Conversation } from '../../../src/index.ts';
import { codeOf } from '../../helpers/client/rejection.ts';
import { chat, group, nextMillisecond } from '../../helpers/client/world.ts';

test('two users have one direct conversation', async () => {
  const { alice, bob, conversationId } = await chat();
  expect((await alice.client.conversations.create({ type: 'direct', participantIds: ['bob'] })).id).toBe(
    conversationId,
  );
  expect((await bob.client.conversations.create({ type: 'direct', participantIds: ['alice'] })).id).toBe(
    conversationId,
  );
});

test('list() pages by activity, newest first, and get() returns one conversation', async () => {
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

test('archive, mute and pin apply to all devices of this user only', async () => {
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
  expect(await codeOf(bob.client.conversations.update(id, { name: 'Mine' }))).toBe('FORBIDDEN');
  expect(await alice.client.conversations.update(id, { name: 'Ours' })).toMatchObject({ name: 'Ours' });
  await bob.next('conversation:updated', ({ name }) => name === 'Ours');
  expect((await alice.client.conversations.addParticipants(id, ['carol'])).participants).toHaveLength(3);
  await carol.next('conversation:new', (conversation) => conversation.id === id);
  const { participants } = await alice.client.conversations.setRole(id, 'bob', 'admin');
  expect(participants.find(({ userId }) => userId === 'bob')).toMatchObject({ role: 'admin' });
  await bob.client.conversations.removeParticipant(id, 'carol');
  expect(await carol.next('conversation:left')).toEqual({ conversationId: id, userId: 'carol' });
});

test('leave() ends the membership for good', async () => {
  const { alice, bob, join } = await chat();
  await join('carol');
  const id = await group(alice, bob);
  await bob.client.conversations.leave(id);
  expect(await bob.next('conversation:left')).toEqual({ conversationId: id, userId: 'bob' });
  expect(await codeOf(bob.client.conversations.get(id))).toBe('NOT_FOUND');
  expect((await alice.client.conversations.get(id)).participants.map(({ userId }) => userId)).toEqual(['alice']);
});

test('a closed view leaves the room, not the conversation', async () => {
  const { alice, bob, conversationId } = await chat();
  const view = bob.client.conversations.open(conversationId);
  await view.ready;
  view.close();
  await expect.poll(() => bob.port.sent).toContain('conversation:leave');
  await alice.client.messages.send({ conversationId, content: 'still a participant' });
  await bob.next('message:new');
});
