import { beforeEach, expect, test } from 'vitest';
import { deferred, type Deferred } from '../../../../src/lib/deferred.ts';
import { lazy } from '../../../../src/lib/lazy.ts';
import { createPresenceClient, type PresenceClient } from '../../../../src/client/presence/presence-client.ts';
import { PresenceTracker } from '../../../../src/client/presence/presence-tracker.ts';
import { fakeContext, type FakeContext } from '../../../helpers/client/context.ts';

let context: FakeContext;
let loads: Deferred<PresenceTracker>[];
let presence: PresenceClient;

beforeEach(() => {
  context = fakeContext();
  loads = [];
  presence = createPresenceClient(
    context,
    lazy(() => {
      const load = deferred<PresenceTracker>();
      loads.push(load);
      return load.promise;
    }),
  );
});

const settled = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));
const watched = (): unknown[] => context.asked.map(({ name, payload }) => [name, payload]);

test('watches that begin before the tracker has loaded are requested when it has', async () => {
  presence.watch(['bob']);
  const end = presence.watch(['carol']);
  expect(presence.get('bob')).toBeUndefined();
  end();
  loads[0]?.resolve(new PresenceTracker(context));
  await settled();
  expect(watched()).toEqual([['presence:watch', { userIds: ['bob'] }]]);
});

test('a watch ends once', async () => {
  const end = presence.watch(['bob']);
  loads[0]?.resolve(new PresenceTracker(context));
  await settled();
  const another = presence.watch(['bob']);
  end();
  end();
  expect(watched()).toHaveLength(1);
  another();
  expect(watched().at(-1)).toEqual(['presence:unwatch', { userIds: ['bob'] }]);
});

test('a watch whose chunk could not be fetched begins with the next connection', async () => {
  presence.watch(['bob']);
  loads[0]?.reject(new TypeError('Failed to fetch'));
  await settled();
  loads[1]?.resolve(new PresenceTracker(context));
  await settled();
  expect(watched()).toEqual([['presence:watch', { userIds: ['bob'] }]]);
});

test('invalid user ids are rejected before anything loads', () => {
  expect(() => presence.watch([''])).toThrow(TypeError);
  expect(loads).toEqual([]);
});
