import { describe, expect, test } from 'vitest';
import type { Clock, Conversation } from '../../../src/index.ts';
import { until } from '../../helpers/client/app.ts';
import { encrypting, serverSees } from '../../helpers/client/encryption.ts';
import { FaultyPort } from '../../helpers/client/faulty-port.ts';
import { patientClock } from '../../helpers/client/patient-clock.ts';
import { codeOf } from '../../helpers/client/rejection.ts';
import { direct, group, startWorld } from '../../helpers/client/world.ts';
import { manualClock } from '../../helpers/manual-clock.ts';
import type { Handshake } from '../../../src/transport/socket-port.ts';

const SETTINGS = {
  description: 'People who hike',
  avatarUrl: '/hike.png',
  metadata: { topic: { name: 'hiking' } },
  visibility: 'public',
} as const;

describe('settings', () => {
  test('appear in views and in the inbox of all members, and disappear when they are cleared', async () => {
    const { joinAll } = await startWorld();
    const { alice, bob } = await joinAll('alice', 'bob');
    const id = await group(alice, bob);
    const view = bob.client.conversations.open(id);
    const { inbox } = bob.client.conversations;
    const shows = (fits: (conversation: Conversation) => boolean): Promise<unknown> =>
      Promise.all([
        until(view, ({ conversation }) => conversation !== undefined && fits(conversation)),
        until(inbox, ({ conversations: [first] }) => first !== undefined && fits(first)),
      ]);
    await shows(({ visibility }) => visibility === 'private');
    await alice.client.conversations.update(id, { ...SETTINGS, frozen: true, slowModeSeconds: 30 });
    await shows(({ frozen }) => frozen === true);
    expect(view.getSnapshot().conversation).toMatchObject({ ...SETTINGS, slowModeSeconds: 30 });
    expect(inbox.getSnapshot().conversations[0]).toMatchObject({ ...SETTINGS, slowModeSeconds: 30 });
    const cleared = { description: null, avatarUrl: null, metadata: null, frozen: false, slowModeSeconds: null };
    await alice.client.conversations.update(id, { ...cleared, visibility: 'private' });
    await shows(({ visibility }) => visibility === 'private');
    for (const field of Object.keys(cleared)) {
      expect(view.getSnapshot().conversation).not.toHaveProperty(field);
      expect(inbox.getSnapshot().conversations[0]).not.toHaveProperty(field);
    }
    view.close();
  });

  test('that were changed during a disconnect are known after it', async () => {
    const { joinAll } = await startWorld();
    const { alice, bob } = await joinAll('alice', 'bob');
    const id = await group(alice, bob);
    await alice.client.conversations.update(id, { ...SETTINGS, frozen: true });
    const { inbox } = bob.client.conversations;
    await until(inbox, ({ conversations: [first] }) => first?.frozen === true);
    bob.port.unplug();
    await alice.client.conversations.update(id, { description: null, frozen: false, slowModeSeconds: 5 });
    bob.port.plug();
    await until(inbox, ({ conversations: [first] }) => first?.slowModeSeconds === 5);
    const [held] = inbox.getSnapshot().conversations;
    expect(held).toMatchObject({ avatarUrl: '/hike.png', visibility: 'public' });
    expect(held).not.toHaveProperty('description');
    expect(held).not.toHaveProperty('frozen');
  });

  test('can be given to create(); wrong ones are a TypeError or INVALID', async () => {
    const { join } = await startWorld();
    const { conversations } = (await join('alice')).client;
    expect(await conversations.create({ type: 'group', participantIds: [], ...SETTINGS })).toMatchObject(SETTINGS);
    const { id } = await conversations.create({ type: 'group', participantIds: ['bob'] });
    await expect(conversations.update(id, {})).rejects.toThrow(TypeError);
    await expect(conversations.update(id, { visibility: 'secret' as never })).rejects.toThrow(TypeError);
    await expect(conversations.update(id, { metadata: { big: 'x'.repeat(5_000) } })).rejects.toThrow(TypeError);
    expect(await codeOf(conversations.update(id, { avatarUrl: 'javascript:alert(1)' }))).toBe('INVALID');
    expect(await codeOf(conversations.update(id, { slowModeSeconds: 100_000 }))).toBe('INVALID');
  });
});

