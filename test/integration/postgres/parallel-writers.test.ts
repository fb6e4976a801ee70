import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ensureCommunicationTables } from '../../../src/server/store/engine/migrate.ts';
import { startChild } from '../../helpers/child-process.ts';
import { newPostgresUrl } from '../../helpers/postgres/test-database.ts';
import type { WriterPlan, WriterReport } from '../../helpers/postgres/writer-child.ts';
import { startChat } from '../../helpers/server/chat.ts';

/** More seeds by `WRITER_SEEDS=1-20`. */
const [FIRST = 1, LAST = 3] = (process.env['WRITER_SEEDS'] ?? '').split('-').filter(Boolean).map(Number);
const SEEDS = Array.from({ length: LAST - FIRST + 1 }, (_, at) => FIRST + at);
const OPERATIONS = 400;
const USERS = ['ada', 'ben', 'cleo', 'dan', 'eve', 'fay'];

async function newPool(url: string): Promise<pg.Pool> {
  const pool = new pg.Pool({ connectionString: url, max: 8, pipeline: true });
  await ensureCommunicationTables(pool);
  return pool;
}

/** Ends the pool at the end of its block. */
function disposable(pool: pg.Pool): pg.Pool & AsyncDisposable {
  return Object.assign(pool, { [Symbol.asyncDispose]: () => pool.end() });
}

async function write(plan: WriterPlan): Promise<WriterReport> {
  const child = startChild('postgres/writer-child.ts', [JSON.stringify(plan)]);
  await child.ended;
  return JSON.parse(child.lines.at(-1) ?? 'null') as WriterReport;
}

