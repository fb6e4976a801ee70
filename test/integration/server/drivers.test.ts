import { join } from 'node:path';
import BetterSqlite from 'better-sqlite3';
import { describe, expect, test } from 'vitest';
import { connectionOf, databaseOf } from '../../../src/server/store/engine/database-source.ts';
import { caller, startChat } from '../../helpers/server/chat.ts';
import { DATABASES } from '../../helpers/server/databases.ts';
import { temporaryDirectory } from '../../helpers/temporary-directory.ts';

describe.each(Object.entries(DATABASES))('on %s', (_name, open) => {
  test('chat works, and the data survives a restart', async () => {
    await using directory = await temporaryDirectory();
    const path = join(directory.path, 'comm.sqlite');
    const first = open(path);
    const chat = await startChat({ db: first.db });
    const { id } = await chat.group('ada', 'bob');
    const hello = await chat.say('ada', id, 'hello world', { clientId: 'c-1' });
    await chat.messages.react(caller('bob'), { conversationId: id, messageId: hello.id, emoji: '👍' });
    await chat.messages.edit(caller('ada'), { conversationId: id, messageId: hello.id, content: 'hello all' });
    await chat.receipts.read(caller('bob'), { conversationId: id, messageId: hello.id });
    const gone = await chat.say('bob', id, 'oops');
    await chat.messages.delete(caller('bob'), { conversationId: id, messageId: gone.id });
    await chat.membership.add(caller('ada'), { conversationId: id, userIds: ['cleo'] });
    first.close();

    const second = open(path);
    const again = await startChat({ db: second.db });
    const list = await again.history.list('cleo', id);
    expect(list).toMatchObject([
      { id: gone.id, content: '' },
      { id: hello.id, content: 'hello all', status: 'read', reactions: [{ emoji: '👍', users: ['bob'] }] },
    ]);
    expect(await again.history.search('cleo', { q: 'hello al' })).toEqual([list[1]]);
    expect(await again.say('ada', id, 'again', { clientId: 'c-1' })).toMatchObject({ id: hello.id });
    const synced = await again.sync.sync(caller('bob'), { cursors: { [id]: 4 }, inboxRev: 1 });
    expect(synced.conversations).toMatchObject([{ changes: [{ id: gone.id }], head: { seq: 2, rev: 6 } }]);
    second.close();
  });

  test("concurrent reads, writes and rejections don't interleave", async () => {
    const { db, close } = open(':memory:');
    const chat = await startChat({ db });
    const { id } = await chat.direct('ada', 'bob');
    const results = await Promise.allSettled(
      Array.from({ length: 90 }, (_, n) => {
        if (n % 3 === 0) return chat.say('ada', id, `m${n}`);
        return n % 3 === 1 ? chat.history.list('bob', id) : chat.say('eve', id, 'no');
      }),
    );
    const refused = results.filter(({ status }) => status === 'rejected');
    expect(refused.map((each) => 'reason' in each && (each.reason as { code: string }).code)).toEqual(
      Array.from({ length: 30 }, () => 'NOT_FOUND'),
    );
    expect(chat.broadcaster.payloads('message:new').map(({ seq }) => seq)).toEqual(
      Array.from({ length: 30 }, (_, n) => n + 1),
    );
    // A page is of one moment: without holes, whatever is being written.
    for (const each of results) {
      if (each.status !== 'fulfilled' || !Array.isArray(each.value)) continue;
      const seqs = each.value.map(({ seq }) => seq);
      expect(seqs).toEqual(seqs.map((_, n) => (seqs[0] ?? 0) - n));
    }
    close();
  });
});

test('two wrappers of one connection are one database', () => {
  const raw = new BetterSqlite(':memory:');
  const wrapped = { raw, all: () => [], get: () => undefined, run: () => undefined, exec: () => undefined };
  expect(connectionOf(wrapped)).toBe(raw);
  expect(databaseOf(wrapped)).toBe(databaseOf(raw));
  raw.close();
});
