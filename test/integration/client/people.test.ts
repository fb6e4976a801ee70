import { SignJWT } from 'jose';
import { describe, expect, test } from 'vitest';
import { jwtAuth, type Authenticate } from '../../../src/server/index.ts';
import { until } from '../../helpers/client/app.ts';
import { direct, group, startWorld } from '../../helpers/client/world.ts';
import { manualClock } from '../../helpers/manual-clock.ts';

describe('presence', () => {
  test('watch() reports presence at once and on every change', async () => {
    const { joinAll, join } = await startWorld({ config: { presenceGraceMs: 0 } });
    const { alice, bob } = await joinAll('alice', 'bob');
    await direct(alice, bob);
    const stop = alice.client.presence.watch(['bob']);
    expect(await alice.next('presence:changed', ({ userId }) => userId === 'bob')).toMatchObject({ status: 'online' });
    expect(alice.client.presence.get('bob')).toMatchObject({ status: 'online' });
    await bob.client.presence.set('busy');
    await alice.next('presence:changed', ({ userId, status }) => userId === 'bob' && status === 'busy');
    expect(alice.client.presence.get('bob')?.status).toBe('busy');

    const phone = await join('bob');
    await bob.client.disconnect();
    await phone.client.presence.set('online');
    await alice.next('presence:changed', ({ userId, status }) => userId === 'bob' && status === 'online');
    await phone.client.disconnect();
    await alice.next('presence:changed', ({ userId, status }) => userId === 'bob' && status === 'offline');
    stop();
    expect(alice.client.presence.get('bob')).toBeUndefined();
  });

  test('of a user without a common conversation stays unknown', async () => {
    const { joinAll } = await startWorld();
    const { alice, bob, carol } = await joinAll('alice', 'bob', 'carol');
    await direct(alice, bob);
    alice.client.presence.watch(['carol', 'bob']);
    await alice.next('presence:changed', ({ userId }) => userId === 'bob');
    await carol.client.presence.set('busy');
    await bob.client.presence.set('busy');
    await alice.next('presence:changed', ({ userId, status }) => userId === 'bob' && status === 'busy');
    expect(alice.client.presence.get('carol')).toBeUndefined();
  });

  test('is restored after a reconnect, a chosen status included', async () => {
    const { joinAll } = await startWorld({ config: { presenceGraceMs: 0 } });
    const { alice, bob } = await joinAll('alice', 'bob');
    await direct(alice, bob);
    alice.client.presence.watch(['bob']);
    await bob.client.presence.set('busy');
    await alice.next('presence:changed', ({ status }) => status === 'busy');
    bob.port.unplug();
    await alice.next('presence:changed', ({ status }) => status === 'offline');
    alice.port.cut();
    await alice.reconnected();
    bob.port.plug();
    await alice.next('presence:changed', ({ status }) => status === 'busy');
    expect(alice.client.presence.get('bob')?.status).toBe('busy');
  });

  test('watchers are counted', async () => {
    const { joinAll } = await startWorld();
    const { alice, bob } = await joinAll('alice', 'bob');
    await direct(alice, bob);
    const first = alice.client.presence.watch(['bob']);
    const second = alice.client.presence.watch(['bob']);
    await alice.next('presence:changed', ({ userId }) => userId === 'bob');
    first();
    first();
    expect(alice.client.presence.get('bob')).toBeDefined();
    second();
    expect(alice.client.presence.get('bob')).toBeUndefined();
  });
});

