import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { SendMessage } from '../../../src/protocol/messages.ts';
import { baseCaller, caller, startChat, type Chat } from '../../helpers/server/chat.ts';

const png = { url: '/files/1', mimeType: 'image/png', fileName: 'a.png', fileSize: 10 };
const envelope = {
  senderId: 'ada',
  recipientId: 'bob',
  sessionId: 's1',
  ciphertext: 'c2VjcmV0',
  messageType: 'message' as const,
  senderIdentityKey: Buffer.alloc(32, 7).toString('base64'),
};

describe('SendService', () => {
  let chat: Chat;
  let id: string;
  beforeEach(async () => {
    chat = await startChat({
      config: { maxMessageLength: 20, fileUpload: { maxFileSize: 100, allowedMimeTypes: ['image/*', 'text/plain'] } },
    });
    ({ id } = await chat.direct('ada', 'bob'));
  });
  afterEach(() => chat.sqlite.close());

  const attempt = (request: Partial<SendMessage>, userId = 'ada') =>
    chat.sending.send(caller(userId), { conversationId: id, content: 'hello', type: 'text', ...request });

  test('a message is stored, returned and pushed with its seq and rev', async () => {
    const message = await chat.say('ada', id, 'hello', { clientId: 'c-1' });
    expect(message).toEqual({
      id: '1',
      conversationId: id,
      senderId: 'ada',
      content: 'hello',
      type: 'text',
      createdAt: new Date(chat.clock.now()).toISOString(),
      status: 'sent',
      readBy: [],
      clientId: 'c-1',
      seq: 1,
      rev: 1,
    });
    expect(chat.broadcaster.pushes).toEqual([{ event: 'message:new', data: message, to: `conversation:${id}` }]);
    expect(await chat.history.get('bob', '1')).toEqual(message);
  });

  test('a repeated forward succeeds after the original was deleted', async () => {
    const { id: toConversationId } = await chat.direct('ada', 'cleo');
    const { id: messageId } = await chat.say('ada', id, 'hello');
    const forward = { messageId, fromConversationId: id, toConversationId, clientId: 'f-1' };
    const first = await chat.sending.forward(caller('ada'), forward);
    await chat.messages.delete(caller('ada'), { conversationId: id, messageId });
    expect(await chat.sending.forward(caller('ada'), forward)).toEqual(first);
  });

  test('a sender who has left learns that the message was stored, without its receipts and reactions', async () => {
    const { id: conversationId } = await chat.group('ada', 'bob', 'cleo');
    const sent = await chat.say('bob', conversationId, 'hello', { clientId: 'c-1' });
    await chat.membership.remove(caller('ada'), { conversationId, userId: 'bob' });
    await chat.messages.react(caller('ada'), { conversationId, messageId: sent.id, emoji: '👀' });
    await chat.receipts.read(caller('cleo'), { conversationId, messageId: sent.id });
    const again = await chat.say('bob', conversationId, 'hello', { clientId: 'c-1' });
    expect(again.id).toBe(sent.id);
    expect([again.status, again.readBy, again.reactions]).toEqual(['sent', [], undefined]);
  });

  test('a sender who has left learns nothing of what others have done with the message since', async () => {
    const { id: conversationId } = await chat.group('ada', 'bob', 'cleo');
    const sent = await chat.say('bob', conversationId, 'hello', { clientId: 'c-1', metadata: { a: 1 } });
    const copy = { messageId: sent.id, fromConversationId: conversationId, toConversationId: conversationId };
    await chat.sending.forward(caller('bob'), { ...copy, clientId: 'f-1' });
    await chat.membership.remove(caller('ada'), { conversationId, userId: 'bob' });
    const again = () => chat.say('bob', conversationId, 'hello', { clientId: 'c-1', metadata: { a: 1 } });
    const forwarded = () => chat.sending.forward(caller('bob'), { ...copy, clientId: 'f-1' });
    const [before, beforeForwarded] = [await again(), await forwarded()];
    expect(before).toMatchObject({ id: sent.id, seq: sent.seq, content: 'hello', metadata: { a: 1 } });
    for (const messageId of [sent.id, beforeForwarded.id]) {
      await chat.messages.pin(caller('ada'), { conversationId, messageId, pinned: true });
      await chat.say('cleo', conversationId, 'a reply', { threadId: messageId });
    }
    expect([await again(), await forwarded()]).toEqual([before, beforeForwarded]);
    await chat.messages.delete(caller('ada'), { conversationId, messageId: sent.id });
    expect(await again()).toEqual(before);
  });

  test('the row is stored before the push', async () => {
    const stored: Promise<unknown>[] = [];
    const toConversation = chat.broadcaster.toConversation.bind(chat.broadcaster);
    chat.broadcaster.toConversation = (conversationId, push) => {
      stored.push(chat.sql('SELECT content FROM messages'));
      toConversation(conversationId, push);
    };
    await chat.say('ada', id, 'hello');
    expect(await Promise.all(stored)).toEqual([[{ content: 'hello' }]]);
  });

  test('a base client gets the status sent on its own socket before the push to the room', async () => {
    await chat.sending.send(baseCaller('ada', 's1'), { conversationId: id, content: 'hi', type: 'text' });
    expect(chat.broadcaster.take()).toEqual(['message:status > socket:s1', `message:new > conversation:${id}`]);
  });

  test('a repeated client id returns the stored message and pushes nothing', async () => {
    const first = await chat.say('ada', id, 'hello', { clientId: 'c-1' });
    chat.broadcaster.take();
    const again = await chat.say('ada', id, 'changed', { clientId: 'c-1' });
    expect(again).toEqual(first);
    expect(chat.broadcaster.take()).toEqual([]);
    expect((await chat.say('ada', id, 'next')).seq).toBe(2);
  });

  test('twenty parallel sends with one client id store one message', async () => {
    const sends = Array.from({ length: 20 }, () => chat.say('ada', id, 'hello', { clientId: 'c-1' }));
    expect(new Set((await Promise.all(sends)).map((message) => message.id)).size).toBe(1);
    expect(chat.broadcaster.payloads('message:new')).toHaveLength(1);
  });

  test('a sender who was removed since gets the stored message', async () => {
    const group = await chat.group('ada', 'bob');
    const sent = await chat.say('bob', group.id, 'hello', { clientId: 'c-1' });
    await chat.membership.remove(caller('ada'), { conversationId: group.id, userId: 'bob' });
    expect(await chat.say('bob', group.id, 'hello', { clientId: 'c-1' })).toMatchObject({ id: sent.id });
    await expect(chat.say('bob', group.id, 'more')).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  test('two users may use the same client id', async () => {
    await chat.say('ada', id, 'hello', { clientId: 'c-1' });
    expect((await chat.say('bob', id, 'hi', { clientId: 'c-1' })).seq).toBe(2);
  });

  test('a message with afterClientId is rejected until its predecessor is stored', async () => {
    const behind = { clientId: 'c-2', afterClientId: 'c-1' };
    await expect(chat.say('ada', id, 'second', behind)).rejects.toMatchObject({ code: 'CONFLICT' });
    await chat.say('ada', id, 'first', { clientId: 'c-1' });
    expect((await chat.say('ada', id, 'second', behind)).seq).toBe(2);
  });

  test('pipelined messages that follow each other are stored in one transaction', async () => {
    const sends = [
      chat.say('ada', id, 'first', { clientId: 'c-1' }),
      chat.say('ada', id, 'second', { clientId: 'c-2', afterClientId: 'c-1' }),
    ];
    expect((await Promise.all(sends)).map(({ seq }) => seq)).toEqual([1, 2]);
  });

  test.each<[title: string, request: Partial<SendMessage>, code: string]>([
    ['empty content', { content: '' }, 'INVALID'],
    ['blank content', { content: ' \n\t ' }, 'INVALID'],
    ['content that is too long', { content: 'x'.repeat(21) }, 'MESSAGE_TOO_LONG'],
    ['a file that is too large', { attachment: { ...png, fileSize: 101 } }, 'FILE_TOO_LARGE'],
    ['a type of file that is not allowed', { attachment: { ...png, mimeType: 'text/html' } }, 'MIME_TYPE_NOT_ALLOWED'],
    ['encryption without an envelope', { encrypted: true }, 'INVALID'],
    ['an envelope without encryption', { envelope }, 'INVALID'],
    ['an envelope of another sender', { encrypted: true, envelope: { ...envelope, senderId: 'bob' } }, 'FORBIDDEN'],
    ['a reply to an unknown message', { replyTo: '99' }, 'INVALID'],
    ['a reply to an invalid id', { replyTo: "1' OR '1'='1" }, 'INVALID'],
    ['an unknown conversation', { conversationId: 'nowhere' }, 'NOT_FOUND'],
  ])('%s is rejected and consumes no seq', async (_title, request, code) => {
    await expect(attempt(request)).rejects.toMatchObject({ code });
    expect(chat.broadcaster.pushes).toEqual([]);
    expect((await chat.say('ada', id, 'fine')).seq).toBe(1);
  });

  test("a user who isn't a member gets the same error as for an unknown conversation", async () => {
    const foreign = await attempt({}, 'eve').catch((error: unknown) => error);
    const unknown = await attempt({ conversationId: 'nowhere' }, 'eve').catch((error: unknown) => error);
    expect(foreign).toEqual(unknown);
    expect(foreign).toMatchObject({ code: 'NOT_FOUND' });
  });

  test('replyTo must be a message of the same conversation', async () => {
    const other = await chat.direct('ada', 'eve');
    const elsewhere = await chat.say('ada', other.id, 'psst');
    await expect(attempt({ replyTo: elsewhere.id })).rejects.toMatchObject({ code: 'INVALID' });
    const here = await chat.say('bob', id, 'hm?');
    expect(await attempt({ replyTo: here.id })).toMatchObject({ replyTo: here.id });
  });

  test('a file needs no text, and allowed types may be wildcards', async () => {
    const message = await attempt({ content: '', type: 'image', attachment: png });
    expect(message).toMatchObject({ content: '', type: 'image', attachment: png });
    expect(await chat.history.get('bob', message.id)).toEqual(message);
  });

  test('an encrypted message is stored and pushed as its envelope', async () => {
    const message = await attempt({ content: 'placeholder', encrypted: true, envelope });
    expect(message).toMatchObject({ content: '', encrypted: true, envelope });
    expect(await chat.history.get('bob', message.id)).toEqual(message);
    const [row] = await chat.sql('SELECT content, encrypted FROM messages');
    expect(row).toMatchObject({ content: JSON.stringify(envelope), encrypted: 1 });
  });

  test('rejections between parallel sends leave no gaps, and pushes are ordered by seq', async () => {
    const sends = Array.from({ length: 60 }, (_, index) =>
      index % 3 === 0
        ? attempt({}, 'eve').catch(() => undefined)
        : chat.say(index % 2 === 0 ? 'ada' : 'bob', id, `m${index}`).then(({ seq }) => seq),
    );
    const seqs = (await Promise.all(sends)).filter((seq) => seq !== undefined);
    expect(seqs).toEqual(Array.from({ length: 40 }, (_, index) => index + 1));
    expect(chat.broadcaster.payloads('message:new').map(({ seq }) => seq)).toEqual(seqs);
    expect((await chat.conversations.get(caller('ada'), id)).head).toEqual({ seq: 40, rev: 40 });
  });

  test('a base client in the room counts as having received the message', async () => {
    chat.broadcaster.base.set(id, ['bob']);
    const message = await chat.say('ada', id, 'hello');
    expect(message.status).toBe('sent');
    expect(chat.broadcaster.pushes.slice(1)).toEqual([
      {
        event: 'message:status',
        data: { messageId: message.id, status: 'delivered', conversationId: id, seq: 1 },
        to: 'user:ada',
      },
    ]);
    expect((await chat.history.get('ada', message.id)).status).toBe('delivered');
  });

  test('a message of the server has its own id and is stored once', async () => {
    const log = { conversationId: id, senderId: 'ada', type: 'call', content: '{}', publicId: 'call-1' } as const;
    const [first, second] = await Promise.all([
      chat.sending.appendServerMessage(log),
      chat.sending.appendServerMessage(log),
    ]);
    expect(first).toMatchObject({ id: 'call-1', type: 'call', seq: 1 });
    expect(second).toEqual(first);
    expect(chat.broadcaster.payloads('message:new')).toHaveLength(1);
    expect(await chat.history.get('bob', 'call-1')).toEqual(first);
    expect(await chat.say('bob', id, 'sorry', { replyTo: 'call-1' })).toMatchObject({ replyTo: 'call-1' });
    expect(await chat.receipts.read(caller('bob'), { conversationId: id, messageId: 'call-1' })).toMatchObject({
      lastReadSeq: 1,
    });
    expect(await chat.history.list('bob', id, { before: 'call-1' })).toEqual([]);
  });
});

describe('forwarding', () => {
  let chat: Chat;
  let from: string;
  let to: string;
  beforeEach(async () => {
    chat = await startChat();
    ({ id: from } = await chat.direct('ada', 'bob'));
    ({ id: to } = await chat.group('bob', 'cleo'));
  });
  afterEach(() => chat.sqlite.close());

  const forward = (messageId: string, more: object = {}, userId = 'bob') =>
    chat.sending.forward(caller(userId), { messageId, fromConversationId: from, toConversationId: to, ...more });

  test('a copy names its origin and is pushed as both events', async () => {
    const original = await chat.say('ada', from, 'look', { attachment: png });
    chat.broadcaster.take();
    const copy = await forward(original.id);
    expect(copy).toMatchObject({
      conversationId: to,
      senderId: 'bob',
      content: 'look',
      attachment: png,
      forwardedFrom: { conversationId: from, messageId: original.id },
      seq: 1,
    });
    expect(chat.broadcaster.take()).toEqual([
      `message:new > conversation:${to}`,
      `message:forwarded > conversation:${to}`,
    ]);
    expect(await chat.history.get('cleo', copy.id)).toEqual(copy);
  });

  test('forwarding twice with one client id stores one copy', async () => {
    const original = await chat.say('ada', from, 'look');
    const first = await forward(original.id, { clientId: 'c-1' });
    expect(await forward(original.id, { clientId: 'c-1' })).toEqual(first);
    expect(chat.broadcaster.payloads('message:forwarded')).toHaveLength(1);
  });

  test.each([
    ['a message of another conversation', { fromConversationId: 'to' }, 'NOT_FOUND'],
    ['forwarding from an unknown conversation', { fromConversationId: 'nowhere' }, 'NOT_FOUND'],
    ['forwarding to an unknown conversation', { toConversationId: 'nowhere' }, 'NOT_FOUND'],
  ])('%s is rejected', async (_title, more, code) => {
    const original = await chat.say('ada', from, 'look');
    const where = 'fromConversationId' in more && more.fromConversationId === 'to' ? { fromConversationId: to } : more;
    await expect(forward(original.id, where)).rejects.toMatchObject({ code });
    expect((await chat.conversations.get(caller('bob'), to)).head?.seq).toBe(0);
  });

  test("deleted, encrypted and server-written messages can't be forwarded", async () => {
    const deleted = await chat.say('ada', from, 'oops');
    await chat.messages.delete(caller('ada'), { conversationId: from, messageId: deleted.id });
    await expect(forward(deleted.id)).rejects.toMatchObject({ code: 'CONFLICT' });
    const secret = await chat.say('ada', from, '', { encrypted: true, envelope });
    await expect(forward(secret.id)).rejects.toMatchObject({ code: 'INVALID' });
    const log = { conversationId: from, senderId: 'ada', type: 'call', content: '{}', publicId: 'call-1' } as const;
    await chat.sending.appendServerMessage(log);
    await expect(forward('call-1')).rejects.toMatchObject({ code: 'INVALID' });
  });
});
