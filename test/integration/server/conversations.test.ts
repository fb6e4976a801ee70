import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { caller, startChat, type Chat } from '../../helpers/server/chat.ts';

describe('conversations', () => {
  let chat: Chat;
  beforeEach(async () => {
    chat = await startChat({ presence: { presenceOf: () => new Map([['bob', 'away' as const]]) } });
  });
  afterEach(() => chat.sqlite.close());

  const create = (type: 'direct' | 'group', participantIds: string[], userId = 'ada', name?: string) =>
    chat.conversations.create(caller(userId), { type, participantIds, name });

  test('a group has its creator as owner, and everybody is told of it and in its room', async () => {
    const { conversation, created } = await create('group', ['bob', 'ada', 'bob', 'cleo'], 'ada', 'Friends');
    const { id } = conversation;
    expect(created).toBe(true);
    expect(conversation).toMatchObject({ type: 'group', name: 'Friends', unreadCount: 0, head: { seq: 0, rev: 0 } });
    expect(conversation.participants.map(({ userId, role, presence }) => [userId, role, presence])).toEqual([
      ['ada', 'owner', 'offline'],
      ['bob', 'member', 'away'],
      ['cleo', 'member', 'offline'],
    ]);
    expect(chat.hub.rooms).toEqual([`ada enters ${id}`, `bob enters ${id}`, `cleo enters ${id}`]);
    expect(chat.hub.pushes).toEqual(
      ['ada', 'bob', 'cleo'].map((to) => ({ event: 'conversation:new', data: conversation, to: `user:${to}` })),
    );
  });

  test('a pair has one direct conversation, whoever asks for it', async () => {
    const first = await create('direct', ['bob']);
    chat.hub.take();
    const second = await create('direct', ['ada'], 'bob');
    expect(second).toMatchObject({ created: false, conversation: { id: first.conversation.id } });
    expect(chat.hub.take()).toEqual([]);
  });

  test('parallel requests of both sides make one direct conversation', async () => {
    const made = await Promise.all(
      Array.from({ length: 20 }, (_, n) =>
        n % 2 === 0 ? create('direct', ['bob']) : create('direct', ['ada'], 'bob'),
      ),
    );
    expect(new Set(made.map(({ conversation }) => conversation.id)).size).toBe(1);
    expect(made.filter(({ created }) => created)).toHaveLength(1);
    expect(chat.hub.payloads('conversation:new')).toHaveLength(2);
  });

  test('names that could be taken for another pair are not', async () => {
    const odd = await create('direct', ['b","c'], 'a');
    const other = await create('direct', ['c'], 'a","b');
    expect(other.created).toBe(true);
    expect(other.conversation.id).not.toBe(odd.conversation.id);
  });

  test.each([
    ['nobody', []],
    ['oneself', ['ada']],
    ['two others', ['bob', 'cleo']],
  ])('a direct conversation with %s is refused', async (_title, others) => {
    await expect(create('direct', others)).rejects.toMatchObject({ code: 'INVALID' });
  });

  test('whoever lost their row in a direct conversation is back in it by asking for it', async () => {
    const { conversation } = await create('direct', ['bob']);
    chat.sqlite.prepare("DELETE FROM conversation_participants WHERE user_id = 'ada'").run();
    expect((await create('direct', ['bob'])).conversation).toMatchObject({
      id: conversation.id,
      participants: [{ userId: 'ada' }, { userId: 'bob' }],
    });
  });

  test('the list has the newest activity first, with last messages, unread counts and pages', async () => {
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

  test('a deleted last message is shown as its tombstone and not counted', async () => {
    const { id } = await chat.direct('ada', 'bob');
    const { id: messageId } = await chat.say('bob', id, 'oops');
    await chat.messages.delete(caller('bob'), { conversationId: id, messageId });
    const [listed] = await chat.conversations.list(caller('ada'));
    expect(listed).toMatchObject({ unreadCount: 0, lastMessage: { id: messageId, content: '' } });
    expect(listed?.lastMessage).toHaveProperty('deletedAt');
  });

  test('joining enters the room before it reads, and answers with the heads', async () => {
    const { id } = await chat.direct('ada', 'bob');
    await chat.say('bob', id, 'hi');
    chat.hub.rooms.length = 0;
    const joined = await chat.conversations.join(caller('ada', 's1'), { conversationId: id });
    expect(joined).toMatchObject({ head: { seq: 1, rev: 1 }, conversation: { id, unreadCount: 1 } });
    expect(chat.hub.rooms).toEqual([`socket s1 enters ${id}`]);
  });

  test('strangers learn of nothing and enter nothing', async () => {
    const { id } = await chat.direct('ada', 'bob');
    chat.hub.rooms.length = 0;
    const eve = caller('eve', 's9');
    for (const attempt of [
      () => chat.conversations.get(eve, id),
      () => chat.conversations.join(eve, { conversationId: id }),
      () => chat.conversations.setFlag(eve, id, 'muted', true),
      () => chat.conversations.rename(eve, { conversationId: id, name: 'Mine' }),
      () => chat.conversations.get(caller('ada'), 'nowhere'),
    ]) {
      await expect(attempt()).rejects.toMatchObject({ code: 'NOT_FOUND', message: 'Not found' });
    }
    expect(chat.hub.rooms).toEqual([]);
  });

  test('a socket leaves the room, its user stays in the conversation', async () => {
    const { id } = await chat.direct('ada', 'bob');
    expect(await chat.conversations.leave(caller('ada', 's1'), { conversationId: id })).toBeNull();
    expect(chat.hub.rooms.at(-1)).toBe(`socket s1 leaves ${id}`);
    expect(await chat.conversations.get(caller('ada'), id)).toMatchObject({ id });
  });

  test.each(['archived', 'muted', 'pinned'] as const)(
    '%s is one’s own, told to one’s own devices, once',
    async (flag) => {
      const { id } = await chat.direct('ada', 'bob');
      await chat.conversations.setFlag(caller('ada', 's1'), id, flag, true);
      await chat.conversations.setFlag(caller('ada', 's1'), id, flag, true);
      expect(chat.hub.pushes).toEqual([
        {
          event: 'conversation:updated',
          data: { id, [flag]: true, flagsRev: expect.any(Number) as unknown },
          to: 'user:ada',
        },
      ]);
      const flagged = await chat.conversations.get(caller('ada'), id);
      expect(flagged).toMatchObject({ [flag]: true });
      expect(chat.hub.pushes).toMatchObject([{ data: { flagsRev: flagged.flagsRev } }]);
      expect(await chat.conversations.get(caller('bob'), id)).toMatchObject({ [flag]: false, flagsRev: 0 });
      await chat.conversations.setFlag(caller('ada'), id, flag, false);
      expect(await chat.conversations.get(caller('ada'), id)).toMatchObject({ [flag]: false });
    },
  );

  test('one flag leaves the others as they are', async () => {
    const { id } = await chat.direct('ada', 'bob');
    await chat.conversations.setFlag(caller('ada'), id, 'pinned', true);
    await chat.conversations.setFlag(caller('ada'), id, 'muted', true);
    expect(await chat.conversations.get(caller('ada'), id)).toMatchObject({
      pinned: true,
      muted: true,
      archived: false,
    });
  });

  test('a new name moves the revision and is told to all, without what is only the caller’s', async () => {
    const { id } = await chat.group('ada', 'bob');
    await chat.say('bob', id, 'hi');
    await chat.conversations.setFlag(caller('ada'), id, 'pinned', true);
    chat.hub.take();
    const renamed = await chat.conversations.rename(caller('ada'), { conversationId: id, name: 'New' });
    expect(renamed).toMatchObject({ name: 'New', unreadCount: 1, pinned: true, head: { seq: 1, rev: 2 } });
    const [push] = chat.hub.payloads('conversation:updated');
    expect(push).toMatchObject({ id, name: 'New', head: { seq: 1, rev: 2 }, participants: renamed.participants });
    for (const personal of ['unreadCount', 'pinned', 'muted', 'archived', 'flagsRev', 'lastMessage']) {
      expect(push).not.toHaveProperty(personal);
    }
    await chat.conversations.rename(caller('ada'), { conversationId: id, name: 'New' });
    expect(chat.hub.payloads('conversation:updated')).toHaveLength(1);
  });

  test('members and people of a direct conversation do not rename it', async () => {
    const group = await chat.group('ada', 'bob');
    const direct = await chat.direct('ada', 'bob');
    for (const [userId, conversationId] of [['bob', group.id] as const, ['ada', direct.id] as const]) {
      const attempt = chat.conversations.rename(caller(userId), { conversationId, name: 'Mine' });
      await expect(attempt).rejects.toMatchObject({ code: 'FORBIDDEN' });
    }
  });
});
