import { expect, test } from 'vitest';
import { memoryStorage, type Message } from '../../../../src/index.ts';
import { until } from '../../../helpers/client/app.ts';
import { encryptedPair, encrypting, serverSees } from '../../../helpers/client/encryption.ts';
import { rejectionOf } from '../../../helpers/client/rejection.ts';
import { direct, group, startWorld } from '../../../helpers/client/world.ts';

test('both users decrypt each other’s messages, and the server sees no content', async () => {
  const { server, alice, bob, conversationId } = await encryptedPair();
  const sent = await alice.client.messages.send({ conversationId, content: 'Are you there?', encrypt: true });
  expect(sent).toMatchObject({ content: 'Are you there?', encrypted: true, status: 'sent' });
  expect(await bob.next('message:new')).toMatchObject({ id: sent.id, content: 'Are you there?', encrypted: true });
  await bob.client.messages.send({ conversationId, content: 'Yes I am', encrypt: true });
  expect(await alice.next('message:new', ({ senderId }) => senderId === 'bob')).toMatchObject({ content: 'Yes I am' });
  await alice.sessionWith('bob');
  expect(await serverSees(server)).not.toMatch(/there\?|Yes I am/);
});

test('many concurrent messages arrive in order, mixed with readable ones', async () => {
  const { alice, bob, conversationId } = await encryptedPair();
  const contents = Array.from({ length: 40 }, (_, n) => `message ${n}`);
  await Promise.all(
    contents.map((content, n) => alice.client.messages.send({ conversationId, content, encrypt: n % 3 !== 0 })),
  );
  for (const app of [alice, bob]) await app.next('message:new', ({ seq }) => seq === 40);
  expect(bob.all('message:new').map(({ content }) => content)).toEqual(contents);
  expect(alice.all('message:new').map(({ content }) => content)).toEqual(contents);
});

test('after simultaneous session starts all messages are decrypted', async () => {
  const { alice, bob, conversationId } = await encryptedPair();
  const send = (app: typeof alice, content: string) =>
    app.client.messages.send({ conversationId, content, encrypt: true });
  await Promise.all([send(alice, 'a1'), send(bob, 'b1'), send(alice, 'a2'), send(bob, 'b2')]);
  await Promise.all([send(alice, 'a3'), send(bob, 'b3')]);
  for (const app of [alice, bob]) {
    await app.next('message:new', ({ seq }) => seq === 6);
    const contents = app.all('message:new').map(({ content }) => content);
    expect(contents.toSorted()).toEqual(['a1', 'a2', 'a3', 'b1', 'b2', 'b3']);
    expect(app.all('encryption:decryption-failed')).toEqual([]);
  }
});

test('messages sent to an offline user are decrypted after the reconnect', async () => {
  const { alice, bob, conversationId } = await encryptedPair();
  bob.port.unplug();
  for (const content of ['one', 'two', 'three']) {
    await alice.client.messages.send({ conversationId, content, encrypt: true });
  }
  bob.port.plug();
  await bob.next('message:new', ({ content }) => content === 'three');
  expect(bob.all('message:new').map(({ content }) => content)).toEqual(['one', 'two', 'three']);
});

test('a message written offline is shown at once and sent encrypted after the reconnect', async () => {
  const { server, alice, bob, conversationId } = await encryptedPair();
  const view = alice.client.conversations.open(conversationId);
  await view.ready;
  alice.port.unplug();
  const sending = view.send({ content: 'written offline', encrypt: true });
  await until(view, ({ messages }) => messages[0]?.content === 'written offline' && messages[0].status === 'sending');
  expect(alice.client.messages.outbox()).toMatchObject([{ content: 'written offline', encrypted: true }]);
  alice.port.plug();
  await sending;
  await bob.next('message:new', ({ content }) => content === 'written offline');
  await until(view, ({ messages }) => messages.length === 1 && messages[0]?.status !== 'sending');
  expect(view.getSnapshot().messages[0]?.content).toBe('written offline');
  expect(await serverSees(server)).not.toMatch(/written/);
});

