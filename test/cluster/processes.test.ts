import { afterAll, beforeAll, expect, test } from 'vitest';
import { CommClient } from '../../src/index.ts';
import { fastClock } from '../faults/actor.ts';
import { eventually } from '../helpers/eventually.ts';
import { connectClient, type CheckedClient } from '../helpers/server/checked-client.ts';
import { LARGE_BUDGETS_ARGS } from '../helpers/server/comm-server.ts';
import { keyBundle } from '../helpers/server/keys.ts';
import { Cluster } from './cluster.ts';

let cluster: Cluster;
beforeAll(async () => {
  cluster = await Cluster.start({ args: LARGE_BUDGETS_ARGS });
});
afterAll(() => cluster[Symbol.asyncDispose]());

const urlOf = (process: number): string => cluster.members[process]?.server.url ?? '';
const connect = (process: number, userId: string): Promise<CheckedClient> => connectClient(urlOf(process), { userId });

async function clientOn(process: number, userId: string): Promise<CommClient> {
  const client = new CommClient({ url: urlOf(process), userId, clock: fastClock });
  await client.connect();
  return client;
}

test('two devices of a user on two processes show the same, whichever of them acts', async () => {
  await using phone = await clientOn(0, 'ada');
  await using laptop = await clientOn(1, 'ada');
  await using bob = await clientOn(2, 'bob');
  const { id: conversationId } = await phone.conversations.create({ type: 'direct', participantIds: ['bob'] });
  const onLaptop = laptop.conversations.open(conversationId);
  await onLaptop.ready;
  await phone.messages.send({ conversationId, content: 'from the phone' });
  await laptop.messages.send({ conversationId, content: 'from the laptop' });
  const last = await bob.messages.send({ conversationId, content: 'from Bob' });
  const onPhone = phone.conversations.open(conversationId);
  await onPhone.ready;
  for (const view of [onPhone, onLaptop]) {
    await eventually(() =>
      expect(view.getSnapshot().messages.map(({ content }) => content)).toEqual([
        'from the phone',
        'from the laptop',
        'from Bob',
      ]),
    );
  }
  for (const { conversations } of [phone, laptop]) conversations.inbox.subscribe(() => undefined);
  const unread = (client: CommClient): number | undefined =>
    client.conversations.inbox.getSnapshot().conversations.find(({ id }) => id === conversationId)?.unreadCount;
  await eventually(() => expect([unread(phone), unread(laptop)]).toEqual([1, 1]));
  await laptop.messages.markRead({ conversationId, messageId: last.id });
  await eventually(() => expect([unread(phone), unread(laptop)]).toEqual([0, 0]));
  await phone.conversations.mute(conversationId, true);
  await eventually(() => expect(onLaptop.getSnapshot().conversation?.muted).toBe(true));
  await bob.messages.edit({ conversationId, messageId: last.id, content: 'from Bob, edited' });
  for (const view of [onPhone, onLaptop]) {
    await eventually(() => expect(view.getSnapshot().messages.at(-1)?.content).toBe('from Bob, edited'));
  }
});

test('users who create the same direct conversation on several processes at once get one', async () => {
  const clients = await Promise.all([0, 1, 2].map(async (at) => [await connect(at, 'eve'), await connect(at, 'fay')]));
  const [eve, fay] = [0, 1].map((user) => clients.flatMap((pair) => pair.slice(user, user + 1)));
  const create = (client: CheckedClient, other: string): Promise<{ id: string }> =>
    client.ask('conversation:create', { type: 'direct', participantIds: [other] });
  const created = await Promise.all([
    ...(eve ?? []).map((client) => create(client, 'fay')),
    ...(fay ?? []).map((client) => create(client, 'eve')),
  ]);
  expect(new Set(created.map(({ id }) => id)).size).toBe(1);
  const rows = await cluster.query(
    `select c.id from conversations as c join conversation_participants as p on p.conversation_id = c.id
     where c.type = 'direct' and p.user_id in ('eve', 'fay')`,
  );
  expect(rows).toHaveLength(2);
  for (const client of clients.flat()) client.close();
});

test('one-time prekeys that are requested on several processes at once are handed out once each', async () => {
  const [keys, callers, requests] = [30, ['gil', 'hal', 'ivy'], 12];
  using owner = await connect(0, 'owner');
  await owner.ask('encryption:upload-keys', keyBundle(keys));
  const { id } = await owner.ask('conversation:create', { type: 'group', participantIds: callers });
  await owner.ask('message:send', { conversationId: id, content: 'Hello', type: 'text' });
  const clients = await Promise.all(callers.flatMap((userId) => [0, 1, 2].map((at) => connect(at, userId))));
  const answers = await Promise.all(
    clients.flatMap((client) =>
      Array.from({ length: requests }, () => client.ask('encryption:request-keys', { recipientId: 'owner' })),
    ),
  );
  const handedOut = answers.flatMap(({ oneTimePreKey }) => (oneTimePreKey === undefined ? [] : [oneTimePreKey.keyId]));
  expect(answers.length).toBeGreaterThan(3 * keys);
  expect(handedOut.toSorted((a, b) => a - b)).toEqual(Array.from({ length: keys }, (_, at) => at + 1));
  for (const client of clients) client.close();
});

test('a message that is sent on several processes at once with one client id is stored once', async () => {
  const clients = await Promise.all([0, 1, 2].map((at) => connect(at, 'kim')));
  const { id: conversationId } = (await clients[0]?.ask('conversation:create', {
    type: 'group',
    participantIds: [],
  })) ?? {
    id: '',
  };
  const sent = await Promise.all(
    clients.map((client) =>
      client.ask('message:send', { conversationId, content: 'once', clientId: 'kim-1', type: 'text' }),
    ),
  );
  expect(new Set(sent.map(({ id }) => id)).size).toBe(1);
  expect(await cluster.query(`select id from messages where content = 'once'`)).toHaveLength(1);
  for (const client of clients) client.close();
});
