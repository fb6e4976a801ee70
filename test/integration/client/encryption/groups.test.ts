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

/** Waits until a message is decrypted, possibly after the sender key has arrived. */
async function reads(app: App, content: string): Promise<void> {
  const read = (message: Message): boolean => message.content === content;
  await Promise.race([app.next('message:new', read), app.next('message:updated', read)]);
}

const chainOf = ({ envelope }: Message): string | undefined => envelope?.sessionId;

test('all members decrypt the same ciphertext', async () => {
  const { world, alice, bob, cleo, conversationId } = await three();
  const first = await say(alice, conversationId, 'from alice');
  await say(bob, conversationId, 'from bob');
  await say(cleo, conversationId, 'from cleo');
  await say(alice, conversationId, 'alice again');
  for (const app of [alice, bob, cleo]) {
    for (const content of ['from alice', 'from bob', 'from cleo', 'alice again']) await reads(app, content);
  }
  expect(first.envelope?.recipientId).toBe(conversationId);
  expect(await serverSees(world.server)).not.toMatch(/from (?:alice|bob|cleo)|alice again/);
});

test('an offline member receives sender keys and messages after the reconnect', async () => {
  const { alice, cleo, conversationId } = await three();
  cleo.port.unplug();
  await say(alice, conversationId, 'one');
  await say(alice, conversationId, 'two');
  cleo.port.plug();
  await reads(cleo, 'one');
  await reads(cleo, 'two');
});

test('a member who was away for more than five sender keys decrypts all messages', async () => {
  const { world, alice, bob, cleo, conversationId } = await three();
  await encrypting(world, 'dora');
  cleo.port.unplug();
  const chains = new Set<string | undefined>();
  for (const round of ['1', '2', '3', '4', '5', '6', '7']) {
    await alice.client.conversations.addParticipants(conversationId, ['dora']);
    await say(alice, conversationId, `with dora ${round}`);
    await alice.client.conversations.removeParticipant(conversationId, 'dora');
    await alice.next('conversation:left');
    chains.add(chainOf(await say(alice, conversationId, `round ${round}`)));
  }
  await reads(bob, 'round 7');
  cleo.port.plug();
  for (const round of ['1', '2', '3', '4', '5', '6', '7']) await reads(cleo, `round ${round}`);
  expect(chains.size).toBe(7);
});

test('the group keys of a conversation that the user leaves are deleted', async () => {
  const storage = memoryStorage();
  const world = await startWorld();
  const [alice, bob, cleo] = await Promise.all([
    encrypting(world, 'alice'),
    encrypting(world, 'bob'),
    encrypting(world, 'cleo', { storage }),
  ]);
  const conversationId = await group(alice, bob, cleo);
  await say(alice, conversationId, 'one');
  await reads(cleo, 'one');
  await say(cleo, conversationId, 'two');
  // The pinned members stay: a server could otherwise replace them by claiming that the user has left.
  const keys = async (): Promise<number> =>
    (await storage.list('cleo/e2ee/h/')).filter(([key]) => /\/(?:chain|given|group)\//.test(key)).length;
  expect(await keys()).toBeGreaterThan(2);
  await cleo.client.conversations.leave(conversationId);
  await cleo.next('conversation:left');
  await expect.poll(keys).toBe(0);
});

test('removing a member starts a new chain, which the removed member does not receive', async () => {
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

test('a new member decrypts later messages only', async () => {
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

test('a member without keys does not block the group, and decrypts once they have some', async () => {
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

test('a lost sender key is requested once, and the undecrypted messages recover', async () => {
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
  const names = await storage.list('dora/e2ee/h/chain/');
  await storage.transact([], () => ({ writes: new Map(names.map(([key]) => [key, undefined])), result: undefined }));
  const again = await encrypting(world, 'dora', { storage });
  await say(alice, conversationId, 'second to dora');
  expect(await again.next('message:new')).toMatchObject({ status: 'failed', undecrypted: 'no-sender-key' });
  await again.next('message:updated', ({ content }) => content === 'second to dora');
});

test('a group of two members uses the pairwise session', async () => {
  const { alice, bob, conversationId } = await three();
  await say(alice, conversationId, 'three of us');
  await alice.client.conversations.removeParticipant(conversationId, 'cleo');
  await bob.next('conversation:left');
  const { envelope } = await say(alice, conversationId, 'two of us');
  expect(envelope?.recipientId).toBe('bob');
  await reads(bob, 'two of us');
});
