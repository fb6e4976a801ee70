import { expect, test } from 'vitest';
import type { Message } from '../../../src/index.ts';
import { until } from '../../helpers/client/app.ts';
import { direct, group, startWorld } from '../../helpers/client/world.ts';

test('two users chat: each sees a message once, and the sender sees its status', async () => {
  const { joinAll } = await startWorld();
  const { alice, bob } = await joinAll('alice', 'bob');
  expect(alice.client.guarantees).toEqual({
    acknowledged: true,
    exactlyOnce: true,
    gapFree: true,
    editsOnResume: true,
    completeHistory: true,
  });
  const conversationId = await direct(alice, bob);

  const sent = await alice.client.messages.send({ conversationId, content: 'Hello' });
  const received = await bob.next('message:new');
  expect(received).toMatchObject({
    id: sent.id,
    content: 'Hello',
    senderId: 'alice',
    clientId: sent.clientId,
    seq: 1,
    status: 'sent',
  });
  expect(await alice.next('message:pending')).toMatchObject({
    content: 'Hello',
    status: 'sending',
    clientId: sent.clientId,
  });
  await alice.next('message:status', ({ messageId, status }) => messageId === sent.id && status === 'delivered');
  await bob.client.messages.markRead({ conversationId, messageId: received.id });
  await alice.next('message:status', ({ messageId, status }) => messageId === sent.id && status === 'read');
  const receipt = await alice.next('read-receipt:update');
  expect(receipt).toMatchObject({ conversationId, messageId: sent.id, readBy: { userId: 'bob' } });
  expect(alice.all('message:new')).toHaveLength(1);
  expect(bob.all('message:new')).toHaveLength(1);
});

test('1,000 messages sent without awaiting arrive in order, once each', async () => {
  const { joinAll } = await startWorld();
  const { alice, bob } = await joinAll('alice', 'bob');
  const conversationId = await direct(alice, bob);
  const contents = Array.from({ length: 1_000 }, (_, at) => `message ${at}`);
  const stored = await Promise.all(contents.map((content) => alice.client.messages.send({ conversationId, content })));
  expect(stored.map(({ seq }) => seq)).toEqual(contents.map((_, at) => at + 1));
  await bob.next('message:new', ({ content }) => content === 'message 999');
  expect(bob.all('message:new').map(({ content }) => content)).toEqual(contents);
  expect(alice.client.messages.outbox()).toEqual([]);
});

test('two users who send at the same time see the same order', async () => {
  const { joinAll } = await startWorld();
  const { alice, bob } = await joinAll('alice', 'bob');
  const conversationId = await direct(alice, bob);
  const views = [alice, bob].map(({ client }) => client.conversations.open(conversationId));
  await Promise.all(views.map(({ ready }) => ready));
  await Promise.all(
    Array.from({ length: 40 }, (_, at) =>
      [alice, bob].map(({ client }) => client.messages.send({ conversationId, content: `${client.userId} ${at}` })),
    ).flat(),
  );
  const shown = await Promise.all(
    views.map((view) =>
      until(
        view,
        ({ messages }) =>
          messages.filter(({ seq }) => seq !== undefined).length === 80 &&
          messages.every(({ status }) => status !== 'sending'),
      ),
    ),
  );
  const [one, other] = shown.map(({ messages }) => messages.map(({ id }) => id));
  expect(one).toEqual(other);
  expect(one).toHaveLength(80);
});

test('a sent message appears in an open view as sending and is replaced by the stored one in place', async () => {
  const { joinAll } = await startWorld();
  const { alice, bob } = await joinAll('alice', 'bob');
  const conversationId = await direct(alice, bob);
  const view = alice.client.conversations.open(conversationId);
  await view.ready;
  const seen: Message['status'][] = [];
  view.subscribe(() => {
    const { messages } = view.getSnapshot();
    expect(messages.length).toBeLessThanOrEqual(1);
    const status = messages[0]?.status;
    if (status !== undefined && status !== seen.at(-1)) seen.push(status);
  });
  const sending = view.send('Hello');
  expect(view.getSnapshot().messages).toMatchObject([{ content: 'Hello', status: 'sending' }]);
  await sending;
  await until(view, ({ messages }) => messages[0]?.status === 'delivered');
  // The delivery may be reported with the response.
  expect(seen.filter((status) => status !== 'sent')).toEqual(['sending', 'delivered']);
  expect(seen.slice(1, -1)).toEqual(seen.length > 2 ? ['sent'] : []);
});

