import { once } from 'node:events';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { connectRedis } from '../../../../src/server/cluster/redis-connection.ts';
import { manualClock } from '../../../helpers/manual-clock.ts';

test('a connection that is accepted and never answered is given up', async () => {
  const server = createServer();
  onTestFinished(() => void server.close());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const clock = manualClock();
  const events = { received: () => undefined, lost: () => undefined };
  const connecting = connectRedis(`redis://127.0.0.1:${port}`, events, clock);
  const [socket] = (await once(server, 'connection')) as [Socket];
  const closed = once(socket, 'close');
  // The client has sent its first command, which waits for an answer.
  await once(socket, 'data');
  clock.advance(10_000);
  await expect(connecting).rejects.toThrow(/closed|destroy|disconnect/i);
  await closed;
});
