import { describe, expect, test } from 'vitest';
import { LIMITS } from '../../../../src/protocol/limits.ts';
import type { Message, MessagePage } from '../../../../src/protocol/messages.ts';
import { caller, startChat } from '../../../helpers/server/chat.ts';
import { startServer, type TestServer } from '../../../helpers/server/comm-server.ts';
import type { CheckedClient } from '../../../helpers/server/checked-client.ts';

interface Room {
  readonly server: TestServer;
  readonly ada: CheckedClient;
  readonly bob: CheckedClient;
  readonly conversationId: string;
}

async function startGroup(server: TestServer): Promise<Room> {
  const ada = await server.connect('ada');
  const bob = await server.connect('bob');
  const { id } = await ada.ask('conversation:create', { type: 'group', participantIds: ['bob', 'cleo'] });
  await bob.next('conversation:new', (conversation) => conversation.id === id);
  return { server, ada, bob, conversationId: id };
}

const say = (client: CheckedClient, conversationId: string, content: string): Promise<Message> =>
  client.ask('message:send', { conversationId, content, type: 'text' });
const pinned = async ({ server, conversationId }: Room, userId: string, query = ''): Promise<MessagePage> =>
  (await (await server.rest(`/conversations/${conversationId}/pinned${query}`, userId)).json()) as MessagePage;

