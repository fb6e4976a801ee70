import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { SignJWT } from 'jose';
import { expect, onTestFinished, test } from 'vitest';
import { CommError } from '../../../src/protocol/errors.ts';
import type { JsonObject } from '../../../src/protocol/metadata.ts';
import type { ResolvedUser } from '../../../src/server/hooks.ts';
import { jwtAuth } from '../../../src/server/index.ts';
import type { CommServerOptions } from '../../../src/server/index.ts';
import { deferred } from '../../../src/lib/deferred.ts';
import { manualClock } from '../../helpers/manual-clock.ts';
import { temporaryDirectory } from '../../helpers/temporary-directory.ts';
import { startServer, type TestServer } from '../../helpers/server/comm-server.ts';
import { watchStatements } from '../../helpers/server/watch-statements.ts';
import type { CheckedClient } from '../../helpers/server/checked-client.ts';

const NEVER = '1970-01-01T00:00:00.000Z';

async function start(options: CommServerOptions = {}): Promise<TestServer> {
  const server = await startServer(options);
  onTestFinished(() => server[Symbol.asyncDispose]());
  return server;
}

async function group(owner: CheckedClient, ...participantIds: string[]): Promise<string> {
  return (await owner.ask('conversation:create', { type: 'group', participantIds })).id;
}

test('a user changes their profile, which everyone who shares a conversation is told, and no stranger', async () => {
  const server = await start();
  const alice = await server.connect('alice');
  const bob = await server.connect('bob');
  const phone = await server.connect('alice');
  const stranger = await server.connect('stranger');
  const base = await server.connectBase('carol');
  const id = await group(alice, 'bob', 'carol');
  const profile = { displayName: 'Alice A', avatarUrl: '/alice.png', metadata: { team: { name: 'red' } } };
  const updated = await alice.ask('user:update', profile);
  expect(updated).toMatchObject({ id: 'alice', ...profile });
  expect(await bob.next('user:updated')).toEqual(updated);
  expect(await phone.next('user:updated')).toEqual(updated);
  const { participants } = (await bob.ask('conversation:join', { conversationId: id })).conversation;
  expect(participants.find(({ userId }) => userId === 'alice')).toMatchObject({
    displayName: 'Alice A',
    avatarUrl: '/alice.png',
  });
  expect(participants.find(({ userId }) => userId === 'bob')).toMatchObject({ displayName: 'bob' });
  // A conversation that shares no user is told nothing, as is a client of the base protocol.
  await stranger.settled();
  expect(stranger.events).not.toContain('user:updated');
  base.emit('conversation:join', { conversationId: id });
  base.emit('conversation:mute', { conversationId: id, muted: true });
  await base.next('conversation:updated', (data) => data.muted === true);
  expect(base.events).not.toContain('user:updated');
});

test('an absent field stays, null clears it, and invalid ones are rejected', async () => {
  const server = await start();
  const alice = await server.connect('alice');
  await alice.ask('user:update', { displayName: '  Alice  ', avatarUrl: 'https://pictures.example/a.png' });
  expect(await alice.ask('user:update', { metadata: { age: 1 } })).toMatchObject({
    displayName: 'Alice',
    avatarUrl: 'https://pictures.example/a.png',
    metadata: { age: 1 },
  });
  const cleared = await alice.ask('user:update', { displayName: null, avatarUrl: null, metadata: null });
  expect(cleared).toEqual({ id: 'alice', displayName: 'alice', updatedAt: cleared.updatedAt });
  let deep: JsonObject = {};
  for (let level = 1; level < 8; level += 1) deep = { deep };
  await alice.ask('user:update', { metadata: deep });
  const wrong: readonly unknown[] = [
    { displayName: '' },
    { displayName: 'x'.repeat(101) },
    { avatarUrl: 'javascript:alert(1)' },
    { avatarUrl: '//elsewhere.example/a.png' },
    { avatarUrl: `/${'x'.repeat(512)}` },
    { metadata: { deep } },
    { metadata: { text: 'x'.repeat(4_096) } },
    { metadata: ['list'] },
  ];
  for (const each of wrong) expect(await alice.refused('user:update', each)).toMatchObject({ code: 'INVALID' });
});

