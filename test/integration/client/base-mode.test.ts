import { describe, expect, onTestFinished, test } from 'vitest';
import type { CommClientOptions } from '../../../src/index.ts';
import { deferred } from '../../../src/lib/deferred.ts';
import { startBaseServer, type BaseServer, type BaseServerOptions } from '../../helpers/base-server.ts';
import { App, until } from '../../helpers/client/app.ts';

interface BaseWorld {
  server: BaseServer;
  app(userId: string, options?: CommClientOptions): App;
  join(userId: string, options?: CommClientOptions): Promise<App>;
}

async function startBase(options?: BaseServerOptions): Promise<BaseWorld> {
  const server = await startBaseServer(options);
  const apps: App[] = [];
  onTestFinished(async () => {
    await Promise.all(apps.map((each) => each[Symbol.asyncDispose]()));
    await server.close();
  });
  const app = (userId: string, more: CommClientOptions = {}): App => {
    const created = new App(server.url, { userId, ...more });
    apps.push(created);
    return created;
  };
  return {
    server,
    app,
    async join(userId, more) {
      const created = app(userId, more);
      await created.client.connect();
      return created;
    },
  };
}

/** Alice and Bob in one conversation that both have open. */
async function chat(options?: BaseServerOptions, clientOptions: CommClientOptions = {}) {
  const world = await startBase(options);
  const conversationId = world.server.seedConversation({ participantIds: ['alice', 'bob'] });
  const [alice, bob] = await Promise.all([world.join('alice', clientOptions), world.join('bob')]);
  const [views, theirs] = [alice, bob].map(({ client }) => client.conversations.open(conversationId));
  if (views === undefined || theirs === undefined) throw new Error('no views');
  await Promise.all([views.ready, theirs.ready]);
  return { ...world, conversationId, alice, bob, view: views, theirs };
}

test('the client says what it can not promise', async () => {
  const { join } = await startBase();
  const alice = await join('alice');
  expect(alice.client.guarantees).toEqual({ acknowledged: false, exactlyOnce: false, gapFree: false, editsOnResume: false });
  expect(alice.client.userId).toBe('alice');
});