describe('public groups', () => {
  test('are found, entered and shown to the other members', async () => {
    const { joinAll } = await startWorld();
    const { alice, bob } = await joinAll('alice', 'bob');
    const { id } = await alice.client.conversations.create({
      type: 'group',
      name: 'Hike',
      participantIds: [],
      ...SETTINGS,
    });
    await alice.client.conversations.create({ type: 'group', name: 'Secret', participantIds: [] });
    expect(await bob.client.conversations.browse({ query: 'hik' })).toEqual([
      { id, name: 'Hike', description: SETTINGS.description, avatarUrl: '/hike.png', memberCount: 1, joined: false },
    ]);
    expect(await bob.client.conversations.join(id)).toMatchObject({ id, name: 'Hike' });
    await bob.next('conversation:new', (conversation) => conversation.id === id);
    await alice.next('conversation:updated', ({ participants = [] }) => participants.length === 2);
    await bob.client.messages.send({ conversationId: id, content: 'hello' });
    await alice.next('message:new', ({ content }) => content === 'hello');
    expect(await bob.client.conversations.browse()).toMatchObject([{ id, joined: true }]);
    expect(await codeOf(bob.client.conversations.join('nowhere'))).toBe('NOT_FOUND');
  });

  test('are browsed in pages', async () => {
    const { join } = await startWorld();
    const { conversations } = (await join('alice')).client;
    const ids: string[] = [];
    for (let n = 0; n < 5; n += 1) {
      ids.push((await conversations.create({ type: 'group', participantIds: [], visibility: 'public' })).id);
    }
    const first = await conversations.browse({ limit: 3 });
    const second = await conversations.browse({ limit: 3, after: first.at(-1)?.id });
    expect([...first, ...second].map(({ id }) => id)).toEqual(ids.toReversed());
  });
});

describe('a ban', () => {
  test('takes the conversation from the open view and the inbox at once, until it is lifted and the user joins', async () => {
    const { joinAll } = await startWorld();
    const { alice, bob } = await joinAll('alice', 'bob');
    const id = await group(alice, bob);
    await alice.client.conversations.update(id, { visibility: 'public' });
    const view = bob.client.conversations.open(id);
    await view.ready;
    const { inbox } = bob.client.conversations;
    await until(inbox, ({ conversations }) => conversations.length === 1);
    await alice.client.conversations.ban(id, 'bob', true, { reason: 'Spam' });
    await until(inbox, ({ conversations }) => conversations.length === 0);
    await until(view, ({ conversation }) => conversation === undefined);
    expect(await codeOf(bob.client.conversations.join(id))).toBe('NOT_FOUND');
    expect(await codeOf(bob.client.conversations.bans(id))).toBe('NOT_FOUND');
    expect(await alice.client.conversations.bans(id)).toMatchObject({
      bans: [{ userId: 'bob', bannedBy: 'alice', reason: 'Spam' }],
      hasMore: false,
    });
    await alice.client.conversations.ban(id, 'bob', false);
    await bob.client.conversations.join(id);
    await until(inbox, ({ conversations }) => conversations.length === 1);
    view.close();
  });

  test('during a disconnect is known after it', async () => {
    const { joinAll } = await startWorld();
    const { alice, bob } = await joinAll('alice', 'bob');
    const id = await group(alice, bob);
    bob.port.unplug();
    await alice.client.conversations.ban(id, 'bob', true);
    bob.port.plug();
    expect(await bob.next('conversation:left')).toEqual({ conversationId: id, userId: 'bob' });
  });
});

test('in slow mode messages wait in order, and neither other conversations nor edits wait with them', async () => {
  const serverClock = manualClock();
  const { joinAll, join } = await startWorld({ clock: serverClock });
  const { alice } = await joinAll('alice');
  const hour = 3_600_000;
  const patient = patientClock();
  const waits: (() => void)[] = [];
  let told = (): void => undefined;
  /** Ends the next wait for the slow mode, when it has begun: an hour has passed. */
  const passHour = async (): Promise<void> => {
    while (waits.length === 0) await new Promise<void>((resolve) => (told = resolve));
    serverClock.advance(hour);
    waits.shift()?.();
  };
  const clock: Clock = {
    now: () => patient.now(),
    after(delayMs, task, idle) {
      if (delayMs < hour) return patient.after(delayMs, task, idle);
      waits.push(task);
      told();
      return () => undefined;
    },
  };
  const bob = await join('bob', { clock });
  const id = await group(alice, bob);
  const other = await direct(alice, bob);
  await alice.client.conversations.update(id, { slowModeSeconds: 3_600 });
  const say = (content: string, conversationId = id) => bob.client.messages.send({ conversationId, content });
  const first = await say('one');
  const rest = ['two', 'three'].map((content) => say(content));
  while (waits.length === 0) await new Promise<void>((resolve) => (told = resolve));
  expect(await say('elsewhere', other)).toMatchObject({ content: 'elsewhere' });
  const edited = await bob.client.messages.edit({ conversationId: id, messageId: first.id, content: 'ONE' });
  expect(edited).toMatchObject({ content: 'ONE' });
  await passHour();
  expect(await rest[0]).toMatchObject({ content: 'two', seq: 2 });
  await passHour();
  expect(await rest[1]).toMatchObject({ content: 'three', seq: 3 });
});

