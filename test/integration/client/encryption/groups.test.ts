import { expect, test } from 'vitest';
import { memoryStorage, type Message } from '../../../../src/index.ts';
import type { App } from '../../../helpers/client/app.ts';
import { encrypting, serverSees } from '../../../helpers/client/encryption.ts';
import { group, startWorld, type World } from '../../../helpers/client/world.ts';

interface Three {
  world: World;
  alice: App;
  bob: App;
  cleo: App;
  conversationId: string;
}

async function three(): Promise<Three> {
  const world = await startWorld();
  const [alice, bob, cleo] = await Promise.all([
    encrypting(world, 'alice'),
    encrypting(world, 'bob'),
    encrypting(world, 'cleo'),
  ]);
  return { world, alice, bob, cleo, conversationId: await group(alice, bob, cleo) };
}

function say(app: App, conversationId: string, content: string): Promise<Message> {
  return app.client.messages.send({ conversationId, content, encrypt: true });
}

/** Read, at once or once the key has come. */
async function reads(app: App, content: string): Promise<void> {
  const read = (message: Message): boolean => message.content === content;
  await Promise.race([app.next('message:new', read), app.next('message:updated', read)]);
}

const chainOf = ({ envelope }: Message): string | undefined => envelope?.sessionId;

test('everybody reads everybody, from one ciphertext', async () => {
  const { world, alice, bob, cleo, conversationId } = await three();
  const first = await say(alice, conversationId, 'from alice');
  await say(bob, conversationId, 'from bob');
  await say(cleo, conversationId, 'from cleo');
  await say(alice, conversationId, 'alice again');
  for (const app of [alice, bob, cleo]) {
    for (const content of ['from alice', 'from bob', 'from cleo', 'alice again']) await reads(app, content);
  }
  expect(first.envelope?.recipientId).toBe(conversationId);
  expect(await serverSees(world.server)).not.toMatch(/from|again/);
});

test('somebody who is away gets the keys and the messages when they are back', async () => {
  const { alice, cleo, conversationId } = await three();
  cleo.port.unplug();
  await say(alice, conversationId, 'one');
  await say(alice, conversationId, 'two');
  cleo.port.plug();
  await reads(cleo, 'one');
  await reads(cleo, 'two');
});

test('with a removal a new chain begins, which the one who was removed is not given', async () => {
  const { alice, bob, cleo, conversationId } = await three();
  const before = await say(alice, conversationId, 'with cleo');
  const same = await say(alice, conversationId, 'with cleo still');
  await reads(cleo, 'with cleo still');
  await alice.client.conversations.removeParticipant(conversationId, 'cleo');
  await bob.next('conversation:left');
  await alice.client.conversations.addParticipants(conversationId, ['dora']);
  const after = await say(alice, conversationId, 'without cleo');
  await reads(bob, 'without cleo');
  expect(chainOf(same)).toBe(chainOf(before));
  expect(chainOf(after)).not.toBe(chainOf(before));
});

test('who joins later reads from then on, and not before', async () => {
  const { world, alice, bob, cleo, conversationId } = await three();
  const before = await say(alice, conversationId, 'before dora');
  await reads(bob, 'before dora');
  const dora = await encrypting(world, 'dora');
  await alice.client.conversations.addParticipants(conversationId, ['dora']);
  await dora.next('conversation:new');
  const after = await say(alice, conversationId, 'with dora');
  await reads(dora, 'with dora');
  await reads(cleo, 'with dora');
  expect(chainOf(after)).toBe(chainOf(before));
  const { messages } = await dora.client.messages.list({ conversationId });
  expect(messages.map(({ content, undecrypted }) => undecrypted ?? content)).toEqual(['no-sender-key', 'with dora']);
});

test('a member without keys keeps nobody from reading, and reads from when they have some', async () => {
  const world = await startWorld();
  const [alice, bob] = await Promise.all([encrypting(world, 'alice'), encrypting(world, 'bob')]);
  const cleo = await world.join('cleo');
  const conversationId = await group(alice, bob, cleo);
  await say(alice, conversationId, 'cleo has no keys');
  await reads(bob, 'cleo has no keys');
  await cleo.client.disconnect();
  const again = await encrypting(world, 'cleo');
  await say(alice, conversationId, 'now she has');
  await reads(again, 'now she has');
});

test('a member whose key was lost asks its sender once, and what could not be read heals', async () => {
  const { world, alice, bob, conversationId } = await three();
  await say(bob, conversationId, 'bob is known');
  await reads(alice, 'bob is known');
  const storage = memoryStorage();
  const dora = await encrypting(world, 'dora', { storage });
  await alice.client.conversations.addParticipants(conversationId, ['dora']);
  await dora.next('conversation:new');
  await say(alice, conversationId, 'first to dora');
  await reads(dora, 'first to dora');
  await dora.client[Symbol.asyncDispose]();
  const names = await storage.list('dora/e2ee/group/');
  await storage.transact([], () => ({ writes: new Map(names.map(([key]) => [key, undefined])), result: undefined }));
  const again = await encrypting(world, 'dora', { storage });
  await say(alice, conversationId, 'second to dora');
  expect(await again.next('message:new')).toMatchObject({ status: 'failed', undecrypted: 'no-sender-key' });
  await again.next('message:updated', ({ content }) => content === 'second to dora');
});

test('when a conversation of three becomes one of two, messages go from one to the other', async () => {
  const { alice, bob, conversationId } = await three();
  await say(alice, conversationId, 'three of us');
  await alice.client.conversations.removeParticipant(conversationId, 'cleo');
  await bob.next('conversation:left');
  const { envelope } = await say(alice, conversationId, 'two of us');
  expect(envelope?.recipientId).toBe('bob');
  await reads(bob, 'two of us');
});