describe('typing', () => {
  test('is sent to the others, ends with a message, and expires', async () => {
    const { joinAll } = await startWorld({ config: { typingTimeoutMs: 1_000 } });
    const { alice, bob } = await joinAll('alice', 'bob');
    const conversationId = await direct(alice, bob);
    alice.client.typing.start(conversationId);
    expect(await bob.next('typing:update')).toEqual({ conversationId, userId: 'alice', isTyping: true });
    expect(bob.client.typing.in(conversationId)).toEqual(['alice']);
    expect(alice.client.typing.in(conversationId)).toEqual([]);
    await alice.client.messages.send({ conversationId, content: 'done' });
    await bob.next('message:new');
    expect(bob.client.typing.in(conversationId)).toEqual([]);
    await bob.next('typing:update', ({ isTyping }) => !isTyping);
    alice.client.typing.start(conversationId);
    await bob.next('typing:update', ({ isTyping }) => isTyping);
    await bob.next('typing:update', ({ isTyping }) => !isTyping);
    expect(bob.client.typing.in(conversationId)).toEqual([]);
  });

  test('of several users is listed in the order in which they started', async () => {
    const { joinAll } = await startWorld();
    const { alice, bob, carol } = await joinAll('alice', 'bob', 'carol');
    const conversationId = await group(alice, bob, carol);
    carol.client.typing.start(conversationId);
    await alice.next('typing:update', ({ userId }) => userId === 'carol');
    bob.client.typing.start(conversationId);
    await alice.next('typing:update', ({ userId }) => userId === 'bob');
    expect(alice.client.typing.in(conversationId)).toEqual(['carol', 'bob']);
    carol.client.typing.stop(conversationId);
    await alice.next('typing:update', ({ userId, isTyping }) => userId === 'carol' && !isTyping);
    expect(alice.client.typing.in(conversationId)).toEqual(['bob']);
  });

  test('can start again right after a message', async () => {
    const { joinAll } = await startWorld();
    const { alice, bob } = await joinAll('alice', 'bob');
    const conversationId = await direct(alice, bob);
    alice.client.typing.start(conversationId);
    await bob.next('typing:update');
    await alice.client.messages.send({ conversationId, content: 'and' });
    alice.client.typing.start(conversationId);
    await bob.next('typing:update', ({ isTyping }) => isTyping);
  });

  test('of others ends when the own connection breaks', async () => {
    const { joinAll } = await startWorld();
    const { alice, bob } = await joinAll('alice', 'bob');
    const conversationId = await direct(alice, bob);
    const view = bob.client.conversations.open(conversationId);
    await view.ready;
    alice.client.typing.start(conversationId);
    await until(view, ({ typing }) => typing.length === 1);
    bob.port.cut();
    await until(view, ({ typing }) => typing.length === 0);
  });
});

describe('signing in', () => {
  const secret = 'a secret of thirty-two characters';
  const key = new TextEncoder().encode(secret);
  const token = (userId: string, lifetimeMs = 60_000): Promise<string> =>
    new SignJWT({})
      .setProtectedHeader({ alg: 'HS256' })
      .setSubject(userId)
      .setExpirationTime(new Date(Date.now() + lifetimeMs))
      .sign(key);
  const startSecured = () => startWorld({ auth: jwtAuth({ secret }) });

  test('with a token the server determines the user id', async () => {
    const { app } = await startSecured();
    const alice = app(undefined, { token: () => token('alice') });
    expect(alice.client.userId).toBeUndefined();
    await alice.client.connect();
    expect(alice.client.userId).toBe('alice');
    expect(await alice.client.conversations.list()).toEqual([]);
  });

  test.each([
    ['a token with a wrong signature', () => 'nonsense'],
    ['no token', undefined],
  ])('%s is not accepted', async (_title, wrong) => {
    const { app } = await startSecured();
    const alice = app('alice', { token: wrong });
    await expect(alice.client.connect()).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
    expect(alice.client.status).toBe('unauthenticated');
    expect(alice.errors).toEqual([]);
  });

  test('connect() works with a new token after a rejected one', async () => {
    const { app } = await startSecured();
    let current = 'nonsense';
    const alice = app(undefined, { token: () => current });
    await expect(alice.client.connect()).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
    current = await token('alice');
    await alice.client.connect();
    expect(alice.client.status).toBe('connected');
  });

  test('an expired token is replaced during connect()', async () => {
    const { app } = await startSecured();
    let asked = 0;
    const alice = app(undefined, { token: () => token('alice', (asked += 1) === 1 ? -1_000 : 60_000) });
    await alice.client.connect();
    expect(asked).toBe(2);
    expect(await alice.client.conversations.list()).toEqual([]);
  });

  test('a token that expires while connected is replaced without a lost message', async () => {
    const clock = manualClock(Date.now());
    const issue = (userId: string, lifetimeMs = 60_000): string => `${userId} ${clock.now() + lifetimeMs}`;
    const auth: Authenticate = ({ token: shown = '' }) => {
      const [userId = '', expiresAt] = shown.split(' ');
      return { userId, expiresAt: Number(expiresAt) };
    };
    const { app } = await startWorld({ auth, clock });
    let asked = 0;
    const alice = app(undefined, { token: () => issue('alice', (asked += 1) === 1 ? 1_000 : 60_000) });
    const bob = app(undefined, { token: () => issue('bob') });
    await Promise.all([alice.client.connect(), bob.client.connect()]);
    const conversationId = await direct(alice, bob);
    clock.advance(1_000);
    await alice.next('status', (status) => status === 'reconnecting');
    await bob.client.messages.send({ conversationId, content: 'meanwhile' });
    await alice.reconnected();
    await alice.next('message:new', ({ content }) => content === 'meanwhile');
    expect(asked).toBe(2);
    expect(alice.errors).toEqual([]);
  });

  test('three rejected tokens end as unauthenticated', async () => {
    const { app } = await startSecured();
    let asked = 0;
    const alice = app(undefined, {
      token: () => {
        asked += 1;
        return token('alice', -1_000);
      },
    });
    await expect(alice.client.connect()).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
    expect(asked).toBe(3);
  });
});
