import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { expect, test } from 'vitest';
import { PostgresDatabase, openPostgres } from '../../../src/server/store/engine/postgres.ts';
import { probeRead } from '../../../src/server/store/queries/health-probe.ts';

/** A message of the protocol (https://www.postgresql.org/docs/current/protocol-message-formats.html). */
function message(type: string, body: Buffer): Buffer {
  const length = Buffer.alloc(4);
  length.writeInt32BE(body.length + 4);
  return Buffer.concat([Buffer.from(type), length, body]);
}

const AUTHENTICATION_OK = message('R', Buffer.alloc(4));
const READY_FOR_QUERY = message('Z', Buffer.from('I'));
const SHUT_DOWN = message('E', Buffer.from('SFATAL\0C57P01\0Mterminating connection due to administrator command\0\0'));

test('a connection that Postgres ends as soon as it is open is a failure of the request, and not of the process', async () => {
  const opened: number[] = [];
  const server = createServer((socket) => {
    opened.push(socket.remotePort ?? 0);
    socket.on('error', () => undefined);
    // In one packet, as when a stop overtakes a slow client.
    socket.once('data', () => socket.end(Buffer.concat([AUTHENTICATION_OK, READY_FOR_QUERY, SHUT_DOWN])));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const pool = await openPostgres(`postgres://user@127.0.0.1:${port}/chat`);
  try {
    const database = new PostgresDatabase(pool);
    // Repeated once, because another connection may succeed.
    await expect(database.read(probeRead)).rejects.toMatchObject({ name: 'PostgresFailure', isTransient: true });
    await expect(database.claim('alone')).rejects.toMatchObject({ name: 'PostgresFailure' });
    expect(opened).toHaveLength(3);
  } finally {
    await pool.end();
    server.close();
  }
});
