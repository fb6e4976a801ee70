import { expect, test } from 'vitest';
import { CommClient, type Message } from '../../src/index.ts';
import { fastClock } from '../faults/actor.ts';
import { eventually } from '../helpers/eventually.ts';
import { LARGE_BUDGETS_ARGS } from '../helpers/server/comm-server.ts';
import { Cluster } from './cluster.ts';

/** A client that counts what it is told. */
interface Watched extends AsyncDisposable {
  readonly client: CommClient;
  readonly statuses: string[];
  /** Contents of `message:new`, in order. */
  readonly told: string[];
}

async function watch(url: string, userId: string): Promise<Watched> {
  const client = new CommClient({ url, userId, clock: fastClock });
  await client.connect();
  const [statuses, told]: [string[], string[]] = [[], []];
  client.on('status', (status) => statuses.push(status));
  client.on('message:new', ({ content }) => told.push(content));
  return { client, statuses, told, [Symbol.asyncDispose]: () => client[Symbol.asyncDispose]() };
}

const numbered = (who: string, count: number): string[] => Array.from({ length: count }, (_, at) => `${who} ${at}`);

/** Checks that a client was told of each message once, and of those of each sender in order. */
function expectAll({ told }: Watched, sent: readonly (readonly string[])[]): void {
  expect(told.toSorted()).toEqual(sent.flat().toSorted());
  for (const texts of sent) {
    const sender = `${texts[0]?.split(' ')[0] ?? ''} `;
    expect(told.filter((text) => text.startsWith(sender))).toEqual(texts);
  }
}

test('SIGTERM during messages hands the clients over: no message is lost, and all they see is a reconnect', async () => {
  await using cluster = await Cluster.start({ args: LARGE_BUDGETS_ARGS });
  const [drained, other] = [await cluster.balance(0), await cluster.balance(1)];
  await using ann = await watch(drained, 'ann');
  await using bob = await watch(drained, 'bob');
  await using cat = await watch(other, 'cat');
  const { id: conversationId } = await ann.client.conversations.create({
    type: 'group',
    participantIds: ['bob', 'cat'],
  });
  for (const { client } of [bob, cat]) {
    const inbox = client.conversations.inbox;
    inbox.subscribe(() => undefined);
    await eventually(() => expect(inbox.getSnapshot().conversations.map(({ id }) => id)).toEqual([conversationId]));
  }
  const texts = [numbered('ann', 60), numbered('cat', 60)];
  const send = ({ client }: Watched, contents: readonly string[]): Promise<Message>[] =>
    contents.map((content) => client.messages.send({ conversationId, content }));
  const sends = [...send(ann, texts[0] ?? []), ...send(cat, texts[1] ?? [])];
  await sends[0];
  const exit = cluster.members[0]?.server.kill('SIGTERM');
  expect(await exit).toBe(0);
  expect(new Set((await Promise.all(sends)).map(({ status }) => status))).not.toContain('failed');
  for (const each of [ann, bob, cat]) await eventually(() => expectAll(each, texts));
  // One reconnect, to another process. A client is told of messages before it is in step.
  for (const { statuses } of [ann, bob]) {
    await eventually(() => expect(statuses).toEqual(['reconnecting', 'connected']));
  }
  expect(cat.statuses).toEqual([]);
});

test('a rolling restart of three processes under load loses nothing', async () => {
  await using cluster = await Cluster.start({ args: LARGE_BUDGETS_ARGS });
  const names = ['ann', 'bob', 'cat', 'dan', 'eva', 'fay'];
  const origins = await Promise.all(cluster.members.map((_, at) => cluster.balance(at)));
  const users = await Promise.all(names.map((name, at) => watch(origins[at % origins.length] ?? '', name)));
  const [first] = users;
  const { id: conversationId } = (await first?.client.conversations.create({
    type: 'group',
    participantIds: names.slice(1),
  })) ?? { id: '' };
  for (const { client } of users) {
    const inbox = client.conversations.inbox;
    inbox.subscribe(() => undefined);
    await eventually(() => expect(inbox.getSnapshot().conversations.map(({ id }) => id)).toEqual([conversationId]));
  }
  const load = { over: false };
  const sent = names.map((): string[] => []);
  const work = users.map(async ({ client }, at) => {
    for (let number = 0; !load.over; number += 1) {
      const content = `${names[at] ?? ''} ${number}`;
      sent[at]?.push(content);
      await client.messages.send({ conversationId, content });
    }
  });
  for (const { server } of cluster.members) {
    const before = sent.flat().length;
    expect(await server.kill('SIGTERM')).toBe(0);
    await server.restart();
    // Under load: messages were sent meanwhile and are sent again.
    await eventually(() => expect(sent.flat().length).toBeGreaterThan(before + names.length));
  }
  load.over = true;
  await Promise.all(work);
  for (const each of users) await eventually(() => expectAll(each, sent));
  for (const { statuses } of users) {
    await eventually(() => expect(statuses.at(-1)).toBe('connected'));
    expect(statuses.filter((status) => status !== 'reconnecting' && status !== 'connected')).toEqual([]);
  }
  await Promise.all(users.map((each) => each[Symbol.asyncDispose]()));
});
