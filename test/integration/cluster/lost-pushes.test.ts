import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Conversation } from '../../../src/index.ts';
import { PLAIN_CAPABILITIES } from '../../../src/protocol/constants.ts';
import { App } from '../../helpers/client/app.ts';
import { group } from '../../helpers/client/world.ts';
import { eventually } from '../../helpers/eventually.ts';
import { keyBundle } from '../../helpers/server/keys.ts';
import { sessionInit } from '../../helpers/server/envelopes.ts';
import {
  startCluster,
  type Cluster,
  type ClusterProcess,
  type ClusterProcessOptions,
} from '../../helpers/redis/cluster.ts';

let cluster: Cluster;
const apps: App[] = [];

beforeEach(async () => {
  cluster = await startCluster();
});

afterEach(async () => {
  await Promise.all(apps.splice(0).map((app) => app[Symbol.asyncDispose]()));
  await cluster[Symbol.asyncDispose]();
});

async function startTwo(options?: ClusterProcessOptions): Promise<[ClusterProcess, ClusterProcess]> {
  return [await cluster.start(options), await cluster.start(options)];
}

async function join({ server }: ClusterProcess, userId: string): Promise<App> {
  const app = new App(server.url, { userId });
  apps.push(app);
  await app.client.connect();
  return app;
}

/** Runs a task while a process has no line to Redis. When it resolves, the process is connected again. */
async function withoutRedis({ line, bus }: ClusterProcess, task: () => Promise<void>): Promise<void> {
  // New connections get no answer.
  line.kill();
  line.cut();
  await eventually(() => expect(bus.connected).toBe(false));
  await task();
  line.heal();
  await eventually(() => expect(bus.connected).toBe(true));
}

/** What is equal in all lists of a user. */
function summary(conversations: readonly Conversation[]): unknown {
  const each = conversations.map(({ id, lastMessage, unreadCount, archived, muted, pinned, participants, head }) => {
    const members = participants.map(({ userId, displayName, role, lastReadSeq }) => {
      return { userId, displayName, role, lastReadSeq };
    });
    return { id, last: lastMessage?.content, unreadCount, archived, muted, pinned, head, members };
  });
  return each.toSorted((one, other) => one.id.localeCompare(other.id));
}

