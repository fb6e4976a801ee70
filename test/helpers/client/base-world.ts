import { onTestFinished } from 'vitest';
import type { CommClientOptions } from '../../../src/index.ts';
import { startBaseServer, type BaseServer, type BaseServerOptions } from '../base-server.ts';
import { App } from './app.ts';

/** A base server and the apps of its users, all ended with the test. */
export interface BaseWorld {
  server: BaseServer;
  readonly app: (userId: string, options?: CommClientOptions) => App;
  readonly join: (userId: string, options?: CommClientOptions) => Promise<App>;
}

export async function startBase(options?: BaseServerOptions): Promise<BaseWorld> {
  const server = await startBaseServer(options);
  const apps: App[] = [];
  onTestFinished(async () => {
    await Promise.all(apps.map((each) => each[Symbol.asyncDispose]()));
    await server.close();
  });
  const app = (userId: string, more: CommClientOptions = {}): App => {
    const supports = ['archive', 'mute', 'pin', 'forward', 'calls'] as const;
    const extended = options?.tables === 'own' ? {} : { baseServer: { supports } };
    const created = new App(server.url, { userId, ...extended, ...more });
    apps.push(created);
    return created;
  };
  return {
    server,
    app,
    async join(userId, more) {
      const created = app(userId, more);
      await created.client.connect();
      return created;
    },
  };
}

/** Alice and Bob in one conversation that both have open. */
export async function baseChat(options?: BaseServerOptions, clientOptions: CommClientOptions = {}) {
  const world = await startBase(options);
  const conversationId = world.server.seedConversation({ participantIds: ['alice', 'bob'] });
  const [alice, bob] = await Promise.all([world.join('alice', clientOptions), world.join('bob')]);
  const [views, theirs] = [alice, bob].map(({ client }) => client.conversations.open(conversationId));
  if (views === undefined || theirs === undefined) throw new Error('no views');
  await Promise.all([views.ready, theirs.ready]);
  return { ...world, conversationId, alice, bob, view: views, theirs };
}
