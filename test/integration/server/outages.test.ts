import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, expect, test } from 'vitest';
import type { LogFields } from '../../../src/lib/logger.ts';
import { silentLogger } from '../../../src/lib/logger.ts';
import { serverCoreFor } from '../../../src/server/server-core.ts';
import { databaseOf } from '../../../src/server/store/engine/database-source.ts';
import { first, run, script } from '../../../src/server/store/engine/work.ts';
import { startServer } from '../../helpers/server/comm-server.ts';
import { DATABASES } from '../../helpers/server/databases.ts';
import { temporaryDirectory } from '../../helpers/temporary-directory.ts';

/** A server on a database in a file, which can be filled to the last page, and what it logs. */
async function startOn(kind: string) {
  const directory = await temporaryDirectory();
  const { db, close } = DATABASES[kind]?.(join(directory.path, 'comm.sqlite')) ?? fail();
  const logged: string[] = [];
  const log = (message: string, fields: LogFields = {}): void =>
    void logged.push(`${message} ${fields['sqlite'] ?? ''}`);
  const server = await startServer({ db, logger: { ...silentLogger, info: log, warn: log, error: log } });
  logged.length = 0;
  const pragma = async (text: string) => databaseOf(db).run(() => run(script(`PRAGMA ${text}`)));
  const pages = async (): Promise<number> => {
    const select = { sql: 'PRAGMA page_count', parameters: [], kind: 'rows', writes: false } as const;
    const row = await databaseOf(db).run(() => first<{ page_count: number }>(select));
    return row?.page_count ?? fail();
  };
  return {
    ...server,
    logged,
    pragma,
    /** No page more than there is. */
    fill: async () => pragma(`max_page_count = ${await pages()}`),
    empty: async () => pragma('max_page_count = 1000000'),
    ready: async () => (await fetch(`${server.url}/readyz`)).status,
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      close();
      await directory[Symbol.asyncDispose]();
    },
  };
}

function fail(): never {
  throw new Error('That should be there');
}

const UNAVAILABLE = { ok: false, error: { code: 'UNAVAILABLE', retryAfterMs: 5_000 } };

describe.each(Object.keys(DATABASES))('a full disk, with %s', (kind) => {
  test('requests are UNAVAILABLE, the outage is logged once and ends when a write succeeds', async () => {
    await using server = await startOn(kind);
    const ada = await server.connect('ada');
    const { id: conversationId } = await ada.ask('conversation:create', { type: 'group', participantIds: ['bob'] });
    const send = (clientId: string) =>
      ada.raw('message:send', { conversationId, content: 'x'.repeat(9_000), type: 'text', clientId });
    expect(await send('c-0')).toMatchObject({ ok: true });
    expect(await server.ready()).toBe(200);

    await server.fill();
    const replies = await Promise.all(Array.from({ length: 200 }, (_, n) => send(`c-${n + 1}`)));
    for (const reply of replies) expect(reply).toMatchObject(UNAVAILABLE);
    expect([await server.ready(), await server.ready()]).toEqual([503, 503]);
    expect(server.logged).toEqual(['database outage SQLITE_FULL']);
    // Reading goes on, and so does what needs no room.
    const page = await server.rest(`/conversations/${conversationId}/messages`, 'ada');
    expect(await page.json()).toMatchObject([{ clientId: 'c-0' }]);
    expect(await server.ready()).toBe(503);

    await server.empty();
    expect(await server.ready()).toBe(200);
    expect(await send('c-1')).toMatchObject({ ok: true, data: { seq: 2 } });
    expect(server.logged.slice(1)).toEqual(['database available again ']);
  });
});

test('a read-only database is UNAVAILABLE, also over REST', async () => {
  await using server = await startOn('node:sqlite');
  const ada = await server.connect('ada');
  const { id: conversationId } = await ada.ask('conversation:create', { type: 'group', participantIds: ['bob'] });
  const { id } = await ada.ask('message:send', { conversationId, content: 'hi', type: 'text' });
  await server.pragma('query_only = ON');
  const refused = await server.rest(`/messages/${id}`, 'ada', { method: 'DELETE' });
  expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '5']);
  expect(await refused.json()).toMatchObject({ error: { code: 'UNAVAILABLE', retryAfterMs: 5_000 } });
  expect(await server.ready()).toBe(503);
  await server.pragma('query_only = OFF');
  expect((await server.rest(`/messages/${id}`, 'ada', { method: 'DELETE' })).status).toBe(200);
  expect(await server.ready()).toBe(200);
});

test("a probe left by a crash doesn't affect the next one", async () => {
  await using directory = await temporaryDirectory();
  const db = new DatabaseSync(join(directory.path, 'comm.sqlite'));
  await using server = await startServer({ db });
  db.exec(`INSERT INTO comm_probe VALUES (1, zeroblob(65536)); PRAGMA query_only = ON`);
  const ada = await server.connect('ada');
  expect(await ada.raw('conversation:create', { type: 'group', participantIds: ['bob'] })).toMatchObject(UNAVAILABLE);
  db.exec('PRAGMA query_only = OFF');
  expect((await fetch(`${server.url}/readyz`)).status).toBe(200);
  expect(db.prepare('SELECT id FROM comm_probe').all()).toEqual([]);
});

test("a database that can't be prepared is logged once, however often it is retried", async () => {
  const db = new DatabaseSync(':memory:');
  db.exec('PRAGMA query_only = ON');
  const logged: string[] = [];
  const log = (message: string, fields: LogFields = {}): void =>
    void logged.push(`${message} ${fields['sqlite'] ?? ''}`);
  const core = serverCoreFor({ db, logger: { ...silentLogger, error: log } });
  for (let n = 0; n < 3; n += 1) await expect(core.ready()).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  expect(logged).toEqual(['failed to prepare the database SQLITE_READONLY']);
  db.exec('PRAGMA query_only = OFF');
  await core.ready();
  core.close();
  db.close();
});
