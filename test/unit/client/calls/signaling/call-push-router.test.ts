import { expect, test } from 'vitest';
import type { CallManager } from '../../../../../src/client/calls/session/call-manager.ts';
import { routeCallPushes } from '../../../../../src/client/calls/signaling/call-push-router.ts';
import { deferred } from '../../../../../src/lib/deferred.ts';
import { lazy } from '../../../../../src/lib/lazy.ts';

function setup() {
  const received: string[] = [];
  const errors: unknown[] = [];
  const manager = { onPush: (event: string) => void received.push(event) } as Partial<CallManager> as CallManager;
  let loading = deferred<CallManager>();
  let loads = 0;
  const lazyManager = lazy(() => {
    loads += 1;
    loading = deferred();
    return loading.promise;
  });
  const route = routeCallPushes(lazyManager, (error) => errors.push(error));
  return {
    lazyManager,
    received,
    errors,
    loads: () => loads,
    route: (...events: string[]) => events.forEach((event) => route(event, {})),
    resolve: async () => {
      loading.resolve(manager);
      await lazyManager();
      await Promise.resolve();
    },
    reject: async (error: Error) => {
      loading.reject(error);
      await new Promise((resolve) => setImmediate(resolve));
    },
  };
}

test('the first incoming call loads the manager; pushes until then are delivered in order', async () => {
  const { route, received, loads, resolve } = setup();
  route('call:state-changed', 'message:new');
  expect(loads()).toBe(0);
  route('call:incoming', 'message:new', 'signal:offer', 'call:incoming');
  expect([loads(), received]).toEqual([1, []]);
  await resolve();
  route('call:state-changed');
  expect(received).toEqual(['call:incoming', 'signal:offer', 'call:incoming', 'call:state-changed']);
});

test('a manager that the app has loaded receives every push about calls', async () => {
  const { route, received, lazyManager, resolve } = setup();
  const loaded = lazyManager();
  await resolve();
  await loaded;
  route('signal:answer', 'typing:update');
  expect(received).toEqual(['signal:answer']);
});

test('a failure to load is reported, and the next incoming call loads again', async () => {
  const { route, received, errors, loads, reject, resolve } = setup();
  route('call:incoming', 'signal:offer');
  const error = new Error('offline');
  await reject(error);
  expect(errors).toEqual([error]);
  route('signal:offer');
  expect(loads()).toBe(1);
  route('call:incoming');
  await resolve();
  expect([loads(), received]).toEqual([2, ['call:incoming']]);
});
