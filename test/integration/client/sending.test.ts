import { expect, test } from 'vitest';
import { codeOf, rejectionOf } from '../../helpers/client/rejection.ts';
import { chat, direct, group, startWorld } from '../../helpers/client/world.ts';

test('all fields of a message are transmitted', async () => {
  const { alice, bob, conversationId, sent } = await chat(1);
  const attachment = {
    url: '/files/a.png',
    mimeType: 'image/png',
    fileName: 'a.png',
    fileSize: 10,
    width: 2,
    height: 1,
  };
  const clientId = '0197a000-0000-7000-8000-000000000001';
  const message = await alice.client.messages.send({
    conversationId,
    content: 'Look',
    type: 'image',
    replyTo: sent[0]?.id,
    attachment,
    clientId,
  });
  expect(message).toMatchObject({
    content: 'Look',
    type: 'image',
    replyTo: sent[0]?.id,
    attachment,
    clientId,
    senderId: 'alice',
    status: 'sent',
  });
  expect(await bob.next('message:new', ({ id }) => id === message.id)).toMatchObject({
    attachment,
    replyTo: sent[0]?.id,
  });
});

test('a message with an attachment needs no content', async () => {
  const { alice, conversationId } = await chat();
  const attachment = { url: '/files/a.png', mimeType: 'image/png', fileName: 'a.png', fileSize: 10 };
  expect(await alice.client.messages.send({ conversationId, content: '', type: 'image', attachment })).toMatchObject({
    attachment,
  });
});

test('sending the same client id again returns the same message', async () => {
  const { alice, bob, conversationId } = await chat();
  const input = { conversationId, content: 'once', clientId: '0197a000-0000-7000-8000-000000000002' };
  const [first, second] = await Promise.all([alice.client.messages.send(input), alice.client.messages.send(input)]);
  const third = await alice.client.messages.send(input);
  expect([second?.id, third.id]).toEqual([first?.id, first?.id]);
  await alice.client.messages.send({ conversationId, content: 'last' });
  await bob.next('message:new', ({ content }) => content === 'last');
  expect(bob.all('message:new').map(({ content }) => content)).toEqual(['once', 'last']);
  expect(alice.all('message:pending')).toHaveLength(3);
});

test('messages with client ids of the app keep the order of the calls', async () => {
  const { alice, bob, conversationId } = await chat();
  const ids = ['zebra', 'apple', '0197a000-0000-7000-8000-000000000003', 'mango'];
  await Promise.all(ids.map((clientId) => alice.client.messages.send({ conversationId, content: clientId, clientId })));
  await bob.next('message:new', ({ content }) => content === 'mango');
  expect(bob.all('message:new').map(({ content }) => content)).toEqual(ids);
});

test.each([
  ['a content that is too long', { content: 'x'.repeat(10_001) }, 'MESSAGE_TOO_LONG'],
  ['no text', { content: '' }, 'INVALID'],
  ['an unknown conversation', { conversationId: 'unknown', content: 'x' }, 'NOT_FOUND'],
  ['a reply to an unknown message', { content: 'x', replyTo: '999999' }, 'INVALID'],
  [
    'an attachment that runs code',
    {
      content: 'x',
      type: 'file' as const,
      attachment: { url: 'javascript:1', mimeType: 'a/b', fileName: 'a', fileSize: 1 },
    },
    'INVALID',
  ],
])('%s is rejected, and the message stays as failed until it is discarded', async (_title, input, expected) => {
  const { alice, conversationId } = await chat();
  expect(await codeOf(alice.client.messages.send({ conversationId, ...input }))).toBe(expected);
  const failed = await alice.next('message:failed');
  expect(failed).toMatchObject({ message: { status: 'failed' }, error: { code: expected } });
  expect(alice.client.messages.outbox()).toMatchObject([{ status: 'failed' }]);
  const [{ clientId } = { clientId: '' }] = alice.client.messages.outbox();
  alice.client.messages.discard(clientId);
  expect(alice.client.messages.outbox()).toEqual([]);
  expect(alice.errors).toEqual([]);
});

test('a rejected message does not block the messages behind it', async () => {
  const { alice, bob, conversationId } = await chat();
  const sends = ['a', 'x'.repeat(10_001), 'b', 'c'].map((content) =>
    alice.client.messages.send({ conversationId, content }),
  );
  const outcomes = await Promise.allSettled(sends);
  expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled', 'fulfilled']);
  await bob.next('message:new', ({ content }) => content === 'c');
  expect(bob.all('message:new').map(({ content }) => content)).toEqual(['a', 'b', 'c']);
});

test('retry() sends a rejected message again with its client id', async () => {
  const world = await startWorld();
  const { alice, bob, carol } = await world.joinAll('alice', 'bob', 'carol');
  const conversationId = await group(alice, bob, carol);
  await alice.client.conversations.removeParticipant(conversationId, 'bob');
  await bob.next('conversation:left');
  expect(await codeOf(bob.client.messages.send({ conversationId, content: 'Let me in' }))).toMatch(
    /NOT_FOUND|FORBIDDEN/,
  );
  await alice.client.conversations.addParticipants(conversationId, ['bob']);
  await bob.next('conversation:new', ({ id }) => id === conversationId);
  const [{ clientId } = { clientId: '' }] = bob.client.messages.outbox();
  const message = await bob.client.messages.retry(clientId);
  expect(message).toMatchObject({ content: 'Let me in', clientId });
  expect(bob.client.messages.outbox()).toEqual([]);
});

test('send() with the client id of a rejected message retries it', async () => {
  const { alice, conversationId } = await chat();
  const clientId = '0197a000-0000-7000-8000-000000000004';
  expect(await codeOf(alice.client.messages.send({ conversationId, content: 'x'.repeat(10_001), clientId }))).toBe(
    'MESSAGE_TOO_LONG',
  );
  expect(await codeOf(alice.client.messages.send({ conversationId, content: 'x'.repeat(10_001), clientId }))).toBe(
    'MESSAGE_TOO_LONG',
  );
});

test('retry() of an unknown client id is NOT_FOUND, discard() of it has no effect', async () => {
  const { alice } = await chat();
  expect(await codeOf(alice.client.messages.retry('unknown'))).toBe('NOT_FOUND');
  alice.client.messages.discard('unknown');
});

test('discarding a queued message rejects its promise and sends nothing', async () => {
  const { alice, bob, conversationId } = await chat();
  const sending = rejectionOf(alice.client.messages.send({ conversationId, content: 'never mind' }));
  const [{ clientId } = { clientId: '' }] = alice.client.messages.outbox();
  alice.client.messages.discard(clientId);
  expect(await sending).toMatchObject({ code: 'CANCELLED' });
  await alice.client.messages.send({ conversationId, content: 'next' });
  expect(await bob.next('message:new')).toMatchObject({ content: 'next' });
});

test('messages above the rate limit wait as long as the server asks for', async () => {
  const world = await startWorld({ config: { rateLimit: { maxMessages: 3, windowSeconds: 1 } } });
  const { alice, bob } = await world.joinAll('alice', 'bob');
  const conversationId = await direct(alice, bob);
  const all = ['1', '2', '3', '4', '5'];
  await Promise.all(all.map((content) => alice.client.messages.send({ conversationId, content })));
  await bob.next('message:new', ({ content }) => content === '5');
  expect(bob.all('message:new').map(({ content }) => content)).toEqual(all);
});
