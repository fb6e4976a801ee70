import { expect, onTestFinished, test } from 'vitest';
import { manualClock } from '../../helpers/manual-clock.ts';
import type { CheckedClient } from '../../helpers/server/checked-client.ts';
import { startServer, type TestServer } from '../../helpers/server/comm-server.ts';
import type { CommServerOptions } from '../../../src/server/index.ts';

interface Scene {
  readonly server: TestServer;
  /** Alice has blocked bob. Both know the direct conversation and the group, which carol is in too. */
  readonly alice: CheckedClient;
  readonly bob: CheckedClient;
  readonly carol: CheckedClient;
  readonly direct: string;
  readonly group: string;
  readonly messageId: string;
}

async function start(options: CommServerOptions = {}, blocked = true): Promise<Scene> {
  const server = await startServer(options);
  onTestFinished(() => server[Symbol.asyncDispose]());
  const [alice, bob, carol] = await Promise.all(['alice', 'bob', 'carol'].map((id) => server.connect(id)));
  if (alice === undefined || bob === undefined || carol === undefined) throw new Error('Not connected');
  const { id: direct } = await alice.ask('conversation:create', { type: 'direct', participantIds: ['bob'] });
  const { id: group } = await carol.ask('conversation:create', { type: 'group', participantIds: ['alice', 'bob'] });
  const sent = await bob.ask('message:send', { conversationId: direct, content: 'hello there', type: 'text' });
  if (blocked) await alice.ask('user:block', { userId: 'bob', blocked: true });
  return { server, alice, bob, carol, direct, group, messageId: sent.id };
}

const REFUSED = { code: 'FORBIDDEN', message: 'You may not contact this user' };

test('a list of blocked users is kept, and only the devices of its user are told', async () => {
  const { server, alice, bob } = await start({}, false);
  const phone = await server.connect('alice');
  await alice.ask('user:block', { userId: 'bob', blocked: true });
  await alice.ask('user:block', { userId: 'bob', blocked: true });
  await alice.ask('user:block', { userId: 'a made-up id', blocked: true });
  expect(await alice.ask('user:blocked', {})).toEqual({ userIds: ['a made-up id', 'bob'] });
  expect(await phone.next('user:block-changed')).toEqual({ userId: 'bob', blocked: true });
  expect(await phone.next('user:block-changed')).toEqual({ userId: 'a made-up id', blocked: true });
  expect(await bob.ask('user:blocked', {})).toEqual({ userIds: [] });
  expect(bob.events).not.toContain('user:block-changed');
  await alice.ask('user:block', { userId: 'bob', blocked: false });
  expect(await alice.ask('user:blocked', {})).toEqual({ userIds: ['a made-up id'] });
  expect(await alice.refused('user:block', { userId: 'alice', blocked: true })).toMatchObject({ code: 'INVALID' });
});

test('a group whose new members all hide their presence is pushed to nobody else', async () => {
  const { server, carol } = await start();
  const dora = await server.connect('dora');
  const { id } = await carol.ask('conversation:create', { type: 'group', participantIds: ['bob'] });
  await carol.ask('conversation:add-participants', { conversationId: id, userIds: ['alice'] });
  await dora.ask('user:blocked', {});
  expect(dora.events).not.toContain('conversation:new');
});

test('a user blocks at most 1,000 others', async () => {
  const { alice } = await start({}, false);
  for (let at = 0; at < 1_000; at += 1) await alice.ask('user:block', { userId: `user-${at}`, blocked: true });
  expect(await alice.refused('user:block', { userId: 'bob', blocked: true })).toMatchObject({ code: 'CONFLICT' });
  await alice.ask('user:block', { userId: 'user-0', blocked: true });
});

