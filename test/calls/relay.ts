/**
 * Calls through a TURN server alone, with credentials that expire in the middle: `npm exec -- node test/calls/relay.ts`.
 * Needs coturn (installed on Debian where it is missing). About a minute; the last line is the sum.
 */
import { spawn } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { Lab } from './lab.ts';
import { expect, Report } from './report.ts';
import { tool } from './tools.ts';

const SECRET = 'a secret of this test';
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

/** A name that is good until then, as the TURN REST API makes them (draft-uberti-behave-turn-rest). */
function credentials(expiresAtMs: number): { username: string; credential: string } {
  const username = `${Math.floor(expiresAtMs / 1_000)}:somebody`;
  return { username, credential: createHmac('sha1', SECRET).update(username).digest('base64') };
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
  await using lab = await Lab.open();
  const asked: number[] = [];
  const ice = (lifetimeMs: number) => (): unknown => {
    asked.push(Date.now());
    const expiresAt = Date.now() + lifetimeMs;
    const urls = [`turn:127.0.0.1:${port}?transport=udp`];
    return { iceServers: [{ urls, ...credentials(expiresAt) }], iceTransportPolicy: 'relay', expiresAt };
  };
  try {
    await report.check('a call through the relay alone shows both sides to each other', () => {
      lab.ice = ice(3_600_000);
      return lab.pair(async (alice, bob) => {
        await Promise.all([alice.is('connected'), bob.is('connected')]);
        await Promise.all([alice.sees('bob'), bob.sees('alice')]);
        expect(log.includes('ALLOCATE processed, success'), `the relay was not used: ${log.slice(-2_000)}`);
        await alice.hangup();
        await Promise.all([alice.holdsNothing(), bob.holdsNothing()]);
      });
    });

    await report.check('credentials that have expired are asked for again before a restart', () => {
      // Shorter than the margin that is kept: what was got before is never used again.
      lab.ice = ice(5_000);
      return lab.pair(async (alice, bob) => {
        await Promise.all([alice.is('connected'), bob.is('connected')]);
        const before = asked.length;
        turn.kill('SIGSTOP');
        await Promise.all([alice.is('reconnecting'), bob.is('reconnecting')]);
        // Long enough for ICE to fail: only a restart helps, with what is asked for then.
        await wait(12_000);
        turn.kill('SIGCONT');
        await Promise.all([alice.is('connected'), bob.is('connected')]);
        await Promise.all([alice.sees('bob'), bob.sees('alice')]);
        expect(asked.length > before, 'nobody asked for credentials again');
      });
    });

    await report.check('credentials that are refused end the call as failed', () => {
      lab.ice = ice(-60_000);
      return lab.pair(async (alice) => {
        await alice.is('ended', 60_000);
        const reason = await alice.page.evaluate(() => caller.call?.endReason);
        expect(reason === 'failed', `ended as ${String(reason)}`);
        await alice.holdsNothing();
      });
    });
  } finally {
    turn.kill('SIGKILL');
    await rm(directory, { recursive: true, force: true });
  }
}
