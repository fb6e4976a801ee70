import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { databaseOf } from '../../../src/server/store/engine/database-source.ts';
import { findIdempotencyKey, storeIdempotencyKey } from '../../../src/server/store/queries/idempotency-keys.ts';
import { caller, startChat, type Chat } from '../../helpers/server/chat.ts';

const DAY_MS = 86_400_000;

describe('repeated changes with a client id', () => {
  let chat: Chat;
  let conversationId: string;
  let messageId: string;
  beforeEach(async () => {
    chat = await startChat();
    ({ id: conversationId } = await chat.group('ada', 'bob'));
    ({ id: messageId } = await chat.say('ada', conversationId, 'hello'));
    chat.broadcaster.take();
  });
  afterEach(() => chat.sqlite.close());

  const edit = (content: string, clientId?: string, id = messageId) =>
    chat.messages.edit(caller('ada'), { conversationId, messageId: id, content, clientId });
  const react = (emoji: string, on: boolean | undefined, clientId?: string, userId = 'bob') =>
    chat.messages.react(caller(userId), { conversationId, messageId, emoji, on, clientId });
  const remove = (clientId?: string) => chat.messages.delete(caller('ada'), { conversationId, messageId, clientId });

  test('a repeated edit returns the current message and pushes nothing', async () => {
    await edit('old', 'c-1');
    const newer = await edit('new', 'c-2');
    chat.broadcaster.take();
    expect(await edit('old', 'c-1')).toEqual(newer);
    expect(await chat.history.get('bob', messageId)).toEqual(newer);
    expect(chat.broadcaster.take()).toEqual([]);
  });

  test('an edit without effect is recorded too', async () => {
    await edit('hello', 'c-1');
    await edit('new', 'c-2');
    expect(await edit('hello', 'c-1')).toMatchObject({ content: 'new' });
  });

  test.each([true, undefined])('a repeated reaction (on: %s) that was removed since is not added again', async (on) => {
    await react('👍', on, 'c-1');
    const without = await react('👍', false, 'c-2');
    chat.broadcaster.take();
    expect(await react('👍', on, 'c-1')).toEqual(without);
    expect(chat.broadcaster.take()).toEqual([]);
  });

  test('a repeated change of a deleted message returns the tombstone', async () => {
    await edit('old', 'c-1');
    await react('👍', true, 'c-1');
    const tombstone = await remove('c-2');
    chat.broadcaster.take();
    expect(await edit('old', 'c-1')).toEqual(tombstone);
    expect(await react('👍', true, 'c-1')).toEqual(tombstone);
    expect(await remove('c-2')).toEqual(tombstone);
    expect(chat.broadcaster.take()).toEqual([]);
  });

  test('a change repeated within one transaction is applied once', async () => {
    const answers = await Promise.all([edit('old', 'c-1'), edit('new', 'c-2'), edit('old', 'c-1')]);
    expect(answers.map(({ content, rev }) => [content, rev])).toEqual([
      ['old', 2],
      ['new', 3],
      ['new', 3],
    ]);
    expect(chat.broadcaster.payloads('message:updated').map(({ content }) => content)).toEqual(['old', 'new']);
  });

  test('a change that was rolled back is not recorded', async () => {
    const failed = chat.store.write(() => {
      throw new RangeError('another user’s');
    });
    const [edited] = await Promise.all([edit('old', 'c-1'), expect(failed).rejects.toThrow(RangeError)]);
    expect(edited).toMatchObject({ content: 'old', rev: 2 });
  });

  test('a rejected change is not recorded and may be repeated', async () => {
    const faces = Array.from({ length: 20 }, (_, at) => String.fromCodePoint(0x1f600 + at));
    for (const face of faces) await react(face, true);
    await expect(react('👍', true, 'c-1')).rejects.toMatchObject({ code: 'CONFLICT' });
    await react('😀', false);
    expect((await react('👍', true, 'c-1')).reactions?.at(-1)).toMatchObject({ emoji: '👍' });
  });

  test('client ids of two users are independent', async () => {
    await react('👍', true, 'c-1', 'bob');
    expect((await react('👍', true, 'c-1', 'ada')).reactions).toMatchObject([{ users: ['bob', 'ada'] }]);
  });

  test('the client id of a change to another message is rejected', async () => {
    await edit('old', 'c-1');
    const { id } = await chat.say('ada', conversationId, 'another');
    await expect(edit('old', 'c-1', id)).rejects.toMatchObject({ code: 'CONFLICT' });
    expect(await chat.history.get('ada', id)).toMatchObject({ content: 'another' });
  });

  test('a user who has left gets NOT_FOUND', async () => {
    await react('👍', true, 'c-1');
    await chat.membership.remove(caller('ada'), { conversationId, userId: 'bob' });
    await expect(react('👍', true, 'c-1')).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  test('keys are kept for 30 days', async () => {
    await edit('old', 'c-1');
    await edit('new', 'c-2');
    chat.clock.advance(30 * DAY_MS);
    await react('👍', true, 'c-3');
    expect(await edit('old', 'c-1')).toMatchObject({ content: 'new' });
    chat.clock.advance(1);
    await react('👍', false, 'c-4');
    expect(await chat.sql('SELECT client_id FROM comm_applied ORDER BY place')).toEqual(
      ['c-3', 'c-4'].map((id) => ({ client_id: id })),
    );
  });

  test('the newest keys of a user are kept', async () => {
    const database = databaseOf(chat.db);
    const keep = (userId: string, n: number) =>
      database.run(() =>
        storeIdempotencyKey(
          { userId, clientId: `c-${n}`, messageId: 1, appliedAt: '2026' },
          { before: '2025', each: 3 },
        ),
      );
    await keep('bob', 1);
    for (let n = 1; n <= 10; n += 1) await keep('ada', n);
    const known = async (userId: string, n: number) => database.run(() => findIdempotencyKey(userId, `c-${n}`));
    expect(await Promise.all([7, 8, 9, 10].map((n) => known('ada', n)))).toEqual([undefined, 1, 1, 1]);
    expect(await known('bob', 1)).toBe(1);
  });
});
