import { expect, test } from 'vitest';
import { databaseOf } from '../../../src/server/store/engine/database-source.ts';
import { listed, statement, type Params } from '../../../src/server/store/engine/statement.ts';
import { first } from '../../../src/server/store/engine/work.ts';
import { caller, startChat } from '../../helpers/server/chat.ts';
import { HOSTILE_TEXTS } from '../../helpers/postgres/filled-database.ts';
import { newPostgres } from '../../helpers/postgres/test-database.ts';
import { sql } from 'kysely';

/** A message has a text. */
const HOSTILE = HOSTILE_TEXTS.filter((text) => text.trim() !== '');

test.each(HOSTILE)('the text %j is stored and returned unchanged', async (text) => {
  const chat = await startChat();
  const { id } = await chat.direct('ada', 'bob');
  const sent = await chat.say('ada', id, text);
  expect(sent.content).toBe(text);
  expect((await chat.history.list('bob', id)).map(({ content }) => content)).toEqual([text]);
  expect((await chat.history.get('bob', sent.id)).content).toBe(text);
});

test('texts that are sent together are stored unchanged', async () => {
  const chat = await startChat();
  const { id } = await chat.direct('ada', 'bob');
  await Promise.all(
    HOSTILE.map((content) => chat.sending.send(caller('ada'), { conversationId: id, content, type: 'text' })),
  );
  const stored = (await chat.history.list('bob', id)).map(({ content }) => content);
  expect(stored.toSorted()).toEqual(HOSTILE.toSorted());
});

test('a list finds texts with characters that Postgres has no text or JSON for', async () => {
  const pool = await newPostgres();
  if (pool === undefined) throw new Error('This test needs Postgres');
  const database = databaseOf(pool);
  const find = statement(
    (p: Params<{ list: string; text: string }>) => sql<{ found: number }>`
      select ${p.text} in ${listed(p.list)} as found`,
  );
  for (const text of HOSTILE) {
    const list = JSON.stringify(['other', text]);
    expect(await database.run(() => first(find({ list, text })))).toEqual({ found: 1 });
  }
  const lone = JSON.stringify(['\ud800', 'x']);
  expect(await database.run(() => first(find({ list: lone, text: 'x' })))).toEqual({ found: 1 });
});
