import { expect, test } from 'vitest';
import { startServer } from '../../../helpers/server/comm-server.ts';

test('two base clients can chat', async () => {
  await using server = await startServer();
  const alice = await server.connectBase('alice');
  const bob = await server.connectBase('bob');

  alice.emit('conversation:create', { type: 'direct', participantIds: ['bob'] });
  const { id: conversationId } = await bob.next('conversation:new');
  await alice.next('conversation:new');
  alice.emit('conversation:join', { conversationId });
  bob.emit('conversation:join', { conversationId });
  await alice.settled();
  await bob.settled();

  bob.emit('typing:start', { conversationId });
  expect(await alice.next('typing:update')).toEqual({ conversationId, userId: 'bob', isTyping: true });
  bob.emit('message:send', { conversationId, content: 'Hello', type: 'text' });
  expect(await bob.next('message:status')).toMatchObject({ status: 'sent' });
  expect(await bob.next('message:new')).toMatchObject({ content: 'Hello', senderId: 'bob' });
  const { id: messageId } = await alice.next('message:new');
  expect(await alice.next('typing:update')).toMatchObject({ isTyping: false });
  expect(await bob.next('message:status')).toMatchObject({ messageId, status: 'delivered' });

  alice.emit('message:read', { conversationId, messageId });
  expect(await bob.next('message:status')).toMatchObject({ messageId, status: 'read' });
  expect(await bob.next('read-receipt:update')).toMatchObject({ messageId, readBy: { userId: 'alice' } });

  alice.emit('message:react', { conversationId, messageId, emoji: '👍' });
  expect(await bob.next('message:reaction-update')).toMatchObject({
    messageId,
    reactions: [{ emoji: '👍', count: 1, users: ['alice'] }],
  });
  bob.emit('message:edit', { conversationId, messageId, content: 'Hello!' });
  expect(await alice.next('message:updated')).toMatchObject({ id: messageId, content: 'Hello!' });
  bob.emit('message:delete', { conversationId, messageId });
  expect(await alice.next('message:deleted')).toMatchObject({ messageId, conversationId, deletedBy: 'bob' });
  expect(await alice.next('message:updated')).toMatchObject({ id: messageId, content: '' });
});

test('a base client and a current client can chat', async () => {
  await using server = await startServer();
  const alice = await server.connect('alice');
  const bob = await server.connectBase('bob');
  const { id: conversationId } = await alice.ask('conversation:create', { type: 'direct', participantIds: ['bob'] });
  bob.emit('conversation:join', { conversationId });
  await bob.settled();

  const sent = await alice.ask('message:send', { conversationId, content: 'Hi', type: 'text', clientId: 'c1' });
  expect(await bob.next('message:new')).toMatchObject({ id: sent.id, seq: 1, rev: 1 });
  expect(await alice.next('message:status')).toMatchObject({ messageId: sent.id, status: 'delivered' });
  expect(alice.payloads('message:status').some(({ status }) => status === 'sent')).toBe(false);

  bob.emit('message:send', { conversationId, content: 'Hi yourself', type: 'text' });
  expect(await alice.next('message:new', ({ senderId }) => senderId === 'bob')).toMatchObject({ seq: 2, rev: 2 });
});

test('comm:hello is the first push and contains the common capabilities', async () => {
  await using server = await startServer({ config: { maxMessageLength: 123, pageSize: 7 } });
  const client = await server.connect('alice', { caps: ['rev', 'teleport', 'ack'] });
  expect(client.events[0]).toBe('comm:hello');
  expect(client.payloads('comm:hello')).toEqual([
    {
      protocol: 1,
      userId: 'alice',
      caps: ['ack', 'rev'],
      serverTime: expect.any(String) as unknown,
      limits: expect.objectContaining({ maxMessageLength: 123, pageSize: 7 }) as unknown,
    },
  ]);
});

test('a client without capabilities gets no hello', async () => {
  await using server = await startServer();
  const client = await server.connectBase('alice');
  await client.settled();
  expect(client.events).not.toContain('comm:hello');
});

test('requests emitted before the hello are answered', async () => {
  await using server = await startServer();
  const client = await server.connect('alice');
  client.socket.disconnect().connect();
  expect(await client.raw('comm:ping', {})).toMatchObject({ ok: true });
});

