import { beforeEach, expect, test } from 'vitest';
import { PresenceTracker } from '../../../../src/client/presence/presence-tracker.ts';
import { CommError } from '../../../../src/protocol/errors.ts';
import { LIMITS } from '../../../../src/protocol/limits.ts';
import { fakeContext, type FakeContext } from '../../../helpers/client/context.ts';
import { settle } from '../../../helpers/client/fake-socket.ts';

let context: FakeContext;
let presence: PresenceTracker;

beforeEach(() => {
  context = fakeContext();
  presence = new PresenceTracker(context);
});
const payloads = (): unknown[] => context.asked.map(({ name, payload }) => [name, payload]);
const watched = (...userIds: string[]): unknown => ['presence:watch', { userIds }];

test('users watched in the same microtask are requested together, each once', async () => {
  presence.watch(['bob', 'bob']);
  presence.watch(['carol', 'bob']);
  await settle();
  expect(payloads()).toEqual([watched('bob', 'carol')]);
});

test('a response updates get() and emits presence:changed', async () => {
  presence.watch(['bob']);
  await settle();
  const update = { userId: 'bob', status: 'busy', lastSeen: '2026-01-01T00:00:00.000Z' };
  context.asked[0]?.answer.resolve([update, null, { userId: 'x', status: 'asleep' }]);
  await settle();
  expect(presence.get('bob')).toEqual(update);
  expect(context.told).toEqual([{ event: 'presence:changed', payload: update }]);
});

test('an unreadable response is ignored', async () => {
  presence.watch(['bob']);
  await settle();
  context.asked[0]?.answer.resolve('nonsense');
  await settle();
  expect(context.reported).toEqual([]);
});

test('more users than one request may name are split into several requests', async () => {
  const userIds = Array.from({ length: LIMITS.userIds + 5 }, (_, at) => `user ${at}`);
  presence.watch(userIds);
  await settle();
  for (let at = 0; at < context.asked.length; at += 1) {
    context.asked[at]?.answer.resolve([]);
    await settle();
  }
  const named = context.asked.map(({ payload }) => (payload as { userIds: string[] }).userIds);
  expect(named.every(({ length }) => length <= LIMITS.userIds)).toBe(true);
  expect(named.flat()).toEqual(userIds);
});

test('ending the last watch of a user sends unwatch and forgets the presence', async () => {
  const first = presence.watch(['bob', 'carol']);
  const second = presence.watch(['bob']);
  await settle();
  presence.apply({ userId: 'bob', status: 'online' });
  context.asked.length = 0;
  first();
  expect(payloads()).toEqual([['presence:unwatch', { userIds: ['carol'] }]]);
  expect(presence.get('bob')).toEqual({ userId: 'bob', status: 'online' });
  second();
  second();
  expect(payloads()).toHaveLength(2);
  expect(presence.get('bob')).toBeUndefined();
});

test('an unchanged presence is not emitted again', () => {
  presence.watch(['bob']);
  expect(presence.apply({ userId: 'bob', status: 'online' })).toBe(true);
  expect(presence.apply({ userId: 'bob', status: 'online' })).toBe(false);
  expect(presence.apply({ userId: 'bob', status: 'online', lastSeen: 'then' })).toBe(true);
});

test('watches wait while offline and are requested after connecting', async () => {
  context.line = 'down';
  presence.watch(['bob']);
  presence.watch(['carol'])();
  await settle();
  expect(payloads()).toEqual([]);
  context.line = 'up';
  const restored = presence.restore();
  expect(payloads()).toEqual([watched('bob')]);
  context.asked[0]?.answer.resolve([]);
  await restored;
});

test('a server without presence-watch gets no watch requests, and its pushes update get()', async () => {
  context.caps.clear();
  presence.watch(['bob']);
  await presence.restore();
  await settle();
  expect(payloads()).toEqual([]);
  presence.apply({ userId: 'zoe', status: 'away' });
  expect(presence.get('zoe')).toEqual({ userId: 'zoe', status: 'away' });
});

test('a chosen status is sent again after every connect', async () => {
  const chosen = presence.set('busy');
  await settle();
  context.asked[0]?.answer.resolve({});
  await chosen;
  await presence.restore();
  expect(payloads()).toEqual([
    ['presence:update', { status: 'busy' }],
    ['presence:update', { status: 'busy' }],
  ]);
});

test('idleness is sent as not chosen and does not override a chosen status', async () => {
  presence.idle(true);
  presence.idle(false);
  expect(payloads()).toEqual([
    ['presence:update', { status: 'away', chosen: false }],
    ['presence:update', { status: 'online', chosen: false }],
  ]);
  void presence.set('busy');
  await settle();
  context.asked.length = 0;
  presence.idle(true);
  expect(payloads()).toEqual([]);
  void presence.set('online');
  await settle();
  context.asked.length = 0;
  presence.idle(false);
  expect(payloads()).toEqual([['presence:update', { status: 'online', chosen: false }]]);
});

test('idleness while offline is sent after connecting', async () => {
  context.line = 'down';
  presence.idle(true);
  context.line = 'up';
  await presence.restore();
  expect(payloads()).toEqual([['presence:update', { status: 'away', chosen: false }]]);
});

test('a rejected status rejects set()', async () => {
  const set = presence.set('busy');
  await settle();
  context.asked[0]?.answer.reject(new CommError('RATE_LIMITED', 'x'));
  await expect(set).rejects.toMatchObject({ code: 'RATE_LIMITED' });
});
