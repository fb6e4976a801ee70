import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { caller, startChat, type Chat } from '../../helpers/server/chat.ts';

describe('addressing a message by its client id', () => {
  let chat: Chat;
  let conversationId: string;
  let id: string;
  beforeEach(async () => {
    chat = await startChat();
    ({ id: conversationId } = await chat.group('ada', 'bob'));
    ({ id } = await chat.say('ada', conversationId, 'hello', { clientId: 'c-1' }));
    chat.broadcaster.take();
  });
  afterEach(() => chat.sqlite.close());

  const ref = (messageId = 'c-1') => ({ conversationId, messageId });

  test('its sender edits, reacts to, reads and deletes it, and pushes carry the wire id', async () => {
    expect(await chat.messages.edit(caller('ada'), { ...ref(), content: 'better' })).toMatchObject({ id });
    expect(await chat.messages.react(caller('ada'), { ...ref(), emoji: '👍' })).toMatchObject({ id });
    expect(await chat.messages.delete(caller('ada'), ref())).toMatchObject({ id });
    expect(chat.broadcaster.payloads('message:updated').map((message) => message.id)).toEqual([id, id]);
    expect(chat.broadcaster.payloads('message:reaction-update')).toMatchObject([{ messageId: id }]);
    expect(chat.broadcaster.payloads('message:deleted')).toMatchObject([{ messageId: id }]);
  });

  test('a read marker set by client id is pushed with the wire id', async () => {
    const { id: theirs } = await chat.say('bob', conversationId, 'hi');
    const { id: mine } = await chat.say('ada', conversationId, 'bye', { clientId: 'c-2' });
    expect(Number(mine)).toBeGreaterThan(Number(theirs));
    expect(await chat.receipts.read(caller('ada'), ref('c-2'))).toMatchObject({ lastReadSeq: 3, unreadCount: 0 });
    const pushed = { messageId: mine, seq: 3 };
    // To clients without and with the capability `batch`.
    expect(chat.broadcaster.payloads('read-receipt:update')).toMatchObject([pushed, pushed]);
  });

  test('a reply refers to the message by its wire id', async () => {
    const answer = await chat.say('ada', conversationId, 'and', { replyTo: 'c-1' });
    expect(answer.replyTo).toBe(id);
    expect(await chat.history.get('bob', answer.id)).toMatchObject({ replyTo: id });
  });

  test('a reply can be stored in the same transaction', async () => {
    const [first, answer] = await Promise.all([
      chat.say('ada', conversationId, 'one', { clientId: 'c-2' }),
      chat.say('ada', conversationId, 'two', { clientId: 'c-3', afterClientId: 'c-2', replyTo: 'c-2' }),
    ]);
    expect(answer.replyTo).toBe(first.id);
  });

  test('a forwarded copy names its origin by the wire id', async () => {
    const { id: to } = await chat.direct('ada', 'cleo');
    const request = { messageId: 'c-1', fromConversationId: conversationId, toConversationId: to };
    expect(await chat.sending.forward(caller('ada'), request)).toMatchObject({
      forwardedFrom: { conversationId, messageId: id },
    });
  });

  test('its sender finds it and pages from it', async () => {
    const { id: next } = await chat.say('bob', conversationId, 'hi');
    expect(await chat.history.get('ada', 'c-1')).toMatchObject({ id });
    const ids = async (page: object) => (await chat.history.list('ada', conversationId, page)).map((each) => each.id);
    expect(await ids({ after: 'c-1' })).toEqual([next]);
    expect(await ids({ around: 'c-1' })).toEqual([next, id]);
    expect(await ids({ before: 'c-1' })).toEqual([]);
  });

  test("other users can't address it", async () => {
    const bob = caller('bob');
    const attempts = [
      () => chat.messages.edit(bob, { ...ref(), content: 'x' }),
      () => chat.messages.react(bob, { ...ref(), emoji: '👍' }),
      () => chat.messages.delete(bob, ref()),
      () => chat.receipts.read(bob, ref()),
      () => chat.history.get('bob', 'c-1'),
      () => chat.history.get(undefined, 'c-1'),
      () => chat.history.list('bob', conversationId, { around: 'c-1' }),
    ];
    for (const attempt of attempts) await expect(attempt()).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await expect(chat.say('bob', conversationId, 'x', { replyTo: 'c-1' })).rejects.toMatchObject({ code: 'INVALID' });
    expect(chat.broadcaster.take()).toEqual([]);
  });

  test("the same client id of another user addresses that user's own message", async () => {
    const { id: theirs } = await chat.say('bob', conversationId, 'mine', { clientId: 'c-1' });
    expect(await chat.messages.delete(caller('bob'), ref())).toMatchObject({ id: theirs });
    expect(await chat.history.get('ada', 'c-1')).toMatchObject({ id, content: 'hello' });
  });

  test('it is unknown in another conversation, and to a sender who has left', async () => {
    const { id: other } = await chat.direct('ada', 'cleo');
    const ask = (where: string) =>
      chat.messages.react(caller('ada'), { conversationId: where, messageId: 'c-1', emoji: '👍' });
    await expect(ask(other)).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await expect(chat.say('ada', other, 'x', { replyTo: 'c-1' })).rejects.toMatchObject({ code: 'INVALID' });
    await chat.membership.remove(caller('ada'), { conversationId, userId: 'ada' });
    await expect(ask(conversationId)).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await expect(chat.history.get('ada', 'c-1')).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  test('a decimal id is always a wire id', async () => {
    const { id: second } = await chat.say('ada', conversationId, 'two', { clientId: id });
    expect(await chat.messages.delete(caller('ada'), ref(id))).toMatchObject({ id });
    await chat.say('ada', conversationId, 'three', { clientId: '77' });
    await expect(chat.messages.delete(caller('ada'), ref('77'))).rejects.toMatchObject({ code: 'NOT_FOUND' });
    expect(await chat.history.get('ada', second)).toMatchObject({ content: 'two' });
  });

  test('a call log keeps its id, whatever client id a user chooses', async () => {
    const log = { conversationId, senderId: 'ada', type: 'call', content: '{}', publicId: 'call-1' } as const;
    await chat.sending.appendServerMessage(log);
    await chat.say('bob', conversationId, 'x', { clientId: 'call-1' });
    expect(await chat.history.get('bob', 'call-1')).toMatchObject({ type: 'call' });
    expect(await chat.say('bob', conversationId, 'y', { replyTo: 'call-1' })).toMatchObject({ replyTo: 'call-1' });
  });
});
