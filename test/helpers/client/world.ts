import { onTestFinished } from 'vitest';
import type { CommClientOptions, Message } from '../../../src/index.ts';
import type { CommServerOptions } from '../../../src/server/index.ts';
import { startServer, type TestServer } from '../server/comm-server.ts';
import { App } from './app.ts';

/** A server and the apps of its users, all ended with the test. */
export interface World {
  readonly server: TestServer;
  /** A client that isn't connected yet. */
  readonly app: (userId: string | undefined, options?: CommClientOptions) => App;
  /** One that is. */
  readonly join: (userId: string, options?: CommClientOptions) => Promise<App>;
  /** Several at once, by name. */
  readonly joinAll: <const N extends string>(...userIds: N[]) => Promise<Record<N, App>>;
}

export async function startWorld(options: CommServerOptions = {}): Promise<World> {
  const server = await startServer(options);
  const apps: App[] = [];
  onTestFinished(async () => {
    await Promise.all(apps.map((each) => each[Symbol.asyncDispose]()));
    await server[Symbol.asyncDispose]();
  });
  const app = (userId: string | undefined, more: CommClientOptions = {}): App => {
    const created = new App(server.url, { userId, ...more });
    apps.push(created);
    return created;
  };
  const join = async (userId: string, more: CommClientOptions = {}): Promise<App> => {
    const created = app(userId, more);
    await created.client.connect();
    return created;
  };
  return {
    server,
    app,
    join,
    async joinAll<const N extends string>(...userIds: N[]) {
      const entries = await Promise.all(userIds.map(async (userId) => [userId, await join(userId)] as const));
      return Object.fromEntries(entries) as Record<N, App>;
    },
  };
}

/** A direct conversation of two apps, known to both. */
export async function direct(one: App, other: App): Promise<string> {
  const participantIds = [other.client.userId ?? ''];
  const { id } = await one.client.conversations.create({ type: 'direct', participantIds });
  await Promise.all(
    [one, other].map((each) => each.next('conversation:new', (conversation) => conversation.id === id)),
  );
  return id;
}

/** A group that `owner` makes, known to all. */
export async function group(owner: App, ...others: App[]): Promise<string> {
  const participantIds = others.map(({ client }) => client.userId ?? '');
  const { id } = await owner.client.conversations.create({ type: 'group', name: 'Friends', participantIds });
  await Promise.all(
    [owner, ...others].map((each) => each.next('conversation:new', (conversation) => conversation.id === id)),
  );
  return id;
}

export interface Chat extends World {
  alice: App;
  bob: App;
  conversationId: string;
  sent: Message[];
}
/** Alice and Bob, and `count` messages of Alice. */
export async function chat(count = 0): Promise<Chat> {
  const world = await startWorld();
  const { alice, bob } = await world.joinAll('alice', 'bob');
  const conversationId = await direct(alice, bob);
  const sent = await Promise.all(
    Array.from({ length: count }, (_, at) =>
      alice.client.messages.send({ conversationId, content: `message ${at + 1}` }),
    ),
  );
  if (count > 0) await bob.next('message:new', ({ seq }) => seq === count);
  return { ...world, alice, bob, conversationId, sent };
}

/** What happens within one millisecond is listed by ids, at random. */
export async function nextMillisecond(): Promise<void> {
  for (const now = Date.now(); Date.now() === now;) await new Promise((resolve) => setImmediate(resolve));
}

/** Sends the numbers `from` to `to`, each as a message. */
export async function sendNumbers(app: App, conversationId: string, from: number, to: number): Promise<Message[]> {
  return Promise.all(
    Array.from({ length: to - from + 1 }, (_, at) =>
      app.client.messages.send({ conversationId, content: String(from + at) }),
    ),
  );
}
