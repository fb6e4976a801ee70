import { describe, expect, test } from 'vitest';
import { deferred } from '../../../src/lib/deferred.ts';
import { HELLO_TIMEOUT_MS } from '../../../src/protocol/constants.ts';
import { App, until } from '../../helpers/client/app.ts';
import { baseChat, startBase } from '../../helpers/client/base-world.ts';
import { manualClock } from '../../helpers/manual-clock.ts';

test('guarantees report what a base server lacks', async () => {
  const { join } = await startBase();
  const alice = await join('alice');
  expect(alice.client.guarantees).toEqual({
    acknowledged: false,
    exactlyOnce: false,
    gapFree: false,
    editsOnResume: false,
    completeHistory: false,
  });
  expect(alice.client.userId).toBe('alice');
});

describe("a server with LumenJS's own tables", () => {
  test('requests that would crash it are rejected, and it goes on', async () => {
    const { server, alice, bob, conversationId } = await baseChat({ tables: 'own' });
    const { conversations, messages, calls } = alice.client;
    const { id: messageId } = await messages.send({ conversationId, content: 'Hello' });
    const forward = { messageId, fromConversationId: conversationId, toConversationId: conversationId };
    const attempts = [
      () => conversations.archive(conversationId, true),
      () => conversations.mute(conversationId, true),
      () => conversations.pin(conversationId, true),
      () => messages.forward(forward),
      () => calls.start({ conversationId, type: 'audio', calleeIds: ['bob'] }),
    ];
    for (const attempt of attempts) await expect(attempt()).rejects.toMatchObject({ code: 'UNSUPPORTED' });
    await bob.client.messages.send({ conversationId, content: 'Still here' });
    await alice.next('message:new', ({ content }) => content === 'Still here');
    expect(server.crashes).toEqual([]);
  });

  test('what the option names is sent', async () => {
    const { server, alice, conversationId } = await baseChat({ tables: 'own' }, { baseServer: { supports: ['mute'] } });
    await expect(alice.client.conversations.pin(conversationId, true)).rejects.toMatchObject({ code: 'UNSUPPORTED' });
    await alice.client.conversations.mute(conversationId, true);
    await expect.poll(() => server.crashes).toEqual(['conversation:mute']);
  });
});

describe('with a token', () => {
  test('the user id is sent too, once the server has shown that it is a base server', async () => {
    const { server, app } = await startBase();
    server.seedConversation({ participantIds: ['alice'] });
    const alice = app('alice', { token: 'secret', baseServer: undefined });
    await alice.client.connect();
    expect(server.connected).toEqual(['alice']);
    expect(await alice.client.conversations.list()).toHaveLength(1);
    expect(server.requests.at(-1)).toContain('userId=alice');
    expect(server.requests.join()).not.toContain('secret');
  });

  test('the user id is sent at once where the app says that it is a base server', async () => {
    const { server, app } = await startBase();
    const alice = app('alice', { token: 'secret', baseServer: {} });
    await alice.client.connect();
    expect(server.connected).toEqual(['alice']);
  });
});

