import type { CommClientOptions } from '../../../src/index.ts';
import type { TestServer } from '../server/comm-server.ts';
import type { App } from './app.ts';
import { direct, startWorld, type World } from './world.ts';

/** Alice and Bob in one conversation. */
export interface EncryptedPair extends World {
  alice: App;
  bob: App;
  conversationId: string;
}

/** Connects Alice and Bob with published keys, and creates a conversation of both. */
export async function encryptedPair(options: CommClientOptions = {}): Promise<EncryptedPair> {
  const world = await startWorld();
  const [alice, bob] = await Promise.all([encrypting(world, 'alice', options), encrypting(world, 'bob', options)]);
  const conversationId = await direct(alice, bob);
  return { ...world, alice, bob, conversationId };
}

/** Connects a user with encryption, and waits until their keys are published. */
export async function encrypting(world: World, userId: string, options: CommClientOptions = {}): Promise<App> {
  const app = await world.join(userId, { encryption: {}, ...options });
  await app.client.encryption.ready;
  return app;
}

/** Returns all conversations and messages that the server returns to a user, as text. */
export async function serverSees(server: TestServer, reader = 'alice'): Promise<string> {
  const list = (await (await server.rest('/conversations', reader)).json()) as { id: string }[];
  const parts = [JSON.stringify(list)];
  for (const { id } of list)
    parts.push(await (await server.rest(`/conversations/${id}/messages?limit=200`, reader)).text());
  return parts.join('\n');
}