describe('pinned messages', () => {
  test('every member pins and unpins, and all members are told by a change of the message', async () => {
    await using server = await startServer();
    const room = await startGroup(server);
    const { ada, bob, conversationId } = room;
    const message = await say(ada, conversationId, 'read this');
    const ref = { conversationId, messageId: message.id };
    const answer = await bob.ask('message:pin', { ...ref, pinned: true });
    expect(answer).toMatchObject({ id: message.id, content: 'read this', pinned: { by: 'bob' } });
    expect(answer.rev).toBe((message.rev ?? 0) + 1);
    expect(answer).not.toHaveProperty('updatedAt');
    const push = await ada.next('message:updated');
    expect(push).toMatchObject({ id: message.id, pinned: answer.pinned, rev: answer.rev, editedBy: 'bob' });
    // Pinned again, also by another member: the first pin stays.
    expect(await ada.ask('message:pin', { ...ref, pinned: true })).toMatchObject({
      pinned: answer.pinned,
      rev: answer.rev,
    });
    expect((await pinned(room, 'cleo')).messages.map(({ id }) => id)).toEqual([message.id]);
    expect(await ada.ask('message:pin', { ...ref, pinned: false })).not.toHaveProperty('pinned');
    expect(await bob.next('message:updated', ({ rev }) => rev === (answer.rev ?? 0) + 1)).not.toHaveProperty('pinned');
    expect(await pinned(room, 'ada')).toEqual({ messages: [], hasMore: false });
  });

  test('are listed by the time of the pin, the newest first, in pages', async () => {
    await using server = await startServer();
    const room = await startGroup(server);
    const { ada, conversationId } = room;
    const [one, two, three] = [
      await say(ada, conversationId, 'one'),
      await say(ada, conversationId, 'two'),
      await say(ada, conversationId, 'three'),
    ];
    for (const { id } of [three, one, two]) {
      await ada.ask('message:pin', { conversationId, messageId: id, pinned: true });
    }
    const idsOf = ({ messages }: MessagePage): string[] => messages.map(({ id }) => id);
    expect(idsOf(await pinned(room, 'ada'))).toEqual([two.id, one.id, three.id]);
    const first = await pinned(room, 'ada', '?limit=2');
    expect([idsOf(first), first.hasMore]).toEqual([[two.id, one.id], true]);
    const second = await pinned(room, 'ada', '?limit=2&offset=2');
    expect([idsOf(second), second.hasMore]).toEqual([[three.id], false]);
  });

  test('a page of large messages ends before its limit', async () => {
    const chat = await startChat({ limits: { restAnswerBytes: 5_000 } });
    const { id: conversationId } = await chat.group('ada', 'bob');
    for (let at = 0; at < 3; at += 1) {
      const { id: messageId } = await chat.say('ada', conversationId, 'x'.repeat(3_000));
      await chat.messages.pin(caller('ada'), { conversationId, messageId, pinned: true });
    }
    const page = await chat.history.pinned('ada', conversationId, {});
    expect([page.messages.length, page.hasMore]).toEqual([1, true]);
    chat.sqlite.close();
  });

  test('a deleted message is no longer pinned and can not be pinned', async () => {
    await using server = await startServer();
    const room = await startGroup(server);
    const { ada, conversationId } = room;
    const ref = { conversationId, messageId: (await say(ada, conversationId, 'gone')).id };
    await ada.ask('message:pin', { ...ref, pinned: true });
    expect(await ada.ask('message:delete', ref)).not.toHaveProperty('pinned');
    expect(await pinned(room, 'ada')).toEqual({ messages: [], hasMore: false });
    expect(await ada.refused('message:pin', { ...ref, pinned: true })).toMatchObject({ code: 'CONFLICT' });
    expect(await ada.ask('message:pin', { ...ref, pinned: false })).toMatchObject({ content: '' });
  });

  test('a conversation has a limited number of them', async () => {
    const chat = await startChat();
    const { id: conversationId } = await chat.group('ada', 'bob');
    const ids: string[] = [];
    for (let at = 0; at <= LIMITS.pinnedMessages; at += 1) ids.push((await chat.say('ada', conversationId, 'x')).id);
    const pin = (messageId = '', pinned = true) =>
      chat.messages.pin(caller('bob'), { conversationId, messageId, pinned });
    for (const id of ids.slice(1)) await pin(id);
    await expect(pin(ids[0])).rejects.toMatchObject({ code: 'CONFLICT' });
    await pin(ids[1], false);
    expect(await pin(ids[0])).toMatchObject({ pinned: { by: 'bob' } });
    chat.sqlite.close();
  });

  test('a repeated change is applied once', async () => {
    const chat = await startChat();
    const { id: conversationId } = await chat.group('ada', 'bob');
    const { id: messageId } = await chat.say('ada', conversationId, 'x');
    const pin = { conversationId, messageId, pinned: true, clientId: 'pin-1' };
    await chat.messages.pin(caller('ada'), pin);
    await chat.messages.pin(caller('bob'), { conversationId, messageId, pinned: false });
    // The answer was lost, and another member has removed the pin since.
    expect(await chat.messages.pin(caller('ada'), pin)).not.toHaveProperty('pinned');
    chat.sqlite.close();
  });

  test('reach members who were away, by sync and by the inbox', async () => {
    const chat = await startChat();
    const { id: conversationId } = await chat.group('ada', 'bob');
    const { id: messageId, rev = 0 } = await chat.say('ada', conversationId, 'x');
    const pin = (await chat.messages.pin(caller('ada'), { conversationId, messageId, pinned: true })).pinned;
    const { changes } = await chat.sync.changes(caller('bob'), conversationId, { after: rev });
    expect(changes).toMatchObject([{ id: messageId, pinned: pin }]);
    const [conversation] = await chat.conversations.list(caller('bob'));
    expect(conversation?.lastMessage?.pinned).toEqual(pin);
    chat.sqlite.close();
  });

  test('strangers and removed members get the same answer as for what does not exist', async () => {
    await using server = await startServer();
    const room = await startGroup(server);
    const { ada, bob, conversationId } = room;
    const { id: messageId } = await say(ada, conversationId, 'x');
    const mallory = await server.connect('mallory');
    await ada.ask('conversation:remove-participant', { conversationId, userId: 'bob' });
    const madeUp = { conversationId: 'nothing', messageId: '4711' };
    for (const outsider of [mallory, bob]) {
      const answers = [
        await outsider.refused('message:pin', { conversationId, messageId, pinned: true }),
        await outsider.refused('message:pin', { ...madeUp, pinned: true }),
        await outsider.refused('message:report', { conversationId, messageId, reason: 'spam' }),
        await outsider.refused('message:report', { ...madeUp, reason: 'spam' }),
        await outsider.refused('message:delete', { conversationId, messageId }),
        await outsider.refused('message:delete', madeUp),
      ];
      expect(new Set(answers.map((answer) => JSON.stringify(answer)))).toEqual(
        new Set([JSON.stringify({ code: 'NOT_FOUND', message: 'Not found' })]),
      );
    }
    for (const userId of ['mallory', 'bob']) {
      const real = await server.rest(`/conversations/${conversationId}/pinned`, userId);
      const other = await server.rest('/conversations/nothing/pinned', userId);
      expect([real.status, await real.text()]).toEqual([other.status, await other.text()]);
      expect(real.status).toBe(404);
    }
  });

  test('cost the more, the more members are told; what changes nothing costs nothing', async () => {
    // 40 members cost 2 units.
    const chat = await startChat({ limits: { requests: { burst: 5, perSecond: 0.001 } } });
    const others = Array.from({ length: 39 }, (_, at) => `user-${at}`);
    const { id: conversationId } = await chat.group('ada', ...others);
    const { id: messageId } = await chat.say('ada', conversationId, 'x');
    const pin = (pinned: boolean) => chat.messages.pin(caller('user-1'), { conversationId, messageId, pinned });
    for (const pinned of [true, true, true, false, false]) await pin(pinned);
    await expect(pin(true)).rejects.toMatchObject({ code: 'RATE_LIMITED' });
    expect((await pin(false)).pinned).toBeUndefined();
    chat.sqlite.close();
  });
});