test('a blocked user puts nothing into the direct conversation, by any request', async () => {
  const { server, alice, bob, direct, group, messageId } = await start();
  const inGroup = await bob.ask('message:send', { conversationId: group, content: 'in the group', type: 'text' });
  const send = { conversationId: direct, content: 'let me in', type: 'text' };
  const ref = { conversationId: direct, messageId };
  const forward = { messageId: inGroup.id, fromConversationId: group, toConversationId: direct };
  expect(await bob.refused('message:send', send)).toEqual(REFUSED);
  expect(await bob.refused('message:forward', forward)).toEqual(REFUSED);
  expect(await bob.refused('message:edit', { ...ref, content: 'let me in' })).toEqual(REFUSED);
  expect(await bob.refused('message:react', { ...ref, emoji: '👋', on: true })).toEqual(REFUSED);
  const [inBatch] = await bob.ask('batch', { requests: [{ name: 'message:send', payload: send }] });
  expect(inBatch).toMatchObject({ ok: false, error: REFUSED });
  await alice.settled();
  const row: unknown = await (await server.rest(`/messages/${messageId}`, 'alice')).json();
  expect(row).toMatchObject({ content: 'hello there' });
  expect(row).not.toHaveProperty('reactions');
  expect(alice.payloads('message:new').map(({ content }) => content)).toEqual(['hello there', 'in the group']);
  // What is taken back, and what the one who blocks writes, isn't held up.
  await bob.ask('message:delete', ref);
  await alice.ask('message:send', { conversationId: direct, content: 'a last word', type: 'text' });
  await alice.ask('user:block', { userId: 'bob', blocked: false });
  await bob.ask('message:send', { conversationId: direct, content: 'thanks', type: 'text' });
});

test('a blocked user starts no conversation with the user, and adds the user to none', async () => {
  const { alice, bob, direct } = await start();
  await alice.ask('user:block', { userId: 'dave', blocked: true });
  expect(await bob.refused('conversation:create', { type: 'group', participantIds: ['alice'] })).toEqual(REFUSED);
  const own = await bob.ask('conversation:create', { type: 'group', participantIds: ['carol'] });
  const add = { conversationId: own.id, userIds: ['erin', 'alice'] };
  expect(await bob.refused('conversation:add-participants', add)).toEqual(REFUSED);
  // The conversation that the two have is returned, as before.
  expect((await bob.ask('conversation:create', { type: 'direct', participantIds: ['alice'] })).id).toBe(direct);
  // The one who blocks may.
  await alice.ask('conversation:create', { type: 'group', participantIds: ['bob'] });
});

test('presence is hidden in both directions, in every answer and push, and others still see it', async () => {
  const { server, alice, bob, carol, group, direct } = await start({}, false);
  const watched = { userIds: ['alice', 'bob'] };
  for (const each of [alice, bob, carol]) await each.ask('presence:watch', watched);
  await alice.ask('user:block', { userId: 'bob', blocked: true });
  expect(await alice.next('presence:changed', ({ userId }) => userId === 'bob')).toEqual({
    userId: 'bob',
    status: 'offline',
  });
  await bob.next('presence:changed', ({ userId, status }) => userId === 'alice' && status === 'offline');
  await alice.ask('presence:update', { status: 'busy' });
  await bob.ask('presence:update', { status: 'busy' });
  await carol.next('presence:changed', ({ userId, status }) => userId === 'alice' && status === 'busy');
  await carol.next('presence:changed', ({ userId, status }) => userId === 'bob' && status === 'busy');
  const seen = (who: CheckedClient): Promise<unknown> => who.ask('presence:watch', watched);
  expect(await seen(bob)).toEqual([
    { userId: 'alice', status: 'offline' },
    expect.objectContaining({ userId: 'bob', status: 'busy' }),
  ]);
  expect(await seen(carol)).toMatchObject([{ status: 'busy' }, { status: 'busy' }]);
  const statusOf = (of: { participants: readonly { userId: string; presence: string }[] }, userId: string): unknown =>
    of.participants.find((each) => each.userId === userId)?.presence;
  for (const id of [group, direct]) {
    const { conversation } = await bob.ask('conversation:join', { conversationId: id });
    expect([statusOf(conversation, 'alice'), statusOf(conversation, 'bob')]).toEqual(['offline', 'busy']);
  }
  type Listed = { id: string; participants: { userId: string; presence: string }[] };
  const list = (await (await server.rest('/conversations', 'alice')).json()) as Listed[];
  expect(list.map((each) => statusOf(each, 'bob'))).toEqual(['offline', 'offline']);
  const page = (await (await server.rest(`/conversations/${group}/members`, 'bob')).json()) as {
    members: Listed['participants'];
  };
  expect(statusOf({ participants: page.members }, 'alice')).toBe('offline');
  const synced = await bob.ask('sync', { cursors: { [group]: 0 }, inboxRev: 0 });
  for (const { conversation } of synced.conversations) expect(statusOf(conversation, 'alice')).toBe('offline');
  // A push that all members share.
  await carol.ask('conversation:update', { conversationId: group, name: 'Renamed' });
  const renamed = (who: CheckedClient) => who.next('conversation:updated', ({ name }) => name === 'Renamed');
  const pushes = await Promise.all([alice, bob, carol].map(renamed));
  const participantsOf = (push: (typeof pushes)[number]) => ({ participants: push.participants ?? [] });
  expect(pushes.map((push) => statusOf(participantsOf(push), 'alice'))).toEqual(['busy', 'offline', 'busy']);
  expect(pushes.map((push) => statusOf(participantsOf(push), 'bob'))).toEqual(['offline', 'busy', 'busy']);
  // Shown again without another request.
  await alice.ask('user:block', { userId: 'bob', blocked: false });
  await bob.next('presence:changed', ({ userId, status }) => userId === 'alice' && status === 'busy');
  await alice.ask('presence:update', { status: 'away' });
  await bob.next('presence:changed', ({ userId, status }) => userId === 'alice' && status === 'away');
  await carol.settled();
  const told = alice.payloads('presence:changed').filter(({ userId }) => userId === 'bob');
  expect(told.map(({ status }) => status)).toEqual(['offline', 'busy']);
});

