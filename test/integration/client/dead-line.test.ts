import { expect, test } from 'vitest';
import { CommClient } from '../../../src/index.ts';
import { startFaultProxy } from '../../../src/server/testing/fault-proxy.ts';
import { startTestServer } from '../../../src/server/testing/start-test-server.ts';
import { fastClock } from '../../faults/actor.ts';

test('a dead connection is detected by the first request without a response', async () => {
  await using server = await startTestServer();
  const { id: conversationId } = await server.conversation({ between: ['ann', 'bob'] });
  await using proxy = await startFaultProxy({ target: server.url, seed: 1 });
  await using ann = new CommClient({ url: proxy.url, userId: 'ann', clock: fastClock });
  await ann.connect();
  const lost = new Promise<void>((resolve) => {
    ann.on('status', (status) => {
      if (status === 'reconnecting') resolve();
    });
  });
  proxy.kill();
  const sent = ann.messages.send({ conversationId, content: 'Is anybody there?' });
  // Socket.IO itself would take 45 s to notice, whatever clock the client goes by.
  await lost;
  proxy.heal();
  expect(await sent).toMatchObject({ content: 'Is anybody there?' });
});
