import { expect, test } from 'vitest';
import { until } from '../../helpers/client/app.ts';
import { startBase } from '../../helpers/client/base-world.ts';

const tied = '2026-01-02T03:04:05.678Z';

test.each([
  ['at different times', undefined],
  ['of one and the same millisecond', tied],
  ['with times as the database writes them', '2026-01-02 03:04:05'],
])('of 180 messages %s is read without losing any', async (_title, createdAt) => {
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

test('ties at the edge of a page are read whole', async () => {
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

test('jumping to an old message pages up to it', async () => {
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

test('of a server that hands out the newest page alone ends there', async () => {
  const { server, join } = await startBase({ history: 'newest' });
  const conversationId = server.seedConversation({ participantIds: ['alice'] });
  server.seedMessages({ conversationId, senderId: 'bob' }, 80);
  const alice = await join('alice');
  const view = alice.client.conversations.open(conversationId);
  await view.ready;
  for (let count = 0; count < 3 && view.getSnapshot().hasOlder; count += 1) await view.loadOlder();
  expect(view.getSnapshot()).toMatchObject({ hasOlder: false });
  expect(view.getSnapshot().messages).toHaveLength(50);
});

test('after a broken line what is in sight is read again, and whoever has scrolled up stays there', async () => {
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
