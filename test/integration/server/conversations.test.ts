import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { caller, startChat, type Chat } from '../../helpers/server/chat.ts';

describe('ConversationService', () => {
  let chat: Chat;
  beforeEach(async () => {
    chat = await startChat({ presence: { presenceOf: () => new Map([['bob', 'away' as const]]) } });
  });
  afterEach(() => chat.sqlite.close());

  const create = (type: 'direct' | 'group', participantIds: string[], userId = 'ada', name?: string) =>
    chat.conversations.create(caller(userId), { type, participantIds, name });

  test('create makes the creator owner of a group, adds all members to the room and pushes to them', async () => {
    const { conversation, created } = await create('group', ['bob', 'ada', 'bob', 'cleo'], 'ada', 'Friends');
    const { id } = conversation;
    expect(created).toBe(true);
    expect(conversation).toMatchObject({ type: 'group', name: 'Friends', unreadCount: 0, head: { seq: 0, rev: 0 } });
    expect(conversation.participants.map(({ userId, role, presence }) => [userId, role, presence])).toEqual([
      ['ada', 'owner', 'offline'],
      ['bob', 'member', 'away'],
      ['cleo', 'member', 'offline'],
    ]);
    expect(chat.broadcaster.rooms).toEqual([`ada enters ${id}`, `bob enters ${id}`, `cleo enters ${id}`]);
    expect(chat.broadcaster.pushes).toEqual(
      ['ada', 'bob', 'cleo'].map((to) => ({ event: 'conversation:new', data: conversation, to: `user:${to}` })),
    );
  });

  test("create returns the pair's direct conversation, whichever of the two asks", async () => {
    const first = await create('direct', ['bob']);
    chat.broadcaster.take();
    const second = await create('direct', ['ada'], 'bob');
    expect(second).toMatchObject({ created: false, conversation: { id: first.conversation.id } });
    expect(chat.broadcaster.take()).toEqual([]);
  });

  test('parallel requests of both users create one direct conversation', async () => {
    const made = await Promise.all(
      Array.from({ length: 20 }, (_, n) =>
        n % 2 === 0 ? create('direct', ['bob']) : create('direct', ['ada'], 'bob'),
      ),
    );
    expect(new Set(made.map(({ conversation }) => conversation.id)).size).toBe(1);
    expect(made.filter(({ created }) => created)).toHaveLength(1);
    expect(chat.broadcaster.payloads('conversation:new')).toHaveLength(2);
  });

  test("similar user ids don't share a direct conversation", async () => {
    const odd = await create('direct', ['b","c'], 'a');
    const other = await create('direct', ['c'], 'a","b');
    expect(other.created).toBe(true);
    expect(other.conversation.id).not.toBe(odd.conversation.id);
  });

  test.each([
    ['no participants', []],
    ['the creator', ['ada']],
    ['two others', ['bob', 'cleo']],
  ])('a direct conversation with %s is rejected', async (_title, others) => {
    await expect(create('direct', others)).rejects.toMatchObject({ code: 'INVALID' });
  });

  test('create restores a member whose row was deleted by the app', async () => {
    const { conversation } = await create('direct', ['bob']);
    await chat.sql("DELETE FROM conversation_participants WHERE user_id = 'ada'");
    expect((await create('direct', ['bob'])).conversation).toMatchObject({
      id: conversation.id,
      participants: [{ userId: 'ada' }, { userId: 'bob' }],
    });
  });

  test('list returns pages, newest activity first, with last messages and unread counts', async () => {
    const ids: string[] = [];
    for (const other of ['bob', 'cleo', 'dan']) {
      chat.clock.advance(1_000);
      ids.push((await chat.direct('ada', other)).id);
    }
    const [first = '', second = '', third = ''] = ids;
    chat.clock.advance(1_000);
    await chat.say('bob', first, 'one');
    const last = await chat.say('bob', first, 'two');
    const list = await chat.conversations.list(caller('ada'));
    expect(list.map(({ id }) => id)).toEqual([first, third, second]);
    expect(list[0]).toMatchObject({ lastMessage: last, unreadCount: 2, head: { seq: 2, rev: 2 } });
    expect(list[0]?.participants.map(({ presence }) => presence)).toEqual(['offline', 'away']);
    const paged = await chat.conversations.list(caller('ada'), { limit: 1, offset: 1 });
    expect(paged.map(({ id }) => id)).toEqual([third]);
    expect(await chat.conversations.list(caller('eve'))).toEqual([]);
  });

  test('a process whose clock is behind does not set the last activity back', async () => {
    const behind = await startChat({ db: chat.db });
    chat.clock.advance(60_000);
    const { id } = await chat.direct('ada', 'bob');
    const { createdAt } = await chat.say('ada', id, 'on time');
    await behind.say('bob', id, 'behind');
    const [conversation] = await chat.conversations.list(caller('ada'), { limit: 1 });
    expect(conversation).toMatchObject({ lastMessage: { content: 'behind' }, updatedAt: createdAt });
    behind.sqlite.close();
  });

  test('a deleted last message is returned as a tombstone and not counted as unread', async () => {
    const { id } = await chat.direct('ada', 'bob');
    const { id: messageId } = await chat.say('bob', id, 'oops');
    await chat.messages.delete(caller('bob'), { conversationId: id, messageId });
    const [listed] = await chat.conversations.list(caller('ada'));
    expect(listed).toMatchObject({ unreadCount: 0, lastMessage: { id: messageId, content: '' } });
    expect(listed?.lastMessage).toHaveProperty('deletedAt');
  });

  test('join adds the socket to the room before reading, and returns the head', async () => {
    const { id } = await chat.direct('ada', 'bob');
    await chat.say('bob', id, 'hi');
    chat.broadcaster.rooms.length = 0;
    const joined = await chat.conversations.join(caller('ada', 's1'), { conversationId: id });
    expect(joined).toMatchObject({ head: { seq: 1, rev: 1 }, conversation: { id, unreadCount: 1 } });
    expect(chat.broadcaster.rooms).toEqual([`socket s1 enters ${id}`]);
  });

  test("users who aren't members read nothing and join no room", async () => {
    const { id } = await chat.direct('ada', 'bob');
    chat.broadcaster.rooms.length = 0;
    const eve = caller('eve', 's9');
    for (const attempt of [
      () => chat.conversations.get(eve, id),
      () => chat.conversations.join(eve, { conversationId: id }),
      () => chat.conversations.setFlag(eve, id, 'muted', true),
      () => chat.groups.update(eve, { conversationId: id, name: 'Mine' }),
      () => chat.conversations.get(caller('ada'), 'nowhere'),
    ]) {
      await expect(attempt()).rejects.toMatchObject({ code: 'NOT_FOUND', message: 'Not found' });
    }
    expect(chat.broadcaster.rooms).toEqual([]);
  });

  test('leave removes the socket from the room and keeps the membership', async () => {
    const { id } = await chat.direct('ada', 'bob');
    expect(await chat.conversations.leave(caller('ada', 's1'), { conversationId: id })).toBeNull();
    expect(chat.broadcaster.rooms.at(-1)).toBe(`socket s1 leaves ${id}`);
    expect(await chat.conversations.get(caller('ada'), id)).toMatchObject({ id });
  });

  test.each(['archived', 'muted', 'pinned'] as const)(
    '%s is a flag per user, pushed once to the user’s devices',
    async (flag) => {
      const { id } = await chat.direct('ada', 'bob');
      await chat.conversations.setFlag(caller('ada', 's1'), id, flag, true);
      await chat.conversations.setFlag(caller('ada', 's1'), id, flag, true);
      expect(chat.broadcaster.pushes).toEqual([
        {
          event: 'conversation:updated',
          // All flags: the pushes of two processes arrive in any order, and the one with the greater revision counts.
          data: {
            id,
            archived: false,
            muted: false,
            pinned: false,
            [flag]: true,
            flagsRev: expect.any(Number) as unknown,
          },
          to: 'user:ada',
        },
      ]);
      const flagged = await chat.conversations.get(caller('ada'), id);
      expect(flagged).toMatchObject({ [flag]: true });
      expect(chat.broadcaster.pushes).toMatchObject([{ data: { flagsRev: flagged.flagsRev } }]);
      expect(await chat.conversations.get(caller('bob'), id)).toMatchObject({ [flag]: false });
      await chat.conversations.setFlag(caller('ada'), id, flag, false);
      expect(await chat.conversations.get(caller('ada'), id)).toMatchObject({ [flag]: false });
    },
  );

  test('setting one flag keeps the others', async () => {
    const { id } = await chat.direct('ada', 'bob');
    await chat.conversations.setFlag(caller('ada'), id, 'pinned', true);
    await chat.conversations.setFlag(caller('ada'), id, 'muted', true);
    expect(await chat.conversations.get(caller('ada'), id)).toMatchObject({
      pinned: true,
      muted: true,
      archived: false,
    });
  });

  test('rename advances rev and pushes only fields that are equal for all members', async () => {
    const { id } = await chat.group('ada', 'bob');
    await chat.say('bob', id, 'hi');
    await chat.conversations.setFlag(caller('ada'), id, 'pinned', true);
    chat.broadcaster.take();
    const renamed = await chat.groups.update(caller('ada'), { conversationId: id, name: 'New' });
    expect(renamed).toMatchObject({ name: 'New', unreadCount: 1, pinned: true, head: { seq: 1, rev: 2 } });
    const [push] = chat.broadcaster.payloads('conversation:updated');
    expect(push).toMatchObject({ id, name: 'New', head: { seq: 1, rev: 2 }, participants: renamed.participants });
    for (const personal of ['unreadCount', 'pinned', 'muted', 'archived', 'flagsRev', 'lastMessage']) {
      expect(push).not.toHaveProperty(personal);
    }
    await chat.groups.update(caller('ada'), { conversationId: id, name: 'New' });
    expect(chat.broadcaster.payloads('conversation:updated')).toHaveLength(1);
  });

  test('members cannot rename a group, and direct conversations cannot be renamed', async () => {
    const group = await chat.group('ada', 'bob');
    const direct = await chat.direct('ada', 'bob');
    for (const [userId, conversationId] of [['bob', group.id] as const, ['ada', direct.id] as const]) {
      const attempt = chat.groups.update(caller(userId), { conversationId, name: 'Mine' });
      await expect(attempt).rejects.toMatchObject({ code: 'FORBIDDEN' });
    }
  });
});
