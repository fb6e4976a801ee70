import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Message } from '../../../src/protocol/messages.ts';
import { startPostgres, type PostgresProcess } from '../../helpers/postgres/postgres-process.ts';
import { startPostgresProxy } from '../../helpers/postgres/postgres-proxy.ts';
import type { CheckedClient } from '../../helpers/server/checked-client.ts';
import { startServer, type TestServer } from '../../helpers/server/comm-server.ts';
import { eventually } from '../../helpers/eventually.ts';
import { readMetrics } from '../../helpers/server/read-metrics.ts';

let postgres: PostgresProcess;
beforeAll(async () => {
  postgres = await startPostgres();
});
afterAll(() => postgres[Symbol.asyncDispose]());

let count = 0;
/** Creates a database and returns its name. */
async function newDatabase(): Promise<string> {
  count += 1;
  await postgres.execute(`CREATE DATABASE outage_${count}`);
  return `outage_${count}`;
}

async function groupOf(client: CheckedClient): Promise<string> {
  return (await client.ask('conversation:create', { type: 'group', participantIds: ['bob'] })).id;
}

/** Sends a message with this text, which is also its client id. @returns `stored`, or the code of the refusal */
async function send(client: CheckedClient, conversationId: string, text: string): Promise<string> {
  const reply = await client.raw('message:send', { conversationId, content: text, clientId: text, type: 'text' });
  return reply.ok ? 'stored' : reply.error.code;
}

/** Sends until the message is stored. Every refusal on the way says that it may be repeated. */
async function deliver(client: CheckedClient, conversationId: string, text: string): Promise<void> {
  await eventually(async () => {
    const outcome = await send(client, conversationId, text);
    expect(['stored', 'UNAVAILABLE']).toContain(outcome);
    expect(outcome).toBe('stored');
  });
}

async function contents(server: TestServer, conversationId: string): Promise<[number, string][]> {
  const response = await server.rest(`/conversations/${conversationId}/messages?limit=200`, 'ada');
  const messages = (await response.json()) as Message[];
  return messages.map(({ seq, content }): [number, string] => [seq ?? 0, content]).toReversed();
}

const numbered = (texts: readonly string[]): [number, string][] => texts.map((text, at) => [at + 1, text]);

test('requests are UNAVAILABLE while Postgres is away, and go on when it is back', async () => {
  const database = postgres.url(await newDatabase());
  await using server = await startServer({ database });
  const ada = await server.connect('ada');
  const id = await groupOf(ada);
  expect(await send(ada, id, 'before')).toBe('stored');
  const ready = async (): Promise<number> => (await fetch(`${server.url}/readyz`)).status;
  expect(await ready()).toBe(200);
  await postgres.stop('immediate');
  expect(await send(ada, id, 'during')).toBe('UNAVAILABLE');
  expect((await ada.refused('conversation:create', { type: 'group', participantIds: [] })).code).toBe('UNAVAILABLE');
  expect(await ready()).toBe(503);
  expect((await fetch(`${server.url}/healthz`)).status).toBe(200);
  await postgres.start();
  await deliver(ada, id, 'during');
  expect(await ready()).toBe(200);
  expect(await contents(server, id)).toEqual(numbered(['before', 'during']));
});