test('profiles are shown to users who share a conversation, and real and made-up ids of others are absent alike', async () => {
  const server = await start();
  const alice = await server.connect('alice');
  await alice.ask('user:update', { displayName: 'Alice A' });
  const stranger = await server.connect('stranger');
  const userIds = ['alice', 'nobody-at-all', 'stranger'];
  const own = { id: 'stranger', displayName: 'stranger', updatedAt: NEVER };
  expect(await stranger.ask('user:get', { userIds })).toEqual({ users: [own] });
  const answers = await Promise.all(['alice', 'nobody-at-all'].map((id) => server.rest(`/users/${id}`, 'stranger')));
  expect(answers.map(({ status }) => status)).toEqual([404, 404]);
  expect(await answers[0]?.text()).toBe(await answers[1]?.text());
  await group(alice, 'stranger');
  const { users } = await stranger.ask('user:get', { userIds });
  expect(users.map(({ displayName }) => displayName)).toEqual(['Alice A', 'stranger']);
  expect(await (await server.rest('/users/alice', 'stranger')).json()).toMatchObject({ displayName: 'Alice A' });
  const many = Array.from({ length: 201 }, (_, at) => `user-${at}`);
  expect(await stranger.refused('user:get', { userIds: many })).toMatchObject({ code: 'INVALID' });
});

test('many profiles are read and stored in several turns of the event loop', async () => {
  const db = new DatabaseSync(':memory:');
  onTestFinished(() => db.close());
  /** Profiles that were read or stored, by turn. */
  const turns: number[] = [0];
  watchStatements(db, (sql, parameters) => {
    if (!sql.includes('comm_profiles')) return;
    const ids: unknown = JSON.parse(String(parameters.find((each) => String(each).startsWith('['))));
    turns.push((turns.pop() ?? 0) + (Array.isArray(ids) ? ids.length : 0));
  });
  let isRunning = true;
  onTestFinished(() => void (isRunning = false));
  const nextTurn = (): void => {
    turns.push(0);
    if (isRunning) setImmediate(nextTurn);
  };
  setImmediate(nextTurn);
  const metadata = { about: 'x'.repeat(4_000) };
  const hooks = { resolveUsers: (ids: readonly string[]) => ids.map((id) => ({ id, metadata })) };
  const server = await start({ db, hooks, limits: { socketAnswerBytes: 1_048_576 } });
  const alice = await server.connect('alice');
  const others = Array.from({ length: 150 }, (_, at) => `user-${at}`);
  await group(alice, ...others);
  const { users } = await alice.ask('user:get', { userIds: others });
  expect(users.map(({ id }) => id)).toEqual(others);
  expect(users.every((user) => user.metadata?.['about'] === metadata.about)).toBe(true);
  // Profiles that are stored are read before.
  expect(Math.max(...turns)).toBeLessThanOrEqual(50);
});

test('a list of large profiles ends at the limit on the size of an answer, and the ids behind it can be requested', async () => {
  const metadata = { about: 'x'.repeat(4_000) };
  const server = await start({
    hooks: { resolveUsers: (ids) => ids.map((id) => ({ id, displayName: `name of ${id}`, metadata })) },
  });
  const alice = await server.connect('alice');
  const others = Array.from({ length: 100 }, (_, at) => `user-${at}`);
  await group(alice, ...others);
  const listed: string[] = [];
  for (let more = true; more;) {
    const { users, hasMore = false } = await alice.ask('user:get', { userIds: others.slice(listed.length) });
    expect(Buffer.byteLength(JSON.stringify(users))).toBeLessThanOrEqual(131_072 + 200);
    listed.push(...users.map(({ id }) => id));
    more = hasMore;
  }
  expect(listed).toEqual(others);
});

test('mayContact shows further profiles, by literal true only', async () => {
  const answers: Record<string, unknown> = { carol: true, dave: 'true', erin: 1 };
  const mayContact = (_: string, userIds: readonly string[]): boolean =>
    userIds.every((id) => answers[id] === true) || (answers[userIds.join(' ')] as boolean);
  const server = await start({ hooks: { mayContact } });
  const alice = await server.connect('alice');
  const { users } = await alice.ask('user:get', { userIds: ['carol', 'dave', 'erin'] });
  expect(users.map(({ id }) => id)).toEqual(['carol']);
  const create = { type: 'direct', participantIds: ['dave'] } as const;
  expect(await alice.refused('conversation:create', create)).toMatchObject({ code: 'FORBIDDEN' });
});

