import { expect, test } from 'vitest';
import { until } from '../../helpers/client/app.ts';
import { slowFetch } from '../../helpers/client/slow-fetch.ts';
import { direct, group, nextMillisecond, sendNumbers, startWorld } from '../../helpers/client/world.ts';

test('the first subscription loads the inbox, newest activity first, and keeps it in step', async () => {
  const { joinAll } = await startWorld();
  const { alice, bob } = await joinAll('alice', 'bob');
  const one = await direct(alice, bob);
  await nextMillisecond();
  const two = await group(alice, bob);
  const { inbox } = bob.client.conversations;
  expect(inbox.getSnapshot()).toEqual({
    conversations: [],
    loading: true,
    stale: false,
    hasMore: false,
    totalUnread: 0,
  });
  inbox.subscribe(() => undefined);
  const order = (): string[] => inbox.getSnapshot().conversations.map(({ id }) => id);
  await until(inbox, ({ conversations, loading }) => conversations.length === 2 && !loading);
  expect(order()).toEqual([two, one]);
  const [message] = await sendNumbers(alice, one, 1, 1);
  await until(inbox, ({ conversations }) => conversations[0]?.id === one && conversations[0].unreadCount === 1);
  expect(inbox.getSnapshot().conversations[0]?.lastMessage).toMatchObject({ content: '1' });
  await alice.client.messages.edit({ conversationId: one, messageId: message?.id ?? '', content: 'edited' });
  await until(inbox, ({ conversations }) => conversations[0]?.lastMessage?.content === 'edited');
  await bob.client.messages.markRead({ conversationId: one, messageId: message?.id ?? '' });
  await until(inbox, ({ conversations }) => conversations[0]?.unreadCount === 0);
  await alice.client.conversations.update(two, { name: 'Renamed' });
  await until(inbox, ({ conversations }) => conversations.some(({ name }) => name === 'Renamed'));
  await alice.client.conversations.removeParticipant(two, 'bob');
  await until(inbox, ({ conversations }) => conversations.length === 1);
  expect(Object.isFrozen(inbox.getSnapshot())).toBe(true);
});

test('the inbox counts unread messages as the server does', async () => {
  const { joinAll } = await startWorld();
  const { alice, bob } = await joinAll('alice', 'bob');
  const conversationId = await direct(alice, bob);
  const { inbox } = bob.client.conversations;
  inbox.subscribe(() => undefined);
  await until(inbox, ({ conversations }) => conversations.length === 1);
  const sent = await sendNumbers(alice, conversationId, 1, 6);
  await sendNumbers(bob, conversationId, 7, 7);
  await bob.client.messages.markRead({ conversationId, messageId: sent[2]?.id ?? '' });
  await alice.client.messages.delete({ conversationId, messageId: sent[4]?.id ?? '' });
  await alice.client.messages.delete({ conversationId, messageId: sent[0]?.id ?? '' });
  const { unreadCount } = await bob.client.conversations.get(conversationId);
  expect(unreadCount).toBe(2);
  await until(inbox, ({ conversations }) => conversations[0]?.unreadCount === 2);
});

test('the inbox keeps changes that arrive while its list is loading', async () => {
  const { joinAll, join } = await startWorld();
  const { alice } = await joinAll('alice');
  const slow = slowFetch();
  const bob = await join('bob', { fetch: slow.fetch });
  const one = await direct(alice, bob);
  const { inbox } = bob.client.conversations;
  const list = slow.hold(/\/conversations\?/);
  inbox.subscribe(() => undefined);
  await list.arrived;
  await sendNumbers(alice, one, 1, 2);
  await nextMillisecond();
  const two = await group(alice, bob);
  await sendNumbers(alice, two, 3, 3);
  await bob.next('message:new', ({ content }) => content === '3');
  list.release();
  await until(inbox, ({ loading }) => !loading);
  await until(inbox, ({ conversations }) => conversations.length === 2);
  expect(
    inbox
      .getSnapshot()
      .conversations.map(({ id, unreadCount, lastMessage }) => [id, unreadCount, lastMessage?.content]),
  ).toEqual([
    [two, 1, '3'],
    [one, 2, '2'],
  ]);
});

test('loadMore() loads the next page', async () => {
  const { joinAll } = await startWorld();
  const { alice: phone } = await joinAll('alice');
  for (let at = 0; at < 55; at += 1)
    await phone.client.conversations.create({ type: 'group', name: `Group ${at}`, participantIds: [] });
  const { alice } = await joinAll('alice');
  const { inbox } = alice.client.conversations;
  inbox.subscribe(() => undefined);
  await until(inbox, ({ conversations }) => conversations.length === 50);
  expect(inbox.getSnapshot().hasMore).toBe(true);
  await alice.client.conversations.inbox.loadMore();
  expect(inbox.getSnapshot()).toMatchObject({ hasMore: false, loading: false });
  const names = inbox.getSnapshot().conversations.map(({ name }) => name);
  expect(new Set(names).size).toBe(55);
});
