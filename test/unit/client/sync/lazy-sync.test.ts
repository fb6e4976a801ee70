import { expect, test } from 'vitest';
import { LazySync } from '../../../../src/client/sync/lazy-sync.ts';
import type { PushRouter } from '../../../../src/client/sync/push-router.ts';
import { deferred, type Deferred } from '../../../../src/lib/deferred.ts';
import { lazy } from '../../../../src/lib/lazy.ts';

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** A push router whose chunk loads when the test says so. */
function setUp(): { sync: LazySync; received: string[]; load: () => Promise<void> } {
  const received: string[] = [];
  const chunk: Deferred<PushRouter> = deferred();
  const router: Pick<PushRouter, 'pushed' | 'connectionLost'> = {
    pushed: ({ event }) => received.push(event),
    connectionLost: () => received.push('connection lost'),
  };
  const sync = new LazySync(lazy(() => chunk.promise));
  const load = (): Promise<void> => {
    chunk.resolve(router as PushRouter);
    return settled();
  };
  return { sync, received, load };
}

const push = (event: string) => ({ event, data: {} });

test('pushes that arrive before the chunk has loaded are delivered in order once it has', async () => {
  const { sync, received, load } = setUp();
  sync.preload();
  for (const event of ['a', 'b']) sync.pushed(push(event));
  expect(received).toEqual([]);
  await load();
  sync.pushed(push('c'));
  expect(received).toEqual(['a', 'b', 'c']);
});

test('a connection that is lost before the chunk has loaded drops its pushes, and only those', async () => {
  const { sync, received, load } = setUp();
  sync.preload();
  sync.pushed(push('lost'));
  sync.connectionLost();
  sync.pushed(push('next connection'));
  await load();
  expect(received).toEqual(['next connection']);
});

test('once the chunk has loaded, a lost connection keeps no push back', async () => {
  const { sync, received, load } = setUp();
  sync.preload();
  await load();
  sync.connectionLost();
  sync.pushed(push('a'));
  expect(received).toEqual(['connection lost', 'a']);
});
