import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { isCommError } from '../../../src/protocol/errors.ts';
import type { Role } from '../../../src/protocol/constants.ts';
import { caller, startChat, type Chat } from '../../helpers/server/chat.ts';

describe('MembershipService', () => {
  let chat: Chat;
  let conversationId: string;
  beforeEach(async () => {
    chat = await startChat();
    ({ id: conversationId } = await chat.group('owner', 'admin', 'member', 'other'));
    await chat.membership.setRole(caller('owner'), { conversationId, userId: 'admin', role: 'admin' });
    chat.broadcaster.take();
    chat.broadcaster.rooms.length = 0;
  });
  afterEach(() => chat.sqlite.close());

  const add = (userId: string, ...userIds: string[]) =>
    chat.membership.add(caller(userId), { conversationId, userIds });
  const remove = (by: string, userId: string) => chat.membership.remove(caller(by), { conversationId, userId });
  const setRole = (by: string, userId: string, role: Role) =>
    chat.membership.setRole(caller(by), { conversationId, userId, role });
  /** The code of a refusal. */
  const outcome = (attempt: Promise<unknown>) =>
    attempt.then(
      () => undefined,
      (error: unknown) => (isCommError(error) ? error.code : error),
    );
  const roles = async (viewer: string) =>
    Object.fromEntries(
      (await chat.conversations.get(caller(viewer), conversationId)).participants.map(({ userId, role }) => [
        userId,
        role,
      ]),
    );

  test('add pushes the conversation to new members and the participants to the others, with one rev', async () => {
    const before = (await chat.conversations.get(caller('owner'), conversationId)).head?.rev ?? 0;
    const conversation = await add('admin', 'new', 'member', 'newer', 'new');
    expect(conversation.head?.rev).toBe(before + 1);
    expect(chat.broadcaster.rooms).toEqual([`new enters ${conversationId}`, `newer enters ${conversationId}`]);
    expect(chat.broadcaster.take()).toEqual([
      'conversation:new > user:new',
      'conversation:new > user:newer',
      `conversation:updated > conversation:${conversationId}`,
    ]);
  });

  test('adding existing members changes nothing', async () => {
    const before = await chat.conversations.get(caller('owner'), conversationId);
    expect(await add('owner', 'member')).toEqual(before);
    expect(chat.broadcaster.take()).toEqual([]);
  });

  test('a member who returns is told of the threads that they follow', async () => {
    const root = await chat.say('member', conversationId, 'the root');
    await chat.say('owner', conversationId, 'a reply', { threadId: root.id });
    await remove('owner', 'member');
    await add('owner', 'member', 'new');
    const expected = [{ id: root.id, unread: false }];
    const [forNew, forMember] = chat.broadcaster.payloads('conversation:new').slice(-2);
    expect([forNew?.followedThreads, forMember?.followedThreads]).toEqual([undefined, expected]);
    const listed = await chat.conversations.get(caller('member'), conversationId);
    expect(listed.followedThreads).toEqual(expected);
  });

  test('a new member sees the whole history as read, and no message status falls back', async () => {
    const sent = await chat.say('owner', conversationId, 'before');
    for (const userId of ['admin', 'member', 'other']) {
      await chat.receipts.read(caller(userId), { conversationId, messageId: sent.id });
    }
    await add('owner', 'new');
    expect(await chat.history.list('new', conversationId)).toMatchObject([{ id: sent.id, status: 'read' }]);
    expect((await chat.conversations.get(caller('new'), conversationId)).unreadCount).toBe(0);
    expect(chat.broadcaster.payloads('conversation:new').at(-1)).toMatchObject({
      unreadCount: 0,
      lastMessage: { id: sent.id },
      readSeq: sent.seq,
    });
    await chat.say('owner', conversationId, 'after');
    expect((await chat.conversations.get(caller('new'), conversationId)).unreadCount).toBe(1);
  });

  test('a removed member leaves the room immediately, and all members are notified', async () => {
    await remove('admin', 'member');
    expect(chat.broadcaster.rooms).toEqual([`member is put out of ${conversationId}`]);
    expect(chat.broadcaster.pushes.slice(0, 2)).toEqual([
      { event: 'conversation:left', data: { conversationId, userId: 'member' }, to: 'user:member' },
      { event: 'conversation:left', data: { conversationId, userId: 'member' }, to: `conversation:${conversationId}` },
    ]);
    const [update] = chat.broadcaster.payloads('conversation:updated');
    expect(update?.participants?.map(({ userId }) => userId)).toEqual(['admin', 'other', 'owner']);
    await expect(chat.history.list('member', conversationId)).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await expect(chat.say('member', conversationId, 'hi')).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  test.each<[by: string, target: string, refused: string | undefined]>([
    ['owner', 'admin', undefined],
    ['owner', 'member', undefined],
    ['admin', 'member', undefined],
    ['admin', 'owner', 'FORBIDDEN'],
    ['member', 'other', 'FORBIDDEN'],
    ['member', 'owner', 'FORBIDDEN'],
    ['member', 'member', undefined],
    ['stranger', 'member', 'NOT_FOUND'],
    ['owner', 'stranger', 'NOT_FOUND'],
  ])('%s removes %s: %s', async (by, target, refused) => {
    expect(await outcome(remove(by, target))).toBe(refused);
    expect(chat.broadcaster.payloads('conversation:left')).toHaveLength(refused === undefined ? 2 : 0);
  });

  test.each<[by: string, target: string, role: Role, refused: string | undefined]>([
    ['owner', 'member', 'admin', undefined],
    ['owner', 'member', 'owner', undefined],
    ['admin', 'member', 'admin', undefined],
    ['admin', 'member', 'owner', 'FORBIDDEN'],
    ['admin', 'owner', 'member', 'FORBIDDEN'],
    ['member', 'other', 'admin', 'FORBIDDEN'],
    ['stranger', 'other', 'admin', 'NOT_FOUND'],
    ['owner', 'stranger', 'admin', 'NOT_FOUND'],
    ['owner', 'owner', 'member', 'CONFLICT'],
  ])('%s makes %s %s: %s', async (by, target, role, refused) => {
    const before = (await roles('owner'))[target];
    expect(await outcome(setRole(by, target, role))).toBe(refused);
    expect((await roles('owner'))[target]).toBe(refused === undefined ? role : before);
    expect(chat.broadcaster.payloads('conversation:updated')).toHaveLength(refused === undefined ? 1 : 0);
  });

  test("setting the current role again doesn't advance rev", async () => {
    const before = (await chat.conversations.get(caller('owner'), conversationId)).head;
    expect((await setRole('owner', 'admin', 'admin')).head).toEqual(before);
    expect(chat.broadcaster.take()).toEqual([]);
  });

  test.each(['member', 'stranger'])('%s cannot add members', async (by) => {
    const code = by === 'member' ? 'FORBIDDEN' : 'NOT_FOUND';
    await expect(add(by, 'new')).rejects.toMatchObject({ code });
  });

  test('when the last owner leaves, the admin with the longest membership becomes owner, else a member', async () => {
    await remove('owner', 'owner');
    expect(await roles('admin')).toEqual({ admin: 'owner', member: 'member', other: 'member' });
    expect(chat.broadcaster.payloads('conversation:updated').at(-1)?.participants?.[0]).toMatchObject({
      role: 'owner',
    });
    await remove('admin', 'admin');
    expect(await roles('member')).toEqual({ member: 'owner', other: 'member' });
  });

  test('no other member becomes owner while an owner remains', async () => {
    await setRole('owner', 'member', 'owner');
    await remove('owner', 'owner');
    expect(await roles('member')).toEqual({ admin: 'admin', member: 'owner', other: 'member' });
  });

  test('nothing remains visible after the last member has left', async () => {
    for (const userId of ['other', 'member', 'admin', 'owner']) await remove(userId, userId);
    await expect(chat.conversations.get(caller('owner'), conversationId)).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  test("the participants of a direct conversation can't change", async () => {
    const { id } = await chat.direct('ada', 'bob');
    const where = { conversationId: id };
    for (const attempt of [
      () => chat.membership.add(caller('ada'), { ...where, userIds: ['cleo'] }),
      () => chat.membership.remove(caller('ada'), { ...where, userId: 'bob' }),
      () => chat.membership.remove(caller('ada'), { ...where, userId: 'ada' }),
      () => chat.membership.setRole(caller('ada'), { ...where, userId: 'bob', role: 'admin' }),
    ]) {
      await expect(attempt()).rejects.toMatchObject({ code: 'FORBIDDEN' });
    }
  });

  test('a member who is added again has no trace of having left', async () => {
    await remove('owner', 'member');
    await add('owner', 'member');
    const { inboxRev, lost, gained } = await chat.sync.sync(caller('member'), { cursors: {}, inboxRev: 2 });
    expect(lost).toEqual([]);
    expect(gained.map(({ id }) => id)).toEqual([conversationId]);
    expect(inboxRev).toBe(4);
  });
});