describe.each(SEEDS)('two processes that write to the same conversations, seed %i', (seed) => {
  let pool: pg.Pool;
  let reports: readonly WriterReport[];
  let conversationIds: readonly string[];

  beforeAll(async () => {
    const url = await newPostgresUrl();
    pool = await newPool(url);
    const chat = await startChat({ db: pool });
    conversationIds = await Promise.all(
      Array.from({ length: 4 }, async () => (await chat.group('owner', ...USERS)).id),
    );
    const directIds = await Promise.all(
      [
        ['ada', 'ben'],
        ['cleo', 'dan'],
      ].map(async ([one = '', other = '']) => (await chat.direct(one, other)).id),
    );
    const shared = await Promise.all(
      conversationIds.flatMap((id) => ['ada', 'ben'].map((sender) => chat.say(sender, id, 'shared by the processes'))),
    );
    const plan = {
      url,
      operations: OPERATIONS,
      conversationIds,
      directIds,
      shared,
      owner: 'owner',
    };
    reports = await Promise.all([2 * seed, 2 * seed + 1].map((each) => write({ ...plan, seed: each, userIds: USERS })));
  });
  afterAll(() => pool.end());

  const rows = async (sql: string): Promise<readonly Record<string, unknown>[]> =>
    (await pool.query<Record<string, unknown>>(sql)).rows;

  test('no request fails', () => {
    expect(reports.flatMap(({ failures }) => failures)).toEqual([]);
  });

  test('no transaction waits for another one in a circle', async () => {
    const [found] = await rows('SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()');
    expect(found).toEqual({ deadlocks: '0' });
  });

  test('each acknowledged message is stored once, with the id that was answered', async () => {
    const stored = new Map(
      (await rows('SELECT id, sender_id, client_id, conversation_id FROM messages WHERE client_id IS NOT NULL')).map(
        (row) => [`${String(row['sender_id'])} ${String(row['client_id'])}`, row],
      ),
    );
    const sent = reports.flatMap((report) => report.sent);
    expect(sent.length).toBeGreaterThan(OPERATIONS / 4);
    for (const [key, id, conversationId] of sent) {
      expect(stored.get(key)).toMatchObject({ id, conversation_id: conversationId });
    }
    expect(new Set(sent.map(([key]) => key)).size).toBe(stored.size);
  });

  test('positions have no hole, revisions are given once, and the counters are those of the newest', async () => {
    const conversations = await rows(`
      SELECT c.id, c.seq, c.rev, c.side_seq, count(m.*) AS messages, coalesce(min(m.seq), 1) AS first, coalesce(max(m.seq), 0) AS last,
        count(DISTINCT m.rev) AS revisions, coalesce(max(m.rev), 0) AS newest, count(*) FILTER (WHERE m.side = 1) AS sides
      FROM conversations AS c LEFT JOIN messages AS m ON m.conversation_id = c.id GROUP BY c.id`);
    expect(conversations.length).toBeGreaterThan(4);
    for (const each of conversations) {
      expect(each).toMatchObject({
        seq: each['messages'],
        last: each['messages'],
        first: '1',
        side_seq: each['sides'],
      });
      expect(each['revisions']).toBe(each['messages']);
      expect(Number(each['rev'])).toBeGreaterThanOrEqual(Number(each['newest']));
    }
  });

  test('senders, threads and mentions are counted as stored', async () => {
    expect(
      await rows(`
        SELECT id FROM (
          SELECT id, sender_seq, count(*) FILTER (WHERE side = 0) OVER (PARTITION BY conversation_id, sender_id ORDER BY seq) AS place
          FROM messages
        ) AS placed WHERE sender_seq <> place`),
    ).toEqual([]);
    expect(
      await rows(`
        SELECT root_id FROM comm_threads AS t JOIN messages AS root ON root.id = t.root_id,
          LATERAL (
            SELECT count(*) AS total, count(*) FILTER (WHERE deleted_at IS NULL) AS live, count(DISTINCT thread_seq) AS places,
              max(thread_seq) AS last
            FROM messages WHERE thread_id = root.id::text
          ) AS found
        WHERE t.total <> found.total OR t.live <> found.live OR found.places <> found.total OR found.last <> found.total
          OR (root.thread::json ->> 'replyCount')::bigint <> found.live`),
    ).toEqual([]);
    expect(
      await rows(`
        SELECT id FROM messages AS m WHERE mentions IS NOT NULL AND NOT EXISTS (
          SELECT 1 FROM comm_mentions AS x WHERE x.conversation_id = m.conversation_id AND x.seq = m.seq
        ) AND EXISTS (SELECT 1 FROM json_array_elements_text(m.mentions::json) AS each (id) WHERE each.id <> m.sender_id)`),
    ).toEqual([]);
  });

  test('the inbox of a user has a revision for each of its changes', async () => {
    expect(
      await rows(`
        SELECT user_id, inbox_rev, count(*) FROM (
          SELECT user_id, inbox_rev FROM conversation_participants WHERE inbox_rev > 0
          UNION ALL SELECT user_id, inbox_rev FROM comm_departures
        ) AS changed GROUP BY user_id, inbox_rev HAVING count(*) > 1`),
    ).toEqual([]);
    expect(
      await rows(`
        SELECT p.user_id FROM conversation_participants AS p LEFT JOIN comm_users AS u ON u.user_id = p.user_id
        WHERE p.inbox_rev > coalesce(u.inbox_rev, 0)`),
    ).toEqual([]);
  });

  test('each process pushes the changes of a conversation in the order of their revisions', () => {
    for (const { pushed } of reports) {
      for (const id of conversationIds) {
        const revs = pushed.filter((push) => push.conversationId === id).map(({ rev }) => rev);
        expect(revs).toEqual(revs.toSorted((a, b) => a - b));
      }
    }
  });

  test('a message of a user who had been removed is not stored', () => {
    const pushed = reports.flatMap((report) => report.pushed).toSorted((a, b) => a.rev - b.rev);
    expect(pushed.some(({ members }) => members !== undefined && members.length <= USERS.length)).toBe(true);
    const strangers: string[] = [];
    for (const id of conversationIds) {
      let members: readonly string[] = ['owner', ...USERS];
      for (const push of pushed.filter(({ conversationId }) => conversationId === id)) {
        if (push.members !== undefined) members = push.members;
        if (push.senderId !== undefined && !members.includes(push.senderId)) strangers.push(push.senderId);
      }
    }
    expect(strangers).toEqual([]);
  });

  test('each direct conversation was created once', async () => {
    const created = await rows("SELECT direct_key, count(*) FROM conversations WHERE type = 'direct' GROUP BY 1");
    expect(created.filter((row) => row['count'] !== '1')).toEqual([]);
    expect(created.length).toBeGreaterThan(4);
  });
});

test('messages of one user to two conversations with the same client id are one message, and a conflict', async () => {
  await using pool = disposable(await newPool(await newPostgresUrl()));
  const chat = await startChat({ db: pool });
  const groups = [await chat.group('ada', 'ben'), await chat.group('ada', 'cleo')];
  const results = await Promise.allSettled(
    groups.map(({ id }) => chat.say('ada', id, 'once', { clientId: 'the same client id' })),
  );
  expect(results).toMatchObject([{ status: 'fulfilled' }, { status: 'rejected', reason: { code: 'CONFLICT' } }]);
});