test('a search finds stored users by the beginnings of words, where the server enables it', async () => {
  const closed = await start();
  const alice = await closed.connect('alice');
  expect(await alice.refused('user:search', { query: 'a' })).toMatchObject({ code: 'UNSUPPORTED' });
  expect((await closed.rest('/users/search?query=a', 'alice')).status).toBe(501);
  const server = await start({ config: { userSearch: true } });
  for (const [id, displayName] of [
    ['u1', 'Zoë Smith'],
    ['u2', 'Zora Jones'],
    ['u3', 'Adam Smithers'],
  ] as const) {
    await (await server.connect(id)).ask('user:update', { displayName });
  }
  const searcher = await server.connect('searcher');
  const search = async (query: string, limit?: number): Promise<string[]> =>
    (await searcher.ask('user:search', { query, limit })).users.map(({ id }) => id);
  expect(await search('zo')).toEqual(['u1', 'u2']);
  expect(await search('smi ZOE')).toEqual(['u1']);
  expect(await search('smith')).toEqual(['u1', 'u3']);
  expect(await search('mith')).toEqual([]);
  expect(await search('u2')).toEqual(['u2']);
  expect(await search('%')).toEqual([]);
  expect(await search('zo', 1)).toEqual(['u1']);
  const response = await server.rest('/users/search?query=adam&limit=5', 'searcher');
  expect(await response.json()).toMatchObject({ users: [{ id: 'u3', displayName: 'Adam Smithers' }] });
  await (await server.connect('u1')).ask('user:update', { displayName: 'Ann' });
  expect(await search('zo')).toEqual(['u2']);
});

test('the hook resolveUsers comes first, is asked in batches and stores its answers', async () => {
  const calls: (readonly string[])[] = [];
  const resolveUsers = (userIds: readonly string[]): ResolvedUser[] => {
    calls.push(userIds);
    return userIds.map((id) => ({ id, displayName: `The ${id}`, avatarUrl: `/${id}.png` }));
  };
  const clock = manualClock();
  const server = await start({ hooks: { resolveUsers }, clock });
  const alice = await server.connect('alice');
  const bob = await server.connect('bob');
  const others = Array.from({ length: 300 }, (_, at) => `user-${at}`);
  const created = await alice.ask('conversation:create', { type: 'group', participantIds: ['bob', ...others] });
  expect(created.participants.map(({ displayName }) => displayName)).toContain('The alice');
  expect((await bob.next('conversation:new')).participants[0]).toMatchObject({ avatarUrl: '/alice.png' });
  const { users } = await bob.ask('user:get', { userIds: ['alice', 'bob', 'user-7'] });
  expect(users.map(({ displayName }) => displayName)).toEqual(['The alice', 'The bob', 'The user-7']);
  // One call, whatever the number of users.
  expect(calls.map(({ length }) => length)).toEqual([302]);
  expect(await alice.refused('user:update', { displayName: 'Alice' })).toMatchObject({ code: 'FORBIDDEN' });
});

test('after the app has removed its hook, a user who changes their profile is shown as they want', async () => {
  await using directory = await temporaryDirectory();
  const file = path.join(directory.path, 'comm.sqlite');
  const hooks = {
    resolveUsers: (ids: readonly string[]) =>
      ids.map((id) => ({ id, displayName: `The ${id}`, avatarUrl: `/${id}.png` })),
  };
  {
    await using server = await startServer({ db: new DatabaseSync(file), hooks });
    const alice = await server.connect('alice');
    expect((await alice.ask('user:get', { userIds: ['alice'] })).users).toMatchObject([{ displayName: 'The alice' }]);
  }
  await using server = await startServer({ db: new DatabaseSync(file) });
  const alice = await server.connect('alice');
  const { displayName, avatarUrl } = await alice.ask('user:update', { displayName: 'Alice' });
  expect([displayName, avatarUrl]).toEqual(['Alice', undefined]);
});

test('a profile that the hook has changed is pushed after the next answer', async () => {
  let displayName = 'Alice';
  const resolveUsers = (userIds: readonly string[]): ResolvedUser[] => userIds.map((id) => ({ id, displayName }));
  const clock = manualClock();
  const server = await start({ hooks: { resolveUsers }, clock });
  const alice = await server.connect('alice');
  const bob = await server.connect('bob');
  await group(alice, 'bob');
  displayName = 'Alice B';
  clock.advance(60_000);
  // Answered at once, from what is stored.
  const { users } = await bob.ask('user:get', { userIds: ['alice'] });
  expect(users).toMatchObject([{ displayName: 'Alice' }]);
  expect(await bob.next('user:updated', ({ id }) => id === 'alice')).toMatchObject({ displayName: 'Alice B' });
});

