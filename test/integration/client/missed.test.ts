import { describe, expect, test } from 'vitest';
import { memoryStorage, type CommStorage, type Message } from '../../../src/index.ts';
import { deferred } from '../../../src/lib/deferred.ts';
import { LIMITS } from '../../../src/protocol/limits.ts';
import { until, type App } from '../../helpers/client/app.ts';
import { direct, sendNumbers, startWorld } from '../../helpers/client/world.ts';

const contents = (app: App): string[] => app.all('message:new').map(({ content }) => content);

test('what is pushed before a new session knows where it stands does not pass over what was missed', async () => {
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

describe('one message that was changed more often than a batch has room for', () => {
  const TIMES = LIMITS.syncChanges + 1;

  test('and is new comes all the same, in the batch', async () => {
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

  test('and was known shows how it stands', async () => {
    const { joinAll } = await startWorld();
    const { alice, bob } = await joinAll('alice', 'bob');
    const conversationId = await direct(alice, bob);
    const { id: messageId } = await alice.client.messages.send({ conversationId, content: 'text' });
    await bob.next('message:new');
    const view = bob.client.conversations.open(conversationId);
    await view.ready;
    bob.port.unplug();
    for (let at = 0; at < TIMES; at += 1) {
      await alice.client.messages.react({ conversationId, messageId, emoji: '+', on: at % 2 === 0 });
    }
    bob.port.plug();
    await until(view, ({ messages }) => messages[0]?.reactions?.[0]?.count === 1);
  });

  test('is no reason to wait, from a server that gives none of it in a batch either', async () => {
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

describe('a conversation that began while one was away', () => {
  test('is told, and then what was said in it, and it is not read', async () => {
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

  test('and that one was added to later, tells what was said since', async () => {
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

  test('is told also as one of more than an answer has room for, each once', async () => {
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

  test('is no news in the first session of a device, nor what was said in it', async () => {
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

test('what one has read elsewhere while away is told, and counts from there', async () => {
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
