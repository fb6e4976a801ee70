import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { DEFAULT_NAMESPACE } from '../../src/protocol/constants.ts';
import { Peer } from './fuzz/peer.ts';

const COMMAND = fileURLToPath(new URL('../../src/server/cli/main.ts', import.meta.url));
const REPEATED = 5_000;

test('unknown events, error packets and refused users do not fill the log', async () => {
  const child = spawn(process.execPath, [COMMAND, 'serve', '--port', '0', '--database', ':memory:'], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  try {
    const printed: string[] = [];
    const url = await new Promise<string>((resolve) => {
      for (const stream of [child.stdout, child.stderr]) {
        createInterface({ input: stream }).on('line', (line) => {
          printed.push(line);
          const address = /listening on (\S+)/.exec(line)?.[1];
          if (address !== undefined) resolve(address);
        });
      }
    });
    const flood = async (frame: string): Promise<void> => {
      const peer = new Peer(url, 'mallory', new Map(), () => undefined);
      await peer.open();
      for (let sent = 0; sent < REPEATED; sent += 1) peer.write(frame);
      // Answered after all frames, unless the server has closed the socket.
      peer.request('comm:ping', '{}');
      await peer.settled().catch(() => undefined);
      peer.close();
    };
    await flood(`42${DEFAULT_NAMESPACE},["nk:nonsense",{}]`);
    await flood(`44${DEFAULT_NAMESPACE},{"message":"mallory was here"}`);
    await Promise.all(
      Array.from({ length: 200 }, async () => await (await fetch(`${url}/__nk_comm/conversations`)).text()),
    );
    const health = await fetch(`${url}/healthz`);
    expect(health.status).toBe(200);
    expect(printed.length).toBeLessThan(30);
    expect(printed.join('\n')).not.toContain('mallory was here');
  } finally {
    child.kill('SIGKILL');
  }
});
