import { DatabaseSync } from 'node:sqlite';
import { describe, expect, test } from 'vitest';
import type { RequestName } from '../../../../src/protocol/events.ts';
import { manualClock } from '../../../helpers/manual-clock.ts';
import type { CheckedClient } from '../../../helpers/server/checked-client.ts';
import { startServer, type TestServer } from '../../../helpers/server/comm-server.ts';

interface Group {
  readonly id: string;
  readonly people: Readonly<Record<Who, CheckedClient>>;
}
type Who = 'owner' | 'admin' | 'member' | 'removed' | 'banned' | 'stranger';
const WHO: readonly Who[] = ['owner', 'admin', 'member', 'removed', 'banned', 'stranger'];

/** A private group with somebody of each kind. */
async function startGroup(server: TestServer): Promise<Group> {
  const connected = await Promise.all(WHO.map(async (who) => [who, await server.connect(who)] as const));
  const people = Object.fromEntries(connected) as Record<Who, CheckedClient>;
  const participantIds = ['admin', 'member', 'removed', 'banned'];
  const { id } = await people.owner.ask('conversation:create', { type: 'group', participantIds });
  await people.owner.ask('conversation:set-role', { conversationId: id, userId: 'admin', role: 'admin' });
  await people.owner.ask('conversation:remove-participant', { conversationId: id, userId: 'removed' });
  await people.owner.ask('conversation:ban', { conversationId: id, userId: 'banned', banned: true });
  return { id, people };
}

describe('who may do what', () => {
  const REQUESTS: readonly [name: RequestName, payload: object, refusals: Readonly<Partial<Record<Who, string>>>][] = [
    ['conversation:update', { description: 'New' }, { member: 'FORBIDDEN' }],
    ['conversation:ban', { userId: 'somebody', banned: true }, { member: 'FORBIDDEN' }],
    ['conversation:ban', { userId: 'somebody', banned: false }, { member: 'FORBIDDEN' }],
    [
      'conversation:ban',
      { userId: 'owner', banned: true },
      { owner: 'INVALID', admin: 'FORBIDDEN', member: 'FORBIDDEN' },
    ],
    ['conversation:enter', {}, {}],
  ];

  test.each(REQUESTS)('%s %j', async (name, payload, refusals) => {
    await using server = await startServer();
    const { id, people } = await startGroup(server);
    for (const who of WHO) {
      const reply = await people[who].raw(name, { ...payload, conversationId: id });
      const madeUp = await people[who].refused(name, { ...payload, conversationId: 'nowhere' });
      const isMember = who === 'owner' || who === 'admin' || who === 'member';
      expect([who, madeUp.code]).toEqual([who, 'NOT_FOUND']);
      const error = reply.ok ? undefined : reply.error;
      expect([who, isMember ? error?.code : error]).toEqual([who, isMember ? refusals[who] : madeUp]);
    }
  });

  test('the list of bans over REST', async () => {
    await using server = await startServer();
    const { id } = await startGroup(server);
    const ask = async (who: Who, conversationId: string): Promise<unknown> => {
      const response = await server.rest(`/conversations/${conversationId}/bans`, who);
      return [response.status, await response.json()];
    };
    const found = [
      200,
      { bans: [{ userId: 'banned', bannedBy: 'owner', bannedAt: expect.any(String) as string }], hasMore: false },
    ];
    expect(await ask('owner', id)).toEqual(found);
    expect(await ask('admin', id)).toEqual(found);
    expect(await ask('member', id)).toMatchObject([403, { error: { code: 'FORBIDDEN' } }]);
    for (const who of ['removed', 'banned', 'stranger'] as const) {
      expect(await ask(who, id)).toEqual(await ask(who, 'nowhere'));
      expect(await ask(who, id)).toMatchObject([404, { error: { code: 'NOT_FOUND' } }]);
    }
  });

  test('a public group shows itself to strangers, and nothing to the banned', async () => {
    await using server = await startServer();
    const { id, people } = await startGroup(server);
    await people.admin.ask('conversation:update', { conversationId: id, visibility: 'public', name: 'Hike' });
    expect(await people.stranger.ask('conversation:browse', {})).toEqual({
      conversations: [{ id, name: 'Hike', memberCount: 3, joined: false }],
    });
    expect(await people.banned.ask('conversation:browse', {})).toEqual({ conversations: [] });
    expect(await people.banned.refused('conversation:enter', { conversationId: id })).toEqual(
      await people.banned.refused('conversation:enter', { conversationId: 'nowhere' }),
    );
    expect(await people.removed.ask('conversation:enter', { conversationId: id })).toMatchObject({ id });
  });
});

test('settings are pushed to all members, also to base clients, which ignore them', async () => {
  await using server = await startServer();
  const ada = await server.connect('ada');
  const bob = await server.connect('bob');
  const base = await server.connectBase('cleo');
  const { id } = await ada.ask('conversation:create', { type: 'group', participantIds: ['bob', 'cleo'] });
  base.emit('conversation:join', { conversationId: id });
  await base.settled();
  await ada.ask('conversation:update', { conversationId: id, description: 'People who hike', frozen: true });
  const settings = { id, description: 'People who hike', frozen: true, visibility: 'private', head: { rev: 1 } };
  expect(await bob.next('conversation:updated')).toMatchObject(settings);
  expect(await base.next('conversation:updated', ({ frozen }) => frozen === true)).toMatchObject(settings);
  base.emit('message:send', { conversationId: id, content: 'member', type: 'text' });
  expect(await base.next('message:error')).toMatchObject({ code: 'FORBIDDEN', event: 'message:send' });
});

