/**
 * Starts the playground on three server processes that share a Postgres and a Redis, with a load balancer in front: `npm run
 * cluster`. Both are started from what is installed, on free ports, and what they store is deleted at the end. The developer tools
 * of the page show the process that the window is connected to, and can kill it: it restarts, and its windows go to another one.
 *
 * Environment variables: `PORT` (3000) and `PROCESSES` (3).
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { startBalancer } from '../test/helpers/balancer.ts';
import { startPostgres } from '../test/helpers/postgres/postgres-process.ts';
import { startRedis } from '../test/helpers/redis/redis-process.ts';
import { announce, ChildServer, onEnd } from '../playground/child-server.ts';

if (process.env['NODE_ENV'] === 'production') throw new Error('npm run cluster is for development only.');

const count = Number(process.env['PROCESSES'] ?? 3);
const [postgres, redis] = await Promise.all([startPostgres({ detached: true }), startRedis({ detached: true })]);
const files = mkdtempSync(path.join(tmpdir(), 'lumen-comm-cluster-files-'));
console.log(`Postgres ${postgres.url('postgres')}\nRedis    ${redis.url}`);

let turn = 0;
/** Returns the ports of the servers, beginning with another one each time. */
function nextPorts(): readonly number[] {
  const ports = [...servers.values()].flatMap(({ port }) => (port === undefined ? [] : [port]));
  turn += 1;
  const first = turn % Math.max(ports.length, 1);
  return [...ports.slice(first), ...ports.slice(0, first)];
}

let running = 0;
let isAnnounced = false;
let exitCode = 0;

async function end(): Promise<void> {
  await balancer[Symbol.asyncDispose]();
  await redis[Symbol.asyncDispose]();
  await postgres[Symbol.asyncDispose]();
  rmSync(files, { recursive: true, force: true });
  process.exit(exitCode);
}

const servers = new Map<string, ChildServer>();
for (let number = 1; number <= count; number += 1) {
  const name = `process ${number}`;
  const env = { PORT: '0', DATABASE: postgres.url('postgres'), REDIS: redis.url, PROCESS_NAME: name, FILES: files };
  const server = new ChildServer(name, env, {
    listening(url, isFirst) {
      console.log(`${name} ${isFirst ? 'listens' : 'listens again'} on ${url}`);
      if (isFirst) running += 1;
      if (running < count || isAnnounced) return;
      isAnnounced = true;
      announce(balancer.url);
    },
    kill: (target = name) => servers.get(target)?.kill(),
    ended(code) {
      exitCode = Math.max(exitCode, code);
      servers.delete(name);
      if (servers.size === 0) void end();
      else if (code !== 0) for (const other of servers.values()) other.end();
    },
  });
  servers.set(name, server);
}
const balancer = await startBalancer(nextPorts, Number(process.env['PORT'] ?? 3000));
onEnd('cluster', () => {
  for (const server of servers.values()) server.end();
});
for (const server of servers.values()) server.start();