describe('chatting', () => {
  test('messages go both ways, and the sender sees their own once', async () => {
    const { alice, bob, conversationId, view, theirs } = await chat();
    const sent = await alice.client.messages.send({ conversationId, content: 'Hello' });
    expect(sent).toMatchObject({ content: 'Hello', senderId: 'alice' });
    expect(await bob.next('message:new')).toMatchObject({ id: sent.id, content: 'Hello' });
    await bob.client.messages.send({ conversationId, content: 'Hello back' });
    await until(view, ({ messages }) => messages.length === 2);
    await until(theirs, ({ messages }) => messages.length === 2);
    expect(view.getSnapshot().messages.map(({ content }) => content)).toEqual(['Hello', 'Hello back']);
    expect(alice.all('message:new')).toHaveLength(2);
    expect(alice.client.messages.outbox()).toEqual([]);
  });

  test('messages that are sent without waiting keep their order, equal texts included', async () => {
    const { alice, bob, conversationId } = await chat();
    const contents = ['a', 'same', 'same', 'b', 'same'];
    const sent = await Promise.all(contents.map((content) => alice.client.messages.send({ conversationId, content })));
    expect(new Set(sent.map(({ id }) => id)).size).toBe(5);
    await bob.next('message:new', ({ id }) => id === sent[4]?.id);
    expect(bob.all('message:new').map(({ content }) => content)).toEqual(contents);
  });

  test('edits, deletions and reactions show', async () => {
    const { alice, bob, conversationId, theirs } = await chat();
    const { id: messageId } = await alice.client.messages.send({ conversationId, content: 'Helo' });
    await until(theirs, ({ messages }) => messages.length === 1);
    await alice.client.messages.edit({ conversationId, messageId, content: 'Hello' });
    expect(await bob.next('message:updated')).toMatchObject({ id: messageId, content: 'Hello' });
    await bob.client.messages.react({ conversationId, messageId, emoji: '+' });
    expect(await alice.next('message:reaction-update')).toMatchObject({ messageId, conversationId, reactions: [{ emoji: '+', count: 1, users: ['bob'] }] });
    expect(theirs.getSnapshot().messages[0]).toMatchObject({ content: 'Hello', reactions: [{ emoji: '+' }] });
    await alice.client.messages.delete({ conversationId, messageId });
    expect(await bob.next('message:deleted')).toMatchObject({ messageId, conversationId, deletedBy: 'alice' });
    await until(theirs, ({ messages }) => messages[0]?.deletedAt !== undefined);
    expect(theirs.getSnapshot().messages[0]?.content).toBe('');
  });

  test('a forwarded message is one new message', async () => {
    const { server, alice, bob, conversationId } = await chat();
    const other = server.seedConversation({ participantIds: ['alice', 'bob'] });
    await bob.client.conversations.join(other);
    const { id: messageId } = await alice.client.messages.send({ conversationId, content: 'Pass it on' });
    const forwarded = await alice.client.messages.forward({ messageId, fromConversationId: conversationId, toConversationId: other });
    expect(forwarded).toMatchObject({ content: 'Pass it on', forwardedFrom: { conversationId, messageId } });
    await bob.next('message:forwarded');
    await alice.client.messages.send({ conversationId: other, content: 'last' });
    await bob.next('message:new', ({ content }) => content === 'last');
    expect(bob.all('message:new').map(({ content }) => content)).toEqual(['Pass it on', 'Pass it on', 'last']);
  });

  test('reading shows, and makes one’s own messages read', async () => {
    const { alice, bob, conversationId, view } = await chat();
    const { id: messageId } = await alice.client.messages.send({ conversationId, content: 'Hello' });
    await bob.next('message:new');
    await bob.client.messages.markRead({ conversationId, messageId });
    expect(await alice.next('read-receipt:update')).toMatchObject({ conversationId, messageId, readBy: { userId: 'bob' } });
    await until(view, ({ messages }) => messages[0]?.status === 'read');
    expect(view.getSnapshot().messages[0]?.readBy).toMatchObject([{ userId: 'bob' }]);
  });

  test('typing and presence show', async () => {
    const { alice, bob, conversationId, view } = await chat();
    bob.client.typing.start(conversationId);
    await until(view, ({ typing }) => typing.join() === 'bob');
    bob.client.typing.stop(conversationId);
    await until(view, ({ typing }) => typing.length === 0);
    await bob.client.presence.set('busy');
    await alice.next('presence:changed', ({ userId, status }) => userId === 'bob' && status === 'busy');
    expect(alice.client.presence.get('bob')?.status).toBe('busy');
  });

  test('conversations are made, listed and found', async () => {
    const { server, alice, bob, conversationId } = await chat();
    const created = await alice.client.conversations.create({ type: 'direct', participantIds: ['bob'] });
    expect(created).toMatchObject({ type: 'direct' });
    await bob.next('conversation:new', ({ id }) => id === created.id);
    expect((await alice.client.conversations.list()).map(({ id }) => id).toSorted()).toEqual([conversationId, created.id].toSorted());
    expect(await alice.client.conversations.get(conversationId)).toMatchObject({ id: conversationId, type: 'group' });
    await expect(alice.client.conversations.get('unknown')).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await alice.client.conversations.archive(conversationId, true);
    await alice.next('conversation:updated', ({ archived }) => archived === true);
    await expect(alice.client.conversations.rename(conversationId, 'x')).rejects.toMatchObject({ code: 'UNSUPPORTED' });
    expect(server.requests.every((request) => !request.includes('token'))).toBe(true);
  });

  test('closing a view and opening it again at once stays in the room', async () => {
    const { alice, bob, conversationId, theirs } = await chat();
    theirs.close();
    const again = bob.client.conversations.open(conversationId);
    await again.ready;
    await alice.client.messages.send({ conversationId, content: 'Hello' });
    await until(again, ({ messages }) => messages.length === 1);
  });
});

