import { describe, expect, test } from 'vitest';
import { memoryStorage, type CommStorage, type Message } from '../../../src/index.ts';
import { deferred } from '../../../src/lib/deferred.ts';
import { LIMITS } from '../../../src/protocol/limits.ts';
import { until, type App } from '../../helpers/client/app.ts';
import { direct, sendNumbers, startWorld } from '../../helpers/client/world.ts';

const contents = (app: App): string[] => app.all('message:new').map(({ content }) => content);

test('a push before a new session knows its position does not skip missed changes', async () => {
  const { join, app } = await startWorld();
  const bob = await join('bob');
  const inner = memoryStorage();
  const asked = deferred<undefined>();
  const read = deferred<undefined>();
  const storage: CommStorage = {
    get: async (key) => {
      if (key.endsWith('/cursors')) {
        asked.resolve(undefined);
        await read.promise;
      }
      return inner.get(key);
    },
    list: (prefix) => inner.list(prefix),
    transact: (keys, change) => inner.transact(keys, change),
    close: () => inner.close(),
  };
  const first = await join('alice', { storage: inner });
  const conversationId = await direct(first, bob);
  await bob.client.messages.send({ conversationId, content: 'known' });
  await first.next('message:new');
  await first.client.disconnect();
  for (const content of ['missed 1', 'missed 2']) await bob.client.messages.send({ conversationId, content });

  const second = app('alice', { storage });
  const pushed = deferred<undefined>();
  second.port.losesPush = (event) => {
    if (event === 'message:new') pushed.resolve(undefined);
    return false;
  };
  const connecting = second.client.connect();
  await asked.promise;
  await bob.client.messages.send({ conversationId, content: 'live' });
  await pushed.promise;
  read.resolve(undefined);
  await connecting;
  await second.next('message:new', ({ content }) => content === 'live');
  expect(contents(second)).toEqual(['missed 1', 'missed 2', 'live']);
});

describe('a message with more changes than a batch has room for', () => {
  const TIMES = LIMITS.syncChanges + 1;

  test('that is new arrives in the batch', async () => {
    const { joinAll } = await startWorld();
    const { alice, bob } = await joinAll('alice', 'bob');
    const conversationId = await direct(alice, bob);
    bob.port.unplug();
    const { id: messageId } = await alice.client.messages.send({ conversationId, content: 'stream' });
    for (let at = 1; at <= TIMES; at += 1) {
      await alice.client.messages.edit({ conversationId, messageId, content: `stream ${at}` });
    }
    bob.port.plug();
    await bob.reconnected();
    await bob.next('message:new');
    expect(contents(bob)).toEqual([`stream ${TIMES}`]);
    expect(bob.port.sent.filter((name) => name === 'sync')).toHaveLength(2);
  });

  test('that was known is shown in its last state', async () => {
    const { joinAll } = await startWorld();
    const { alice, bob } = await joinAll('alice', 'bob');
    const conversationId = await direct(alice, bob);
    const { id: messageId } = await alice.client.messages.send({ conversationId, content: 'text' });
    await bob.next('message:new');
    const view = bob.client.conversations.open(conversationId);
    await view.ready;
    bob.port.unplug();
    for (let at = 0; at < TIMES; at += 1) {
      await alice.client.messages.react({ conversationId, messageId, emoji: '👍', on: at % 2 === 0 });
    }
    bob.port.plug();
    await until(view, ({ messages }) => messages[0]?.reactions?.[0]?.count === 1);
  });

  test('does not delay the connect, even if the server sends none of it in a batch', async () => {
    const { joinAll } = await startWorld();
    const { alice, bob } = await joinAll('alice', 'bob');
    const conversationId = await direct(alice, bob);
    bob.port.unplug();
    await alice.client.messages.send({ conversationId, content: 'missed' });
    bob.port.bends = (told) => withoutChanges(told);
    bob.port.plug();
    await bob.next('message:new', ({ content }) => content === 'missed');
  });
});