test.each<[fault: string, answer: () => unknown]>([
  ['throws', () => expect.unreachable()],
  ['rejects with an error of the protocol', () => Promise.reject(new CommError('FORBIDDEN', 'No'))],
  ['answers no list', () => 'users'],
  ['answers nonsense', () => [null, 7, { id: 7 }, { id: 'alice', displayName: 5, avatarUrl: 'javascript:1' }]],
  ['answers with users it was not asked about', () => [{ id: 'eve', displayName: 'Not Alice' }]],
  ['answers with very many users', () => Array.from({ length: 100_000 }, () => ({ id: 'eve', displayName: 'Eve' }))],
])('a hook that %s leaves the names of the other sources', async (_fault, answer) => {
  const resolveUsers = answer as () => ResolvedUser[];
  const server = await start({ hooks: { resolveUsers } });
  const alice = await server.connect('alice');
  const { participants } = await alice.ask('conversation:create', { type: 'group', participantIds: ['bob'] });
  expect(participants.map((each) => each.displayName)).toEqual(['alice', 'bob']);
  expect(participants.every((each) => each.avatarUrl === undefined)).toBe(true);
});

test('a hook that hangs holds up a request for 2 s, and the next ones not at all', async () => {
  const clock = manualClock();
  const asked = deferred<null>();
  let calls = 0;
  const resolveUsers = (): Promise<ResolvedUser[]> => {
    calls += 1;
    asked.resolve(null);
    return new Promise(() => undefined);
  };
  const server = await start({ hooks: { resolveUsers }, clock });
  const alice = await server.connect('alice');
  const created = alice.ask('conversation:create', { type: 'group', participantIds: ['bob'] });
  await asked.promise;
  clock.advance(2_000);
  const { participants } = await created;
  expect(participants.map(({ displayName }) => displayName)).toEqual(['alice', 'bob']);
  await group(alice, 'carol');
  expect(calls).toBe(1);
});

test('the claims of a token are a profile that stored data overrides', async () => {
  const secret = 'a secret that is long enough for HS256';
  const auth = jwtAuth({ secret });
  const token = (sub: string, claims: Record<string, unknown>): Promise<string> =>
    new SignJWT(claims)
      .setProtectedHeader({ alg: 'HS256' })
      .setSubject(sub)
      .setIssuedAt()
      .setExpirationTime('1h')
      .sign(new TextEncoder().encode(secret));
  const server = await start({ auth });
  const connect = async (userId: string, claims: Record<string, unknown>): Promise<CheckedClient> =>
    server.connect(userId, { token: await token(userId, claims) });
  const alice = await connect('alice', { name: 'Alice Claimed', picture: 'https://pictures.example/a.png' });
  const bob = await connect('bob', { name: 'x'.repeat(200), picture: 'javascript:alert(1)' });
  const { participants } = await alice.ask('conversation:create', { type: 'direct', participantIds: ['bob'] });
  expect(participants.find(({ userId }) => userId === 'alice')).toMatchObject({
    displayName: 'Alice Claimed',
    avatarUrl: 'https://pictures.example/a.png',
  });
  expect(participants.find(({ userId }) => userId === 'bob')).toMatchObject({ displayName: 'bob' });
  expect(await alice.refused('user:update', { displayName: 'Alice' })).toMatchObject({ code: 'FORBIDDEN' });
  await bob.ask('user:update', { displayName: 'Bob Stored' });
  // A token with another name changes what all see.
  await connect('alice', { name: 'Alice Renamed' });
  expect(await bob.next('user:updated', ({ displayName }) => displayName === 'Alice Renamed')).toMatchObject({
    id: 'alice',
  });
  const rest = await fetch(`${server.url}/__nk_comm/users/bob`, {
    headers: { authorization: `Bearer ${await token('alice', { name: 'Alice Renamed' })}` },
  });
  expect(await rest.json()).toMatchObject({ displayName: 'Bob Stored' });
  // The token of a banned user changes nothing.
  await server.server.api.moderation.ban({ userId: 'alice' });
  const refused = await fetch(`${server.url}/__nk_comm/users/bob`, {
    headers: { authorization: `Bearer ${await token('alice', { name: 'Alice Banned' })}` },
  });
  expect(refused.status).toBe(403);
  expect((await bob.ask('user:get', { userIds: ['alice'] })).users).toMatchObject([{ displayName: 'Alice Renamed' }]);
});