describe('history', () => {
  const tied = '2026-01-02T03:04:05.678Z';

  test.each([
    ['at different times', undefined],
    ['of one and the same millisecond', tied],
    ['with times as the database writes them', '2026-01-02 03:04:05'],
  ])('of 180 messages %s is read without losing any', async (_title, createdAt) => {
    const { server, join } = await startBase();
    const conversationId = server.seedConversation({ participantIds: ['alice', 'bob'] });
    const ids = server.seedMessages({ conversationId, senderId: 'bob', createdAt }, 180);
    const alice = await join('alice');
    const view = alice.client.conversations.open(conversationId);
    await view.ready;
    expect(view.getSnapshot().messages).toHaveLength(50);
    while (view.getSnapshot().hasOlder) await view.loadOlder();
    expect(view.getSnapshot().messages.map(({ id }) => id)).toEqual(ids);

    const listed: string[] = [];
    for (let before: string | undefined; ; ) {
      const page = await alice.client.messages.list({ conversationId, limit: 40, before });
      listed.unshift(...page.messages.map(({ id }) => id));
      if (!page.hasOlder) break;
      before = listed[0];
    }
    expect(listed).toEqual(ids);
  });

  test('ties at the edge of a page are read whole', async () => {
    const { server, join } = await startBase();
    const conversationId = server.seedConversation({ participantIds: ['alice'] });
    const early = server.seedMessages({ conversationId, senderId: 'bob', createdAt: '2026-01-01T00:00:00.000Z' }, 30);
    const same = server.seedMessages({ conversationId, senderId: 'bob', createdAt: tied }, 40);
    const late = server.seedMessages({ conversationId, senderId: 'bob', createdAt: '2026-01-03T00:00:00.000Z' }, 30);
    const alice = await join('alice');
    const view = alice.client.conversations.open(conversationId);
    await view.ready;
    while (view.getSnapshot().hasOlder) await view.loadOlder();
    expect(view.getSnapshot().messages.map(({ id }) => id)).toEqual([...early, ...same, ...late]);
  });

  test('jumping to an old message pages up to it', async () => {
    const { server, join } = await startBase();
    const conversationId = server.seedConversation({ participantIds: ['alice'] });
    const ids = server.seedMessages({ conversationId, senderId: 'bob' }, 120);
    const alice = await join('alice');
    const view = alice.client.conversations.open(conversationId);
    await view.ready;
    await view.jumpTo(ids[5] ?? '');
    expect(view.getSnapshot().messages.map(({ id }) => id)).toContain(ids[5]);
    await expect(view.jumpTo('999')).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  test.each(['absent', 'conversation'] as const)('search works where /messages/search is %s', async (messagesSearch) => {
    const { server, join } = await startBase({ messagesSearch });
    const conversationId = server.seedConversation({ participantIds: ['alice'] });
    server.seedMessage({ conversationId, senderId: 'bob', content: 'The quick brown fox' });
    const alice = await join('alice');
    expect(await alice.client.messages.search({ query: 'quick' })).toMatchObject([{ content: 'The quick brown fox' }]);
  });

  test('of a server that hands out the newest page alone ends there', async () => {
    const { server, join } = await startBase({ history: 'newest' });
    const conversationId = server.seedConversation({ participantIds: ['alice'] });
    server.seedMessages({ conversationId, senderId: 'bob' }, 80);
    const alice = await join('alice');
    const view = alice.client.conversations.open(conversationId);
    await view.ready;
    for (let count = 0; count < 3 && view.getSnapshot().hasOlder; count += 1) await view.loadOlder();
    expect(view.getSnapshot()).toMatchObject({ hasOlder: false });
    expect(view.getSnapshot().messages).toHaveLength(50);
  });
});

describe('what goes wrong', () => {
  test('after a broken line the rooms are entered again, and what was missed is read', async () => {
    const { server, alice, bob, conversationId, view } = await chat();
    alice.port.unplug();
    await bob.client.messages.send({ conversationId, content: 'missed' });
    alice.port.plug();
    await alice.reconnected();
    await until(view, ({ messages }) => messages.some(({ content }) => content === 'missed'));
    await bob.client.messages.send({ conversationId, content: 'live' });
    await until(view, ({ messages }) => messages.at(-1)?.content === 'live');
    expect(view.getSnapshot().messages).toHaveLength(2);
    server.disconnectAll();
    await alice.next('status', (status) => status === 'reconnecting');
    await Promise.all([alice.reconnected(), bob.reconnected()]);
    await bob.client.messages.send({ conversationId, content: 'again' });
    await until(view, ({ messages }) => messages.at(-1)?.content === 'again');
  });

  test('a send whose echo got lost with the line is found in the history, and not sent again', async () => {
    const { server, alice, conversationId, view } = await chat();
    alice.port.losesPush = (event) => event === 'message:new';
    const sending = alice.client.messages.send({ conversationId, content: 'Hello' });
    await alice.next('message:status');
    alice.port.losesPush = () => false;
    alice.port.cut();
    const sent = await sending;
    expect(sent).toMatchObject({ content: 'Hello' });
    expect(server.data.messages).toHaveLength(1);
    await until(view, ({ messages }) => messages.length === 1 && messages[0]?.id === sent.id);
  });

  test('of two with the same text, of which one was stored, the other is sent', async () => {
    const { server, alice, conversationId } = await chat();
    await alice.client.messages.send({ conversationId, content: 'same' });
    const emit = alice.port.emit.bind(alice.port);
    const lost = deferred<undefined>();
    alice.port.emit = (event, payload, acknowledge) => {
      if (event === 'nk:message:send') lost.resolve(undefined);
      else emit(event, payload, acknowledge);
    };
    const sending = alice.client.messages.send({ conversationId, content: 'same' });
    await lost.promise;
    alice.port.emit = emit;
    alice.port.cut();
    await sending;
    expect(server.data.messages.map(({ content }) => content)).toEqual(['same', 'same']);
  });

  test('a send that the server never shows is given up, and stays as failed', async () => {
    const { server, alice, conversationId, view } = await chat({}, { requestTimeoutMs: 50 });
    for (let count = 0; count < 3; count += 1) server.refuseNextSend('RATE_LIMITED');
    await expect(alice.client.messages.send({ conversationId, content: 'never' })).rejects.toMatchObject({ code: 'TIMEOUT' });
    expect(view.getSnapshot().messages).toMatchObject([{ content: 'never', status: 'failed' }]);
    expect(alice.errors.map(({ code }) => code)).toContain('RATE_LIMITED');
    const [{ clientId } = { clientId: '' }] = alice.client.messages.outbox();
    expect(await alice.client.messages.retry(clientId)).toMatchObject({ content: 'never' });
    expect(server.data.messages).toHaveLength(1);
  });

  test('what is emitted in the first moments is not lost: the client waits', async () => {
    const { server, app } = await startBase();
    const conversationId = server.seedConversation({ participantIds: ['alice'] });
    const release = server.holdListeners();
    const alice = app('alice');
    const sending = alice.client.messages.send({ conversationId, content: 'early' });
    const connecting = alice.client.connect();
    await until({ getSnapshot: () => alice.client.status, getServerSnapshot: () => alice.client.status, subscribe: (listener) => alice.client.on('status', listener) }, (status) => status === 'connecting');
    release();
    await connecting;
    expect(await sending).toMatchObject({ content: 'early' });
  });

  test('a user that the server does not know is unauthenticated', async () => {
    const { server } = await startBase();
    const nobody = new App(server.url, {});
    await expect(nobody.client.connect()).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
    expect(nobody.client.status).toBe('unauthenticated');
    await nobody[Symbol.asyncDispose]();
  });
});
