import { expect, onTestFinished, test } from 'vitest';
import type { Conversation, ConversationView } from '../../../src/index.ts';
import { until, type App } from '../../helpers/client/app.ts';
import { encrypting, serverSees } from '../../helpers/client/encryption.ts';
import { connectRaw } from '../../helpers/raw-client.ts';
import { chat, direct, group, sendNumbers, startWorld } from '../../helpers/client/world.ts';

const contents = (view: ConversationView): string[] => view.getSnapshot().messages.map(({ content }) => content);
const shown = (view: ConversationView, expected: readonly string[]): Promise<unknown> =>
  until(view, () => contents(view).join('|') === expected.join('|'));
/** Returns a view of the inbox, kept up to date, and what it has of a conversation. */
function inboxOf({ client }: App): {
  until: (check: (conversation: Conversation) => boolean, id: string) => Promise<unknown>;
} {
  const { inbox } = client.conversations;
  return {
    until: (check, id) =>
      until(inbox, () => {
        const found = inbox.getSnapshot().conversations.find((each) => each.id === id);
        return found !== undefined && check(found);
      }),
  };
}

test('a thread is live for its members, apart from the main timeline, and shows its root', async () => {
  const { alice, bob, conversationId, sent } = await chat(1);
  const rootId = sent[0]?.id ?? '';
  const main = bob.client.conversations.open(conversationId);
  const [thread, other] = [alice, bob].map(({ client }) => client.conversations.openThread(conversationId, rootId));
  if (thread === undefined || other === undefined) throw new Error('No views');
  await Promise.all([main.ready, thread.ready, other.ready]);
  expect(other.getSnapshot()).toMatchObject({ messages: [], root: { id: rootId, content: 'message 1' } });
  await other.send('a reply');
  await thread.send({ content: 'for all', alsoInConversation: true });
  await alice.client.messages.send({ conversationId, content: 'main' });
  await shown(thread, ['a reply', 'for all']);
  await shown(other, ['a reply', 'for all']);
  await shown(main, ['message 1', 'for all', 'main']);
  await until(other, () => other.getSnapshot().root?.thread?.replyCount === 2);
  expect(main.getSnapshot().messages[0]?.thread).toMatchObject({ replyCount: 2, participantIds: ['alice', 'bob'] });
  const listed = await bob.client.messages.list({ conversationId, threadId: rootId });
  expect(listed).toMatchObject({ hasOlder: false, hasNewer: false });
  expect(listed.messages.map(({ content }) => content)).toEqual(['a reply', 'for all']);
  expect((await bob.client.messages.list({ conversationId })).messages.map(({ content }) => content)).toEqual([
    'message 1',
    'for all',
    'main',
  ]);
});

test('replies are edited, deleted and sent offline in a thread, as messages are', async () => {
  const { alice, bob, conversationId, sent } = await chat(1);
  const rootId = sent[0]?.id ?? '';
  const [mine, theirs] = [alice, bob].map(({ client }) => client.conversations.openThread(conversationId, rootId));
  if (mine === undefined || theirs === undefined) throw new Error('No views');
  await Promise.all([mine.ready, theirs.ready]);
  const first = await mine.send('first');
  await bob.client.messages.send({ conversationId, threadId: rootId, content: 'second' });
  await alice.client.messages.edit({ conversationId, messageId: first.id, content: 'first, edited' });
  await shown(theirs, ['first, edited', 'second']);
  alice.port.unplug();
  const waiting = mine.send('written offline');
  await shown(mine, ['first, edited', 'second', 'written offline']);
  expect(mine.getSnapshot().messages.at(-1)).toMatchObject({ status: 'sending', threadId: rootId });
  const deleted = alice.client.messages.delete({ conversationId, messageId: first.id });
  alice.port.plug();
  await Promise.all([waiting, deleted]);
  await shown(theirs, ['', 'second', 'written offline']);
  await until(theirs, () => theirs.getSnapshot().root?.thread?.replyCount === 2);
});

test('a thread that is open has no gap after a lost connection, however many messages were missed', async () => {
  const { alice, bob, conversationId, sent } = await chat(1);
  const rootId = sent[0]?.id ?? '';
  const thread = bob.client.conversations.openThread(conversationId, rootId);
  const main = bob.client.conversations.open(conversationId);
  await Promise.all([thread.ready, main.ready]);
  const reply = (content: string): Promise<unknown> =>
    alice.client.messages.send({ conversationId, threadId: rootId, content });
  await reply('r0');
  await shown(thread, ['r0']);
  bob.port.unplug();
  const expected = ['r0'];
  for (let at = 1; at <= 60; at += 1) {
    expected.push(`r${at}`);
    await Promise.all([reply(`r${at}`), alice.client.messages.send({ conversationId, content: `m${at}` })]);
  }
  bob.port.plug();
  await shown(thread, expected);
  await until(main, () => contents(main).at(-1) === 'm60');
  expect(contents(main)).not.toContain('r1');
  expect(contents(main).filter((content) => content.startsWith('m'))).toHaveLength(61);
  expect(thread.getSnapshot()).toMatchObject({ hasOlder: false, hasNewer: false });
});