describe('a client whose process was cut off from Redis', () => {
  test('has each message once, and no disconnect', async () => {
    const [a, b] = await startTwo();
    const [alice, bob] = [await join(a, 'alice'), await join(b, 'bob')];
    const conversationId = await group(alice, bob);
    const send = (content: string) => alice.client.messages.send({ conversationId, content });
    await send('before');
    await bob.next('message:new');
    bob.forget();
    await withoutRedis(b, async () => {
      for (const content of ['1', '2', '3']) await send(content);
      await bob.client.messages.send({ conversationId, content: 'own' });
    });
    await send('after');
    await bob.next('message:new', ({ content }) => content === 'after');
    expect(bob.all('message:new').map(({ content }) => content)).toEqual(['1', '2', '3', 'own', 'after']);
    expect([bob.port.opened, bob.all('status'), bob.errors]).toEqual([1, [], []]);
  });

  test('shows what was edited, deleted, reacted to, received and read meanwhile', async () => {
    const [a, b] = await startTwo();
    const [alice, bob] = [await join(a, 'alice'), await join(b, 'bob')];
    const conversationId = await group(alice, bob);
    const [edited, deleted, liked] = [
      await alice.client.messages.send({ conversationId, content: 'edit' }),
      await alice.client.messages.send({ conversationId, content: 'delete' }),
      await alice.client.messages.send({ conversationId, content: 'like' }),
    ];
    const view = bob.client.conversations.open(conversationId);
    await view.ready;
    const own = await bob.client.messages.send({ conversationId, content: 'own' });
    await alice.next('message:new', ({ id }) => id === own.id);
    const messages = (): unknown =>
      view.getSnapshot().messages.map(({ content, deletedAt, reactions, status }) => {
        return { content, isDeleted: deletedAt !== undefined, reactions: reactions?.length ?? 0, status };
      });
    await withoutRedis(b, async () => {
      await alice.client.messages.edit({ conversationId, messageId: edited.id, content: 'edited' });
      await alice.client.messages.delete({ conversationId, messageId: deleted.id });
      await alice.client.messages.react({ conversationId, messageId: liked.id, emoji: '👍' });
      // The receipt is all that is missed of its message.
      await alice.client.messages.markRead({ conversationId, messageId: own.id });
    });
    await eventually(() =>
      expect(messages()).toMatchObject([
        { content: 'edited', reactions: 0 },
        { content: '', isDeleted: true },
        { content: 'like', reactions: 1 },
        { content: 'own', status: 'read' },
      ]),
    );
    expect([bob.port.opened, bob.all('status')]).toEqual([1, ['connecting', 'connected']]);
    view.close();
  });

  test('has the conversations, flags and counts that another device of the user sees', async () => {
    const [a, b] = await startTwo();
    const [alice, laptop, phone] = [await join(a, 'alice'), await join(a, 'bob'), await join(b, 'bob')];
    const create = async (name: string): Promise<string> => {
      const request = { type: 'group', name, participantIds: ['bob', 'cleo'] } as const;
      const { id } = await alice.client.conversations.create(request);
      await alice.client.messages.send({ conversationId: id, content: `first of ${name}` });
      return id;
    };
    const [kept, muted, unread, lost] = [
      await create('kept'),
      await create('muted'),
      await create('unread'),
      await create('lost'),
    ];
    const shown = (app: App): readonly Conversation[] => app.client.conversations.inbox.getSnapshot().conversations;
    const stops = [phone, laptop].map((app) => app.client.conversations.inbox.subscribe(() => undefined));
    await eventually(() => expect(shown(phone)).toHaveLength(4));
    await laptop.client.messages.markRead({
      conversationId: unread,
      messageId: shown(phone).find(({ id }) => id === unread)?.lastMessage?.id ?? '',
    });
    await eventually(() => expect(shown(phone).find(({ id }) => id === unread)?.unreadCount).toBe(0));
    // Kept in step by pushes from now on.
    expect(await phone.client.users.blocked()).toEqual([]);
    let gained = '';
    await withoutRedis(b, async () => {
      await alice.client.messages.send({ conversationId: kept, content: 'unread on the phone' });
      await alice.client.conversations.removeParticipant(kept, 'cleo');
      await laptop.client.conversations.mute(muted, true);
      await laptop.client.conversations.pin(muted, true);
      await laptop.client.conversations.markUnread(unread);
      await alice.client.conversations.removeParticipant(lost, 'bob');
      await alice.client.messages.send({ conversationId: lost, content: 'not for bob' });
      gained = await create('gained');
      await alice.client.users.update({ displayName: 'Alice B.' });
      await laptop.client.users.block('cleo', true);
    });
    await phone.next('conversation:new', ({ id }) => id === gained);
    await phone.next('conversation:left', (left) => left.conversationId === lost);
    await eventually(async () => {
      expect(summary(shown(phone))).toEqual(summary(await phone.client.conversations.list()));
      expect(summary(shown(phone))).toEqual(summary(shown(laptop)));
    });
    expect(shown(phone).map(({ id }) => id)).not.toContain(lost);
    expect(await phone.client.users.blocked()).toEqual(['cleo']);
    expect(phone.all('message:new').map(({ content }) => content)).not.toContain('not for bob');
    expect([phone.port.opened, phone.all('status')]).toEqual([1, ['connecting', 'connected']]);
    for (const stop of stops) stop();
  });

  test('sees the presence of others as it is', async () => {
    const [a, b] = await startTwo();
    const [alice, bob] = [await join(a, 'alice'), await join(b, 'bob')];
    await group(alice, bob);
    bob.client.presence.watch(['alice']);
    await eventually(() => expect(bob.client.presence.get('alice')?.status).toBe('online'));
    await withoutRedis(b, async () => {
      await alice.client.presence.set('busy');
    });
    await bob.next('presence:changed', ({ status }) => status === 'busy');
    await alice.client.presence.set('away');
    await bob.next('presence:changed', ({ status }) => status === 'away');
    expect(bob.port.opened).toBe(1);
  });

  test('is cut off again and again, and misses nothing', async () => {
    const [a, b] = await startTwo();
    const [alice, bob] = [await join(a, 'alice'), await join(b, 'bob')];
    const conversationId = await group(alice, bob);
    const contents = Array.from({ length: 40 }, (_, number) => String(number));
    for (const content of contents) {
      if (Number(content) % 4 === 0) b.line.cut();
      if (Number(content) % 10 === 0) a.line.cut();
      await alice.client.messages.send({ conversationId, content });
    }
    await bob.next('message:new', ({ content }) => content === contents.at(-1));
    expect(bob.all('message:new').map(({ content }) => content)).toEqual(contents);
    expect([bob.port.opened, alice.port.opened]).toEqual([1, 1]);
  });

  test('after Redis was restarted empty, clients of all processes stay connected', async () => {
    const [a, b] = await startTwo();
    const [alice, bob] = [await join(a, 'alice'), await join(b, 'bob')];
    const conversationId = await group(alice, bob);
    await cluster.redis.stop();
    await eventually(() => expect([a.bus.connected, b.bus.connected]).toEqual([false, false]));
    await alice.client.messages.send({ conversationId, content: 'of alice' });
    await bob.client.messages.send({ conversationId, content: 'of bob' });
    await cluster.redis.start();
    await bob.next('message:new', ({ content }) => content === 'of alice');
    await alice.next('message:new', ({ content }) => content === 'of bob');
    expect([bob.port.opened, alice.port.opened]).toEqual([1, 1]);
  });
});

