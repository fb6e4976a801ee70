import type { CommClientOptions } from '../../../src/index.ts';
import type { TestServer } from '../server/comm-server.ts';
import type { App } from './app.ts';
import { direct, startWorld, type World } from './world.ts';

export interface EncryptedPair extends World {
  alice: App;
  bob: App;
  conversationId: string;
}

/** Alice and Bob, who encrypt, in one conversation, with their keys published. */
export async function encryptedPair(options: CommClientOptions = {}): Promise<EncryptedPair> {
  const world = await startWorld();
  const [alice, bob] = await Promise.all([encrypting(world, 'alice', options), encrypting(world, 'bob', options)]);
  const conversationId = await direct(alice, bob);
  return { ...world, alice, bob, conversationId };
}

export async function encrypting(world: World, userId: string, options: CommClientOptions = {}): Promise<App> {
  const app = await world.join(userId, { encryption: {}, ...options });
  await app.client.encryption.ready;
  return app;
}

/** Everything that the server answers about messages, as text. */
export async function serverSees(server: TestServer, reader = 'alice'): Promise<string> {
  const list = (await (await server.rest('/conversations', reader)).json()) as { id: string }[];
  const parts = [JSON.stringify(list)];
  for (const { id } of list)
    parts.push(await (await server.rest(`/conversations/${id}/messages?limit=200`, reader)).text());
  return parts.join('\n');
}
