import { expect, onTestFinished, test } from 'vitest';
import { fileStorage } from '../../../src/node/index.ts';
import { until } from '../../helpers/client/app.ts';
import { codeOf } from '../../helpers/client/rejection.ts';
import { chat, direct, startWorld } from '../../helpers/client/world.ts';
import { temporaryDirectory } from '../../helpers/temporary-directory.ts';

/** Alice has the conversation open, and no line. */
async function offline() {
  const world = await chat();
  const { alice, bob, conversationId } = world;
  const [view, theirs] = [alice, bob].map(({ client }) => client.conversations.open(conversationId));
  await Promise.all([view?.ready, theirs?.ready]);
  if (view === undefined || theirs === undefined) throw new Error('Two apps have two views');
  alice.port.unplug();
  return { ...world, view, theirs };
}

test('a pending message can be edited and reacted to by its client id', async () => {
  const { alice, view, theirs, conversationId } = await offline();
  const sending = view.send('typo');
  const messageId = view.getSnapshot().messages[0]?.id ?? '';
  const changes = [
    alice.client.messages.edit({ conversationId, messageId, content: 'fixed' }),
    alice.client.messages.react({ conversationId, messageId, emoji: '👍' }),
  ];
  expect(view.getSnapshot().messages).toMatchObject([{ content: 'typo', status: 'sending' }]);
  alice.port.plug();
  const { id } = await sending;
  await Promise.all(changes);
  const expected = [{ id, content: 'fixed', reactions: [{ emoji: '👍', users: ['alice'] }] }];
  for (const each of [view, theirs]) {
    await until(each, ({ messages }) => messages[0]?.reactions !== undefined);
    expect(each.getSnapshot().messages).toMatchObject(expected);
    expect(each.getSnapshot().messages).toHaveLength(1);
  }
  expect(alice.errors).toEqual([]);
});

test('a pending message can be marked as read', async () => {
  const { alice, bob, view, conversationId } = await offline();
  const { id: theirs } = await bob.client.messages.send({ conversationId, content: 'theirs' });
  const sending = view.send('mine');
  const messageId = view.getSnapshot().messages.at(-1)?.id ?? '';
  const reading = alice.client.messages.markRead({ conversationId, messageId });
  alice.port.plug();
  const { id } = await sending;
  await reading;
  expect(await bob.next('read-receipt:update')).toMatchObject({ messageId: id, readBy: { userId: 'alice' } });
  expect(await bob.client.messages.get(theirs)).toMatchObject({ readBy: [{ userId: 'alice' }] });
});

test('a message that is deleted while pending leaves a tombstone', async () => {
  const { alice, bob, view, theirs, conversationId } = await offline();
  const sending = view.send('sorry');
  const messageId = view.getSnapshot().messages[0]?.id ?? '';
  const deleting = alice.client.messages.delete({ conversationId, messageId });
  alice.port.plug();
  const { id } = await sending;
  await deleting;
  for (const each of [view, theirs]) {
    await until(each, ({ messages }) => messages[0]?.deletedAt !== undefined);
    expect(each.getSnapshot().messages).toMatchObject([{ id, content: '' }]);
  }
  expect(await bob.client.messages.get(id)).toMatchObject({ content: '', type: 'system' });
});

test('a reply to a pending message refers to the stored one', async () => {
  const { alice, bob, view, theirs } = await offline();
  const first = view.send('first');
  const waiting = view.getSnapshot().messages[0]?.id;
  const second = view.send({ content: 'second', replyTo: waiting });
  expect(view.getSnapshot().messages[1]).toMatchObject({ content: 'second', replyTo: waiting });
  alice.port.plug();
  const { id } = await first;
  expect(await second).toMatchObject({ replyTo: id });
  expect(await bob.next('message:new', ({ content }) => content === 'second')).toMatchObject({ replyTo: id });
  for (const each of [view, theirs]) {
    await until(each, ({ messages }) => messages.length === 2 && messages.every(({ seq }) => seq !== undefined));
    expect(each.getSnapshot().messages[1]).toMatchObject({ replyTo: id });
  }
});

test('a change that was queued with the client id is applied after the response', async () => {
  const { alice, bob, conversationId } = await chat();
  const view = alice.client.conversations.open(conversationId);
  await view.ready;
  const sending = view.send('typo');
  // The page still shows this state when the user clicks.
  const messageId = view.getSnapshot().messages[0]?.id ?? '';
  const { id } = await sending;
  expect(messageId).not.toBe(id);
  expect(await alice.client.messages.edit({ conversationId, messageId, content: 'fixed' })).toMatchObject({ id });
  await alice.client.messages.react({ conversationId, messageId, emoji: '👍' });
  await alice.client.messages.markRead({ conversationId, messageId });
  expect(await alice.client.messages.get(messageId)).toMatchObject({ id, content: 'fixed' });
  expect(await alice.client.messages.send({ conversationId, content: 'and', replyTo: messageId })).toMatchObject({
    replyTo: id,
  });
  await alice.client.messages.delete({ conversationId, messageId });
  expect(await bob.next('message:deleted')).toMatchObject({ messageId: id });
});

test('a change of a pending message is applied after a restart', async () => {
  const directory = await temporaryDirectory();
  onTestFinished(() => directory[Symbol.asyncDispose]());
  const { join, app } = await startWorld();
  const bob = await join('bob');
  const first = await join('alice', { storage: fileStorage(`${directory.path}/client.sqlite`) });
  const conversationId = await direct(first, bob);
  first.port.unplug();
  first.client.messages.send({ conversationId, content: 'sorry' }).catch(() => undefined);
  const messageId = first.client.messages.outbox()[0]?.id ?? '';
  first.client.messages.delete({ conversationId, messageId }).catch(() => undefined);
  await first[Symbol.asyncDispose]();

  const second = app('alice', { storage: fileStorage(`${directory.path}/client.sqlite`) });
  await second.client.connect();
  const { id } = await bob.next('message:new');
  expect(await bob.next('message:deleted')).toMatchObject({ messageId: id });
});

test('a change of a rejected message is rejected as well', async () => {
  const { alice, view, conversationId } = await offline();
  const sending = codeOf(view.send('x'.repeat(10_001)));
  const messageId = view.getSnapshot().messages[0]?.id ?? '';
  const editing = codeOf(alice.client.messages.edit({ conversationId, messageId, content: 'short' }));
  alice.port.plug();
  expect([await sending, await editing]).toEqual(['MESSAGE_TOO_LONG', 'NOT_FOUND']);
  expect(view.getSnapshot().messages).toMatchObject([{ status: 'failed' }]);
});
