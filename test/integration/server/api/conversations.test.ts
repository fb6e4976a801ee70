import { DatabaseSync } from 'node:sqlite';
import { expect, test } from 'vitest';
import { startServer } from '../../../helpers/server/comm-server.ts';

test('a group is created with its owner, and every participant sees it', async () => {
  await using server = await startServer();
  const { conversations } = server.server.api;
  const [ann, base] = [await server.connect('ann'), await server.connectBase('bob')];
  const participantIds = ['ann', 'bob', 'cid'];
  const group = await conversations.create({ type: 'group', name: 'crew', participantIds, ownerId: 'bob' });
  expect(group).toMatchObject({ name: 'crew', memberCount: 3, unreadCount: 0 });
  expect(group.participants.map(({ userId, role }) => [userId, role])).toEqual([
    ['ann', 'member'],
    ['bob', 'owner'],
    ['cid', 'member'],
  ]);
  for (const client of [ann, base]) expect((await client.next('conversation:new')).id).toBe(group.id);
});

test('a pair has one direct conversation', async () => {
  await using server = await startServer();
  const { conversations } = server.server.api;
  const direct = await conversations.create({ type: 'direct', participantIds: ['ann', 'bob'] });
  expect((await conversations.create({ type: 'direct', participantIds: ['bob', 'ann'] })).id).toBe(direct.id);
  for (const change of [
    () => conversations.addMembers({ conversationId: direct.id, userIds: ['cid'] }),
    () => conversations.removeMembers({ conversationId: direct.id, userIds: ['ann'] }),
    () => conversations.setRole({ conversationId: direct.id, userId: 'ann', role: 'admin' }),
    () => conversations.update({ conversationId: direct.id, name: 'pair' }),
  ]) {
    await expect(change()).rejects.toMatchObject({ code: 'FORBIDDEN' });
  }
});

test('name, members and roles of a group change for its connected members', async () => {
  await using server = await startServer();
  const { conversations } = server.server.api;
  const [ann, bob, cid] = [await server.connect('ann'), await server.connect('bob'), await server.connect('cid')];
  const { id: conversationId } = await conversations.create({ type: 'group', participantIds: ['ann', 'bob'] });
  expect(await conversations.update({ conversationId, name: 'renamed', frozen: true })).toMatchObject({
    name: 'renamed',
    frozen: true,
  });
  await conversations.update({ conversationId, frozen: false });
  expect(await bob.next('conversation:updated')).toMatchObject({ id: conversationId, name: 'renamed' });
  await conversations.addMembers({ conversationId, userIds: ['cid', 'ann'] });
  expect((await cid.next('conversation:new')).id).toBe(conversationId);
  await conversations.setRole({ conversationId, userId: 'cid', role: 'admin' });
  await cid.next('conversation:updated', ({ participants = [] }) =>
    participants.some(({ userId, role }) => userId === 'cid' && role === 'admin'),
  );
  const demotion = conversations.setRole({ conversationId, userId: 'ann', role: 'member' });
  await expect(demotion).rejects.toMatchObject({ code: 'CONFLICT' });
  await conversations.removeMembers({ conversationId, userIds: ['ann', 'nobody'] });
  expect(await ann.next('conversation:left')).toEqual({ conversationId, userId: 'ann' });
  expect(await ann.refused('message:send', { conversationId, content: 'me again', type: 'text' })).toMatchObject({
    code: 'NOT_FOUND',
  });
  // The admin has become owner.
  await bob.next(
    'conversation:updated',
    ({ participants = [] }) =>
      participants.every(({ userId }) => userId !== 'ann') &&
      participants.some(({ userId, role }) => userId === 'cid' && role === 'owner'),
  );
});

