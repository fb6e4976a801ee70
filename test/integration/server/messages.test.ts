import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { caller, startChat, type Chat } from '../../helpers/server/chat.ts';

describe('MessageService', () => {
  let chat: Chat;
  let conversationId: string;
  let messageId: string;
  beforeEach(async () => {
    chat = await startChat({ config: { maxMessageLength: 20 } });
    ({ id: conversationId } = await chat.direct('ada', 'bob'));
    ({ id: messageId } = await chat.say('ada', conversationId, 'hello'));
    chat.broadcaster.take();
    chat.clock.advance(1_000);
  });
  afterEach(() => chat.sqlite.close());

  const edit = (content: string, userId = 'ada') =>
    chat.messages.edit(caller(userId), { conversationId, messageId, content });
  const remove = (userId = 'ada') => chat.messages.delete(caller(userId), { conversationId, messageId });
  const react = (emoji: string, on?: boolean, userId = 'bob') =>
    chat.messages.react(caller(userId), { conversationId, messageId, emoji, on });

  test('an edit keeps seq, advances rev and pushes the whole message', async () => {
    const edited = await edit('hello there');
    expect(edited).toMatchObject({ id: messageId, content: 'hello there', seq: 1, rev: 2 });
    expect(edited.updatedAt).toBe(new Date(chat.clock.now()).toISOString());
    expect(chat.broadcaster.pushes).toEqual([
      {
        event: 'message:updated',
        data: { ...edited, messageId, editedBy: 'ada' },
        to: `conversation:${conversationId}`,
      },
    ]);
    expect(await chat.history.get('bob', messageId)).toEqual(edited);
  });

  test('a reaction that is set must be an emoji; base clients toggle any text, which can be removed', async () => {
    for (const text of ['hello', '+', '👍👍', ':+1:'])
      await expect(react(text, true)).rejects.toMatchObject({
        code: 'INVALID',
        message: 'emoji must be a single emoji',
      });
    expect(chat.broadcaster.take()).toEqual([]);
    expect(await react('+')).toMatchObject({ reactions: [{ emoji: '+', count: 1 }] });
    expect((await react('+', false)).reactions).toBeUndefined();
  });

  test('an edit to the same content succeeds and changes nothing', async () => {
    expect(await edit('hello')).toMatchObject({ rev: 1 });
    expect(chat.broadcaster.take()).toEqual([]);
  });

  test.each([
    ['a message of another user', 'bob', 'mine now', 'FORBIDDEN'],
    ['a message of a conversation without the user', 'eve', 'mine now', 'NOT_FOUND'],
    ['a message to an empty text', 'ada', ' ', 'INVALID'],
    ['a message to a text that is too long', 'ada', 'x'.repeat(21), 'MESSAGE_TOO_LONG'],
  ])('editing %s is rejected', async (_title, userId, content, code) => {
    await expect(edit(content, userId)).rejects.toMatchObject({ code });
    expect(await chat.history.get('ada', messageId)).toMatchObject({ content: 'hello', rev: 1 });
  });

  test('a message can only be changed through its own conversation', async () => {
    const other = await chat.direct('ada', 'eve');
    const ref = { conversationId: other.id, messageId };
    await expect(chat.messages.edit(caller('ada'), { ...ref, content: 'x' })).rejects.toMatchObject({
      code: 'NOT_FOUND',
    });
    await expect(chat.messages.delete(caller('ada'), ref)).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await expect(chat.messages.react(caller('ada'), { ...ref, emoji: '👍' })).rejects.toMatchObject({
      code: 'NOT_FOUND',
    });
  });

  test("messages written by the server can't be edited", async () => {
    const log = { conversationId, senderId: 'ada', type: 'call', content: '{}', publicId: 'call-1' } as const;
    await chat.sending.appendServerMessage(log);
    const attempt = chat.messages.edit(caller('ada'), { conversationId, messageId: 'call-1', content: 'x' });
    await expect(attempt).rejects.toMatchObject({ code: 'FORBIDDEN' });
  });

  test('a deletion leaves a tombstone without content and sends both pushes', async () => {
    await react('👍');
    chat.broadcaster.take();
    const tombstone = await remove();
    const at = new Date(chat.clock.now()).toISOString();
    expect(tombstone).toMatchObject({ id: messageId, content: '', seq: 1, rev: 3, deletedAt: at, updatedAt: at });
    expect(tombstone).not.toHaveProperty('reactions');
    expect(chat.broadcaster.pushes.map(({ event, data }) => [event, data])).toEqual([
      ['message:deleted', { messageId, conversationId, deletedBy: 'ada', seq: 1, rev: 3 }],
      ['message:updated', { ...tombstone, messageId, editedBy: 'ada' }],
    ]);
    expect(await chat.history.list('bob', conversationId)).toEqual([tombstone]);
  });

  test('a deletion removes the attachment', async () => {
    const attachment = { url: '/files/1', mimeType: 'image/png', fileName: 'a.png', fileSize: 1 };
    const sent = await chat.say('ada', conversationId, 'look', { attachment });
    const gone = await chat.messages.delete(caller('ada'), { conversationId, messageId: sent.id });
    expect(gone).not.toHaveProperty('attachment');
    expect(await chat.sql('SELECT attachment FROM messages WHERE id = ?', sent.id)).toEqual([{ attachment: null }]);
  });

  test('deleting again succeeds, changes nothing and pushes nothing', async () => {
    const first = await remove();
    chat.broadcaster.take();
    chat.clock.advance(1_000);
    expect(await remove()).toEqual(first);
    expect(chat.broadcaster.take()).toEqual([]);
  });

  test.each([
    ['bob', 'FORBIDDEN'],
    ['eve', 'NOT_FOUND'],
  ])("%s can't delete a message of ada", async (userId, code) => {
    await expect(remove(userId)).rejects.toMatchObject({ code });
    expect(chat.broadcaster.take()).toEqual([]);
  });

  test("a deleted message can't be edited or reacted to", async () => {
    await remove();
    await expect(edit('back')).rejects.toMatchObject({ code: 'CONFLICT' });
    await expect(react('👍')).rejects.toMatchObject({ code: 'CONFLICT' });
  });

  test('a reaction is pushed with all its users, in the order in which they reacted', async () => {
    await react('👍', true, 'bob');
    await react('🎉', true, 'bob');
    const message = await react('👍', true, 'ada');
    const reactions = [
      { emoji: '👍', count: 2, users: ['bob', 'ada'] },
      { emoji: '🎉', count: 1, users: ['bob'] },
    ];
    expect(message).toMatchObject({ reactions, seq: 1, rev: 4 });
    expect(chat.broadcaster.payloads('message:reaction-update').at(-1)).toEqual({
      messageId,
      reactions,
      conversationId,
      seq: 1,
      rev: 4,
    });
  });

  test('a reaction with a target state is idempotent', async () => {
    await react('👍', true);
    expect(await react('👍', true)).toMatchObject({ rev: 2 });
    await react('👍', false);
    expect(await react('👍', false)).not.toHaveProperty('reactions');
    expect(
      chat.broadcaster.payloads('message:reaction-update').map(({ rev, reactions }) => [rev, reactions.length]),
    ).toEqual([
      [2, 1],
      [3, 0],
    ]);
  });

  test('a reaction without a target state toggles', async () => {
    expect(await react('👍')).toHaveProperty('reactions');
    expect(await react('👍')).not.toHaveProperty('reactions');
  });

  test('the number of reactions per user is limited', async () => {
    for (let index = 0; index < 20; index += 1) await react(String.fromCodePoint(0x1f600 + index), true);
    await expect(react('👍', true)).rejects.toMatchObject({ code: 'CONFLICT' });
    expect((await react('👍', true, 'ada')).reactions).toHaveLength(21);
  });

  test("users who aren't members can't react", async () => {
    await expect(react('👍', true, 'eve')).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  test('parallel changes use every rev once and are pushed in order', async () => {
    const others = await Promise.all(Array.from({ length: 10 }, (_, n) => chat.say('bob', conversationId, `b${n}`)));
    chat.broadcaster.take();
    await Promise.all(
      others.flatMap(({ id }, n) => [
        chat.messages.edit(caller('bob'), { conversationId, messageId: id, content: `edited ${n}` }),
        chat.messages.react(caller('ada'), { conversationId, messageId: id, emoji: '👍' }),
        chat.messages.delete(caller('ada'), { conversationId, messageId: id }).catch(() => undefined),
        chat.say('ada', conversationId, `a${n}`),
      ]),
    );
    const revs = chat.broadcaster.pushes.map(({ data }) => 'rev' in data && data.rev);
    expect(revs).toEqual(Array.from({ length: 30 }, (_, n) => n + 12));
  });
});
