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
  const ids = await addConversations(db, 1_001, ['ada', 'bob']);
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

test('an inbox with many followed threads is read beside the event loop', async () => {
  await using directory = await temporaryDirectory();
  const db = new DatabaseSync(`${directory.path}/db.sqlite`);
  db.exec('PRAGMA journal_mode = WAL');
  const chat = await startChat({ db });
  const { id } = await chat.direct('ada', 'bob');
  const statements: string[] = [];
  watchStatements(db, (sql) => statements.push(sql));
  const listed = async (): Promise<boolean> => {
    statements.length = 0;
    expect((await chat.conversations.list(caller('ada'), { limit: 3 })).map((each) => each.id)).toEqual([id]);
    return statements.some((sql) => /order by/i.test(sql));
  };
  const follow = db.prepare(
    'insert into comm_thread_follows (user_id, conversation_id, root_id, read_seq) values (?, ?, ?, 0)',
  );
  for (let root = 1; root < 1_000; root += 1) follow.run('ada', id, root);
  expect(await listed()).toBe(true);
  follow.run('ada', id, 1_000);
  expect(await listed()).toBe(false);
  await chat.store.drain();
  chat.sqlite.close();
  db.close();
});
