import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Message } from '../../../src/protocol/messages.ts';
import { caller, startChat, type Chat } from '../../helpers/server/chat.ts';

describe('delivery and reading', () => {
  let chat: Chat;
  let conversationId: string;
  let sent: Message[];
  beforeEach(async () => {
    chat = await startChat();
    ({ id: conversationId } = await chat.group('ada', 'bob', 'cleo'));
    sent = [];
    for (const sender of ['ada', 'ada', 'bob', 'ada']) sent.push(await chat.say(sender, conversationId, 'hi'));
    chat.hub.take();
    chat.clock.advance(1_000);
  });
  afterEach(() => chat.sqlite.close());

  const read = (userId: string, seq: number, socketId?: string) =>
    chat.reading.read(caller(userId, socketId), { conversationId, messageId: sent[seq - 1]?.id ?? '' });
  const delivered = (userId: string, seq: number) => chat.reading.delivered(caller(userId), { conversationId, seq });
  const statuses = async () =>
    (await chat.history.list('ada', conversationId)).toReversed().map(({ status }) => status);
  const told = () => chat.hub.payloads('message:status').map(({ status, seq }) => `${status} ${seq}`);

  test('a message is delivered when everybody else has it', async () => {
    await delivered('bob', 4);
    expect(await statuses()).toEqual(['sent', 'sent', 'sent', 'sent']);
    await delivered('cleo', 2);
    expect(await statuses()).toEqual(['delivered', 'delivered', 'sent', 'sent']);
    expect(chat.hub.pushes.map(({ to }) => to)).toEqual(['user:ada', 'user:ada']);
    expect(told()).toEqual(['delivered 1', 'delivered 2']);
  });

  test('nobody is told the same twice, and marks do not go back', async () => {
    await delivered('bob', 4);
    await delivered('cleo', 4);
    chat.hub.take();
    await delivered('cleo', 4);
    await delivered('cleo', 1);
    expect(chat.hub.take()).toEqual([]);
    expect(await statuses()).toEqual(['delivered', 'delivered', 'sent', 'delivered']);
  });

  test('nobody has received what is not there yet', async () => {
    await delivered('bob', 1_000_000);
    await delivered('cleo', 1_000_000);
    expect((await chat.say('ada', conversationId, 'new')).status).toBe('sent');
    expect((await statuses()).at(-1)).toBe('sent');
  });

  test('the slow ones themselves see their own messages by the marks of the others', async () => {
    await delivered('ada', 4);
    await delivered('cleo', 4);
    // Bob is behind, which is no matter for what bob wrote.
    expect(told()).toEqual(['delivered 3']);
    expect(chat.hub.pushes[0]?.to).toBe('user:bob');
  });

  test('reading a message reads all before it, and says so to the room, the senders and one’s own devices', async () => {
    await read('cleo', 4);
    chat.hub.take();
    const readAt = new Date(chat.clock.now()).toISOString();
    expect(await read('bob', 2, 's1')).toEqual({ conversationId, lastReadSeq: 2, unreadCount: 1 });
    expect(chat.hub.pushes).toEqual([
      {
        event: 'read-receipt:update',
        data: { conversationId, messageId: sent[1]?.id, readBy: { userId: 'bob', readAt }, seq: 2 },
        to: `conversation:${conversationId}`,
      },
      ...[1, 2].map((seq) => ({
        event: 'message:status',
        data: { messageId: sent[seq - 1]?.id, status: 'read', conversationId, seq },
        to: 'user:ada',
      })),
      {
        event: 'conversation:updated',
        data: { id: conversationId, unreadCount: 1, head: { seq: 4, rev: 4 } },
        to: 'user:bob',
      },
    ]);
    expect(await statuses()).toEqual(['read', 'read', 'sent', 'sent']);
  });

  test('what is read is delivered, also where the reading of all is still to come', async () => {
    await delivered('cleo', 4);
    await read('bob', 4);
    expect(await statuses()).toEqual(['delivered', 'delivered', 'sent', 'delivered']);
    expect(told()).toEqual(['delivered 1', 'delivered 2', 'delivered 4']);
  });

  test('reading further back changes nothing and is told to nobody', async () => {
    await read('bob', 4);
    chat.hub.take();
    expect(await read('bob', 1)).toEqual({ conversationId, lastReadSeq: 4, unreadCount: 0 });
    expect(chat.hub.take()).toEqual([]);
  });

  test('readers are named with the time they read, and the sender never is', async () => {
    await read('bob', 2);
    chat.clock.advance(5_000);
    await read('bob', 4);
    await read('ada', 4);
    const [first, second, third, fourth] = (await chat.history.list('cleo', conversationId)).toReversed();
    const at = (ms: number) => new Date(chat.clock.now() - ms).toISOString();
    expect(second?.readBy).toEqual([{ userId: 'bob', readAt: at(5_000) }]);
    // No receipt names the first one: it was passed when the mark last moved.
    expect(first?.readBy).toEqual([{ userId: 'bob', readAt: at(0) }]);
    expect(third?.readBy).toEqual([{ userId: 'ada', readAt: at(0) }]);
    expect(fourth?.readBy).toEqual([{ userId: 'bob', readAt: at(0) }]);
  });

  test('the receipt that LumenJS reads is written for the message named', async () => {
    await read('bob', 2);
    const rows = chat.sqlite.prepare('SELECT message_id, user_id FROM read_receipts').all();
    expect(rows).toEqual([{ message_id: Number(sent[1]?.id), user_id: 'bob' }]);
  });

  test('participants carry their marks', async () => {
    await read('bob', 2);
    await delivered('bob', 3);
    const { participants } = await chat.conversations.get(caller('ada'), conversationId);
    expect(participants.find(({ userId }) => userId === 'bob')).toMatchObject({
      lastReadSeq: 2,
      lastReadAt: new Date(chat.clock.now()).toISOString(),
      lastDeliveredSeq: 3,
    });
  });

  test('at most fifty messages of each sender are told, the newest', async () => {
    const { id } = await chat.direct('ada', 'bob');
    await Promise.all(Array.from({ length: 70 }, () => chat.say('ada', id, 'hi')));
    chat.hub.take();
    await chat.reading.delivered(caller('bob'), { conversationId: id, seq: 70 });
    const seqs = chat.hub.payloads('message:status').map(({ seq }) => seq);
    expect(seqs).toEqual(Array.from({ length: 50 }, (_, index) => index + 21));
  });

  test('a tombstone gets no status', async () => {
    await chat.messages.delete(caller('ada'), { conversationId, messageId: sent[1]?.id ?? '' });
    chat.hub.take();
    await delivered('bob', 4);
    await delivered('cleo', 4);
    expect(told()).toEqual(['delivered 1', 'delivered 4']);
  });

  test('a message with nobody else to read it stays sent', async () => {
    const { id } = await chat.group('ada');
    const { id: messageId } = await chat.say('ada', id, 'note');
    await chat.reading.read(caller('ada'), { conversationId: id, messageId });
    expect((await chat.history.get('ada', messageId)).status).toBe('sent');
  });

  test('strangers mark nothing, and nobody marks a message of another conversation', async () => {
    await expect(read('eve', 1)).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await expect(delivered('eve', 1)).rejects.toMatchObject({ code: 'NOT_FOUND' });
    const other = await chat.direct('bob', 'ada');
    const ref = { conversationId: other.id, messageId: sent[0]?.id ?? '' };
    await expect(chat.reading.read(caller('bob'), ref)).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });
});
