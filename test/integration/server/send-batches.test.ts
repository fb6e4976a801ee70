import { DatabaseSync } from 'node:sqlite';
import { describe, expect, test } from 'vitest';
import type { Message, SendMessage } from '../../../src/protocol/messages.ts';
import { caller, startChat, type Chat } from '../../helpers/server/chat.ts';
import { fc } from '../../helpers/property.ts';
import { watchStatements } from '../../helpers/server/watch-statements.ts';

/** The code of a rejection, or the fields of a stored message that don't depend on the time. */
type Outcome = string | Pick<Message, 'id' | 'conversationId' | 'content' | 'seq' | 'rev' | 'replyTo' | 'clientId'>;

function outcomeOf(result: PromiseSettledResult<Message>): Outcome {
  if (result.status === 'rejected') return (result.reason as { code: string }).code;
  const { id, conversationId, content, seq, rev, replyTo, clientId } = result.value;
  return { id, conversationId, content, seq, rev, replyTo, clientId };
}

const rows = (chat: Chat): Promise<readonly unknown[]> =>
  chat.sql(
    'select id, conversation_id, sender_id, content, reply_to, seq, rev, sender_seq, client_id from messages order by id',
  );

const text = { type: 'text' } as const;

const envelopeFor = (recipientId: string) => ({
  senderId: 'ada',
  recipientId,
  sessionId: 's1',
  ciphertext: 'c2VjcmV0',
  messageType: 'message' as const,
  senderIdentityKey: Buffer.alloc(32, 7).toString('base64'),
});

