import { readFileSync } from 'node:fs';
import { once } from 'node:events';
import { platform } from 'node:process';
import { expect, test } from 'vitest';
import { startServerProcess } from '../../src/server/testing/server-process.ts';
import { connectUser } from '../../src/testing/connect-user.ts';
import { connectDeafSocket } from '../helpers/server/non-reading-socket.ts';
import { LARGE_BUDGETS_ARGS } from '../helpers/server/comm-server.ts';
import { temporaryDirectory } from '../helpers/temporary-directory.ts';

const MEGABYTE = 1_024 * 1_024;
const DEAF = 8;
/** Messages pushed to each consumer; more than 500 MB for all of them. */
const MESSAGES = 8_000;
const CONTENT = 'x'.repeat(9_000);

/** Resident memory of a process, in bytes, from Linux's /proc. */
function residentBytes(pid: number): number {
  const kilobytes = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Number(kilobytes) * 1_024;
}

test.skipIf(platform !== 'linux')(
  'clients that do not read are dropped before they cost the server its memory',
  async () => {
    await using directory = await temporaryDirectory();
    await using server = await startServerProcess({
      database: `${directory.path}/comm.sqlite`,
      args: LARGE_BUDGETS_ARGS,
    });
    await using ann = await connectUser({ url: server.url, userId: 'ann' });
    const deafIds = Array.from({ length: DEAF }, (_, number) => `deaf ${number}`);
    const { id } = await ann.request('conversation:create', { type: 'group', participantIds: deafIds });
    const sockets = await Promise.all(
      deafIds.map((userId) => connectDeafSocket(server.url, encodeURIComponent(userId))),
    );
    const dropped = sockets.map(async (socket) => {
      socket.on('error', () => undefined);
      await once(socket, 'close');
    });

    const before = residentBytes(server.pid);
    let most = before;
    for (let sent = 0; sent < MESSAGES; sent += 100) {
      await Promise.all(Array.from({ length: 100 }, () => ann.send(id, CONTENT)));
      most = Math.max(most, residentBytes(server.pid));
    }
    // Each consumer may leave 1 MiB unread, and equal frames are shared. The rest is garbage before it is collected.
    expect(most - before).toBeLessThan(250 * MEGABYTE);
    for (const socket of sockets) socket.resume();
    await Promise.all(dropped);
  },
);