test('a long thread and a main timeline around it are paged without gaps', async () => {
  const { alice, bob, conversationId, sent } = await chat(1);
  const rootId = sent[0]?.id ?? '';
  const replies = Array.from({ length: 120 }, (_, at) => `r${at + 1}`);
  for (const content of replies) void alice.client.messages.send({ conversationId, threadId: rootId, content });
  await sendNumbers(alice, conversationId, 1, 60);
  const main = bob.client.conversations.open(conversationId);
  const thread = bob.client.conversations.openThread(conversationId, rootId);
  await Promise.all([main.ready, thread.ready]);
  expect(main.getSnapshot().messages).toHaveLength(50);
  await main.loadOlder();
  expect(contents(main)).toEqual(['message 1', ...Array.from({ length: 60 }, (_, at) => String(at + 1))]);
  expect(main.getSnapshot().hasOlder).toBe(false);
  expect(thread.getSnapshot().messages).toHaveLength(50);
  const first = (await bob.client.messages.list({ conversationId, threadId: rootId, limit: 200 })).messages[0];
  await thread.jumpTo(first?.id ?? '');
  expect(contents(thread)[0]).toBe('r1');
  while (thread.getSnapshot().hasNewer) await thread.loadNewer();
  expect(contents(thread)).toEqual(replies);
});

test('a base client receives replies as ordinary messages, and loses none', async () => {
  const { server, alice, conversationId, sent } = await chat(1);
  const base = await connectRaw(server.url, { userId: 'bob' });
  onTestFinished(() => base.close());
  await base.socket.emitWithAck('nk:conversation:join', { conversationId });
  const rootId = sent[0]?.id ?? '';
  await alice.client.messages.send({ conversationId, threadId: rootId, content: 'a reply' });
  expect(await base.next('message:new')).toMatchObject({ content: 'a reply', threadId: rootId });
  const url = `${server.url}/__nk_comm/conversations/${conversationId}/messages`;
  const rows = (await (await fetch(url, { headers: { 'x-user-id': 'bob' } })).json()) as { content: string }[];
  expect(rows.map(({ content }) => content)).toEqual(['a reply', 'message 1']);
});

test('a stranger and a removed member have no thread', async () => {
  const { joinAll } = await startWorld();
  const { alice, bob, eve } = await joinAll('alice', 'bob', 'eve');
  const id = await group(alice, bob);
  const root = await alice.client.messages.send({ conversationId: id, content: 'the root' });
  const strange = eve.client.conversations.openThread(id, root.id);
  await expect(strange.ready).rejects.toMatchObject({ code: 'NOT_FOUND' });
  const thread = bob.client.conversations.openThread(id, root.id);
  await thread.ready;
  await alice.client.conversations.removeParticipant(id, 'bob');
  await until(thread, () => thread.getSnapshot().error?.code === 'NOT_FOUND');
  await alice.client.messages.send({ conversationId: id, threadId: root.id, content: 'not for bob' });
  await expect(thread.loadOlder()).rejects.toMatchObject({ code: 'NOT_FOUND' });
  expect(contents(thread)).toEqual([]);
});

test('unread threads and mentions are counted live on all devices, and cleared by reading', async () => {
  const world = await startWorld();
  const { alice, bob } = await world.joinAll('alice', 'bob');
  const id = await direct(alice, bob);
  const phone = await world.join('bob');
  const root = await bob.client.messages.send({ conversationId: id, content: 'the root' });
  await alice.client.messages.markRead({ conversationId: id, messageId: root.id });
  const inboxes = [bob, phone].map((app) => inboxOf(app));
  const seen = async (check: (conversation: Conversation) => boolean): Promise<void> => {
    await Promise.all(inboxes.map((each) => each.until(check, id)));
  };
  await seen(({ unreadThreads, unreadMentions }) => unreadThreads === 0 && unreadMentions === 0);
  await alice.client.messages.send({ conversationId: id, threadId: root.id, content: 'reply', mentions: ['bob'] });
  await seen(
    ({ unreadThreads, unreadMentions, unreadCount, lastMessage }) =>
      unreadThreads === 1 && unreadMentions === 1 && unreadCount === 0 && lastMessage?.content === 'the root',
  );
  const thread = bob.client.conversations.openThread(id, root.id);
  await thread.ready;
  await thread.markRead();
  await seen(({ unreadThreads, unreadMentions }) => unreadThreads === 0 && unreadMentions === 0);
  const main = await alice.client.messages.send({ conversationId: id, content: 'main', mentions: ['bob'] });
  await seen(
    ({ unreadMentions, unreadCount, firstUnreadId }) =>
      unreadMentions === 1 && unreadCount === 1 && firstUnreadId === main.id,
  );
  await phone.client.messages.markRead({ conversationId: id, messageId: main.id });
  await seen(
    ({ unreadMentions, unreadCount, firstUnreadId }) =>
      unreadMentions === 0 && unreadCount === 0 && firstUnreadId === null,
  );
});