describe('messages that are sent together', () => {
  const send = (chat: Chat, requests: readonly SendMessage[], userId = 'ada') =>
    chat.sending.sendAll(caller(userId), requests);

  test('are stored in several transactions if they have many attachments, in order', async () => {
    const db = new DatabaseSync(':memory:');
    const chat = await startChat({ db });
    const { id: conversationId } = await chat.group('ada', 'bob');
    let batches = 0;
    watchStatements(db, (sql) => {
      if (/update "?conversations"? set "?seq"?/i.test(sql)) batches += 1;
    });
    const attachments = Array.from({ length: 10 }, (_, index) => ({
      url: `https://example.org/${index}`,
      fileName: 'a.png',
      fileSize: 1,
      mimeType: 'image/png',
    }));
    const requests = Array.from({ length: 10 }, (_, index) => ({
      conversationId,
      content: String(index),
      ...text,
      attachments,
      clientId: `c-${index}`,
      ...(index > 0 && { afterClientId: `c-${index - 1}` }),
    }));
    const sent = await send(chat, requests);
    expect(sent.map(outcomeOf)).toMatchObject(requests.map(({ content }, index) => ({ content, seq: index + 1 })));
    // Three messages with 41 rows each are less than 128.
    expect(batches).toBe(4);
    db.close();
  });

  test('are stored by few statements: one for what decides about them, one for the counters, one for 32 rows', async () => {
    const db = new DatabaseSync(':memory:');
    let statements: string[] = [];
    watchStatements(db, (sql) => statements.push(sql));
    const chat = await startChat({ db });
    const { id: conversationId } = await chat.group('ada', 'bob');
    const countFor = async (count: number): Promise<number> => {
      statements = [];
      const requests = Array.from({ length: count }, (_, index) => {
        const before = index === 0 ? undefined : `${count}-${index - 1}`;
        return { ...text, conversationId, content: `${index}`, clientId: `${count}-${index}`, afterClientId: before };
      });
      const results = await send(chat, requests);
      expect(results.map(outcomeOf).every((outcome) => typeof outcome === 'object')).toBe(true);
      return statements.filter((sql) => !/^(begin|commit)/i.test(sql)).length;
    };
    expect([await countFor(1), await countFor(128)]).toEqual([3, 2 + 128 / 32]);
    db.close();
  });

  test('have the same columns as a message that is sent alone', async () => {
    const chat = await startChat();
    const { id: conversationId } = await chat.group('ada', 'bob');
    const attachment = { url: 'https://example.com/a.png', mimeType: 'image/png', fileName: 'a.png', fileSize: 7 };
    const linkPreview = { url: 'https://example.com/', domain: 'example.com' };
    const full = {
      type: 'image',
      conversationId,
      content: 'https://example.com/',
      attachment,
      linkPreview,
      replyTo: 'first',
    } as const;
    await send(chat, [{ ...text, conversationId, content: 'first', clientId: 'first' }]);
    expect(await send(chat, [{ ...full, clientId: 'alone' }])).toMatchObject([{ status: 'fulfilled' }]);
    await send(chat, [
      { ...full, clientId: 'one of two' },
      { ...text, conversationId, content: '7', clientId: 'two of two' },
    ]);
    const stored = await chat.sql('SELECT * FROM messages ORDER BY id');
    const [, alone, inBatch] = stored.map((row) =>
      Object.entries(row).map(([name, value]) => [name, value === null ? null : typeof value]),
    );
    expect(alone).toEqual(inBatch);
    const chosen = 'content, type, reply_to, attachment, encrypted, link_preview, sender_id, seq - id AS place';
    const [, one, other] = await chat.sql(`SELECT ${chosen} FROM messages ORDER BY id`);
    expect(one).toEqual(other);
    expect(one).toMatchObject({ attachment: JSON.stringify(attachment), reply_to: '1', type: 'image' });
  });

  test('are pushed in order after the commit, and answered as they are pushed', async () => {
    const chat = await startChat();
    const { id: conversationId } = await chat.group('ada', 'bob');
    const results = await send(
      chat,
      ['one', 'two', 'three'].map((content) => ({ ...text, conversationId, content })),
    );
    const pushed = chat.broadcaster.payloads('message:new');
    expect(pushed.map(({ content, seq, rev }) => [content, seq, rev])).toEqual([
      ['one', 1, 1],
      ['two', 2, 2],
      ['three', 3, 3],
    ]);
    expect(results).toEqual(pushed.map((value) => ({ status: 'fulfilled', value })));
    expect((await chat.history.get('bob', pushed[1]?.id ?? '')).content).toBe('two');
  });

  test('one that is rejected does not affect the others, except those that follow it by afterClientId', async () => {
    const chat = await startChat({ config: { maxMessageLength: 20 } });
    const { id: conversationId } = await chat.direct('ada', 'bob');
    const batch: Partial<SendMessage>[] = [
      { clientId: 'a' },
      { clientId: 'b', content: 'x'.repeat(21) },
      { clientId: 'c', afterClientId: 'b' },
      { clientId: 'd', afterClientId: 'a' },
      { replyTo: '99' },
      { content: '' },
      { encrypted: true, envelope: envelopeFor('eve') },
      { encrypted: true, envelope: envelopeFor('bob') },
      { encrypted: true, envelope: { ...envelopeFor('bob'), senderId: 'bob' } },
      { conversationId: 'nowhere' },
      { clientId: 'e', afterClientId: 'd' },
    ];
    const results = await send(
      chat,
      batch.map((each) => ({ ...text, conversationId, content: 'hello', ...each })),
    );
    const short = results.map(outcomeOf).map((outcome) => (typeof outcome === 'string' ? outcome : outcome.seq));
    expect(short).toEqual([
      1,
      'MESSAGE_TOO_LONG',
      'CONFLICT',
      2,
      'INVALID',
      'INVALID',
      'INVALID',
      3,
      'FORBIDDEN',
      'NOT_FOUND',
      4,
    ]);
  });

  test('a repeated client id is answered with the message of the same batch, which is pushed once', async () => {
    const chat = await startChat();
    const { id: conversationId } = await chat.direct('ada', 'bob');
    const results = await send(
      chat,
      ['first', 'again'].map((content) => ({ ...text, conversationId, content, clientId: 'a' })),
    );
    expect(results.map(outcomeOf).map((each) => (each as Message).content)).toEqual(['first', 'first']);
    expect(chat.broadcaster.payloads('message:new')).toHaveLength(1);
  });

  test('a message may reply to one of the same batch by its client id', async () => {
    const chat = await startChat();
    const { id: conversationId } = await chat.direct('ada', 'bob');
    const results = await send(chat, [
      { ...text, conversationId, content: 'one', clientId: 'a' },
      { ...text, conversationId, content: 'reply', replyTo: 'a' },
    ]);
    const [one, reply] = results.map(outcomeOf) as Message[];
    expect(reply?.replyTo).toBe(one?.id);
  });

  test('text with control characters and quotes is stored unchanged', async () => {
    const chat = await startChat();
    const { id: conversationId } = await chat.direct('ada', 'bob');
    const contents = ['a\u0000b', '"\\\u001f', '😀\u2028', '\ufffe', '[1,2]', 'null'];
    await send(
      chat,
      contents.map((content) => ({ ...text, conversationId, content })),
    );
    expect(await rows(chat)).toMatchObject(contents.map((content) => ({ content })));
    expect(chat.broadcaster.payloads('message:new').map(({ content }) => content)).toEqual(contents);
  });

  test('if the database rejects one of them, the others are stored', async () => {
    const chat = await startChat();
    const { id: conversationId } = await chat.direct('ada', 'bob');
    // A rule of the app that the database knows.
    await chat.sql("create unique index app_rule on messages (content) where content = 'bad'");
    await chat.say('ada', conversationId, 'bad');
    chat.broadcaster.take();
    const results = await send(
      chat,
      ['good', 'bad', 'also good'].map((content) => ({ ...text, conversationId, content })),
    );
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect(chat.broadcaster.payloads('message:new').map(({ content, seq }) => [content, seq])).toEqual([
      ['good', 2],
      ['also good', 3],
    ]);
  });

  test('users with a base client in the room count as having received all of them', async () => {
    const chat = await startChat();
    const { id: conversationId } = await chat.direct('ada', 'bob');
    chat.broadcaster.base.set(conversationId, ['bob']);
    await send(
      chat,
      ['one', 'two'].map((content) => ({ ...text, conversationId, content })),
    );
    expect(chat.broadcaster.take()).toEqual([
      `message:new > conversation:${conversationId}`,
      `message:new > conversation:${conversationId}`,
      'message:status > user:ada',
      'message:status > user:ada',
    ]);
  });

  test('have the outcomes and rows of messages that are sent one after the other', async () => {
    const clientId = fc.option(fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f'), { nil: undefined });
    const request = fc.record({
      content: fc.constantFrom('hello', 'world', ' ', 'x'.repeat(30)),
      clientId,
      afterClientId: fc.option(fc.constantFrom('a', 'b', 'c'), { nil: undefined, freq: 2 }),
      replyTo: fc.option(fc.constantFrom('1', '2', 'a', 'b', 'x', '99'), { nil: undefined, freq: 2 }),
    });
    const batch = fc.record({
      sender: fc.constantFrom('ada', 'bob', 'eve'),
      place: fc.constantFrom(0, 1),
      requests: fc.array(request, { minLength: 1, maxLength: 8 }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(batch, { minLength: 1, maxLength: 6 }), async (batches) => {
        const start = async () => {
          const chat = await startChat({ config: { maxMessageLength: 20 } });
          const places = [(await chat.direct('ada', 'bob')).id, (await chat.group('ada', 'bob', 'cleo')).id];
          // The messages with the ids 1 and 2. A sender can't know the ids of messages in the same batch.
          for (const id of places) await chat.say('bob', id, 'before');
          return { chat, places };
        };
        const [together, alone] = [await start(), await start()];
        const named = (places: readonly string[], value: unknown): unknown =>
          JSON.parse(places.reduce((json, id, index) => json.replaceAll(id, `place ${index}`), JSON.stringify(value)));
        for (const { sender, place, requests } of batches) {
          const at = ({ places }: typeof together): SendMessage[] =>
            requests.map((each) => ({ ...text, conversationId: places[place] ?? '', ...each }));
          const outcomes = (await send(together.chat, at(together), sender)).map(outcomeOf);
          const expected: Outcome[] = [];
          for (const each of at(alone)) {
            const [result] = await Promise.allSettled([alone.chat.sending.send(caller(sender), each)]);
            expected.push(outcomeOf(result));
          }
          expect(named(together.places, outcomes)).toEqual(named(alone.places, expected));
        }
        expect(named(together.places, rows(together.chat))).toEqual(named(alone.places, rows(alone.chat)));
        const pushed = (chat: Chat) => chat.broadcaster.payloads('message:new').map(({ seq, rev }) => [seq, rev]);
        expect(pushed(together.chat)).toEqual(pushed(alone.chat));
        for (const { chat } of [together, alone]) chat.sqlite.close();
      }),
      { numRuns: 15 },
    );
  });
});
