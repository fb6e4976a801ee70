import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { databaseOf } from '../../../src/server/store/database.ts';
import { appliedTo, keepApplied } from '../../../src/server/store/applied.ts';
import { caller, startChat, type Chat } from '../../helpers/server/chat.ts';

const DAY_MS = 86_400_000;

describe('a change that is sent again because its answer was lost', () => {
  let chat: Chat;
  let conversationId: string;
  let messageId: string;
  beforeEach(async () => {
    chat = await startChat();
    ({ id: conversationId } = await chat.group('ada', 'bob'));
    ({ id: messageId } = await chat.say('ada', conversationId, 'hello'));
    chat.hub.take();
  });
  afterEach(() => chat.sqlite.close());

  const edit = (content: string, clientId?: string, id = messageId) =>
    chat.messages.edit(caller('ada'), { conversationId, messageId: id, content, clientId });
  const react = (emoji: string, on: boolean | undefined, clientId?: string, userId = 'bob') =>
    chat.messages.react(caller(userId), { conversationId, messageId, emoji, on, clientId });
  const remove = (clientId?: string) => chat.messages.delete(caller('ada'), { conversationId, messageId, clientId });

  test('an edit is answered with what was edited since, and told to nobody', async () => {
    await edit('old', 'c-1');
    const newer = await edit('new', 'c-2');
    chat.hub.take();
    expect(await edit('old', 'c-1')).toEqual(newer);
    expect(await chat.history.get('bob', messageId)).toEqual(newer);
    expect(chat.hub.take()).toEqual([]);
  });

  test('an edit that changed nothing was applied all the same', async () => {
    await edit('hello', 'c-1');
    await edit('new', 'c-2');
    expect(await edit('hello', 'c-1')).toMatchObject({ content: 'new' });
  });

  test.each([true, undefined])('a reaction (on: %s) that was taken back since stays away', async (on) => {
    await react('👍', on, 'c-1');
    const without = await react('👍', false, 'c-2');
    chat.hub.take();
    expect(await react('👍', on, 'c-1')).toEqual(without);
    expect(chat.hub.take()).toEqual([]);
  });

  test('a change of what was deleted since is answered with the tombstone', async () => {
    await edit('old', 'c-1');
    await react('👍', true, 'c-1');
    const tombstone = await remove('c-2');
    chat.hub.take();
    expect(await edit('old', 'c-1')).toEqual(tombstone);
    expect(await react('👍', true, 'c-1')).toEqual(tombstone);
    expect(await remove('c-2')).toEqual(tombstone);
    expect(chat.hub.take()).toEqual([]);
  });

  test('both in one transaction are one', async () => {
    const answers = await Promise.all([edit('old', 'c-1'), edit('new', 'c-2'), edit('old', 'c-1')]);
    expect(answers.map(({ content, rev }) => [content, rev])).toEqual([
      ['old', 2],
      ['new', 3],
      ['new', 3],
    ]);
    expect(chat.hub.payloads('message:updated').map(({ content }) => content)).toEqual(['old', 'new']);
  });

  test('what was undone with its transaction was not applied', async () => {
    const failed = chat.store.write(() => {
      throw new RangeError('somebody else’s');
    });
    const [edited] = await Promise.all([edit('old', 'c-1'), expect(failed).rejects.toThrow(RangeError)]);
    expect(edited).toMatchObject({ content: 'old', rev: 2 });
  });

  test('what was refused was not applied, and may be asked for again', async () => {
    for (let n = 0; n < 20; n += 1) await react(`${n}`, true);
    await expect(react('👍', true, 'c-1')).rejects.toMatchObject({ code: 'CONFLICT' });
    await react('0', false);
    expect((await react('👍', true, 'c-1')).reactions?.at(-1)).toMatchObject({ emoji: '👍' });
  });

  test('ids of two people have nothing to do with each other', async () => {
    await react('👍', true, 'c-1', 'bob');
    expect((await react('👍', true, 'c-1', 'ada')).reactions).toMatchObject([{ users: ['bob', 'ada'] }]);
  });

  test('the id of a change of another message is refused', async () => {
    await edit('old', 'c-1');
    const { id } = await chat.say('ada', conversationId, 'another');
    await expect(edit('old', 'c-1', id)).rejects.toMatchObject({ code: 'CONFLICT' });
    expect(await chat.history.get('ada', id)).toMatchObject({ content: 'another' });
  });

  test('whoever is not in the conversation any more is told nothing of the message', async () => {
    await react('👍', true, 'c-1');
    await chat.membership.remove(caller('ada'), { conversationId, userId: 'bob' });
    await expect(react('👍', true, 'c-1')).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  test('is recognized for 30 days', async () => {
    await edit('old', 'c-1');
    await edit('new', 'c-2');
    chat.clock.advance(30 * DAY_MS);
    await react('👍', true, 'c-3');
    expect(await edit('old', 'c-1')).toMatchObject({ content: 'new' });
    chat.clock.advance(1);
    await react('👍', false, 'c-4');
    expect(chat.sqlite.prepare('SELECT client_id FROM comm_applied ORDER BY place').all()).toEqual(
      ['c-3', 'c-4'].map((id) => ({ client_id: id })),
    );
  });

  test('of somebody who changes without end the latest are known', async () => {
    const database = databaseOf(chat.sqlite);
    const keep = (userId: string, n: number) =>
      database.run(() =>
        keepApplied({ userId, clientId: `c-${n}`, messageId: 1, appliedAt: '2026' }, { before: '2025', each: 3 }),
      );
    await keep('bob', 1);
    for (let n = 1; n <= 10; n += 1) await keep('ada', n);
    const known = async (userId: string, n: number) => database.run(() => appliedTo(userId, `c-${n}`));
    expect(await Promise.all([7, 8, 9, 10].map((n) => known('ada', n)))).toEqual([undefined, 1, 1, 1]);
    expect(await known('bob', 1)).toBe(1);
  });
});