describe('the server', () => {
  test('pushes a ringing call and stored envelopes after it has told of lost pushes', async () => {
    const [a, b] = await startTwo();
    const [alice, bob] = [await a.server.connect('alice'), await b.server.connect('bob')];
    const { id: conversationId } = await alice.ask('conversation:create', { type: 'direct', participantIds: ['bob'] });
    await bob.next('conversation:new');
    await alice.ask('encryption:upload-keys', keyBundle(1));
    await bob.ask('encryption:upload-keys', keyBundle(1));
    let callId = '';
    await withoutRedis(b, async () => {
      const start = { conversationId, type: 'audio', calleeIds: ['bob'], deviceId: 'A' } as const;
      ({ id: callId } = await alice.ask('call:initiate', start));
      await alice.ask('encryption:session-init', sessionInit('alice', 'bob'));
    });
    await bob.next('comm:resync');
    expect((await bob.next('call:incoming')).id).toBe(callId);
    expect((await bob.next('encryption:session-init')).mailboxId).toBeDefined();
    const after = bob.events.slice(bob.events.indexOf('comm:resync'));
    expect(after).toEqual(expect.arrayContaining(['call:incoming', 'encryption:session-init']));
  });

  test('ends a call on devices that are told to ring after they were told of its end', async () => {
    const [a, b] = await startTwo();
    const [alice, bob] = [await a.server.connect('alice'), await b.server.connect('bob')];
    const { id: conversationId } = await alice.ask('conversation:create', { type: 'direct', participantIds: ['bob'] });
    await bob.next('conversation:new');
    const { id } = await alice.ask('call:initiate', { conversationId, type: 'audio', calleeIds: ['bob'] });
    const data = await bob.next('call:incoming');
    await alice.ask('call:hangup', { callId: id, reason: 'cancelled' });
    await bob.next('call:state-changed', ({ state }) => state === 'ended');
    // A third process that published late.
    a.bus.publish('u:bob', JSON.stringify([{ to: 'user', push: { event: 'call:incoming', data }, options: {} }]));
    await bob.next('call:incoming');
    expect(await bob.next('call:state-changed')).toMatchObject({ callId: id, state: 'ended', endReason: 'cancelled' });
  });

  test('disconnects clients that do not know of lost pushes', async () => {
    const [, b] = await startTwo();
    const base = await b.server.connectBase('bob');
    const earlier = await b.server.connect('bob', { caps: PLAIN_CAPABILITIES.filter((each) => each !== 'resync') });
    await withoutRedis(b, () => Promise.resolve());
    await Promise.all([base.disconnected(), earlier.disconnected()]);
    expect([...base.events, ...earlier.events]).not.toContain('comm:resync');
  });

  test('pushes nothing of a conversation that a user was removed from meanwhile', async () => {
    const [a, b] = await startTwo();
    const [alice, bob, cleo] = [
      await a.server.connect('alice'),
      await b.server.connect('bob'),
      await b.server.connect('cleo'),
    ];
    const { id: conversationId } = await alice.ask('conversation:create', {
      type: 'group',
      name: 'team',
      participantIds: ['bob', 'cleo'],
    });
    await Promise.all([bob.next('conversation:new'), cleo.next('conversation:new')]);
    await withoutRedis(b, async () => {
      await alice.ask('conversation:remove-participant', { conversationId, userId: 'bob' });
    });
    // Some of them before the process has read who is a member.
    for (let number = 0; number < 20; number += 1) {
      await alice.ask('message:send', { conversationId, content: String(number), type: 'text' });
    }
    await bob.next('comm:resync');
    await cleo.next('comm:resync');
    const { id } = await alice.ask('message:send', { conversationId, content: 'last', type: 'text' });
    await cleo.next('message:new', (message) => message.id === id);
    await bob.settled();
    expect(bob.payloads('message:new')).toEqual([]);
  });

  test('ends the connection of a user who was banned meanwhile, or whose credentials are not accepted any more', async () => {
    const accepted = new Set(['alice', 'bob', 'cleo']);
    const [a, b] = await startTwo({
      auth: ({ query }) => {
        const userId = String(query['userId']);
        return accepted.has(userId) ? { userId } : undefined;
      },
    });
    const [bob, cleo, alice] = [
      await b.server.connect('bob'),
      await b.server.connect('cleo'),
      await b.server.connect('alice'),
    ];
    await withoutRedis(b, async () => {
      await a.server.server.api.moderation.ban({ userId: 'bob' });
      accepted.delete('cleo');
      a.server.server.api.disconnectUser('cleo');
    });
    await Promise.all([bob.disconnected(), cleo.disconnected()]);
    await alice.next('comm:resync');
    await alice.settled();
  });
});
