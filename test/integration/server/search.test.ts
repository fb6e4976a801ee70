import BetterSqlite from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { isCommError } from '../../../src/protocol/errors.ts';
import type { SqliteSource } from '../../../src/server/store/engine/sqlite.ts';
import { openDatabase } from '../../../src/server/store/engine/open.ts';
import { temporaryDirectory } from '../../helpers/temporary-directory.ts';
import { onPostgres } from '../../helpers/postgres/test-database.ts';
import { caller, startChat, type Chat } from '../../helpers/server/chat.ts';
import { watchStatements } from '../../helpers/server/watch-statements.ts';

test.each<[title: string, open: (path: string) => SqliteSource & { close(): unknown }]>([
  ['node:sqlite', openDatabase],
  ['better-sqlite3', openBetterSqlite],
])(
  'a file of %s is searched in a thread: terms without a space are a phrase, and its size does not matter',
  async (_, open) => {
    await using directory = await temporaryDirectory();
    const db = open(`${directory.path}/db.sqlite`);
    const chat = await startChat({ db });
    const { id } = await chat.direct('ada', 'bob');
    for (const content of ['a quick fox', 'quick as a fox']) await chat.say('ada', id, content);
    const search = async (q: string): Promise<string[]> =>
      (await chat.history.search('ada', { q })).map(({ content }) => content);
    expect(await search('quick.fox')).toEqual(['a quick fox']);
    db.exec('UPDATE comm_search_state SET indexed_to = 10000000');
    expect(await search('fox quic')).toEqual(['quick as a fox', 'a quick fox']);
    await chat.store.drain();
    chat.sqlite.close();
    db.close();
  },
);

function openBetterSqlite(path: string): BetterSqlite.Database {
  const db = new BetterSqlite(path);
  db.pragma('journal_mode = WAL');
  return db;
}

