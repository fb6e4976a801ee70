import { DatabaseSync } from 'node:sqlite';
import { expect, test } from 'vitest';
import { CommClient } from '../../../../src/index.ts';
import { openSocket, type CheckedClientOptions } from '../../../helpers/server/checked-client.ts';
import { startServer } from '../../../helpers/server/comm-server.ts';

/** The data with which a server refuses a connection. */
async function refusalOf(url: string, options: CheckedClientOptions): Promise<unknown> {
  const socket = openSocket(url, options);
  const refused = new Promise<unknown>((resolve) => {
    socket.once('connect_error', (error: Error & { data?: unknown }) => resolve(error.data));
  });
  try {
    return await refused;
  } finally {
    socket.disconnect();
  }
}

test('a banned user is disconnected, and can neither connect nor use REST until the ban is lifted', async () => {
  await using server = await startServer();
  const { moderation } = server.server.api;
  const [eve, base, bob] = [await server.connect('eve'), await server.connectBase('eve'), await server.connect('bob')];
  await moderation.ban({ userId: 'eve', reason: 'spam in all groups' });
  for (const client of [eve, base]) {
    expect(await client.next('error')).toMatchObject({ code: 'FORBIDDEN', reason: 'user-banned' });
    expect(await client.disconnected()).toBe('io server disconnect');
  }
  for (const more of [{}, { caps: null }]) {
    expect(await refusalOf(server.url, { userId: 'eve', ...more })).toMatchObject({
      code: 'FORBIDDEN',
      reason: 'user-banned',
    });
  }
  const response = await server.rest('/conversations', 'eve');
  expect([response.status, await response.json()]).toEqual([
    403,
    { error: { code: 'FORBIDDEN', message: 'The user is banned', reason: 'user-banned' } },
  ]);
  expect((await server.rest('/conversations', 'bob')).status).toBe(200);
  await bob.settled();
  await moderation.unban({ userId: 'eve' });
  expect((await server.rest('/conversations', 'eve')).status).toBe(200);
  await (await server.connect('eve')).settled();
});

test('the client of a banned user stops and says why', async () => {
  await using server = await startServer();
  const { moderation } = server.server.api;
  await using client = new CommClient({ url: server.url, userId: 'eve' });
  await client.connect();
  await moderation.ban({ userId: 'eve' });
  await expect.poll(() => client.status).toBe('unauthenticated');
  await expect.poll(() => client.connection.getSnapshot().lastError?.reason).toBe('user-banned');
  await expect(client.connect()).rejects.toMatchObject({ code: 'UNAUTHENTICATED', reason: 'user-banned' });
  await moderation.unban({ userId: 'eve' });
  await client.connect();
  expect(client.status).toBe('connected');
});

test('bans are listed in pages, keep their time, and outlive the server', async () => {
  const db = new DatabaseSync(':memory:');
  {
    await using server = await startServer({ db });
    const { moderation } = server.server.api;
    for (const userId of ['zoe', 'eve', 'mal']) await moderation.ban({ userId });
    await moderation.ban({ userId: 'eve', reason: 'once more' });
    const first = await moderation.bans({ limit: 2 });
    expect(first).toMatchObject({ bans: [{ userId: 'eve', reason: 'once more' }, { userId: 'mal' }], hasMore: true });
    expect(first.bans[1]).not.toHaveProperty('reason');
    expect(await moderation.bans({ after: 'mal' })).toMatchObject({ bans: [{ userId: 'zoe' }], hasMore: false });
  }
  await using server = await startServer({ db });
  const { moderation } = server.server.api;
  expect([await moderation.isBanned('zoe'), await moderation.isBanned('bob')]).toEqual([true, false]);
  expect(await refusalOf(server.url, { userId: 'zoe' })).toMatchObject({ code: 'FORBIDDEN' });
  await expect(moderation.ban({ userId: '' })).rejects.toMatchObject({ code: 'INVALID' });
  await expect(moderation.ban({ userId: 'x', reason: 'y'.repeat(1_001) })).rejects.toMatchObject({ code: 'INVALID' });
  await expect(moderation.bans({ limit: 0 })).rejects.toMatchObject({ code: 'INVALID' });
});

test('a user is banned from one group, the only owner too', async () => {
  await using server = await startServer();
  const { moderation, conversations } = server.server.api;
  const [ann, bob] = [await server.connect('ann'), await server.connect('bob')];
  const { id: conversationId } = await conversations.create({ type: 'group', participantIds: ['ann', 'bob', 'cid'] });
  await moderation.ban({ conversationId, userId: 'ann', reason: 'spam in this group' });
  expect(await ann.next('conversation:left')).toEqual({ conversationId, userId: 'ann' });
  await bob.next(
    'conversation:updated',
    ({ participants = [] }) =>
      participants.every(({ userId }) => userId !== 'ann') && participants.some(({ role }) => role === 'owner'),
  );
  expect(await moderation.bans({ conversationId })).toMatchObject({
    bans: [{ userId: 'ann', reason: 'spam in this group' }],
    hasMore: false,
  });
  const adding = { conversationId, userIds: ['ann'] };
  await expect(conversations.addMembers(adding)).rejects.toMatchObject({ code: 'CONFLICT' });
  expect(await moderation.isBanned('ann')).toBe(false);
  await moderation.unban({ conversationId, userId: 'ann' });
  await conversations.addMembers(adding);
  await ann.settled();
  await expect(moderation.ban({ conversationId: 'none', userId: 'ann' })).rejects.toMatchObject({ code: 'NOT_FOUND' });
});

test('lifting a ban that does not exist changes nothing, also for a member and the only owner', async () => {
  await using server = await startServer();
  const { moderation, conversations } = server.server.api;
  const { id: conversationId } = await conversations.create({ type: 'group', participantIds: ['ann', 'bob'] });
  const owner = await server.connect('ann');
  for (const userId of ['ann', 'bob', 'stranger']) await moderation.unban({ conversationId, userId });
  expect(await moderation.bans({ conversationId })).toEqual({ bans: [], hasMore: false });
  await owner.settled();
  expect(owner.events).not.toContain('conversation:updated');
  await expect(moderation.unban({ conversationId: 'none', userId: 'ann' })).rejects.toMatchObject({
    code: 'NOT_FOUND',
  });
});