test('history, single messages and the inbox show decrypted content, also after a restart', async () => {
  const storage = { alice: memoryStorage(), bob: memoryStorage() };
  const world = await startWorld();
  const alice = await encrypting(world, 'alice', { storage: storage.alice });
  const bob = await encrypting(world, 'bob', { storage: storage.bob });
  const conversationId = await direct(alice, bob);
  await alice.client.messages.send({ conversationId, content: 'from alice', encrypt: true });
  const last = await bob.client.messages.send({ conversationId, content: 'from bob', encrypt: true });
  await alice.next('message:new', ({ content }) => content === 'from bob');
  await bob.next('message:new', ({ content }) => content === 'from bob');
  for (const [userId, app] of [['alice', alice] as const, ['bob', bob] as const]) {
    await app.client.disconnect();
    const again = await encrypting(world, userId, { storage: storage[userId] });
    const { messages } = await again.client.messages.list({ conversationId });
    expect(messages.map(({ content }) => content)).toEqual(['from alice', 'from bob']);
    expect(await again.client.messages.get(last.id)).toMatchObject({ content: 'from bob' });
    const { conversations } = await until(again.client.conversations.inbox, (inbox) => inbox.conversations.length > 0);
    expect(conversations[0]?.lastMessage?.content).toBe('from bob');
    const view = again.client.conversations.open(conversationId);
    await view.ready;
    expect(view.getSnapshot().messages.map(({ content }) => content)).toEqual(['from alice', 'from bob']);
    expect(again.all('encryption:decryption-failed')).toEqual([]);
  }
});

test('type, reply and attachment are encrypted, and an unsafe URL is dropped', async () => {
  const { server, alice, bob, conversationId } = await encryptedPair();
  const first = await alice.client.messages.send({ conversationId, content: 'first', encrypt: true });
  const attachment = { url: '/files/1', mimeType: 'image/png', fileName: 'secret-plan.png', fileSize: 3 };
  const image = { conversationId, content: 'look', type: 'image', replyTo: first.id, attachment } as const;
  await alice.client.messages.send({ ...image, encrypt: true });
  expect(await bob.next('message:new', ({ type }) => type === 'image')).toMatchObject({
    content: 'look',
    replyTo: first.id,
    attachment,
  });
  const wrong = { ...attachment, url: 'javascript:alert(1)' };
  await alice.client.messages.send({ ...image, content: 'trap', attachment: wrong, encrypt: true });
  const trap = await bob.next('message:new', ({ content }) => content === 'trap');
  expect(trap.attachment).toBeUndefined();
  expect(await serverSees(server)).not.toMatch(/secret-plan|"image"|"replyTo"/);
});

test('an edit is encrypted and replaces the content everywhere', async () => {
  const { server, alice, bob, conversationId } = await encryptedPair();
  const { id } = await alice.client.messages.send({ conversationId, content: 'before', encrypt: true });
  await bob.next('message:new');
  const edited = await alice.client.messages.edit({ conversationId, messageId: id, content: 'after' });
  expect(edited).toMatchObject({ id, content: 'after' });
  expect(await bob.next('message:updated')).toMatchObject({ id, content: 'after' });
  for (const app of [alice, bob]) {
    expect(await app.client.messages.get(id)).toMatchObject({ content: 'after' });
  }
  expect(await serverSees(server)).not.toMatch(/before|after/);
});

test('an edit of a queued message is encrypted and replaces its content', async () => {
  const { server, alice, bob, conversationId } = await encryptedPair();
  await alice.client.messages.send({ conversationId, content: 'hello', encrypt: true });
  alice.port.unplug();
  const sending = alice.client.messages.send({ conversationId, content: 'before', encrypt: true });
  const pending = await alice.next('message:pending', ({ content }) => content === 'before');
  const editing = alice.client.messages.edit({ conversationId, messageId: pending.id, content: 'after' });
  alice.port.plug();
  const { id } = await sending;
  expect(await editing).toMatchObject({ id, content: 'after' });
  expect(await bob.next('message:updated')).toMatchObject({ id, content: 'after', encrypted: true });
  expect(await bob.client.messages.get(id)).toMatchObject({ content: 'after' });
  expect(await serverSees(server)).not.toMatch(/before|after/);
});

test('an edit of a readable message stays readable', async () => {
  const { alice, bob, conversationId } = await encryptedPair();
  const { id } = await alice.client.messages.send({ conversationId, content: 'before' });
  await alice.client.messages.edit({ conversationId, messageId: id, content: 'after' });
  expect(await bob.next('message:updated')).toMatchObject({ id, content: 'after' });
});

