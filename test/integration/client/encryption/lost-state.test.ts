import { expect, test } from 'vitest';
import { type CommStorage, memoryStorage } from '../../../../src/index.ts';
import { failingStorage } from '../../../helpers/failing-storage.ts';
import { encrypting, serverSees } from '../../../helpers/client/encryption.ts';
import { codeOf } from '../../../helpers/client/rejection.ts';
import { direct, startWorld } from '../../../helpers/client/world.ts';

/** Returns a copy of a storage, as a restored backup of the device is one. */
async function copyOf(storage: CommStorage): Promise<CommStorage> {
  const entries = await storage.list('');
  const copy = memoryStorage();
  await copy.transact([], () => ({ writes: new Map(entries), result: undefined }));
  return copy;
}

/** Starts two users with a session, and copies the storage of bob. */
async function startWithCopy() {
  const storage = memoryStorage();
  const world = await startWorld();
  const [alice, bob] = await Promise.all([encrypting(world, 'alice'), encrypting(world, 'bob', { storage })]);
  const conversationId = await direct(alice, bob);
  const say = (app: typeof alice, content: string) =>
    app.client.messages.send({ conversationId, content, encrypt: true });
  await say(alice, 'one');
  await bob.next('message:new');
  await alice.sessionWith('bob');
  await say(bob, 'two');
  await alice.next('message:new', ({ content }) => content === 'two');
  const earlier = await copyOf(storage);
  return { world, alice, bob, say, earlier };
}

test('after a rollback of the storage both users read each other again, with one reset', async () => {
  const { world, alice, bob, say, earlier } = await startWithCopy();
  for (const round of ['a', 'b']) {
    await say(alice, `alice ${round}`);
    await bob.next('message:new', ({ content }) => content === `alice ${round}`);
    await say(bob, `bob ${round}`);
    await alice.next('message:new', ({ content }) => content === `bob ${round}`);
  }
  await bob.client[Symbol.asyncDispose]();
  const again = await encrypting(world, 'bob', { storage: earlier });
  alice.forget();
  const lost = ['three', 'four', 'five'];
  for (const content of lost) await say(alice, content);
  // The third failure resets the session, and Alice sends again what was lost.
  for (const content of lost) await again.next('message:updated', (message) => message.content === content);
  await say(again, 'from bob');
  await alice.next('message:new', ({ content }) => content === 'from bob');
  await say(alice, 'six');
  await again.next('message:new', ({ content }) => content === 'six');
  expect(again.port.sent.filter((name) => name === 'encryption:session-init')).toHaveLength(1);
});

test('what a user with a restored storage sends is read after a reset by its reader', async () => {
  const { world, alice, bob, say, earlier } = await startWithCopy();
  for (const content of ['3', '4', '5', '6', '7', '8']) await say(bob, content);
  await alice.next('message:new', ({ content }) => content === '8');
  await bob.client[Symbol.asyncDispose]();
  const again = await encrypting(world, 'bob', { storage: earlier });
  for (const content of ['nine', 'ten', 'eleven']) await say(again, content);
  for (const content of ['nine', 'ten', 'eleven'])
    await alice.next('message:updated', (message) => message.content === content);
  await say(alice, 'and back');
  await again.next('message:new', ({ content }) => content === 'and back');
});

test('after a storage failure messages are read and none is encrypted, and a restart continues', async () => {
  const storage = failingStorage();
  const world = await startWorld();
  const [alice, bob] = await Promise.all([encrypting(world, 'alice', { storage }), encrypting(world, 'bob')]);
  const conversationId = await direct(alice, bob);
  await alice.client.messages.send({ conversationId, content: 'one', encrypt: true });
  await bob.next('message:new');
  await alice.sessionWith('bob');
  storage.breakDown('writes');
  const refused = { conversationId, content: 'unstored', encrypt: true } as const;
  expect(await codeOf(alice.client.messages.send(refused))).toBe('STORAGE');
  await bob.client.messages.send({ conversationId, content: 'two', encrypt: true });
  await alice.next('message:new', ({ content }) => content === 'two');
  expect(await codeOf(alice.client.messages.send(refused))).toBe('STORAGE');
  await alice.client[Symbol.asyncDispose]();
  storage.mend();
  const again = await encrypting(world, 'alice', { storage });
  await again.client.messages.send({ conversationId, content: 'three', encrypt: true });
  await bob.next('message:new', ({ content }) => content === 'three');
  await bob.client.messages.send({ conversationId, content: 'four', encrypt: true });
  await again.next('message:new', ({ content }) => content === 'four');
  expect(bob.all('encryption:decryption-failed')).toEqual([]);
  expect(await serverSees(world.server)).not.toMatch(/unstored/);
});
