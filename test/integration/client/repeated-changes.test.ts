import { copyFile } from 'node:fs/promises';
import { join as pathTo } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { fileStorage } from '../../../src/node/index.ts';
import { baseChat } from '../../helpers/client/base-world.ts';
import { direct, startWorld } from '../../helpers/client/world.ts';
import { failingStorage } from '../../helpers/failing-storage.ts';
import { temporaryDirectory } from '../../helpers/temporary-directory.ts';

test('an edit whose response was lost does not overwrite a later edit of another device', async () => {
  const { joinAll, join } = await startWorld();
  const { alice, bob } = await joinAll('alice', 'bob');
  const conversationId = await direct(alice, bob);
  const { id: messageId } = await alice.client.messages.send({ conversationId, content: 'first' });
  alice.port.losesAck = (event) => event === 'message:edit';
  const old = alice.client.messages.edit({ conversationId, messageId, content: 'old' });
  await bob.next('message:updated', ({ content }) => content === 'old');
  alice.port.unplug();
  alice.port.losesAck = () => false;
  const phone = await join('alice');
  await phone.client.messages.edit({ conversationId, messageId, content: 'new' });
  alice.port.plug();
  expect(await old).toMatchObject({ content: 'new' });
  expect(await bob.client.messages.get(messageId)).toMatchObject({ content: 'new' });
  await bob.next('message:updated', ({ content }) => content === 'new');
  await alice.client.messages.send({ conversationId, content: 'last' });
  await bob.next('message:new', ({ content }) => content === 'last');
  expect(bob.all('message:updated').map(({ content }) => content)).toEqual(['old', 'new']);
});

test('a reaction whose response was lost does not return after another device removed it', async () => {
  const { joinAll, join } = await startWorld();
  const { alice, bob } = await joinAll('alice', 'bob');
  const conversationId = await direct(alice, bob);
  const { id: messageId } = await bob.client.messages.send({ conversationId, content: 'first' });
  const reaction = { conversationId, messageId, emoji: '👍' };
  alice.port.losesAck = (event) => event === 'message:react';
  const added = alice.client.messages.react({ ...reaction, on: true });
  await bob.next('message:reaction-update');
  alice.port.unplug();
  alice.port.losesAck = () => false;
  const phone = await join('alice');
  await phone.client.messages.react({ ...reaction, on: false });
  alice.port.plug();
  await added;
  expect((await bob.client.messages.get(messageId)).reactions).toBeUndefined();
});

test('a stored edit of a killed process does not overwrite a later edit', async () => {
  const directory = await temporaryDirectory();
  onTestFinished(() => directory[Symbol.asyncDispose]());
  const [before, atTheKill] = [pathTo(directory.path, 'a'), pathTo(directory.path, 'b')];
  const { join, app } = await startWorld();
  const bob = await join('bob');
  const first = await join('alice', { storage: fileStorage(before) });
  const conversationId = await direct(first, bob);
  const { id: messageId } = await first.client.messages.send({ conversationId, content: 'first' });
  first.port.losesAck = (event) => event === 'message:edit';
  const old = first.client.messages.edit({ conversationId, messageId, content: 'old' });
  await bob.next('message:updated', ({ content }) => content === 'old');
  // The files as a process leaves them that is killed after the server's answer and before it deletes the stored edit.
  for (const suffix of ['', '-wal']) await copyFile(before + suffix, atTheKill + suffix);
  first.port.losesAck = () => false;
  first.port.cut();
  await old;
  await first.client.messages.edit({ conversationId, messageId, content: 'new' });
  await first[Symbol.asyncDispose]();

  const second = app('alice', { storage: fileStorage(atTheKill) });
  await second.client.connect();
  // Behind it in the lane: once this is done, so is what was left.
  await second.client.messages.send({ conversationId, content: 'last' });
  expect(second.port.sent).toContain('message:edit');
  expect(await bob.client.messages.get(messageId)).toMatchObject({ content: 'new' });
});

test('an edit that a full disk kept in the storage does not overwrite a later edit', async () => {
  const { join, app } = await startWorld();
  const bob = await join('bob');
  const storage = failingStorage();
  const first = await join('alice', { storage });
  const conversationId = await direct(first, bob);
  const { id: messageId } = await first.client.messages.send({ conversationId, content: 'first' });
  first.port.losesAck = (event) => event === 'message:edit';
  const old = first.client.messages.edit({ conversationId, messageId, content: 'old' });
  await bob.next('message:updated', ({ content }) => content === 'old');
  storage.breakDown('writes');
  first.port.losesAck = () => false;
  first.port.cut();
  await old;
  await first.client.messages.edit({ conversationId, messageId, content: 'new' });
  await first[Symbol.asyncDispose]();

  storage.mend();
  const second = app('alice', { storage });
  await second.client.connect();
  await second.client.messages.send({ conversationId, content: 'last' });
  expect(second.port.sent).toContain('message:edit');
  expect(await bob.client.messages.get(messageId)).toMatchObject({ content: 'new' });
});

test('a base server receives only the fields that it knows', async () => {
  const { alice, conversationId, messageId } = await baseMessage();
  await Promise.all([
    alice.client.messages.edit({ conversationId, messageId, content: 'edited' }),
    alice.client.messages.react({ conversationId, messageId, emoji: '👍', on: true }),
    alice.client.messages.delete({ conversationId, messageId }),
  ]);
  const payloads = alice.port.payloads.slice(-3);
  expect(payloads.map((payload) => Object.keys(payload as object).sort())).toEqual([
    ['content', 'conversationId', 'messageId'],
    ['conversationId', 'emoji', 'messageId', 'on'],
    ['conversationId', 'messageId'],
  ]);
});

async function baseMessage() {
  const chat = await baseChat();
  const { id: messageId } = await chat.alice.client.messages.send({
    conversationId: chat.conversationId,
    content: 'first',
  });
  return { ...chat, messageId };
}