test('typing is hidden in both directions', async () => {
  const { alice, bob, carol, group, direct } = await start();
  await bob.ask('typing:start', { conversationId: group });
  await carol.next('typing:update', ({ userId, isTyping }) => userId === 'bob' && isTyping);
  await bob.ask('typing:start', { conversationId: direct });
  await alice.ask('typing:start', { conversationId: group });
  await carol.next('typing:update', ({ userId, isTyping }) => userId === 'alice' && isTyping);
  await bob.ask('typing:stop', { conversationId: group });
  await carol.next('typing:update', ({ userId, isTyping }) => userId === 'bob' && !isTyping);
  await Promise.all([alice.settled(), bob.settled()]);
  expect(alice.payloads('typing:update')).toEqual([]);
  expect(bob.payloads('typing:update')).toEqual([]);
});

test('typing that has begun ends with the block', async () => {
  const { alice, bob, direct } = await start({}, false);
  await bob.ask('typing:start', { conversationId: direct });
  await alice.next('typing:update', ({ isTyping }) => isTyping);
  await alice.ask('user:block', { userId: 'bob', blocked: true });
  await alice.next('typing:update', ({ isTyping }) => !isTyping);
  await bob.ask('typing:start', { conversationId: direct });
  await alice.settled();
  expect(alice.payloads('typing:update').map(({ isTyping }) => isTyping)).toEqual([true, false]);
});

test('the calls of a blocked user do not ring, and end like calls to a user who is offline', async () => {
  const clock = manualClock();
  const { server, alice, bob, carol, direct, group } = await start({ clock });
  const { id: other } = await bob.ask('conversation:create', { type: 'direct', participantIds: ['dave'] });
  const call = await bob.ask('call:initiate', { conversationId: direct, type: 'audio', calleeIds: ['alice'] });
  const shapeOf = (each: object): object => ({
    ...each,
    ...Object.fromEntries(['id', 'conversationId', 'calleeIds'].map((name) => [name, null])),
  });
  // A device that connects later isn't told either.
  const phone = await server.connect('alice');
  await phone.settled();
  clock.advance(45_000);
  const ended = await bob.next('call:state-changed', ({ callId }) => callId === call.id);
  const offline = await bob.ask('call:initiate', { conversationId: other, type: 'audio', calleeIds: ['dave'] });
  expect({ ...shapeOf(call), startedAt: null, participants: null }).toEqual({
    ...shapeOf(offline),
    startedAt: null,
    participants: null,
  });
  clock.advance(45_000);
  const unanswered = await bob.next('call:state-changed', ({ callId }) => callId === offline.id);
  expect({ ...ended, callId: null }).toEqual({ ...unanswered, callId: null });
  // In a group, the others ring.
  await bob.ask('call:initiate', { conversationId: group, type: 'audio', calleeIds: ['carol'] });
  const { id } = await carol.next('call:incoming');
  await bob.ask('call:add-participant', { callId: id, userId: 'alice' }).catch(() => undefined);
  await Promise.all([alice.settled(), phone.settled()]);
  for (const device of [alice, phone]) {
    expect(device.events.filter((event) => event.startsWith('call:'))).toEqual([]);
  }
});

test('in a group, the messages of a blocked user are delivered', async () => {
  const { alice, bob, group } = await start();
  await bob.ask('message:send', { conversationId: group, content: 'to all of you', type: 'text' });
  expect(await alice.next('message:new', ({ conversationId }) => conversationId === group)).toMatchObject({
    senderId: 'bob',
  });
});
