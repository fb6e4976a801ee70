import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { caller, startChat, type Chat } from '../../helpers/server/chat.ts';

const name = (index: number): string => `user-${String(index).padStart(4, '0')}`;
const names = (count: number): string[] => Array.from({ length: count }, (_, index) => name(index));

describe('a group with more participants than are listed', () => {
  let chat: Chat;
  let conversationId: string;
  beforeEach(async () => {
    chat = await startChat();
    ({ id: conversationId } = await chat.group('owner', ...names(149)));
  });
  afterEach(() => chat.sqlite.close());

  test('lists the reader and the first others, with the number of all', async () => {
    const mine = await chat.conversations.get(caller(name(140)), conversationId);
    expect(mine.memberCount).toBe(150);
    expect(mine.participants).toHaveLength(100);
    expect(mine.participants.map(({ userId }) => userId)).toContain(name(140));
    const [listed] = await chat.conversations.list(caller('owner'));
    expect([listed?.participants.length, listed?.memberCount]).toEqual([100, 150]);
  });

  test('its members are returned in pages', async () => {
    const found: string[] = [];
    for (let hasMore = true; hasMore;) {
      const page = await chat.conversations.members(caller('owner'), conversationId, {
        after: found.at(-1),
        limit: 40,
      });
      expect(page.memberCount).toBe(150);
      found.push(...page.members.map(({ userId }) => userId));
      ({ hasMore } = page);
    }
    expect(found).toEqual(['owner', ...names(149)].toSorted());
    const stranger = chat.conversations.members(caller('eve'), conversationId);
    await expect(stranger).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  test('a new member is pushed alone, a removed one by its id', async () => {
    await chat.membership.add(caller('owner'), { conversationId, userIds: ['new'] });
    const [added] = chat.broadcaster.payloads('conversation:updated');
    expect(added).toMatchObject({
      memberCount: 151,
      members: { changed: [{ userId: 'new', role: 'member' }], left: [] },
      head: { rev: expect.any(Number) as unknown },
    });
    expect(added).not.toHaveProperty('participants');
    chat.broadcaster.take();
    await chat.membership.remove(caller('owner'), { conversationId, userId: 'owner' });
    const [removed] = chat.broadcaster.payloads('conversation:updated');
    expect(removed).toMatchObject({ memberCount: 150, members: { changed: [{ role: 'owner' }], left: ['owner'] } });
  });

  test('a push stays small whatever happens', async () => {
    chat.broadcaster.take();
    await chat.membership.add(caller('owner'), {
      conversationId,
      userIds: Array.from({ length: 800 }, (_, at) => `x${at}`),
    });
    await chat.membership.setRole(caller('owner'), { conversationId, userId: 'x1', role: 'admin' });
    await chat.groups.update(caller('owner'), { conversationId, name: 'Crowd' });
    for (const { event, data } of chat.broadcaster.pushes) {
      expect([event, JSON.stringify(data).length < 32_000]).toEqual([event, true]);
    }
    expect(chat.broadcaster.payloads('conversation:updated')).toHaveLength(3);
  });

  test('statuses follow the slowest of all participants, also of those who are not listed', async () => {
    const { id: messageId } = await chat.say('owner', conversationId, 'hello');
    const everyone = names(149);
    for (const userId of everyone.slice(0, -1)) await chat.receipts.read(caller(userId), { conversationId, messageId });
    const statusOf = async () => (await chat.history.get('owner', messageId)).status;
    expect(await statusOf()).toBe('sent');
    await chat.receipts.delivered(caller(name(148)), { conversationId, seq: 1 });
    expect(await statusOf()).toBe('delivered');
    expect(await chat.conversations.get(caller('owner'), conversationId)).toMatchObject({
      reached: { delivered: 1, read: 0 },
    });
    await chat.receipts.read(caller(name(148)), { conversationId, messageId });
    expect(await statusOf()).toBe('read');
    expect(await chat.conversations.get(caller('owner'), conversationId)).toMatchObject({
      reached: { delivered: 1, read: 1 },
    });
  });
});

test('a group is limited to its size', async () => {
  const chat = await startChat({ limits: { groupSize: 3 } });
  const tooMany = chat.conversations.create(caller('ada'), { type: 'group', participantIds: ['b', 'c', 'd'] });
  await expect(tooMany).rejects.toMatchObject({
    code: 'INVALID',
    message: 'A conversation can have at most 3 participants',
  });
  const { id: conversationId } = await chat.group('ada', 'b', 'b', 'c');
  const more = chat.membership.add(caller('ada'), { conversationId, userIds: ['d'] });
  await expect(more).rejects.toMatchObject({ code: 'INVALID' });
  await chat.membership.add(caller('ada'), { conversationId, userIds: ['c'] });
  chat.sqlite.close();
});

test('a group with as many participants as are listed is pushed as a whole', async () => {
  const chat = await startChat();
  const { id: conversationId } = await chat.group('owner', ...names(98));
  await chat.membership.add(caller('owner'), { conversationId, userIds: ['last'] });
  const [update] = chat.broadcaster.payloads('conversation:updated');
  expect([update?.participants?.length, update?.memberCount, update?.members]).toEqual([100, 100, undefined]);
  chat.sqlite.close();
});