describe('chatting', () => {
  test('both users receive messages, and the sender sees each own message once', async () => {
    const { alice, bob, conversationId, view, theirs } = await baseChat();
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

  test('messages sent without awaiting keep their order, also with equal texts', async () => {
    const { alice, bob, conversationId } = await baseChat();
    const contents = ['a', 'same', 'same', 'b', 'same'];
    const sent = await Promise.all(contents.map((content) => alice.client.messages.send({ conversationId, content })));
    expect(new Set(sent.map(({ id }) => id)).size).toBe(5);
    await bob.next('message:new', ({ id }) => id === sent[4]?.id);
    expect(bob.all('message:new').map(({ content }) => content)).toEqual(contents);
  });

  test('edits, deletions and reactions are applied', async () => {
    const { alice, bob, conversationId, theirs } = await baseChat();
    const { id: messageId } = await alice.client.messages.send({ conversationId, content: 'Helo' });
    await until(theirs, ({ messages }) => messages.length === 1);
    await alice.client.messages.edit({ conversationId, messageId, content: 'Hello' });
    expect(await bob.next('message:updated')).toMatchObject({ id: messageId, content: 'Hello' });
    await bob.client.messages.react({ conversationId, messageId, emoji: '👍' });
    expect(await alice.next('message:reaction-update')).toMatchObject({
      messageId,
      conversationId,
      reactions: [{ emoji: '👍', count: 1, users: ['bob'] }],
    });
    expect(theirs.getSnapshot().messages[0]).toMatchObject({ content: 'Hello', reactions: [{ emoji: '👍' }] });
    await alice.client.messages.delete({ conversationId, messageId });
    expect(await bob.next('message:deleted')).toMatchObject({ messageId, conversationId, deletedBy: 'alice' });
    await until(theirs, ({ messages }) => messages[0]?.deletedAt !== undefined);
    expect(theirs.getSnapshot().messages[0]?.content).toBe('');
  });

  test('a forwarded message is one new message', async () => {
    const { server, alice, bob, conversationId } = await baseChat();
    const other = server.seedConversation({ participantIds: ['alice', 'bob'] });
    await bob.client.conversations.open(other).ready;
    const { id: messageId } = await alice.client.messages.send({ conversationId, content: 'Pass it on' });
    const forwarded = await alice.client.messages.forward({
      messageId,
      fromConversationId: conversationId,
      toConversationId: other,
    });
    expect(forwarded).toMatchObject({ content: 'Pass it on', forwardedFrom: { conversationId, messageId } });
    await bob.next('message:forwarded');
    await alice.client.messages.send({ conversationId: other, content: 'last' });
    await bob.next('message:new', ({ content }) => content === 'last');
    expect(bob.all('message:new').map(({ content }) => content)).toEqual(['Pass it on', 'Pass it on', 'last']);
  });

  test('a read receipt is applied and sets own messages to read', async () => {
    const { alice, bob, conversationId, view } = await baseChat();
    const { id: messageId } = await alice.client.messages.send({ conversationId, content: 'Hello' });
    await bob.next('message:new');
    await bob.client.messages.markRead({ conversationId, messageId });
    expect(await alice.next('read-receipt:update')).toMatchObject({
      conversationId,
      messageId,
      readBy: { userId: 'bob' },
    });
    await until(view, ({ messages }) => messages[0]?.status === 'read');
    expect(view.getSnapshot().messages[0]?.readBy).toMatchObject([{ userId: 'bob' }]);
  });

  test('typing and presence are applied', async () => {
    const { alice, bob, conversationId, view } = await baseChat();
    bob.client.typing.start(conversationId);
    await until(view, ({ typing }) => typing.join() === 'bob');
    bob.client.typing.stop(conversationId);
    await until(view, ({ typing }) => typing.length === 0);
    await bob.client.presence.set('busy');
    await alice.next('presence:changed', ({ userId, status }) => userId === 'bob' && status === 'busy');
    expect(alice.client.presence.get('bob')?.status).toBe('busy');
  });

  test('conversations are created, listed and returned by get()', async () => {
    const { server, alice, bob, conversationId } = await baseChat();
    const created = await alice.client.conversations.create({ type: 'direct', participantIds: ['bob'] });
    expect(created).toMatchObject({ type: 'direct' });
    await bob.next('conversation:new', ({ id }) => id === created.id);
    expect((await alice.client.conversations.list()).map(({ id }) => id).toSorted()).toEqual(
      [conversationId, created.id].toSorted(),
    );
    expect(await alice.client.conversations.get(conversationId)).toMatchObject({ id: conversationId, type: 'group' });
    await expect(alice.client.conversations.get('unknown')).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await alice.client.conversations.archive(conversationId, true);
    await alice.next('conversation:updated', ({ archived }) => archived === true);
    await expect(alice.client.conversations.update(conversationId, { name: 'x' })).rejects.toMatchObject({
      code: 'UNSUPPORTED',
    });
    expect(server.requests.every((request) => !request.includes('token'))).toBe(true);
  });

  test('closing a view and opening it again at once stays in the room', async () => {
    const { alice, bob, conversationId, theirs } = await baseChat();
    theirs.close();
    const again = bob.client.conversations.open(conversationId);
    await again.ready;
    await alice.client.messages.send({ conversationId, content: 'Hello' });
    await until(again, ({ messages }) => messages.length === 1);
  });
});

describe('failures', () => {
  test('after a reconnect rooms are entered again and missed messages are read', async () => {
    const { server, alice, bob, conversationId, view } = await baseChat();
    alice.port.unplug();
    await bob.client.messages.send({ conversationId, content: 'missed' });
    alice.port.plug();
    await alice.reconnected();
    await until(view, ({ messages }) => messages.some(({ content }) => content === 'missed'));
    await bob.client.messages.send({ conversationId, content: 'live' });
    await until(view, ({ messages }) => messages.at(-1)?.content === 'live');
    expect(view.getSnapshot().messages).toHaveLength(2);
    for (const app of [alice, bob]) app.forget();
    server.disconnectAll();
    await Promise.all([alice, bob].map((app) => app.next('status', (status) => status === 'reconnecting')));
    await Promise.all([alice.reconnected(), bob.reconnected()]);
    await bob.client.messages.send({ conversationId, content: 'again' });
    await until(view, ({ messages }) => messages.at(-1)?.content === 'again');
  });

  test('a send whose echo was lost is found in the history and not repeated', async () => {
    const { server, alice, conversationId, view } = await baseChat();
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

  test('a file without a caption whose echo was lost is found by its name and not repeated', async () => {
    const { server, alice, conversationId, view } = await baseChat();
    const attachment = { url: '/a.png', mimeType: 'image/png', fileName: 'a.png', fileSize: 1 };
    alice.port.losesPush = (event) => event === 'message:new';
    const sending = alice.client.messages.send({ conversationId, content: '', type: 'image', attachment });
    await alice.next('message:status');
    alice.port.losesPush = () => false;
    alice.port.cut();
    expect(await sending).toMatchObject({ content: '', attachment });
    expect(server.data.messages.map(({ content }) => content)).toEqual(['a.png']);
    await until(view, ({ messages }) => messages.length === 1 && messages[0]?.content === '');
  });

  test('of two sends with the same text, only the one that was not stored is repeated', async () => {
    const { server, alice, conversationId } = await baseChat();
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

  test('a send that the server never echoes fails', async () => {
    const { server, alice, conversationId, view } = await baseChat({}, { requestTimeoutMs: 500 });
    for (let count = 0; count < 3; count += 1) server.refuseNextSend('RATE_LIMITED');
    await expect(alice.client.messages.send({ conversationId, content: 'never' })).rejects.toMatchObject({
      code: 'TIMEOUT',
    });
    expect(view.getSnapshot().messages).toMatchObject([{ content: 'never', status: 'failed' }]);
    expect(alice.errors.map(({ code }) => code)).toContain('RATE_LIMITED');
    const [{ clientId } = { clientId: '' }] = alice.client.messages.outbox();
    expect(await alice.client.messages.retry(clientId)).toMatchObject({ content: 'never' });
    expect(server.data.messages).toHaveLength(1);
  });

  test('requests right after connecting are delayed until the server handles them', async () => {
    const { server, app } = await startBase();
    const conversationId = server.seedConversation({ participantIds: ['alice'] });
    const release = server.holdListeners();
    const clock = manualClock();
    const alice = app('alice', { clock });
    const sending = alice.client.messages.send({ conversationId, content: 'early' });
    const connecting = alice.client.connect();
    await expect.poll(() => alice.port.opened).toBe(1);
    clock.advance(HELLO_TIMEOUT_MS - 1);
    // One round trip, in which requests would have been lost.
    await fetch(server.url);
    expect(alice.port.sent).toEqual([]);
    release();
    clock.advance(1);
    await connecting;
    expect(await sending).toMatchObject({ content: 'early' });
    expect(alice.port.sent.filter((name) => name === 'message:send')).toHaveLength(1);
  });

  test('an unknown user is unauthenticated', async () => {
    const { server } = await startBase();
    const anonymous = new App(server.url, {});
    await expect(anonymous.client.connect()).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
    expect(anonymous.client.status).toBe('unauthenticated');
    await anonymous[Symbol.asyncDispose]();
  });
});
