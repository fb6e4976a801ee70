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

describe('sending', () => {
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

  test('a message is stored, answered and told to the room with its place', async () => {
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
    expect(chat.hub.pushes).toEqual([{ event: 'message:new', data: message, to: `conversation:${id}` }]);
    expect(await chat.history.get('bob', '1')).toEqual(message);
  });

  test('forwarding again under one client id is a success, although the original has been deleted since', async () => {
    const { id: toConversationId } = await chat.direct('ada', 'cleo');
    const { id: messageId } = await chat.say('ada', id, 'hello');
    const forward = { messageId, fromConversationId: id, toConversationId, clientId: 'f-1' };
    const first = await chat.sending.forward(caller('ada'), forward);
    await chat.messages.delete(caller('ada'), { conversationId: id, messageId });
    expect(await chat.sending.forward(caller('ada'), forward)).toEqual(first);
  });

  test('whoever has lost the conversation learns that a message was stored, and nothing of what became of it', async () => {
    const { id: conversationId } = await chat.group('ada', 'bob', 'cleo');
    const sent = await chat.say('bob', conversationId, 'hello', { clientId: 'c-1' });
    await chat.membership.remove(caller('ada'), { conversationId, userId: 'bob' });
    await chat.messages.react(caller('ada'), { conversationId, messageId: sent.id, emoji: '👀' });
    await chat.reading.read(caller('cleo'), { conversationId, messageId: sent.id });
    const again = await chat.say('bob', conversationId, 'hello', { clientId: 'c-1' });
    expect(again.id).toBe(sent.id);
    expect([again.status, again.readBy, again.reactions]).toEqual(['sent', [], undefined]);
  });

  test('the row is in the database before anybody is told', async () => {
    const stored: unknown[] = [];
    const toConversation = chat.hub.toConversation.bind(chat.hub);
    chat.hub.toConversation = (conversationId, push) => {
      stored.push(chat.sqlite.isTransaction, chat.sqlite.prepare('SELECT content FROM messages').get());
      toConversation(conversationId, push);
    };
    await chat.say('ada', id, 'hello');
    expect(stored).toEqual([false, expect.objectContaining({ content: 'hello' })]);
  });

  test('a base client is told on its own socket that its message was stored, before the room is', async () => {
    await chat.sending.send(baseCaller('ada', 's1'), { conversationId: id, content: 'hi', type: 'text' });
    expect(chat.hub.take()).toEqual(['message:status > socket:s1', `message:new > conversation:${id}`]);
  });

  test('the same client id again is answered with the stored message and told to nobody', async () => {
    const first = await chat.say('ada', id, 'hello', { clientId: 'c-1' });
    chat.hub.take();
    const again = await chat.say('ada', id, 'changed', { clientId: 'c-1' });
    expect(again).toEqual(first);
    expect(chat.hub.take()).toEqual([]);
    expect((await chat.say('ada', id, 'next')).seq).toBe(2);
  });

  test('twenty parallel sends with one client id store one message', async () => {
    const sends = Array.from({ length: 20 }, () => chat.say('ada', id, 'hello', { clientId: 'c-1' }));
    expect(new Set((await Promise.all(sends)).map((message) => message.id)).size).toBe(1);
    expect(chat.hub.payloads('message:new')).toHaveLength(1);
  });

  test('a sender who was removed since still learns that their message was stored', async () => {
    const group = await chat.group('ada', 'bob');
    const sent = await chat.say('bob', group.id, 'hello', { clientId: 'c-1' });
    await chat.membership.remove(caller('ada'), { conversationId: group.id, userId: 'bob' });
    expect(await chat.say('bob', group.id, 'hello', { clientId: 'c-1' })).toMatchObject({ id: sent.id });
    await expect(chat.say('bob', group.id, 'more')).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  test('two people may use the same client id', async () => {
    await chat.say('ada', id, 'hello', { clientId: 'c-1' });
    expect((await chat.say('bob', id, 'hi', { clientId: 'c-1' })).seq).toBe(2);
  });

  test('a message waits for the one before it, and nothing is written while it does', async () => {
    const behind = { clientId: 'c-2', afterClientId: 'c-1' };
    await expect(chat.say('ada', id, 'second', behind)).rejects.toMatchObject({ code: 'CONFLICT' });
    await chat.say('ada', id, 'first', { clientId: 'c-1' });
    expect((await chat.say('ada', id, 'second', behind)).seq).toBe(2);
  });

  test('pipelined messages that follow each other are stored in one go', async () => {
    const sends = [
      chat.say('ada', id, 'first', { clientId: 'c-1' }),
      chat.say('ada', id, 'second', { clientId: 'c-2', afterClientId: 'c-1' }),
    ];
    expect((await Promise.all(sends)).map(({ seq }) => seq)).toEqual([1, 2]);
  });

  test.each<[title: string, request: Partial<SendMessage>, code: string]>([
    ['nothing to say', { content: '' }, 'INVALID'],
    ['only spaces', { content: ' \n\t ' }, 'INVALID'],
    ['more than the longest text', { content: 'x'.repeat(21) }, 'MESSAGE_TOO_LONG'],
    ['a file that is too large', { attachment: { ...png, fileSize: 101 } }, 'FILE_TOO_LARGE'],
    ['a type of file that is not allowed', { attachment: { ...png, mimeType: 'text/html' } }, 'MIME_TYPE_NOT_ALLOWED'],
    ['encrypted without an envelope', { encrypted: true }, 'INVALID'],
    ['an envelope without encryption', { envelope }, 'INVALID'],
    ['an envelope of somebody else', { encrypted: true, envelope: { ...envelope, senderId: 'bob' } }, 'FORBIDDEN'],
    ['an answer to nothing', { replyTo: '99' }, 'INVALID'],
    ['an answer to an id that is none', { replyTo: "1' OR '1'='1" }, 'INVALID'],
    ['an unknown conversation', { conversationId: 'nowhere' }, 'NOT_FOUND'],
  ])('%s is refused, and uses up no number', async (_title, request, code) => {
    await expect(attempt(request)).rejects.toMatchObject({ code });
    expect(chat.hub.pushes).toEqual([]);
    expect((await chat.say('ada', id, 'fine')).seq).toBe(1);
  });

  test('a stranger gets the same answer as for a conversation that is not there', async () => {
    const foreign = await attempt({}, 'eve').catch((error: unknown) => error);
    const unknown = await attempt({ conversationId: 'nowhere' }, 'eve').catch((error: unknown) => error);
    expect(foreign).toEqual(unknown);
    expect(foreign).toMatchObject({ code: 'NOT_FOUND' });
  });

  test('an answer names a message of the same conversation only', async () => {
    const other = await chat.direct('ada', 'eve');
    const elsewhere = await chat.say('ada', other.id, 'psst');
    await expect(attempt({ replyTo: elsewhere.id })).rejects.toMatchObject({ code: 'INVALID' });
    const here = await chat.say('bob', id, 'hm?');
    expect(await attempt({ replyTo: here.id })).toMatchObject({ replyTo: here.id });
  });

  test('a file needs no text, and families of types are allowed as such', async () => {
    const message = await attempt({ content: '', type: 'image', attachment: png });
    expect(message).toMatchObject({ content: '', type: 'image', attachment: png });
    expect(await chat.history.get('bob', message.id)).toEqual(message);
  });

  test('an encrypted message goes out as its envelope, which is what the database has', async () => {
    const message = await attempt({ content: 'placeholder', encrypted: true, envelope });
    expect(message).toMatchObject({ content: '', encrypted: true, envelope });
    expect(await chat.history.get('bob', message.id)).toEqual(message);
    const row = chat.sqlite.prepare('SELECT content, encrypted FROM messages').get();
    expect(row).toMatchObject({ content: JSON.stringify(envelope), encrypted: 1 });
  });

  test('refusals between parallel sends leave no holes, and pushes come in the order of seq', async () => {
    const sends = Array.from({ length: 60 }, (_, index) =>
      index % 3 === 0
        ? attempt({}, 'eve').catch(() => undefined)
        : chat.say(index % 2 === 0 ? 'ada' : 'bob', id, `m${index}`).then(({ seq }) => seq),
    );
    const seqs = (await Promise.all(sends)).filter((seq) => seq !== undefined);
    expect(seqs).toEqual(Array.from({ length: 40 }, (_, index) => index + 1));
    expect(chat.hub.payloads('message:new').map(({ seq }) => seq)).toEqual(seqs);
    expect((await chat.conversations.get(caller('ada'), id)).head).toEqual({ seq: 40, rev: 40 });
  });

  test('a base client in the room has received what is pushed there', async () => {
    chat.hub.base.set(id, ['bob']);
    const message = await chat.say('ada', id, 'hello');
    expect(message.status).toBe('sent');
    expect(chat.hub.pushes.slice(1)).toEqual([
      {
        event: 'message:status',
        data: { messageId: message.id, status: 'delivered', conversationId: id, seq: 1 },
        to: 'user:ada',
      },
    ]);
    expect((await chat.history.get('ada', message.id)).status).toBe('delivered');
  });

  test('a message of the server has its own id, stored once, and is found by it', async () => {
    const log = { conversationId: id, senderId: 'ada', type: 'call', content: '{}', publicId: 'call-1' } as const;
    const [first, second] = await Promise.all([
      chat.sending.appendServerMessage(log),
      chat.sending.appendServerMessage(log),
    ]);
    expect(first).toMatchObject({ id: 'call-1', type: 'call', seq: 1 });
    expect(second).toEqual(first);
    expect(chat.hub.payloads('message:new')).toHaveLength(1);
    expect(await chat.history.get('bob', 'call-1')).toEqual(first);
    expect(await chat.say('bob', id, 'sorry', { replyTo: 'call-1' })).toMatchObject({ replyTo: 'call-1' });
    expect(await chat.reading.read(caller('bob'), { conversationId: id, messageId: 'call-1' })).toMatchObject({
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

  test('a copy says where it is from, and is told both ways', async () => {
    const original = await chat.say('ada', from, 'look', { attachment: png });
    chat.hub.take();
    const copy = await forward(original.id);
    expect(copy).toMatchObject({
      conversationId: to,
      senderId: 'bob',
      content: 'look',
      attachment: png,
      forwardedFrom: { conversationId: from, messageId: original.id },
      seq: 1,
    });
    expect(chat.hub.take()).toEqual([`message:new > conversation:${to}`, `message:forwarded > conversation:${to}`]);
    expect(await chat.history.get('cleo', copy.id)).toEqual(copy);
  });

  test('forwarding twice under one client id is forwarding once', async () => {
    const original = await chat.say('ada', from, 'look');
    const first = await forward(original.id, { clientId: 'c-1' });
    expect(await forward(original.id, { clientId: 'c-1' })).toEqual(first);
    expect(chat.hub.payloads('message:forwarded')).toHaveLength(1);
  });

  test.each([
    ['a message of another conversation', { fromConversationId: 'to' }, 'NOT_FOUND'],
    ['from where one is not', { fromConversationId: 'nowhere' }, 'NOT_FOUND'],
    ['to where one is not', { toConversationId: 'nowhere' }, 'NOT_FOUND'],
  ])('%s is refused', async (_title, more, code) => {
    const original = await chat.say('ada', from, 'look');
    const where = 'fromConversationId' in more && more.fromConversationId === 'to' ? { fromConversationId: to } : more;
    await expect(forward(original.id, where)).rejects.toMatchObject({ code });
    expect((await chat.conversations.get(caller('bob'), to)).head?.seq).toBe(0);
  });

  test('what was deleted, is encrypted or was written by the server is not forwarded', async () => {
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