describe('a conversation that was created while the client was disconnected', () => {
  test('is reported, then its messages, which are unread', async () => {
    const { joinAll } = await startWorld();
    const { alice, bob } = await joinAll('alice', 'bob');
    bob.port.unplug();
    const { id } = await alice.client.conversations.create({ type: 'group', name: 'New', participantIds: ['bob'] });
    const [first] = await sendNumbers(alice, id, 1, 3);
    await alice.client.messages.edit({ conversationId: id, messageId: first?.id ?? '', content: 'one' });
    bob.forget();
    bob.port.plug();
    await bob.next('message:new', ({ content }) => content === '3');
    const told = bob.events.filter(({ name }) => name === 'conversation:new' || name === 'message:new');
    expect(told.map(({ name, payload }) => (name === 'message:new' ? (payload as Message).content : name))).toEqual([
      'conversation:new',
      'one',
      '2',
      '3',
    ]);
    await sendNumbers(alice, id, 4, 4);
    await bob.next('message:new', ({ content }) => content === '4');
    expect(contents(bob)).toEqual(['one', '2', '3', '4']);
    expect((await bob.client.conversations.get(id)).unreadCount).toBe(4);
  });

  test('to which the user was added later reports the messages since then', async () => {
    const { joinAll } = await startWorld();
    const { alice, bob } = await joinAll('alice', 'bob');
    const { id } = await alice.client.conversations.create({ type: 'group', name: 'Old', participantIds: [] });
    await sendNumbers(alice, id, 1, 2);
    bob.port.unplug();
    await alice.client.conversations.addParticipants(id, ['bob']);
    await sendNumbers(alice, id, 3, 4);
    bob.port.plug();
    await bob.next('message:new', ({ content }) => content === '4');
    expect(contents(bob)).toEqual(['3', '4']);
  });

  test('is reported once, also if a response has no room for all of them', async () => {
    const { joinAll } = await startWorld();
    const { alice, bob } = await joinAll('alice', 'bob');
    bob.port.unplug();
    const ids = new Set<string>();
    for (let at = 0; at < 70; at += 1) {
      const { id } = await alice.client.conversations.create({ type: 'group', participantIds: ['bob'] });
      await alice.client.messages.send({ conversationId: id, content: `${at}` });
      ids.add(id);
    }
    bob.port.plug();
    for (const id of ids) await bob.next('message:new', ({ conversationId }) => conversationId === id);
    const told = bob.all('conversation:new').map(({ id }) => id);
    expect(told).toHaveLength(70);
    expect(new Set(told)).toEqual(ids);
    expect(bob.all('message:new')).toHaveLength(70);
  });

  test('is not reported in the first session of a device, and neither are its messages', async () => {
    const { joinAll, join } = await startWorld();
    const { alice } = await joinAll('alice');
    const { id } = await alice.client.conversations.create({ type: 'group', participantIds: ['bob'] });
    await sendNumbers(alice, id, 1, 2);
    const bob = await join('bob');
    await sendNumbers(alice, id, 3, 3);
    await bob.next('message:new');
    expect(contents(bob)).toEqual(['3']);
    expect(bob.all('conversation:new')).toEqual([]);
  });
});

test('messages read on another device while disconnected are reported, and unread counts start from there', async () => {
  const { joinAll, join } = await startWorld();
  const { alice, bob } = await joinAll('alice', 'bob');
  const phone = await join('bob');
  const id = await direct(alice, bob);
  const sent = await sendNumbers(alice, id, 1, 4);
  const { inbox } = bob.client.conversations;
  inbox.subscribe(() => undefined);
  await until(inbox, ({ conversations }) => conversations[0]?.unreadCount === 4);
  bob.port.unplug();
  await phone.client.messages.markRead({ conversationId: id, messageId: sent[1]?.id ?? '' });
  bob.forget();
  bob.port.plug();
  expect(await bob.next('conversation:updated', ({ unreadCount }) => unreadCount === 2)).toMatchObject({ id });
  await bob.reconnected();
  // Read already, so that it doesn't count any less.
  await alice.client.messages.delete({ conversationId: id, messageId: sent[0]?.id ?? '' });
  await bob.next('message:deleted');
  expect(inbox.getSnapshot().conversations[0]?.unreadCount).toBe(2);
});

/** An answer to `sync` in which nothing had room. */
function withoutChanges(told: unknown): unknown {
  const answer = told as { data?: { conversations?: readonly object[] } };
  const conversations = answer.data?.conversations;
  if (conversations === undefined) return told;
  const cut = conversations.map((each) => ({ ...each, changes: [], hasMore: true }));
  return { ...answer, data: { ...answer.data, conversations: cut } };
}