describe('search', () => {
  let chat: Chat;
  let here: string;
  let there: string;
  beforeEach(async () => {
    chat = await startChat();
    ({ id: here } = await chat.direct('ada', 'bob'));
    ({ id: there } = await chat.group('ada', 'cleo'));
    ({ id: foreign } = await chat.direct('cleo', 'dan'));
    await chat.say('ada', here, 'The quick brown fox');
    await chat.say('bob', here, 'Füchse are QUICK, too');
    await chat.say('ada', there, 'quick as a fox');
    await chat.say('dan', foreign, 'a quick secret');
  });
  let foreign: string;
  afterEach(() => chat.sqlite.close());

  const search = async (q: string, more: object = {}, userId: string | undefined = 'ada') =>
    (await chat.history.search(userId, { q, ...more })).map(({ content }) => content);

  test("finds all words in the caller's conversations, newest first", async () => {
    expect(await search('quick')).toEqual(['quick as a fox', 'Füchse are QUICK, too', 'The quick brown fox']);
    expect(await search('fox quick')).toEqual(['quick as a fox', 'The quick brown fox']);
    expect(await search('secret')).toEqual([]);
    expect(await search('secret', {}, 'eve')).toEqual([]);
  });

  test('the last word matches as a prefix, the others as whole words', async () => {
    expect(await search('quick fo')).toHaveLength(2);
    expect(await search('fo quick')).toEqual([]);
  });

  test('words that contain the last one as a prefix are found only if the word itself does not fill the page', async () => {
    for (const content of ['fox one', 'fox two', 'foxes one', 'foxes two']) await chat.say('bob', here, content);
    expect(await search('fox', { limit: 2, conversationId: here })).toEqual(['fox two', 'fox one']);
    const all = ['foxes two', 'foxes one', 'fox two', 'fox one', 'The quick brown fox'];
    expect(await search('fox', { limit: 5, conversationId: here })).toEqual(all);
    expect(await search('fox', { limit: 4, conversationId: here })).toEqual(all.slice(0, 4));
  });

  test.skipIf(onPostgres())('a page that is filled is not searched for prefixes', async () => {
    const asked: string[] = [];
    watchStatements(chat.sqlite, (_, parameters) => asked.push(...parameters.map(String)));
    expect(await search('quick', { limit: 2 })).toHaveLength(2);
    expect(asked.filter((each) => each.includes('"quick"'))).toHaveLength(1);
    expect(asked.filter((each) => each.includes(' *'))).toEqual([]);
  });

  test.skipIf(onPostgres())(
    'a large database that is not read in a thread is searched for whole words only',
    async () => {
      await search('quick');
      chat.sqlite.exec('UPDATE comm_search_state SET indexed_to = 200001');
      expect(await search('quic')).toEqual([]);
      expect(await search('quick')).toHaveLength(3);
    },
  );

  test.skipIf(onPostgres())(
    'a database that is too large for the event loop is not searched in it: the more terms, the smaller',
    async () => {
      await search('quick');
      chat.sqlite.exec('UPDATE comm_search_state SET indexed_to = 200001');
      await expect(search('quick brown')).rejects.toMatchObject({ code: 'UNSUPPORTED' });
      await expect(search('quick.brown')).rejects.toMatchObject({ code: 'UNSUPPORTED' });
      expect(await search('quick quick')).toHaveLength(3);
      chat.sqlite.exec('UPDATE comm_search_state SET indexed_to = 400001');
      await expect(search('quick')).rejects.toMatchObject({ code: 'UNSUPPORTED' });
    },
  );

  test.skipIf(onPostgres())('terms without a space between them need not follow each other', async () => {
    expect(await search('quick.fox')).toEqual(['quick as a fox', 'The quick brown fox']);
    expect(await search('brown-fo')).toEqual(['The quick brown fox']);
  });

  test.runIf(onPostgres())('terms without a space between them follow each other', async () => {
    await chat.say('bob', here, 'quick.fox');
    expect(await search('quick.fox')).toEqual(['quick.fox']);
    expect(await search('brown-fo')).toEqual(['The quick brown fox']);
  });

  test('case and diacritics are ignored', async () => {
    expect(await search('FUCHSE')).toEqual(['Füchse are QUICK, too']);
  });

  test('can be restricted to a conversation of the caller', async () => {
    expect(await search('quick', { conversationId: there })).toEqual(['quick as a fox']);
    await expect(search('quick', { conversationId: foreign })).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await expect(search('quick', { conversationId: 'nowhere' })).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  test('returns at most the requested number', async () => {
    expect(await search('quick', { limit: 2 })).toEqual(['quick as a fox', 'Füchse are QUICK, too']);
  });

  test.each([
    ['"'],
    ['""'],
    ['*'],
    ['quick"'],
    ['"quick'],
    ['quick*'],
    ['^quick'],
    ['quick)'],
    ['(quick'],
    ['quick OR'],
    ['NOT quick'],
    ['scope : x'],
    ['content : {'],
    ['-quick'],
    ['+quick'],
    ['quick AND'],
    ['NEAR(quick fox'],
    ["'; DROP TABLE messages; --"],
    ['a\u0000b'],
    ['{scope content} : x'],
    ['\\'],
    ['x'.repeat(200)],
    ['" '.repeat(100)],
  ])('%j is searched as plain text', async (q) => {
    await expect(search(q)).resolves.toBeInstanceOf(Array);
    await expect(search(q, { conversationId: here })).resolves.toBeInstanceOf(Array);
  });

  test.each(['OR', 'NOT', 'AND', 'NEAR', 'scope', 'content'])('%s is treated as an ordinary word', async (word) => {
    await chat.say('bob', here, `before ${word} after`);
    expect(await search(`${word} after`)).toEqual([`before ${word} after`]);
  });

  test("never matches the index's own scope column", async () => {
    expect(await search(Buffer.from(here).toString('hex'))).toEqual([]);
  });

  test('a query without letters and digits finds nothing', async () => {
    expect(await search('!!! ???')).toEqual([]);
  });

  test('finds edited messages by their new text, and no deleted ones', async () => {
    const sent = await chat.say('ada', here, 'original');
    const ref = { conversationId: here, messageId: sent.id };
    await chat.messages.edit(caller('ada'), { ...ref, content: 'replaced' });
    expect(await search('original')).toEqual([]);
    expect(await search('replaced')).toEqual(['replaced']);
    await chat.messages.delete(caller('ada'), ref);
    expect(await search('replaced')).toEqual([]);
  });

  test("doesn't find ciphertext and call logs", async () => {
    const envelope = {
      senderId: 'ada',
      recipientId: 'bob',
      sessionId: 'session',
      ciphertext: 'c2VjcmV0',
      messageType: 'message' as const,
      senderIdentityKey: Buffer.alloc(32).toString('base64'),
    };
    await chat.say('ada', here, '', { encrypted: true, envelope });
    await chat.sending.appendServerMessage({ conversationId: here, senderId: 'ada', type: 'call', content: 'outcome' });
    expect(await search('session')).toEqual([]);
    expect(await search('outcome')).toEqual([]);
  });

  test('a user in many conversations finds only messages of these', async () => {
    for (let index = 0; index < 70; index += 1) await chat.direct('ada', `friend-${index}`);
    expect(await search('quick')).toHaveLength(3);
    expect(await search('secret')).toEqual([]);
  });

  test.skipIf(onPostgres())(
    'the index is asked only within conversations of the caller, however many they are',
    async () => {
      for (let index = 0; index < 70; index += 1) await chat.direct('ada', `friend-${index}`);
      const asked: string[] = [];
      watchStatements(chat.sqlite, (_, parameters) => asked.push(...parameters.map(String)));
      expect(await search('secret')).toEqual([]);
      const expressions = asked.filter((each) => each.includes('secret'));
      // The most active conversations for the word itself, then all for its completions.
      expect(expressions).toHaveLength(3);
      for (const each of expressions)
        expect(each).toMatch(/^scope : \("[0-9a-f]+"(?: OR "[0-9a-f]+")*\) AND content : /);
      expect(expressions.join('').match(/"[0-9a-f]{20,}"/g)).toHaveLength(64 + 72);
    },
  );

  test.skipIf(onPostgres())('conversations without newer activity than what was found are skipped', async () => {
    for (let index = 0; index < 130; index += 1) {
      const { id } = await chat.direct('ada', `friend-${index}`);
      chat.clock.advance(1_000);
      await chat.say('ada', id, `number ${index}`);
    }
    const asked: string[] = [];
    watchStatements(chat.sqlite, (_, parameters) => asked.push(...parameters.map(String)));
    expect(await search('number', { limit: 3 })).toEqual(['number 129', 'number 128', 'number 127']);
    expect(asked.filter((each) => each.includes('"number"'))).toHaveLength(1);
    expect(await search('number', { limit: 130 })).toHaveLength(130);
  });

  test.each([
    ['a b c d e f g h i j', undefined],
    ['a b c d e f g h i j k', 'q must have at most 10 words; got 11'],
    ['a.b-c,d/e:f;g!h', undefined],
    ['a.b-c,d/e:f;g!h?i', 'q must have at most 8 words that are not separated by spaces; got 9'],
    [Array.from({ length: 99 }, () => 'a').join('.'), 'q must have at most 10 words; got 99'],
    ['e\u0301te\u0301', undefined],
  ])('the number of words is limited: %j', async (q, message) => {
    const outcome = await search(q).then(
      () => undefined,
      (error: unknown) => isCommError(error) && error.code === 'INVALID' && error.message,
    );
    expect(outcome).toBe(message);
  });

  test('a page ends where it becomes too large, and says that there is more', async () => {
    const small = await startChat({ limits: { restAnswerBytes: 5_000 } });
    const { id } = await small.direct('ada', 'bob');
    for (let index = 0; index < 5; index += 1) await small.say('ada', id, `long ${'x'.repeat(2_000)}`);
    const page = await small.history.searchPage('ada', { q: 'long' });
    expect(page).toMatchObject({ messages: [{ seq: 5 }, { seq: 4 }], hasMore: true });
    expect(await small.history.searchPage('ada', { q: 'long', limit: 1 })).toMatchObject({ hasMore: true });
    expect(await small.history.searchPage('ada', { q: 'nothing' })).toEqual({ messages: [], hasMore: false });
    small.sqlite.close();
  });

  test('trusted code searches all conversations', async () => {
    const found = await chat.history.search(undefined, { q: 'quick' });
    expect(found).toHaveLength(4);
    const inOne = await chat.history.search(undefined, { q: 'quick', conversationId: foreign });
    expect(inOne.map(({ content }) => content)).toEqual(['a quick secret']);
  });
});