test('a conversation with 130 unread messages opens at the first of them, and is marked as unread again', async () => {
  const { alice, bob, conversationId } = await chat(3);
  const view = bob.client.conversations.open(conversationId);
  await view.ready;
  await view.markRead();
  await until(view, () => view.getSnapshot().conversation?.unreadCount === 0);
  expect(view.getSnapshot()).not.toHaveProperty('firstUnreadId');
  view.close();
  const unread = await sendNumbers(alice, conversationId, 1, 130);
  const opened = bob.client.conversations.open(conversationId);
  await opened.jumpToFirstUnread();
  const { messages, firstUnreadId, hasNewer } = opened.getSnapshot();
  expect(firstUnreadId).toBe(unread[0]?.id);
  expect(messages.map(({ id }) => id)).toContain(firstUnreadId);
  expect(hasNewer).toBe(true);
  while (opened.getSnapshot().hasNewer) await opened.loadNewer();
  await opened.markRead();
  await until(opened, () => opened.getSnapshot().firstUnreadId === undefined);
  await bob.client.conversations.markUnread(conversationId, unread[100]?.id);
  await until(opened, () => opened.getSnapshot().conversation?.unreadCount === 30);
  expect(opened.getSnapshot().firstUnreadId).toBe(unread[100]?.id);
  const marker = (await alice.client.conversations.get(conversationId)).participants.find(
    ({ userId }) => userId === 'bob',
  );
  expect(marker?.lastReadSeq).toBe(133);
});

test('a device that was offline learns that messages were marked as unread, and markAllRead() clears everything', async () => {
  const world = await startWorld();
  const { alice, bob } = await world.joinAll('alice', 'bob');
  const id = await direct(alice, bob);
  const phone = await world.join('bob');
  const inbox = inboxOf(phone);
  const sent = await alice.client.messages.send({ conversationId: id, content: 'one' });
  await bob.client.messages.markRead({ conversationId: id, messageId: sent.id });
  await inbox.until(({ unreadCount }) => unreadCount === 0, id);
  phone.port.unplug();
  await bob.client.conversations.markUnread(id);
  const root = await bob.client.messages.send({ conversationId: id, content: 'the root' });
  await alice.client.messages.send({ conversationId: id, threadId: root.id, content: 'a reply' });
  phone.port.plug();
  await inbox.until(({ unreadCount, unreadThreads }) => unreadCount === 1 && unreadThreads === 1, id);
  expect(phone.client.conversations.inbox.getSnapshot().totalUnread).toBe(1);
  await phone.client.conversations.markAllRead();
  await inbox.until(({ unreadCount, unreadThreads }) => unreadCount === 0 && unreadThreads === 0, id);
});

test('replies and mentions of encrypted messages are encrypted, except which thread they belong to', async () => {
  const world = await startWorld();
  const [alice, bob] = await Promise.all([encrypting(world, 'alice'), encrypting(world, 'bob')]);
  const id = await direct(alice, bob);
  const root = await alice.client.messages.send({ conversationId: id, content: 'sealed root', encrypt: true });
  await bob.next('message:new', ({ content }) => content === 'sealed root');
  const thread = bob.client.conversations.openThread(id, root.id);
  await thread.ready;
  const inbox = inboxOf(bob);
  // A list that is read after the reply would replace what the client has counted.
  await until(bob.client.conversations.inbox, ({ loading }) => !loading);
  const reply = { conversationId: id, threadId: root.id, content: 'sealed reply', encrypt: true };
  await alice.client.messages.send({ ...reply, mentions: ['bob'] });
  await shown(thread, ['sealed reply']);
  expect(thread.getSnapshot().messages[0]).toMatchObject({ mentions: ['bob'], threadId: root.id, encrypted: true });
  await inbox.until(({ unreadMentions, unreadThreads }) => unreadMentions === 1 && unreadThreads === 1, id);
  // The server knows neither that bob is mentioned nor that bob follows the thread.
  await thread.markRead();
  await inbox.until(({ unreadMentions, unreadThreads }) => unreadMentions === 0 && unreadThreads === 0, id);
  expect(await serverSees(world.server)).not.toMatch(/sealed re|"mentions"/);
});
