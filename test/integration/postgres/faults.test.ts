import { spawnSync } from 'node:child_process';
import { rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { silentLogger } from '../../../src/lib/logger.ts';
import type { Message } from '../../../src/protocol/messages.ts';
import { databaseOf } from '../../../src/server/store/engine/database-source.ts';
import { LongReads } from '../../../src/server/store/engine/long-reads.ts';
import { openPostgres } from '../../../src/server/store/engine/postgres.ts';
import { all } from '../../../src/server/store/engine/work.ts';
import { startPostgresProxy, type PostgresProxy } from '../../helpers/postgres/postgres-proxy.ts';
import { startPostgres, type PostgresProcess } from '../../helpers/postgres/postgres-process.ts';
import { newPostgresUrl } from '../../helpers/postgres/test-database.ts';
import type { CheckedClient } from '../../helpers/server/checked-client.ts';
import { startServer, type TestServer } from '../../helpers/server/comm-server.ts';
import { eventually } from '../../helpers/eventually.ts';
import { manualClock } from '../../helpers/manual-clock.ts';

const USERS = ['ada', 'ben', 'cleo'];

/** Outcome of a request, and whether it may be repeated. */
interface Told {
  readonly stored: Set<string>;
  readonly refusals: Set<string>;
}

/** Users who send to conversations without a pause, each message until it is stored. */
class Load {
  readonly #ids: readonly string[];
  readonly told: Told = { stored: new Set(), refusals: new Set() };
  #ending = false;
  #count = 0;
  readonly #running: Promise<unknown>;

  constructor(clients: readonly CheckedClient[], ids: readonly string[]) {
    this.#ids = ids;
    this.#running = Promise.all(clients.map((client) => this.#work(client)));
    // Reported by `end`, which a test that has failed doesn't reach.
    this.#running.catch(() => undefined);
  }

  static async start(server: TestServer): Promise<Load> {
    const clients = await Promise.all(USERS.map((userId) => server.connect(userId)));
    const ids: string[] = [];
    for (let at = 0; at < 3; at += 1) {
      const made = await clients[0]?.ask('conversation:create', { type: 'group', participantIds: USERS.slice(1) });
      ids.push(made?.id ?? '');
    }
    return new Load(clients, ids);
  }

  /** Resolves when this number of messages more are stored. */
  async more(count: number): Promise<void> {
    const enough = this.told.stored.size + count;
    await eventually(() => expect(this.told.stored.size).toBeGreaterThanOrEqual(enough));
  }

  /** Resolves when a request is refused that is sent from now on. */
  async refused(): Promise<void> {
    this.told.refusals.clear();
    await eventually(() => expect(this.told.refusals.size).toBeGreaterThan(0));
  }

  /** Stops sending, and compares what is stored with what was answered. */
  async end(server: TestServer): Promise<void> {
    this.#ending = true;
    await this.#running;
    const contents: string[] = [];
    for (const id of this.#ids) {
      const messages = await historyOf(server, id);
      expect(messages.map(({ seq }) => seq)).toEqual(messages.map((_, at) => at + 1));
      contents.push(...messages.map(({ content }) => content));
    }
    expect(contents.toSorted()).toEqual([...this.told.stored].toSorted());
    expect([...this.told.refusals].filter((code) => code !== 'UNAVAILABLE')).toEqual([]);
  }

  async #work(client: CheckedClient): Promise<void> {
    while (!this.#ending) {
      this.#count += 1;
      const content = `message ${this.#count}`;
      const conversationId = this.#ids[this.#count % this.#ids.length];
      await eventually(async () => {
        const reply = await client.raw('message:send', { conversationId, content, clientId: content, type: 'text' });
        if (!reply.ok) this.told.refusals.add(reply.error.code);
        expect(reply.ok).toBe(true);
      });
      this.told.stored.add(content);
    }
  }
}

async function historyOf(server: TestServer, conversationId: string): Promise<Message[]> {
  const messages: Message[] = [];
  for (let before = ''; ; before = `&before=${messages[0]?.id ?? ''}`) {
    const response = await server.rest(`/conversations/${conversationId}/messages?limit=200${before}`, 'ada');
    const page = (await response.json()) as Message[];
    messages.unshift(...page.toReversed());
    if (page.length < 200) return messages;
  }
}

/** Mounts a file system of 64 MB. @returns why it can't be mounted */
function mountSmall(directory: string): string | undefined {
  const { uid, gid } = statSync(directory);
  const options = `size=64m,mode=0700,uid=${uid},gid=${gid}`;
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', directory], { encoding: 'utf8' });
  return mounted.status === 0 ? undefined : (mounted.error?.message ?? mounted.stderr.trim());
}

async function statusOf(server: TestServer): Promise<number> {
  return (await fetch(`${server.url}/readyz`)).status;
}