test('list() filters, with pinned conversations first', async () => {
  const { joinAll } = await startWorld();
  const { alice, bob } = await joinAll('alice', 'bob');
  const ids = [await group(alice, bob), await direct(alice, bob)];
  const [hike = '', pair = ''] = ids;
  const { conversations } = alice.client;
  await conversations.pin(hike, true);
  await conversations.archive(pair, true);
  const found = async (query: object): Promise<string[]> => (await conversations.list(query)).map(({ id }) => id);
  expect(await found({ archived: true })).toEqual([pair]);
  expect(await found({ query: 'bob' })).toEqual([hike, pair]);
  expect(await found({ query: 'friends' })).toEqual([hike]);
  expect(await found({ unread: true })).toEqual([]);
  await expect(conversations.list({ archived: 'yes' as never })).rejects.toThrow(TypeError);
});

/** A client that does not offer the capability: to it, the server has no rules of groups. */
class PortWithoutModeration extends FaultyPort {
  override connect({ auth, query }: Handshake): void {
    const caps = (auth['caps'] as string[]).filter((capability) => capability !== 'moderation');
    super.connect({ auth: { ...auth, caps }, query });
  }
}

test('without the capability everything new is UNSUPPORTED, and names still change', async () => {
  const { join, server } = await startWorld();
  const { client } = await join('alice', { socket: new PortWithoutModeration(server.url) });
  const { conversations } = client;
  const { id } = await conversations.create({ type: 'group', participantIds: ['bob'] });
  for (const request of [
    () => conversations.browse(),
    () => conversations.join(id),
    () => conversations.ban(id, 'bob', true),
    () => conversations.bans(id),
    () => conversations.update(id, { frozen: true }),
    () => conversations.create({ type: 'group', participantIds: [], visibility: 'public' }),
    () => conversations.list({ unread: true }),
  ]) {
    expect(await codeOf(request())).toBe('UNSUPPORTED');
  }
  expect(await conversations.update(id, { name: 'Hike' })).toMatchObject({ name: 'Hike' });
});

describe('a public group with encryption', () => {
  test('is read by a user who enters, from then on, and the members are told', async () => {
    const world = await startWorld();
    const [alice, bob, eve] = await Promise.all(['alice', 'bob', 'eve'].map((userId) => encrypting(world, userId)));
    if (alice === undefined || bob === undefined || eve === undefined) throw new Error('Not connected');
    const id = await group(alice, bob);
    const say = (content: string) => alice.client.messages.send({ conversationId: id, content, encrypt: true });
    await say('before the entry');
    await alice.client.conversations.update(id, { visibility: 'public', description: 'for all to see' });
    await eve.client.conversations.join(id);
    await alice.next('conversation:updated', ({ participants = [] }) => participants.length === 3);
    await say('after the entry');
    expect(await alice.next('encryption:members-changed')).toMatchObject({ added: ['eve'], accepted: true });
    const reads = (content: string) => (message: { content: string }) => message.content === content;
    await Promise.race([
      eve.next('message:new', reads('after the entry')),
      eve.next('message:updated', reads('after the entry')),
    ]);
    const seen = await serverSees(world.server);
    expect(seen).not.toMatch(/before the entry|after the entry/);
    expect(seen).toContain('for all to see');
  });

  test('stops sending with the policy `block` until the members are accepted', async () => {
    const world = await startWorld();
    const alice = await encrypting(world, 'alice', { encryption: { policy: 'block' } });
    const [bob, eve] = await Promise.all(['bob', 'eve'].map((userId) => encrypting(world, userId)));
    if (bob === undefined || eve === undefined) throw new Error('Not connected');
    const id = await group(alice, bob);
    const say = (content: string) => alice.client.messages.send({ conversationId: id, content, encrypt: true });
    await say('before the entry');
    await alice.client.conversations.update(id, { visibility: 'public' });
    await eve.client.conversations.join(id);
    await alice.next('conversation:updated', ({ participants = [] }) => participants.length === 3);
    expect(await codeOf(say('not for eve'))).toBe('E2EE_MEMBERS_CHANGED');
    await alice.client.encryption.acceptMembers(id);
    expect(await say('for eve too')).toMatchObject({ content: 'for eve too' });
  });
});