test('search adds messages stored on this device to the server’s results', async () => {
  const { alice, bob, conversationId } = await encryptedPair();
  await alice.client.messages.send({ conversationId, content: 'the blue whale' });
  await alice.client.messages.send({ conversationId, content: 'the blue secret', encrypt: true });
  await bob.next('message:new', ({ content }) => content === 'the blue secret');
  const elsewhere = await group(alice, bob);
  for (const app of [alice, bob]) {
    const found = await app.client.messages.search({ query: 'blu' });
    expect(found.map(({ content }) => content).toSorted()).toEqual(['the blue secret', 'the blue whale']);
    expect(await app.client.messages.search({ query: 'secr', conversationId })).toHaveLength(1);
    expect(await app.client.messages.search({ query: 'secr', conversationId: elsewhere })).toEqual([]);
  }
});

test('deleting a message deletes its stored plaintext', async () => {
  const { alice, bob, conversationId } = await encryptedPair();
  const { id } = await alice.client.messages.send({ conversationId, content: 'regret', encrypt: true });
  await bob.next('message:new');
  await alice.client.messages.delete({ conversationId, messageId: id });
  await bob.next('message:deleted');
  expect(await bob.client.messages.search({ query: 'regret' })).toEqual([]);
  expect(await bob.client.messages.get(id)).toMatchObject({ content: '' });
});

test('forwarding an encrypted message is rejected', async () => {
  const { alice, bob, conversationId } = await encryptedPair();
  const { id } = await alice.client.messages.send({ conversationId, content: 'between us', encrypt: true });
  await bob.next('message:new');
  const forward = { messageId: id, fromConversationId: conversationId, toConversationId: conversationId };
  expect(await rejectionOf(bob.client.messages.forward(forward))).toMatchObject({ code: 'INVALID' });
});

test('a message to a user without keys fails, is never sent readable, and can be retried', async () => {
  const world = await startWorld();
  const alice = await encrypting(world, 'alice');
  const bob = await world.join('bob');
  const conversationId = await direct(alice, bob);
  const clientId = '0197a000-0000-7000-8000-000000000001';
  const sending = alice.client.messages.send({ conversationId, content: 'quiet', encrypt: true, clientId });
  expect(await rejectionOf(sending)).toMatchObject({ code: 'E2EE_NO_KEYS' });
  expect(alice.client.messages.outbox()).toMatchObject([{ status: 'failed', content: 'quiet' }]);
  expect(await alice.next('message:failed')).toMatchObject({ message: { content: 'quiet' } });
  expect(bob.all('message:new')).toEqual([]);
  await bob.client.disconnect();
  const again = await encrypting(world, 'bob');
  await alice.client.messages.retry(clientId);
  expect(await again.next('message:new')).toMatchObject({ content: 'quiet' });
});

test('in a conversation that requires encryption every message is encrypted', async () => {
  const { server, alice, bob, conversationId } = await encryptedPair();
  await alice.client.encryption.setRequired(conversationId, true);
  expect(await alice.client.encryption.isRequired(conversationId)).toBe(true);
  await alice.client.messages.send({ conversationId, content: 'quietly' });
  await alice.client.messages.send({ conversationId, content: 'quietly again', encrypt: false });
  expect(await bob.next('message:new', ({ seq }) => seq === 2)).toMatchObject({ encrypted: true });
  expect(await serverSees(server)).not.toMatch(/quietly/);
  await alice.client.encryption.setRequired(conversationId, false);
  const open: Message = await alice.client.messages.send({ conversationId, content: 'openly' });
  expect(open.encrypted).toBeUndefined();
});

test('without the option encryption every method rejects', async () => {
  const { join } = await startWorld();
  const { client } = await join('alice');
  expect(await rejectionOf(client.encryption.ready)).toBeInstanceOf(TypeError);
  expect(await rejectionOf(client.encryption.identityKey())).toBeInstanceOf(TypeError);
  expect(await rejectionOf(client.encryption.setRequired('c', true))).toBeInstanceOf(TypeError);
  const sending = client.messages.send({ conversationId: 'c', content: 'x', encrypt: true });
  expect(await rejectionOf(sending)).toBeInstanceOf(TypeError);
  expect(client.messages.outbox()).toEqual([]);
});
