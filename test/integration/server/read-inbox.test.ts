import { DatabaseSync } from 'node:sqlite';
import { expect, test } from 'vitest';
import { caller, startChat } from '../../helpers/server/chat.ts';
import { addConversations } from '../../helpers/server/many-conversations.ts';
import { temporaryDirectory } from '../../helpers/temporary-directory.ts';
import { watchStatements } from '../../helpers/server/watch-statements.ts';

test('a page of thousands of conversations is read beside the event loop, and a page of a few in it', async () => {
  await using directory = await temporaryDirectory();
  const db = new DatabaseSync(`${directory.path}/db.sqlite`);
  db.exec('PRAGMA journal_mode = WAL');
  const chat = await startChat({ db });
  const ids = addConversations(db, 1_001, ['ada', 'bob']);
  const statements: string[] = [];
  watchStatements(db, (sql) => statements.push(sql));
  const sorts = (): string[] => statements.filter((sql) => /order by/i.test(sql));
  const page = await chat.conversations.list(caller('bob'), { limit: 3 });
  expect(page.map(({ id }) => id)).toEqual(ids.slice(-3).toReversed());
  expect(sorts()).toEqual([]);
  const { id } = await chat.direct('cleo', 'dan');
  expect((await chat.conversations.list(caller('cleo'), { limit: 3 })).map((each) => each.id)).toEqual([id]);
  expect(sorts().length).toBeGreaterThan(0);
  await chat.store.drain();
  chat.sqlite.close();
  db.close();
});