test('metrics are answered while Postgres does not answer, with the number of waiting writes', async () => {
  await using proxy = await startPostgresProxy(postgres.port);
  const database = `postgres://postgres@127.0.0.1:${proxy.port}/${await newDatabase()}`;
  await using server = await startServer({ database });
  const ada = await server.connect('ada');
  const id = await groupOf(ada);
  proxy.hold();
  const texts = Array.from({ length: 5 }, (_, at) => `m${at}`);
  const [first = '', ...others] = texts;
  const sent = [send(ada, id, first)];
  await eventually(async () => expect((await readMetrics(server.url)).get('lumen_comm_transactions')).toBe(1));
  sent.push(...others.map((text) => send(ada, id, text)));
  // Messages of one conversation follow one another.
  await eventually(async () => expect((await readMetrics(server.url)).get('lumen_comm_writes_waiting')).toBe(4));
  expect((await readMetrics(server.url)).has('lumen_comm_leader')).toBe(false);
  proxy.cut();
  await Promise.all(sent);
  for (const text of texts) await deliver(ada, id, text);
  const metrics = await readMetrics(server.url);
  expect(metrics.get('lumen_comm_messages_total')).toBe(5);
  expect(metrics.get('lumen_comm_failed_commits_total')).toBeGreaterThan(0);
  expect(metrics.get('lumen_comm_writes_waiting')).toBe(0);
  await eventually(async () => {
    // Claims the database again, whose connection was lost.
    await fetch(`${server.url}/readyz`);
    expect((await readMetrics(server.url)).get('lumen_comm_leader')).toBe(1);
  });
});

test('messages that are sent while connections are ended are stored once each, in order of their positions', async () => {
  const name = await newDatabase();
  await using server = await startServer({ database: postgres.url(name) });
  const ada = await server.connect('ada');
  const id = await groupOf(ada);
  const texts = Array.from({ length: 150 }, (_, at) => `m${at}`);
  const sent = texts.map((text) => deliver(ada, id, text));
  for (let round = 0; round < 5; round += 1) {
    await postgres.execute(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '${name}' AND pid <> pg_backend_pid()`,
    );
  }
  await Promise.all(sent);
  const stored = await contents(server, id);
  expect(stored.map(([seq]) => seq)).toEqual(texts.map((_, at) => at + 1));
  expect(stored.map(([, text]) => text).toSorted()).toEqual(texts.toSorted());
});

test('a line that is slow and cut loses nothing', async () => {
  await using proxy = await startPostgresProxy(postgres.port, 50);
  const database = postgres.url(await newDatabase()).replace(`:${postgres.port}/`, `:${proxy.port}/`);
  await using server = await startServer({ database });
  const ada = await server.connect('ada');
  const id = await groupOf(ada);
  const texts = Array.from({ length: 15 }, (_, at) => `m${at}`);
  const sent = texts.map((text) => deliver(ada, id, text));
  await deliver(ada, id, 'last');
  proxy.cut();
  await Promise.all(sent);
  const stored = await contents(server, id);
  expect(stored.map(([, text]) => text).toSorted()).toEqual([...texts, 'last'].toSorted());
  expect(stored.map(([seq]) => seq)).toEqual(stored.map((_, at) => at + 1));
});

test('a second process is refused, with what to do, until the first one has ended', async () => {
  const database = postgres.url(await newDatabase());
  const first = await startServer({ database });
  const refusal = await startServer({ database }).catch((error: unknown) => error);
  expect(refusal).toMatchObject({
    code: 'UNAVAILABLE',
    cause: {
      code: 'UNSUPPORTED',
      message: 'Another server process uses this database',
      fix: expect.stringMatching(/^Stop the other process/) as unknown,
    },
  });
  await first[Symbol.asyncDispose]();
  await using second = await startServer({ database });
  expect((await fetch(`${second.url}/readyz`)).status).toBe(200);
});

test('a process that lost its claim to another one is not ready', async () => {
  const name = await newDatabase();
  const database = postgres.url(name);
  await using first = await startServer({ database });
  const end = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '${name}'`;
  const second = await eventually(async () => {
    await postgres.execute(end);
    return await startServer({ database });
  });
  expect((await fetch(`${first.url}/readyz`)).status).toBe(503);
  await second[Symbol.asyncDispose]();
  await eventually(async () => expect((await fetch(`${first.url}/readyz`)).status).toBe(200));
});

test('a database that can not be reached, or does not exist, is named at the start', async () => {
  await expect(startServer({ database: postgres.url('nowhere') })).rejects.toMatchObject({
    code: 'UNAVAILABLE',
    cause: { cause: { message: 'database "nowhere" does not exist' } },
  });
});