test('who is banned is out of the room at once, on every device', async () => {
  await using server = await startServer();
  const ada = await server.connect('ada');
  const devices = [await server.connect('bob'), await server.connect('bob')];
  const { id } = await ada.ask('conversation:create', { type: 'group', participantIds: ['bob', 'cleo'] });
  for (const device of devices) await device.next('conversation:new');
  await ada.ask('conversation:ban', { conversationId: id, userId: 'bob', banned: true });
  await ada.ask('message:send', { conversationId: id, content: 'without bob', type: 'text' });
  for (const device of devices) {
    expect(await device.next('conversation:left')).toEqual({ conversationId: id, userId: 'bob' });
    await device.settled();
    expect(device.payloads('message:new')).toEqual([]);
  }
  expect(await devices[0]?.refused('message:send', { conversationId: id, content: 'x', type: 'text' })).toMatchObject({
    code: 'NOT_FOUND',
  });
});

test('slow mode refuses with the time to wait, alone and in a batch', async () => {
  const clock = manualClock();
  await using server = await startServer({ clock });
  const ada = await server.connect('ada');
  const bob = await server.connect('bob');
  const { id: conversationId } = await ada.ask('conversation:create', { type: 'group', participantIds: ['bob'] });
  await ada.ask('conversation:update', { conversationId, slowModeSeconds: 30 });
  const send = (clientId: string): object => ({ conversationId, content: clientId, type: 'text', clientId });
  const batch = async (...clientIds: string[]): Promise<unknown[]> => {
    const requests = clientIds.map((clientId) => ({ name: 'message:send', payload: send(clientId) }));
    return (await bob.ask('batch', { requests })).map((reply) => (reply.ok ? reply.data : reply.error));
  };
  const slowed = (retryAfterMs: number): object => ({ code: 'RATE_LIMITED', scope: 'conversation', retryAfterMs });
  expect(await batch('one', 'two')).toMatchObject([{ clientId: 'one' }, slowed(30_000)]);
  clock.advance(20_000);
  expect(await bob.refused('message:send', send('two'))).toMatchObject(slowed(10_000));
  expect(await batch('one', 'two')).toMatchObject([{ clientId: 'one' }, slowed(10_000)]);
  clock.advance(10_000);
  expect(await batch('two', 'three')).toMatchObject([{ clientId: 'two' }, slowed(30_000)]);
});

test('slow mode counts a message that its sender has deleted', async () => {
  const clock = manualClock();
  await using server = await startServer({ clock });
  const ada = await server.connect('ada');
  const bob = await server.connect('bob');
  const { id: conversationId } = await ada.ask('conversation:create', { type: 'group', participantIds: ['bob'] });
  await ada.ask('conversation:update', { conversationId, slowModeSeconds: 30 });
  const { id: messageId } = await bob.ask('message:send', { conversationId, content: 'one', type: 'text' });
  await bob.ask('message:delete', { conversationId, messageId });
  expect(await bob.refused('message:send', { conversationId, content: 'two', type: 'text' })).toMatchObject({
    code: 'RATE_LIMITED',
    retryAfterMs: 30_000,
  });
});

test('of a group that the caller may not know, no request asks for the profiles of the members', async () => {
  const asked: string[] = [];
  const db = new DatabaseSync(':memory:');
  const resolveUsers = (userIds: readonly string[]): [] => {
    asked.push(...userIds);
    return [];
  };
  await using server = await startServer({ db, hooks: { resolveUsers } });
  const { id, people } = await startGroup(server);
  // A member about whom the hook has not been asked.
  db.prepare("insert into conversation_participants (conversation_id, user_id) values (?, 'unasked')").run(id);
  for (const who of ['removed', 'banned', 'stranger'] as const) {
    for (const [name, payload] of [
      ['conversation:enter', {}],
      ['conversation:update', { description: 'New' }],
      ['conversation:ban', { userId: 'somebody', banned: true }],
      ['conversation:add-participants', { userIds: [who] }],
      ['conversation:remove-participant', { userId: 'member' }],
      ['conversation:set-role', { userId: 'member', role: 'admin' }],
    ] as const) {
      expect(await people[who].refused(name, { ...payload, conversationId: id })).toMatchObject({ code: 'NOT_FOUND' });
    }
  }
  expect(asked).not.toContain('unasked');
  await people.owner.ask('conversation:update', { conversationId: id, description: 'New' });
  expect(asked).toContain('unasked');
});

test('the inbox is filtered over REST', async () => {
  await using server = await startServer();
  const ada = await server.connect('ada');
  const ids: string[] = [];
  for (const name of ['Hike', 'Swim', 'Climb']) {
    ids.push((await ada.ask('conversation:create', { type: 'group', name, participantIds: [`${name}-friend`] })).id);
  }
  const [hike = '', swim = ''] = ids;
  await ada.ask('conversation:archive', { conversationId: swim, archived: true });
  await ada.ask('conversation:pin', { conversationId: hike, pinned: true });
  const list = async (query: string): Promise<unknown> => {
    const page = (await (await server.rest(`/conversations?${query}`, 'ada')).json()) as { name: string }[];
    return page.map(({ name }) => name);
  };
  expect(await list('archived=true')).toEqual(['Swim']);
  expect(await list('archived=false')).toEqual(['Hike', 'Climb']);
  expect(await list('query=climb-f')).toEqual(['Climb']);
  expect((await server.rest('/conversations?archived=yes', 'ada')).status).toBe(400);
  expect((await server.rest('/conversations?query=', 'ada')).status).toBe(400);
});
