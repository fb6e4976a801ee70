import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { ListMessagesQuery } from '../../../src/protocol/rest.ts';
import { startChat, type Chat } from '../../helpers/server/chat.ts';

describe('HistoryService', () => {
  let chat: Chat;
  let conversationId: string;
  let ids: string[];
  beforeEach(async () => {
    chat = await startChat({ config: { pageSize: 4 } });
    ({ id: conversationId } = await chat.direct('ada', 'bob'));
    // Ids and positions differ: another conversation takes ids in between.
    const { id: other } = await chat.direct('ada', 'eve');
    ids = [];
    for (let seq = 1; seq <= 10; seq += 1) {
      await chat.say('ada', other, 'elsewhere');
      ids.push((await chat.say('ada', conversationId, `m${seq}`)).id);
      chat.clock.advance(1_000);
    }
  });
  afterEach(() => chat.sqlite.close());

  const idOf = (seq: number): string => ids[seq - 1] ?? '';
  const list = async (query: ListMessagesQuery = {}) =>
    (await chat.history.list('ada', conversationId, query)).map(({ seq }) => seq);

  test('list returns the newest page of the configured size, newest first', async () => {
    expect(await list()).toEqual([10, 9, 8, 7]);
    expect(await list({ limit: 2 })).toEqual([10, 9]);
  });

  test('list returns pages before a message, down to the first', async () => {
    expect(await list({ before: idOf(7) })).toEqual([6, 5, 4, 3]);
    expect(await list({ before: idOf(3) })).toEqual([2, 1]);
    expect(await list({ before: idOf(1) })).toEqual([]);
  });

  test('list returns pages after a message, up to the last', async () => {
    expect(await list({ after: idOf(3) })).toEqual([7, 6, 5, 4]);
    expect(await list({ after: idOf(9) })).toEqual([10]);
    expect(await list({ after: idOf(10) })).toEqual([]);
  });

  test('list centers the page around a message where there are enough on both sides', async () => {
    expect(await list({ around: idOf(5), limit: 5 })).toEqual([7, 6, 5, 4, 3]);
    expect(await list({ around: idOf(10), limit: 5 })).toEqual([10, 9, 8, 7, 6]);
    expect(await list({ around: idOf(1), limit: 5 })).toEqual([3, 2, 1]);
    expect(await list({ around: idOf(5), limit: 1 })).toEqual([5]);
  });

  test('consecutive pages contain every message once', async () => {
    const seen: (number | undefined)[] = [];
    let page = await chat.history.list('ada', conversationId, { limit: 3 });
    while (page.length > 0) {
      seen.push(...page.map(({ seq }) => seq));
      page = await chat.history.list('ada', conversationId, { limit: 3, before: page.at(-1)?.id });
    }
    expect(seen).toEqual([10, 9, 8, 7, 6, 5, 4, 3, 2, 1]);
  });

  test('before accepts a time in either format and any time zone', async () => {
    const fourth = (await chat.history.get('ada', idOf(4))).createdAt;
    expect(await list({ before: fourth })).toEqual([3, 2, 1]);
    expect(await list({ before: fourth.replace('.000Z', '+00:00') })).toEqual([3, 2, 1]);
    expect(await list({ before: fourth.replace('T', ' ').replace('.000Z', '') })).toEqual([3, 2, 1]);
    expect(await list({ before: '1970-01-01T00:00:00Z' })).toEqual([]);
    expect(await list({ before: '2999-01-01T00:00:00Z' })).toEqual([10, 9, 8, 7]);
  });

  test("times of rows in the database's own format are comparable with ISO 8601", async () => {
    await chat.sql("UPDATE messages SET created_at = substr(replace(created_at, 'T', ' '), 1, 19) WHERE seq <= 5");
    const eighth = (await chat.history.get('ada', idOf(8))).createdAt;
    expect(await list({ before: eighth })).toEqual([7, 6, 5, 4]);
    const third = await chat.history.get('ada', idOf(3));
    expect(third.createdAt).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.000Z$/);
    expect(await list({ before: third.createdAt })).toEqual([2, 1]);
  });

  test('an invalid time is rejected', async () => {
    await expect(list({ before: '2024-99-99T99:99' })).rejects.toMatchObject({ code: 'INVALID' });
  });

  test.each(['before', 'after', 'around'])(
    '%s an unknown message or one of another conversation: not found',
    async (key) => {
      for (const id of ['1', '9999', 'call-9', "' OR 1=1 --", '__proto__', '1e3', '01']) {
        await expect(list({ [key]: id })).rejects.toMatchObject({ code: 'NOT_FOUND' });
      }
    },
  );

  test('a page never exceeds the maximum size', async () => {
    await Promise.all(Array.from({ length: 250 }, () => chat.say('ada', conversationId, 'more')));
    expect(await list({ limit: 10_000 })).toHaveLength(201);
  });

  test("users who aren't members can read neither pages nor messages", async () => {
    await expect(chat.history.list('bob2', conversationId)).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await expect(chat.history.get('bob2', idOf(1))).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await expect(chat.history.get('ada', '9999')).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  test('trusted code reads everything', async () => {
    expect(await chat.history.list(undefined, conversationId, { limit: 1 })).toMatchObject([{ seq: 10 }]);
    expect(await chat.history.list(undefined, 'nowhere')).toEqual([]);
  });

  describe('pages of large messages', () => {
    const pageOf = async (query: object, bytes: number) => {
      const large = await startChat({ limits: { restAnswerBytes: bytes } });
      const { id } = await large.direct('ada', 'bob');
      for (let index = 0; index < 6; index += 1) await large.say('ada', id, 'ü'.repeat(1_000));
      const { messages, hasMore } = await large.history.page('ada', id, query);
      large.sqlite.close();
      return [(JSON.parse(messages) as { seq: number }[]).map(({ seq }) => seq), hasMore];
    };

    test.each<[query: object, bytes: number, seqs: number[], hasMore: boolean]>([
      [{}, 100_000, [6, 5, 4, 3, 2, 1], false],
      [{ limit: 6 }, 100_000, [6, 5, 4, 3, 2, 1], false],
      [{ limit: 5 }, 100_000, [6, 5, 4, 3, 2], true],
      [{}, 5_000, [6, 5], true],
      [{}, 1, [6], true],
      [{ before: '3' }, 5_000, [2, 1], false],
      [{ before: '4' }, 5_000, [3, 2], true],
      [{ after: '3' }, 5_000, [5, 4], true],
      [{ after: '4' }, 5_000, [6, 5], false],
      [{ after: '1' }, 1, [2], true],
      [{ around: '3' }, 5_000, [4, 3], true],
      [{ around: '3' }, 100_000, [6, 5, 4, 3, 2, 1], false],
    ])('%j within %i bytes', async (query, bytes, seqs, hasMore) => {
      expect(await pageOf(query, bytes)).toEqual([seqs, hasMore]);
    });
  });
});
