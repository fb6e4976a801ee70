import { onTestFinished, expect, test } from 'vitest';
import { CommClient, memoryStorage } from '../../../src/index.ts';
import { FakeSocket, settle } from '../../helpers/client/fake-socket.ts';

function aClient(): { client: CommClient; socket: FakeSocket } {
  const socket = new FakeSocket();
  const client = new CommClient({ url: 'http://127.0.0.1:1', userId: 'alice', socket, storage: memoryStorage() });
  onTestFinished(() => client[Symbol.asyncDispose]());
  return { client, socket };
}

/** What it came to, once it has. */
async function outcome(connecting: Promise<void>): Promise<unknown> {
  return await connecting.then(
    () => 'connected',
    (error: unknown) => error,
  );
}

test('an aborted connect() does not stop connecting while another call waits for it', async () => {
  const { client } = aClient();
  const mounted = new AbortController();
  const first = outcome(client.connect({ signal: mounted.signal }));
  // As a component that is mounted, unmounted and mounted again in one go.
  mounted.abort('unmounted');
  const controller = new AbortController();
  const second = outcome(client.connect({ signal: controller.signal }));
  expect(await first).toBe('unmounted');
  await settle();
  expect(client.status).toBe('connecting');
  controller.abort('unmounted too');
  expect(await second).toBe('unmounted too');
  expect(client.status).toBe('disconnected');
});

test('aborting a later connect() does not stop connecting', async () => {
  const { client } = aClient();
  const first = outcome(client.connect());
  const controller = new AbortController();
  const second = outcome(client.connect({ signal: controller.signal }));
  controller.abort('enough');
  expect(await second).toBe('enough');
  await settle();
  expect(client.status).toBe('connecting');
  await client.disconnect();
  expect(await first).toMatchObject({ code: 'DISCONNECTED' });
});
