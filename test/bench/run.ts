/**
 * Measures the built packages as ratios to baselines of the same run: `npm run bench [-- --quick] [--json]`.
 * `--only <text>` selects the parts whose name contains the text. Slow results do not fail the run.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { besideReads } from './beside.ts';
import { findPostgres } from '../../scripts/postgres.ts';
import { findRedis } from '../../scripts/redis.ts';
import { startPostgres } from '../helpers/postgres/postgres-process.ts';
import { startRedis } from '../helpers/redis/redis-process.ts';
import { databases } from './databases.ts';
import { encryption } from './encryption.ts';
import { files } from './files.ts';
import { idle } from './idle.ts';
import { inbox, seedInbox } from './inbox.ts';
import { mix } from './mix.ts';
import { firstFrame } from './calls.ts';
import { summarize, type Result, type Summary } from './measure.ts';
import { startProcess, type ServerProcess } from './process.ts';
import { processes, withoutMembers } from './processes.ts';
import { receipts } from './receipts.ts';
import { machine, table } from './report.ts';
import { reads } from './rest.ts';
import { seed } from './seed.ts';
import { commSide, relaySide } from './sides.ts';
import { connects, fanOut, latency, members, pipelined } from './sockets.ts';

const { values: options } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    only: { type: 'string', default: '' },
  },
});

const sizes = options.quick
  ? {
      sequential: 400,
      pipelined: 1_000,
      receivers: 50,
      fanOut: 100,
      connects: 50,
      members: [2, 100],
      readers: 200,
      rounds: 3,
      requests: 150,
      setUps: 10,
      roundTrips: 30,
      stored: [100_000],
      conversations: [10, 1_000],
      sockets: 200,
      fileBytes: 64 * 1_024 ** 2,
      actions: 200,
    }
  : {
      sequential: 2_000,
      pipelined: 5_000,
      receivers: 50,
      fanOut: 500,
      connects: 200,
      members: [2, 100, 1_000],
      readers: 1_000,
      rounds: 5,
      requests: 600,
      setUps: 30,
      roundTrips: 100,
      stored: [100_000, 1_000_000],
      conversations: [10, 1_000, 10_000],
      sockets: 2_000,
      fileBytes: 1_024 ** 3,
      actions: 2_000,
    };

const directory = await mkdtemp(path.join(tmpdir(), 'lumen-comm-bench-'));
const started = performance.now();
const summaries: Summary[] = [];
try {
  if (!options.json) console.log(machine());
  await overSockets();
  await onPostgres();
  await ofSeveralProcesses();
  for (const messages of sizes.stored) await overRest(messages);
  for (const conversations of sizes.conversations) await inboxes(conversations);
  await used();
  await encrypting();
  if ('files'.includes(options.only)) {
    // A round takes half a minute.
    for (const result of await files(directory, { ...sizes, rounds: 3 })) take(result);
  }
  if ('calls'.includes(options.only)) take(await firstFrame(sizes));
  if (!options.json) console.log(`\n${table(summaries)}\n\n${Math.round((performance.now() - started) / 1_000)} s`);
  else console.log(JSON.stringify({ machine: machine(), results: summaries }, undefined, 2));
} finally {
  await rm(directory, { recursive: true, force: true });
}
// Clients may still be disconnecting.
process.exit(0);

async function overSockets(): Promise<void> {
  const parts = { latency, pipelined, 'fan-out': fanOut, connects, members };
  const wanted = Object.entries(parts).filter(([name]) => name.includes(options.only));
  if (wanted.length === 0) return;
  await using lumen = await startProcess('./comm-child.ts', path.join(directory, 'sockets.sqlite'));
  await using baseline = await startProcess('./relay-child.ts');
  const sides = { lumen: commSide(lumen.url), baseline: relaySide(baseline.url) };
  for (const [, measure] of wanted) for (const result of [await measure(sides, sizes)].flat()) take(result);
}

async function onPostgres(): Promise<void> {
  if (!'postgres'.includes(options.only)) return;
  if (findPostgres() === undefined) {
    say('postgres: skipped, because there is no Postgres on this machine');
    return;
  }
  await using database = await startPostgres();
  await database.execute('CREATE DATABASE bench');
  await using postgres = await startProcess('./comm-child.ts', database.url('bench'));
  await using sqlite = await startProcess('./comm-child.ts', path.join(directory, 'beside-postgres.sqlite'));
  await using relay = await startProcess('./relay-child.ts');
  const sides = { postgres: commSide(postgres.url), sqlite: commSide(sqlite.url), relay: relaySide(relay.url) };
  for (const result of await databases(sides, sizes)) take(result);
}

async function ofSeveralProcesses(): Promise<void> {
  if (!'processes'.includes(options.only)) return;
  if (findPostgres() === undefined || findRedis() === undefined) {
    say('processes: skipped, because there is no Postgres or no Redis on this machine');
    return;
  }
  await using postgres = await startPostgres();
  await using redis = await startRedis();
  await postgres.execute('CREATE DATABASE bench');
  const database = postgres.url('bench');
  await using relay = await startProcess('./relay-child.ts');
  const others = { relay, relaySide: relaySide(relay.url), database };
  const servers: ServerProcess[] = [];
  try {
    for (const count of [1, 2, 4]) {
      while (servers.length < count) servers.push(await startProcess('./comm-child.ts', database, '', redis.url));
      for (const where of count === 1 ? (['on one'] as const) : (['on one', 'spread'] as const)) {
        for (const result of await processes({ ...others, servers }, where, sizes)) take(result);
      }
    }
    take(await withoutMembers({ ...others, servers }, sizes));
  } finally {
    for (const server of servers) await server[Symbol.asyncDispose]();
  }
}

async function overRest(messages: number): Promise<void> {
  if (!`reads ${messages}`.includes(options.only)) return;
  const start = performance.now();
  const seeded = await seed(path.join(directory, `${messages}.sqlite`), messages);
  say(`seeded ${messages} messages in ${Math.round(performance.now() - start)} ms`);
  await using lumen = await startProcess('./comm-child.ts', seeded.file);
  await using baseline = await startProcess('./canned-child.ts');
  for (const result of await reads({ lumen: lumen.url, baseline: baseline.url }, seeded, messages, sizes)) take(result);
  for (const result of await besideReads(lumen.url, commSide(lumen.url), seeded, sizes)) take(result);
}

async function inboxes(conversations: number): Promise<void> {
  if (!`inboxes ${conversations}`.includes(options.only)) return;
  const file = path.join(directory, `inbox-${conversations}.sqlite`);
  await seedInbox(file, conversations);
  await using lumen = await startProcess('./comm-child.ts', file);
  await using baseline = await startProcess('./canned-child.ts');
  take(await inbox({ lumen: lumen.url, baseline: baseline.url }, conversations, sizes));
}

async function idleOnPostgres(): Promise<void> {
  if (findPostgres() === undefined || findRedis() === undefined) return;
  await using postgres = await startPostgres();
  await using redis = await startRedis();
  await using lumen = await startProcess('./comm-child.ts', postgres.url('postgres'), '', redis.url);
  await using baseline = await startProcess('./relay-child.ts');
  take(await idle({ lumen, baseline }, sizes, ', on Postgres and Redis'));
}

/** What idle and working users cost the server. */
async function used(): Promise<void> {
  if ('mix'.includes(options.only)) {
    await using lumen = await startProcess('./comm-child.ts', path.join(directory, 'mix.sqlite'));
    await using baseline = await startProcess('./relay-child.ts');
    take(await mix({ lumen, baseline }, relaySide(baseline.url), sizes));
  }
  if ('receipts'.includes(options.only)) {
    await using lumen = await startProcess('./comm-child.ts', path.join(directory, 'receipts.sqlite'));
    await using baseline = await startProcess('./relay-child.ts');
    take(await receipts({ lumen, baseline }, relaySide(baseline.url), sizes));
  }
  if ('idle'.includes(options.only)) {
    await using lumen = await startProcess('./comm-child.ts', path.join(directory, 'idle.sqlite'));
    await using baseline = await startProcess('./relay-child.ts');
    take(await idle({ lumen, baseline }, sizes));
    await idleOnPostgres();
  }
}

async function encrypting(): Promise<void> {
  if (!'encryption'.includes(options.only)) return;
  for (const result of await encryption(sizes)) take(result);
}

function take(result: Result): void {
  const summary = summarize(result);
  summaries.push(summary);
  say(`${summary.name}: ${summary.ratio.toFixed(2)}`);
}

function say(text: string): void {
  if (!options.json) console.log(text);
}
