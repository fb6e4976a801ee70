import { expect, test } from 'vitest';
import { CommError, memoryStorage } from '../../../src/index.ts';
import type { App } from '../../helpers/client/app.ts';
import { direct, startWorld } from '../../helpers/client/world.ts';

/** Tokens such as `alice.1`, and an app that may be handed over from one person to another. */
async function startHandover(): Promise<{ app: App; bob: App; handTo: (name: string) => void }> {
  const expired = new Set<string>();
  const { app, join } = await startWorld({
    auth: ({ headers, ...handshake }) => {
      const token = handshake.token ?? String(headers['authorization'] ?? '').slice('Bearer '.length);
      if (expired.has(token)) throw new CommError('TOKEN_EXPIRED', 'The token has expired');
      return { userId: token.split('.')[0] ?? '' };
    },
  });
  let token = 'alice.0';
  const shared = app(undefined, { token: () => token });
  await shared.client.connect();
  const handTo = (name: string): void => {
    expired.add(token);
    token = `${name}.${expired.size}`;
  };
  return { app: shared, bob: await join('bob', { userId: undefined, token: 'bob.0' }), handTo };
}

test('connect() after disconnect() requests the token again', async () => {
  const { app } = await startWorld({ auth: ({ token = '' }) => ({ userId: token }) });
  let token = 'alice';
  const { client } = app(undefined, { token: () => token });
  await client.connect();
  await client.disconnect();
  token = 'carol';
  await client.connect();
  expect(client.userId).toBe('carol');
});

test('messages in the outbox of one user are not sent as the next user who signs in', async () => {
  const { app, bob, handTo } = await startHandover();
  const conversationId = await direct(app, bob);
  app.port.unplug();
  const sending = app.client.messages.send({ conversationId, content: 'from alice' });
  const outcome = sending.catch((error: unknown) => error);
  handTo('bob');
  app.port.plug();
  await app.reconnected();
  expect(await outcome).toMatchObject({ code: 'DISCONNECTED' });
  expect(app.client.userId).toBe('bob');
  expect(app.client.messages.outbox()).toEqual([]);
  await app.client.messages.send({ conversationId, content: 'from bob' });
  await bob.next('message:new', ({ content }) => content === 'from bob');
  expect(bob.all('message:new').map(({ content }) => content)).toEqual(['from bob']);
});

test('they stay queued until their author signs in again', async () => {
  const { app, bob, handTo } = await startHandover();
  const conversationId = await direct(app, bob);
  app.port.unplug();
  app.client.messages.send({ conversationId, content: 'from alice' }).catch(() => undefined);
  await app.client.disconnect();
  handTo('bob');
  app.port.plug();
  await app.client.connect();
  await app.client.disconnect();
  handTo('alice');
  await app.client.connect();
  expect(await bob.next('message:new')).toMatchObject({ senderId: 'alice', content: 'from alice' });
});

test('the next user who signs in sees no data of the previous user', async () => {
  const { app, bob, handTo } = await startHandover();
  const conversationId = await direct(app, bob);
  const { client } = app;
  await client.messages.send({ conversationId, content: 'between alice and bob' });
  const view = client.conversations.open(conversationId);
  await view.ready;
  expect(view.getSnapshot().messages).toHaveLength(1);
  const told: string[] = [];
  client.on('conversation:left', ({ conversationId: left }) => told.push(left));
  await client.disconnect();
  handTo('carol');
  await client.connect();
  expect(client.userId).toBe('carol');
  expect(view.getSnapshot().messages).toEqual([]);
  expect(view.getSnapshot().conversation).toBeUndefined();
  expect(client.conversations.inbox.getSnapshot().conversations).toEqual([]);
  expect(told).toEqual([]);
});

test('with a token, the option userId keeps messages sent before the first connection', async () => {
  const { app } = await startWorld({ auth: ({ token = '' }) => ({ userId: token }) });
  const bob = app(undefined, { token: 'bob' });
  await bob.client.connect();
  const { id: conversationId } = await bob.client.conversations.create({ type: 'direct', participantIds: ['alice'] });
  const storage = memoryStorage();
  const first = app('alice', { token: 'alice', storage });
  const sending = first.client.messages.send({ conversationId, content: 'from the train' });
  await Promise.all([expect(sending).rejects.toMatchObject({ code: 'DISCONNECTED' }), first[Symbol.asyncDispose]()]);
  // Another user on the same device sees none of it and sends nothing.
  const carol = app(undefined, { token: 'carol', storage });
  await carol.client.connect();
  expect(carol.client.messages.outbox()).toEqual([]);
  await carol[Symbol.asyncDispose]();
  const second = app(undefined, { token: 'alice', storage });
  await second.client.connect();
  expect(await bob.next('message:new')).toMatchObject({ content: 'from the train', senderId: 'alice' });
});
