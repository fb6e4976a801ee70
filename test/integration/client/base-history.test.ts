import { describe, expect, test } from 'vitest';
import { until } from '../../helpers/client/app.ts';
import { startBase } from '../../helpers/client/base-world.ts';

const tied = '2026-01-02T03:04:05.678Z';

test.each([
  ['at different times', undefined],
  ['of the same millisecond', tied],
  ['with times in the format of the database', '2026-01-02 03:04:05'],
])('180 messages %s are all loaded', async (_title, createdAt) => {
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
  for (let before: string | undefined; ;) {
    const page = await alice.client.messages.list({ conversationId, limit: 40, before });
    listed.unshift(...page.messages.map(({ id }) => id));
    if (!page.hasOlder) break;
    before = listed[0];
  }
  expect(listed).toEqual(ids);
});

test('messages of the same time at a page boundary are all read', async () => {
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

test('jumping to an old message loads pages back to it', async () => {
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

describe('a server that returns the newest rows only', () => {
  test('a view shows that older messages exist and can not be read', async () => {
    const { server, join } = await startBase({ history: 'newest' });
    const conversationId = server.seedConversation({ participantIds: ['alice'] });
    const ids = server.seedMessages({ conversationId, senderId: 'bob' }, 232);
    const alice = await join('alice');
    const view = alice.client.conversations.open(conversationId);
    await view.ready;
    expect(view.getSnapshot()).toMatchObject({ hasOlder: true });
    expect(view.getSnapshot().messages.map(({ id }) => id)).toEqual(ids.slice(-50));
    await expect(view.loadOlder()).rejects.toMatchObject({ code: 'UNSUPPORTED' });
    expect(view.getSnapshot()).toMatchObject({ hasOlder: true });
    const page = await alice.client.messages.list({ conversationId, limit: 10 });
    expect(page).toMatchObject({ hasOlder: true });
    expect(page.messages.map(({ id }) => id)).toEqual(ids.slice(-10));
    const before = await alice.client.messages.list({ conversationId, limit: 10, before: page.messages[0]?.id });
    expect(before.messages.map(({ id }) => id)).toEqual(ids.slice(-20, -10));
    expect(alice.client.guarantees.completeHistory).toBe(false);
  });

  test('a conversation with fewer messages is complete', async () => {
    const { server, join } = await startBase({ history: 'newest' });
    const conversationId = server.seedConversation({ participantIds: ['alice'] });
    server.seedMessages({ conversationId, senderId: 'bob' }, 49);
    const alice = await join('alice');
    const page = await alice.client.messages.list({ conversationId });
    expect([page.messages.length, page.hasOlder]).toEqual([49, false]);
  });

  test('get finds what is among the newest rows, and says if it can not know', async () => {
    const { server, join } = await startBase({ history: 'newest' });
    const conversationId = server.seedConversation({ participantIds: ['alice'] });
    const ids = server.seedMessages({ conversationId, senderId: 'bob' }, 60);
    const alice = await join('alice');
    expect(await alice.client.messages.get(ids[20] ?? '')).toMatchObject({ content: 'message 21' });
    await expect(alice.client.messages.get(ids[2] ?? '')).rejects.toMatchObject({ code: 'UNSUPPORTED' });
    await expect(alice.client.messages.get('999')).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  test('conversations are sliced as requested, and one beyond the newest can not be read', async () => {
    const { server, join } = await startBase({ history: 'newest' });
    const ids = Array.from({ length: 60 }, () => server.seedConversation({ participantIds: ['alice'] }));
    const alice = await join('alice');
    const { conversations } = alice.client;
    const [first, second] = await Promise.all([
      conversations.list({ limit: 20 }),
      conversations.list({ limit: 20, offset: 20 }),
    ]);
    expect(new Set([...first, ...second].map(({ id }) => id)).size).toBe(40);
    const all = await conversations.list({ limit: 200 });
    const hidden = ids.find((id) => !all.some((each) => each.id === id));
    await expect(conversations.get(hidden ?? '')).rejects.toMatchObject({ code: 'UNSUPPORTED' });
  });
});

test('get finds a message of any conversation, over several pages', async () => {
  const { server, join } = await startBase();
  const [one, other] = [1, 2].map(() => server.seedConversation({ participantIds: ['alice'] }));
  const ids = server.seedMessages({ conversationId: one ?? '', senderId: 'bob' }, 450);
  server.seedMessages({ conversationId: other ?? '', senderId: 'bob' }, 3);
  const alice = await join('alice');
  expect(await alice.client.messages.get(ids[7] ?? '')).toMatchObject({ content: 'message 8' });
  await expect(alice.client.messages.get('9999')).rejects.toMatchObject({ code: 'NOT_FOUND' });
});

test('a search in a conversation returns only its own messages', async () => {
  const { server, join } = await startBase();
  const [one, other] = [1, 2].map(() => server.seedConversation({ participantIds: ['alice'] }));
  server.seedMessages({ conversationId: one ?? '', senderId: 'bob' }, 3, 'needle');
  server.seedMessages({ conversationId: other ?? '', senderId: 'bob' }, 4, 'needle');
  const alice = await join('alice');
  const found = await alice.client.messages.search({ query: 'needle', conversationId: one ?? '' });
  expect(found.map(({ conversationId }) => conversationId)).toEqual([one, one, one]);
  expect(await alice.client.messages.search({ query: 'needle', limit: 2 })).toHaveLength(2);
});

test('after a reconnect the shown messages are loaded again, and the scroll position stays', async () => {
  const { server, join } = await startBase();
  const conversationId = server.seedConversation({ participantIds: ['alice', 'bob'] });
  const ids = server.seedMessages({ conversationId, senderId: 'bob' }, 120);
  const [alice, bob] = [await join('alice'), await join('bob')];
  const view = alice.client.conversations.open(conversationId);
  await view.ready;
  while (view.getSnapshot().hasOlder) await view.loadOlder();
  alice.port.unplug();
  await bob.client.messages.edit({ conversationId, messageId: ids[3] ?? '', content: 'edited' });
  await bob.client.messages.delete({ conversationId, messageId: ids[4] ?? '' });
  const { id } = await bob.client.messages.send({ conversationId, content: 'missed' });
  alice.port.plug();
  await until(view, ({ messages, hasNewer }) => messages.at(-1)?.id === id && !hasNewer);
  const { messages, hasOlder } = view.getSnapshot();
  expect(hasOlder).toBe(false);
  expect(messages.map((each) => each.id)).toEqual([...ids, id]);
  expect(messages[3]?.content).toBe('edited');
  expect(messages[4]?.content).toBe('');
});