test('in a group a message is delivered and read once all participants have received and read it', async () => {
  const { joinAll } = await startWorld();
  const { alice, bob, carol } = await joinAll('alice', 'bob', 'carol');
  const conversationId = await group(alice, bob, carol);
  const { id: messageId } = await alice.client.messages.send({ conversationId, content: 'Hello' });
  await Promise.all([bob, carol].map((each) => each.next('message:new')));
  await alice.next('message:status', ({ status }) => status === 'delivered');
  await bob.client.messages.markRead({ conversationId, messageId });
  await alice.next('read-receipt:update', ({ readBy }) => readBy.userId === 'bob');
  expect(alice.all('message:status').map(({ status }) => status)).not.toContain('read');
  await carol.client.messages.markRead({ conversationId, messageId });
  await alice.next('message:status', ({ status }) => status === 'read');
});

test('edits, deletions and reactions reach all participants once, with the whole message', async () => {
  const { joinAll } = await startWorld();
  const { alice, bob } = await joinAll('alice', 'bob');
  const conversationId = await direct(alice, bob);
  const { id: messageId } = await alice.client.messages.send({ conversationId, content: 'Helo' });
  const edited = await alice.client.messages.edit({ conversationId, messageId, content: 'Hello' });
  expect(edited).toMatchObject({ id: messageId, content: 'Hello' });
  expect(await bob.next('message:updated')).toMatchObject({ id: messageId, content: 'Hello', seq: 1 });
  await bob.client.messages.react({ conversationId, messageId, emoji: '👍' });
  expect(await alice.next('message:reaction-update')).toMatchObject({
    messageId,
    conversationId,
    reactions: [{ emoji: '👍', count: 1, users: ['bob'] }],
  });
  await alice.client.messages.delete({ conversationId, messageId });
  expect(await bob.next('message:deleted')).toMatchObject({ messageId, conversationId, deletedBy: 'alice' });
  // Earlier pushes arrive before this message.
  await alice.client.messages.send({ conversationId, content: 'last' });
  await bob.next('message:new', ({ content }) => content === 'last');
  expect([
    bob.all('message:updated').length,
    bob.all('message:deleted').length,
    bob.all('message:reaction-update').length,
  ]).toEqual([1, 1, 1]);
  expect(await bob.client.messages.get(messageId)).toMatchObject({
    content: '',
    deletedAt: expect.any(String) as string,
  });
});

test('a forwarded message emits message:forwarded and is one new message', async () => {
  const { joinAll } = await startWorld();
  const { alice, bob, carol } = await joinAll('alice', 'bob', 'carol');
  const from = await direct(alice, bob);
  const to = await direct(alice, carol);
  const { id: messageId } = await bob.client.messages.send({ conversationId: from, content: 'Pass it on' });
  const forwarded = await alice.client.messages.forward({ messageId, fromConversationId: from, toConversationId: to });
  expect(forwarded).toMatchObject({
    conversationId: to,
    content: 'Pass it on',
    senderId: 'alice',
    forwardedFrom: { conversationId: from, messageId },
  });
  await carol.next('message:forwarded', ({ id }) => id === forwarded.id);
  await alice.client.messages.send({ conversationId: to, content: 'last' });
  await carol.next('message:new', ({ content }) => content === 'last');
  expect(carol.all('message:new').map(({ content }) => content)).toEqual(['Pass it on', 'last']);
  expect(carol.all('message:forwarded')).toHaveLength(1);
});
