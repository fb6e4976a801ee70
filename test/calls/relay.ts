/**
 * Relay-only calls through a TURN server whose credentials expire during the call:
 * `npm exec -- node test/calls/relay.ts`. Needs coturn (installed on Debian if missing). Takes about a minute; the last line
 * is the summary.
 */
import { spawn } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { silentLogger } from '../../src/lib/logger.ts';
import { createCommServer } from '../../src/server/index.ts';
import { connectClient } from '../helpers/server/checked-client.ts';
import { TestBed } from './test-bed.ts';
import { expect, Report } from './report.ts';
import { tool } from './tools.ts';

const SECRET = 'a secret of this test';
const OFTEN = { burst: 1_000, perSecond: 10 };
const report = new Report();
const turnserver = tool('turnserver', 'coturn');

if (turnserver === undefined) report.missing('relayed calls need coturn');
else await relayed(turnserver);
report.end();

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  return typeof address === 'object' && address !== null ? address.port : 0;
}

/** Creates credentials that expire at a time (TURN REST API, draft-uberti-behave-turn-rest). */
function credentials(expiresAtMs: number): { username: string; credential: string } {
  const username = `${Math.floor(expiresAtMs / 1_000)}:user`;
  return { username, credential: createHmac('sha1', SECRET).update(username).digest('base64') };
}

/** Returns what a server with the option `turn` answers to `call:ice-servers`, for relay-only connections. */
async function handedOut(urls: string[], secret: string): Promise<unknown> {
  const turn = { urls, secret };
  const server = await createCommServer({ port: 0, database: ':memory:', logger: silentLogger, turn });
  const client = await connectClient(server.url, { userId: 'alice' });
  const { iceServers } = await client.ask('call:ice-servers', {});
  client.close();
  await server.close();
  return { iceServers, iceTransportPolicy: 'relay' };
}

async function relayed(file: string): Promise<void> {
  const port = await freePort();
  const directory = await mkdtemp(path.join(tmpdir(), 'lumen-comm-turn-'));
  const options = [
    '-n',
    '-v',
    `--listening-port=${port}`,
    '--listening-ip=127.0.0.1',
    '--relay-ip=127.0.0.1',
    '--allow-loopback-peers',
    '--use-auth-secret',
    `--static-auth-secret=${SECRET}`,
    '--realm=test',
    '--no-tls',
    '--no-dtls',
    '--no-cli',
    '--no-software-attribute',
    '--log-file=stdout',
    '--simple-log',
    `--pidfile=${path.join(directory, 'pid')}`,
    '--cli-password=unused',
  ];
  const turn = spawn(file, options, { stdio: ['ignore', 'pipe', 'inherit'] });
  let log = '';
  turn.stdout.on('data', (chunk: Buffer) => (log += chunk.toString()));
  // More calls in a minute than the defaults allow.
  await using testBed = await TestBed.open(undefined, { callsPerCaller: OFTEN, callsPerPair: OFTEN });
  const requests: number[] = [];
  const urls = [`turn:127.0.0.1:${port}?transport=udp`];
  const ice = (lifetimeMs: number) => (): unknown => {
    requests.push(Date.now());
    const expiresAt = Date.now() + lifetimeMs;
    return { iceServers: [{ urls, ...credentials(expiresAt) }], iceTransportPolicy: 'relay', expiresAt };
  };
  try {
    await report.check('a relay-only call exchanges video', () => {
      testBed.ice = ice(3_600_000);
      return testBed.pair(async (alice, bob) => {
        await Promise.all([alice.is('connected'), bob.is('connected')]);
        await Promise.all([alice.sees('bob'), bob.sees('alice')]);
        expect(log.includes('ALLOCATE processed, success'), `the relay was not used: ${log.slice(-2_000)}`);
        await alice.hangup();
        await Promise.all([alice.releasesResources(), bob.releasesResources()]);
      });
    });

    await report.check('coturn accepts the credentials that the server hands out', async () => {
      const answer = await handedOut(urls, SECRET);
      testBed.ice = () => answer;
      await testBed.pair(async (alice, bob) => {
        await Promise.all([alice.is('connected'), bob.is('connected')]);
        await Promise.all([alice.sees('bob'), bob.sees('alice')]);
        expect((await alice.errors()).length === 0, 'an error was reported');
      });
    });

    await report.check('coturn rejects those of a server with another secret', async () => {
      const answer = await handedOut(urls, 'another secret');
      testBed.ice = () => answer;
      await testBed.pair(async (alice) => {
        await alice.page.waitForFunction(() => caller.errors.some((each) => each.includes('answered with 401')));
      });
    });

    await report.check('expired credentials are requested again before a restart', () => {
      // Shorter than the expiry margin, so that cached credentials are never used.
      testBed.ice = ice(5_000);
      return testBed.pair(async (alice, bob) => {
        await Promise.all([alice.is('connected'), bob.is('connected')]);
        const before = requests.length;
        turn.kill('SIGSTOP');
        await Promise.all([alice.is('reconnecting'), bob.is('reconnecting')]);
        // Long enough for ICE to fail, so that a restart with new credentials is needed.
        await wait(12_000);
        turn.kill('SIGCONT');
        await Promise.all([alice.is('connected'), bob.is('connected')]);
        await Promise.all([alice.sees('bob'), bob.sees('alice')]);
        expect(requests.length > before, 'credentials were not requested again');
      });
    });

    await report.check('rejected credentials are reported while connecting, and end the call as failed', () => {
      testBed.ice = ice(-60_000);
      return testBed.pair(async (alice) => {
        await alice.page.waitForFunction(() => caller.errors.some((each) => each.includes('answered with 401')));
        expect(!(await alice.log()).includes('ended'), 'reported after the end');
        await alice.is('ended');
        const reason = await alice.page.evaluate(() => caller.call?.endReason);
        expect(reason === 'failed', `ended as ${String(reason)}`);
        await alice.releasesResources();
      });
    });
  } finally {
    turn.kill('SIGKILL');
    await rm(directory, { recursive: true, force: true });
  }
}
