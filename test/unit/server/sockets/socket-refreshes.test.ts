import { expect, test } from 'vitest';
import { deferred, type Deferred } from '../../../../src/lib/deferred.ts';
import type { ConnectedSocket } from '../../../../src/server/sockets/broadcaster.ts';
import { SocketRefreshes } from '../../../../src/server/sockets/socket-refreshes.ts';
import { settle } from '../../../helpers/client/fake-socket.ts';
import { fakeSocketAdapter } from '../../../helpers/server/fake-socket-adapter.ts';

interface Fake {
  readonly socket: ConnectedSocket;
  /** The refreshes that were started. */
  readonly started: Deferred<undefined>[];
  dropped: number;
}

function fake(id: string, canRefresh = true): Fake {
  const started: Deferred<undefined>[] = [];
  const refresh = async (): Promise<void> => {
    const done = deferred<undefined>();
    started.push(done);
    await done.promise;
  };
  const drop = (): void => void (result.dropped += 1);
  const adapter = { ...fakeSocketAdapter(id, () => undefined), drop };
  const result: Fake = {
    socket: { adapter, userId: id, caps: new Set(), ...(canRefresh && { refresh }) },
    started,
    dropped: 0,
  };
  return result;
}

test('a socket that misses more during its refresh is refreshed once more', async () => {
  const refreshes = new SocketRefreshes();
  const { socket, started } = fake('a');
  refreshes.add(socket);
  refreshes.add(socket);
  await settle();
  expect(started).toHaveLength(1);
  for (let count = 0; count < 3; count += 1) refreshes.add(socket);
  started[0]?.resolve(undefined);
  await settle();
  expect([started.length, refreshes.isPending]).toEqual([2, true]);
  started[1]?.resolve(undefined);
  await settle();
  expect([started.length, refreshes.isPending]).toEqual([2, false]);
});

test('a socket that cannot be refreshed is dropped', async () => {
  const refreshes = new SocketRefreshes();
  const [unable, failing] = [fake('unable', false), fake('failing')];
  refreshes.add(unable.socket);
  refreshes.add(failing.socket);
  await settle();
  failing.started[0]?.reject(new Error('The rows cannot be read'));
  await settle();
  expect([unable.dropped, failing.dropped, refreshes.isPending]).toEqual([1, 1, false]);
});

test('sixteen sockets are refreshed at a time, and those that wait count as pending', async () => {
  const refreshes = new SocketRefreshes();
  const fakes = Array.from({ length: 20 }, (_, at) => fake(String(at)));
  for (const { socket } of fakes) refreshes.add(socket);
  await settle();
  const started = (): number => fakes.filter((each) => each.started.length > 0).length;
  expect(started()).toBe(16);
  for (const each of fakes.slice(0, 16)) each.started[0]?.resolve(undefined);
  await settle();
  expect([started(), refreshes.isPending]).toEqual([20, true]);
  for (const each of fakes.slice(16)) each.started[0]?.resolve(undefined);
  await settle();
  expect(refreshes.isPending).toBe(false);
});
