import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { caller, startChat, type Chat } from '../../helpers/server/chat.ts';

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

  test('finds all words in the caller’s conversations, newest first', async () => {
    expect(await search('quick')).toEqual(['quick as a fox', 'Füchse are QUICK, too', 'The quick brown fox']);
    expect(await search('fox quick')).toEqual(['quick as a fox', 'The quick brown fox']);
    expect(await search('secret')).toEqual([]);
    expect(await search('secret', {}, 'eve')).toEqual([]);
  });

  test('the last word may be a beginning, the others are whole', async () => {
    expect(await search('quick fo')).toHaveLength(2);
    expect(await search('fo quick')).toEqual([]);
  });

  test('case and accents make no difference', async () => {
    expect(await search('FUCHSE')).toEqual(['Füchse are QUICK, too']);
  });

  test('one conversation alone, if one is in it', async () => {
    expect(await search('quick', { conversationId: there })).toEqual(['quick as a fox']);
    await expect(search('quick', { conversationId: foreign })).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await expect(search('quick', { conversationId: 'nowhere' })).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  test('at most as many as asked for', async () => {
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
  ])('%j is text and nothing else', async (q) => {
    await expect(search(q)).resolves.toBeInstanceOf(Array);
    await expect(search(q, { conversationId: here })).resolves.toBeInstanceOf(Array);
  });

  test.each(['OR', 'NOT', 'AND', 'NEAR', 'scope', 'content'])('%s is a word like any other', async (word) => {
    await chat.say('bob', here, `before ${word} after`);
    expect(await search(`${word} after`)).toEqual([`before ${word} after`]);
  });

  test('the index’s own column of conversations is never what is searched', async () => {
    expect(await search(Buffer.from(here).toString('hex'))).toEqual([]);
  });

  test('what has no letter and no digit finds nothing', async () => {
    expect(await search('!!! ???')).toEqual([]);
  });

  test('edits are found by their new text, deletions no more', async () => {
    const sent = await chat.say('ada', here, 'original');
    const ref = { conversationId: here, messageId: sent.id };
    await chat.messages.edit(caller('ada'), { ...ref, content: 'replaced' });
    expect(await search('original')).toEqual([]);
    expect(await search('replaced')).toEqual(['replaced']);
    await chat.messages.delete(caller('ada'), ref);
    expect(await search('replaced')).toEqual([]);
  });

  test('ciphertext and call logs are not in it', async () => {
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

  test('somebody in very many conversations finds what is theirs, and nothing else', async () => {
    for (let index = 0; index < 70; index += 1) await chat.direct('ada', `friend-${index}`);
    expect(await search('quick')).toHaveLength(3);
    expect(await search('secret')).toEqual([]);
  });

  test('code that is trusted searches everywhere', async () => {
    const found = await chat.history.search(undefined, { q: 'quick' });
    expect(found).toHaveLength(4);
    const inOne = await chat.history.search(undefined, { q: 'quick', conversationId: foreign });
    expect(inOne.map(({ content }) => content)).toEqual(['a quick secret']);
  });
});