test('a feed socket receives changes of conversations that it never joined', async () => {
  await using server = await startServer();
  const alice = await server.connect('alice');
  const { id: conversationId } = await alice.ask('conversation:create', { type: 'group', participantIds: ['bob'] });
  const bob = await server.connect('bob');
  await alice.ask('message:send', { conversationId, content: 'Hi', type: 'text' });
  expect(await bob.next('message:new')).toMatchObject({ conversationId, content: 'Hi' });

  await bob.ask('conversation:leave', { conversationId });
  await alice.ask('message:send', { conversationId, content: 'Still there?', type: 'text' });
  expect(await bob.next('message:new')).toMatchObject({ content: 'Still there?' });
});

test('a removed member receives nothing more of the conversation', async () => {
  await using server = await startServer();
  const alice = await server.connect('alice');
  const bob = await server.connect('bob');
  const { id: conversationId } = await alice.ask('conversation:create', { type: 'group', participantIds: ['bob'] });
  await alice.ask('conversation:remove-participant', { conversationId, userId: 'bob' });
  await alice.ask('message:send', { conversationId, content: 'Now we can talk', type: 'text' });
  await bob.next('conversation:left');
  await bob.settled();
  expect(bob.events).not.toContain('message:new');
  expect(await bob.refused('conversation:join', { conversationId })).toMatchObject({ code: 'NOT_FOUND' });
});

test('changes made over REST are pushed to sockets', async () => {
  await using server = await startServer();
  const alice = await server.connect('alice');
  const created = await server.rest('/conversations', 'bob', {
    method: 'POST',
    body: JSON.stringify({ type: 'direct', participantIds: ['alice'] }),
  });
  expect(created.status).toBe(201);
  const { id: conversationId } = await alice.next('conversation:new');
  await alice.ask('message:send', { conversationId, content: 'Hi', type: 'text' });
  const page = (await (await server.rest(`/conversations/${conversationId}/messages`, 'bob')).json()) as unknown[];
  expect(page).toHaveLength(1);
});

test('the message rate limit is enforced with retryAfterMs', async () => {
  await using server = await startServer({ config: { rateLimit: { maxMessages: 2, windowSeconds: 60 } } });
  const alice = await server.connect('alice');
  const { id: conversationId } = await alice.ask('conversation:create', { type: 'group', participantIds: [] });
  const send = { conversationId, content: 'Hi', type: 'text' } as const;
  await alice.ask('message:send', send);
  await alice.ask('message:send', send);
  expect(await alice.refused('message:send', send)).toMatchObject({
    code: 'RATE_LIMITED',
    retryAfterMs: expect.any(Number) as unknown,
  });
});

test('a flood from one user is rejected without affecting others', async () => {
  await using server = await startServer({ limits: { requests: { burst: 5, perSecond: 0.001 } } });
  const alice = await server.connect('alice');
  const [laptop, bob] = [await server.connect('alice'), await server.connect('bob')];
  const replies = await Promise.all(Array.from({ length: 8 }, () => alice.raw('comm:ping', {})));
  expect(replies.map(({ ok }) => ok)).toEqual([true, true, true, true, true, false, false, false]);
  expect(await laptop.raw('comm:ping', {})).toMatchObject({ error: { code: 'RATE_LIMITED' } });
  expect(await bob.raw('comm:ping', {})).toMatchObject({ ok: true });
});

test('a sync is charged by the number of its cursors', async () => {
  await using server = await startServer({ limits: { requests: { burst: 15, perSecond: 0.001 } } });
  const alice = await server.connect('alice');
  const cursors = Object.fromEntries(Array.from({ length: 500 }, (_, at) => [`conversation-${at}`, 1]));
  expect(await alice.raw('sync', { cursors, inboxRev: 0 })).toMatchObject({ ok: true });
  expect(await alice.raw('sync', { cursors, inboxRev: 0 })).toMatchObject({ error: { code: 'RATE_LIMITED' } });
  expect(await alice.raw('sync', { cursors: {}, inboxRev: 0 })).toMatchObject({ ok: true });
});

test('an unknown request is answered with UNSUPPORTED', async () => {
  await using server = await startServer();
  const alice = await server.connect('alice');
  expect(await alice.refused('message:teleport', {})).toMatchObject({ code: 'UNSUPPORTED' });
  alice.emit('message:teleport', {});
  expect(await alice.next('error')).toMatchObject({ code: 'UNSUPPORTED' });
});

test('unknown requests are charged as others are', async () => {
  await using server = await startServer({ limits: { requests: { burst: 2, perSecond: 0.001 } } });
  const alice = await server.connect('alice');
  const codes = [];
  for (let time = 0; time < 3; time += 1) codes.push((await alice.refused('message:teleport', {})).code);
  expect(codes).toEqual(['UNSUPPORTED', 'UNSUPPORTED', 'RATE_LIMITED']);
});