describe('a server under load', () => {
  let postgres: PostgresProcess;
  let proxy: PostgresProxy;
  let server: TestServer;
  let load: Load;

  beforeEach(async () => {
    postgres = await startPostgres();
    proxy = await startPostgresProxy(postgres.port);
    await postgres.execute('CREATE DATABASE chat');
    server = await startServer({ database: postgres.url('chat').replace(`:${postgres.port}/`, `:${proxy.port}/`) });
    load = await Load.start(server);
  });
  afterEach(async () => {
    await server[Symbol.asyncDispose]();
    await proxy[Symbol.asyncDispose]();
    await postgres[Symbol.asyncDispose]();
  });

  test.each(['fast', 'immediate', 'kill'] as const)(
    'goes on after Postgres was stopped (%s) and started again: no message is lost or doubled',
    async (mode) => {
      for (let round = 0; round < 2; round += 1) {
        await load.more(30);
        await postgres.stop(mode);
        await load.refused();
        expect(await statusOf(server)).toBe(503);
        await postgres.start();
      }
      await load.more(30);
      expect(await statusOf(server)).toBe(200);
      await load.end(server);
    },
  );

  test('goes on with another Postgres that has the data of the first: no message is lost or doubled', async () => {
    await load.more(50);
    await postgres.stop('immediate');
    await using second = await postgres.restore();
    await load.refused();
    proxy.switchTo(second.port);
    await load.more(50);
    await eventually(async () => expect(await statusOf(server)).toBe(200));
    await load.end(server);
    await server[Symbol.asyncDispose]();
  });

  test('refuses requests on a line on which nothing arrives, and goes on when it is back', async () => {
    await load.more(20);
    proxy.hold();
    await load.refused();
    proxy.cut();
    await load.more(20);
    await load.end(server);
  });
});

describe('a full disk', () => {
  let postgres: PostgresProcess;
  let directory: string;
  /** Why no file system can be mounted; `undefined` if it is mounted. */
  let unmounted: string | undefined;

  beforeAll(async () => {
    postgres = await startPostgres();
    directory = postgres.makeDirectory();
    unmounted = mountSmall(directory);
    if (unmounted === undefined) await postgres.execute(`CREATE TABLESPACE small LOCATION '${directory}'`);
  });
  afterAll(async () => {
    await postgres.stop('immediate');
    if (unmounted === undefined) spawnSync('umount', [directory]);
    await postgres[Symbol.asyncDispose]();
  });

  test('refuses requests until there is space again: no message is lost or doubled', async ({ skip }) => {
    if (unmounted !== undefined) skip(`requires the right to mount file systems, as root has: ${unmounted}`);
    await postgres.execute('CREATE DATABASE full_disk TABLESPACE small');
    await using server = await startServer({ database: postgres.url('full_disk') });
    const load = await Load.start(server);
    await load.more(20);
    const filler = join(directory, 'filler');
    expect(() => writeFileSync(filler, Buffer.alloc(64 * 1_024 ** 2))).toThrow('ENOSPC');
    await load.refused();
    await eventually(async () => expect(await statusOf(server)).toBe(503));
    expect((await fetch(`${server.url}/healthz`)).status).toBe(200);
    rmSync(filler);
    await load.more(20);
    await eventually(async () => expect(await statusOf(server)).toBe(200));
    await load.end(server);
  });
});

describe('a read that takes longer than its deadline', () => {
  test.each([
    ['a pool of the server', {}],
    ['a pool of an app, with one connection', { max: 1 }],
    ['a pool of an app that pipelines, with one connection', { max: 1, pipeline: true }],
  ])('is cancelled in Postgres: %s', async (_, options) => {
    const url = await newPostgresUrl();
    const pool =
      Object.keys(options).length === 0 ? await openPostgres(url) : new pg.Pool({ ...options, connectionString: url });
    const watcher = new pg.Client({ connectionString: url });
    await watcher.connect();
    const clock = manualClock();
    const reads = new LongReads(databaseOf(pool), clock, silentLogger);
    const sleep = { sql: 'SELECT pg_sleep(600) AS slept', parameters: [], kind: 'rows', writes: false } as const;
    const sleeping = async (): Promise<number> => {
      const { rows } = await watcher.query(
        "SELECT 1 FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%pg_sleep(600)%' AND pid <> pg_backend_pid()",
      );
      return rows.length;
    };
    const done = reads.read(() => all(sleep), { userId: 'ada', deadlineMs: 250 }).catch((error: unknown) => error);
    await eventually(async () => expect(await sleeping()).toBe(1));
    clock.advance(250);
    expect(await done).toMatchObject({ code: 'UNAVAILABLE' });
    await eventually(async () => expect(await sleeping()).toBe(0));
    await watcher.end();
    await pool.end();
  });
});