test('a deleted conversation is gone for members with and without a connection, with its messages', async () => {
  const db = new DatabaseSync(':memory:');
  await using server = await startServer({ db });
  const { conversations, messages } = server.server.api;
  const ann = await server.connect('ann');
  const base = await server.connectBase('old');
  const participantIds = ['ann', 'old', ...Array.from({ length: 50 }, (_, n) => `member-${n}`)];
  const kept = await conversations.create({ type: 'group', participantIds: ['ann', 'bob'] });
  const { id: conversationId } = await conversations.create({ type: 'group', participantIds });
  await base.ask('conversation:join', { conversationId });
  for (let n = 0; n < 150; n += 1) await messages.send({ conversationId, senderId: 'ann', content: `number ${n}` });
  await messages.send({ conversationId: kept.id, senderId: 'ann', content: 'this one stays' });
  const root = await messages.send({ conversationId, senderId: 'ann', content: 'for bob', mentions: ['member-1'] });
  await messages.send({ conversationId, senderId: 'member-2', content: 'a reply', threadId: root.id });
  await conversations.removeMembers({ conversationId, userIds: ['member-1', 'member-2'] });
  const { inboxRev } = await ann.ask('sync', { cursors: {}, inboxRev: 0 });
  await conversations.delete(conversationId);
  for (const client of [ann, base]) {
    expect(await client.next('conversation:left', ({ userId }) => ['ann', 'old'].includes(userId))).toMatchObject({
      conversationId,
    });
  }
  const synced = await ann.ask('sync', { cursors: { [conversationId]: 0 }, inboxRev });
  expect(synced.lost).toEqual([conversationId]);
  expect((await server.rest(`/conversations/${conversationId}`, 'ann')).status).toBe(404);
  expect(db.prepare('select content from messages').all()).toEqual([{ content: 'this one stays' }]);
  expect(db.prepare('select id from conversations').all()).toEqual([{ id: kept.id }]);
  // What members and former members had of it.
  for (const table of ['comm_mentions', 'comm_thread_follows', 'comm_threads']) {
    expect([table, db.prepare(`select * from ${table}`).all()]).toEqual([table, []]);
  }
  await expect(conversations.delete(conversationId)).rejects.toMatchObject({ code: 'NOT_FOUND' });
});

test('what is returned says nothing of what the owner has read', async () => {
  await using server = await startServer();
  const { conversations, messages } = server.server.api;
  const { id: conversationId } = await conversations.create({ type: 'group', participantIds: ['ann', 'bob'] });
  const root = await messages.send({ conversationId, senderId: 'ann', content: 'a question' });
  await messages.send({
    conversationId,
    senderId: 'bob',
    content: 'an answer for ann',
    threadId: root.id,
    alsoInConversation: true,
    mentions: ['ann'],
  });
  const returned = await conversations.update({ conversationId, name: 'questions' });
  expect(returned).toMatchObject({ unreadCount: 0, unreadMentions: 0, unreadThreads: 0 });
  for (const field of ['readSeq', 'firstUnreadId', 'followedThreads', 'flagsRev']) {
    expect(returned).not.toHaveProperty(field);
  }
});

test('a deletion that was interrupted is completed by the next one', async () => {
  const db = new DatabaseSync(':memory:');
  await using server = await startServer({ db });
  const { conversations, messages } = server.server.api;
  const { id } = await conversations.create({ type: 'group', participantIds: ['ann'] });
  await messages.send({ conversationId: id, senderId: 'ann', content: 'left behind' });
  db.exec('delete from conversation_participants');
  await conversations.delete(id);
  expect(db.prepare('select count(*) as n from messages').get()).toEqual({ n: 0 });
});

test('wrong use is rejected with a code', async () => {
  await using server = await startServer();
  const { conversations } = server.server.api;
  const attempts: [() => Promise<unknown>, string][] = [
    [() => conversations.create({ type: 'group', participantIds: [] }), 'INVALID'],
    [() => conversations.create({ type: 'group', participantIds: ['ann'], ownerId: 'bob' }), 'INVALID'],
    [() => conversations.create({ type: 'direct', participantIds: ['ann'] }), 'INVALID'],
    [() => conversations.update({ conversationId: 'none', name: 'new name' }), 'NOT_FOUND'],
    [() => conversations.addMembers({ conversationId: 'none', userIds: ['ann'] }), 'NOT_FOUND'],
    [() => conversations.removeMembers({ conversationId: 'none', userIds: ['ann'] }), 'NOT_FOUND'],
    [() => conversations.setRole({ conversationId: 'none', userId: 'ann', role: 'king' as 'owner' }), 'INVALID'],
    [() => conversations.delete('none'), 'NOT_FOUND'],
    [() => conversations.delete(''), 'INVALID'],
  ];
  for (const [attempt, code] of attempts) await expect(attempt()).rejects.toMatchObject({ code });
});
