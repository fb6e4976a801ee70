import { expect, test } from 'vitest';
import { memoryStorage, type Message } from '../../src/index.ts';
import type { App } from '../helpers/client/app.ts';
import { codeOf } from '../helpers/client/rejection.ts';
import { direct } from '../helpers/client/world.ts';
import { MaliciousServer, mapMessages } from './malicious-server.ts';

interface Pair {
  server: MaliciousServer;
  alice: App;
  bob: App;
  conversationId: string;
}

async function pair(): Promise<Pair> {
  const server = await MaliciousServer.start();
  const [alice, bob] = await Promise.all([server.join('alice'), server.join('bob')]);
  return { server, alice, bob, conversationId: await direct(alice, bob) };
}

/** A row as the server would write it for a readable message. */
function readable({ envelope: _envelope, encrypted: _encrypted, ...row }: Message, content: string): object {
  return { ...row, content };
}

test('a readable row never replaces a decrypted text', async () => {
  const { server, alice, bob, conversationId } = await pair();
  const { id } = await alice.client.messages.send({ conversationId, content: 'I owe you 10', encrypt: true });
  await bob.next('message:new');
  server.altersRest = (_path, body, to) =>
    to === 'bob' ? mapMessages(body, (each) => readable(each, 'I owe you 1000')) : body;
  const shown = await bob.client.messages.get(id);
  expect(shown).toMatchObject({ content: '', status: 'failed', undecrypted: 'not-encrypted' });
  expect(bob.all('encryption:decryption-failed')).toMatchObject([{ reason: 'not-encrypted' }]);
  const listed = await bob.client.messages.list({ conversationId });
  expect(JSON.stringify(listed)).not.toContain('owe you 1000');
  // The text is kept: an honest answer shows it again.
  server.altersRest = (_path, body) => body;
  expect(await bob.client.messages.get(id)).toMatchObject({ content: 'I owe you 10' });
});

test('a readable push never replaces a decrypted text', async () => {
  const { server, alice, bob, conversationId } = await pair();
  const sent = await alice.client.messages.send({ conversationId, content: 'I owe you 10', encrypt: true });
  await bob.next('message:new');
  const rev = (sent.rev ?? 0) + 1;
  server.push('bob', 'message:updated', { ...readable(sent, 'I owe you 1000'), rev });
  expect(await bob.next('message:updated')).toMatchObject({ content: '', undecrypted: 'not-encrypted' });
});

test('a readable message under the client id of an encrypted one is not shown', async () => {
  const { server, alice, bob, conversationId } = await pair();
  const sent = await alice.client.messages.send({ conversationId, content: 'I owe you 10', encrypt: true });
  await bob.next('message:new');
  server.altersRest = (_path, body, to) =>
    to === 'bob' ? mapMessages(body, (each) => ({ ...readable(each, 'forged'), id: '999' })) : body;
  expect(await bob.client.messages.get('999').catch(() => undefined)).toBeUndefined();
  const { messages } = await bob.client.messages.list({ conversationId });
  expect(messages).toMatchObject([{ id: '999', clientId: sent.clientId, content: '', undecrypted: 'not-encrypted' }]);
});

test('in a conversation that requires encryption an invented readable message is shown as failed', async () => {
  const { server, alice, bob, conversationId } = await pair();
  await bob.client.encryption.setRequired(conversationId, true);
  const sent = await alice.client.messages.send({ conversationId, content: 'readable' });
  expect(await bob.next('message:new')).toMatchObject({ content: '', undecrypted: 'not-encrypted' });
  server.push('bob', 'message:new', { ...sent, id: '777', content: 'forged', seq: 2, rev: 2 });
  expect(await bob.next('message:new')).toMatchObject({ id: '777', content: '', undecrypted: 'not-encrypted' });
});

test('a message without encryption stays readable where it is not required', async () => {
  const { alice, bob, conversationId } = await pair();
  await alice.client.messages.send({ conversationId, content: 'readable' });
  expect(await bob.next('message:new')).toMatchObject({ content: 'readable' });
});

test('another member does not replace a stored text by its client id', async () => {
  const { server, alice, bob, conversationId } = await pair();
  const message = { conversationId, content: 'from alice', encrypt: true, clientId: 'c1' };
  const { id } = await alice.client.messages.send(message);
  await bob.next('message:new');
  const carol = await server.join('carol');
  const other = await direct(carol, bob);
  const forged = await carol.client.messages.send({
    conversationId: other,
    content: 'from carol',
    encrypt: true,
    clientId: 'c1',
  });
  // Bob's client reads Carol's message for the first time under the id of Alice's.
  server.altersRest = (_path, body, to) =>
    to === 'bob' ? mapMessages(body, (each) => (each.id === id ? { ...forged, content: '', id } : each)) : body;
  await bob.next('message:new', ({ senderId }) => senderId === 'carol');
  expect(await bob.client.messages.get(id)).toMatchObject({ content: '', undecrypted: 'misplaced' });
  server.altersRest = (_path, body) => body;
  expect(await bob.client.messages.get(id)).toMatchObject({ content: 'from alice' });
});

test('an edit after a lying acknowledgement never leaves readable', async () => {
  const server = await MaliciousServer.start();
  const storage = memoryStorage();
  const [alice, bob] = await Promise.all([server.join('alice', { storage }), server.join('bob')]);
  const conversationId = await direct(alice, bob);
  const deny = (value: unknown): unknown => mapMessages(value, (each) => readable(each, 'Encrypted message'));
  server.altersResponse = (_name, data, to) => (to === 'alice' ? deny(data) : data);
  server.altersRest = (_path, body, to) => (to === 'alice' ? deny(body) : body);
  server.altersPush = (push, to) => (to === 'alice' ? { ...push, data: deny(push.data) } : push);
  const { id } = await alice.client.messages.send({ conversationId, content: 'before', encrypt: true });
  await bob.next('message:new');
  await alice.client.messages.edit({ conversationId, messageId: id, content: 'the secret' });
  expect(await bob.next('message:updated')).toMatchObject({ content: 'the secret', encrypted: true });
  expect(server.sentBy('alice')).not.toMatch(/secret/);
});

test('an edit of a message whose client id was encrypted is refused if the server denies it', async () => {
  const { server, alice, conversationId } = await pair();
  await alice.client.messages.send({ conversationId, content: 'before', encrypt: true });
  const lie = (value: unknown): unknown => mapMessages(value, (each) => ({ ...readable(each, 'x'), id: '999' }));
  server.altersRest = (_path, body, to) => (to === 'alice' ? lie(body) : body);
  const view = alice.client.conversations.open(conversationId);
  await view.ready;
  expect(view.getSnapshot().messages).toMatchObject([{ id: '999', undecrypted: 'not-encrypted' }]);
  const editing = alice.client.messages.edit({ conversationId, messageId: '999', content: 'the secret' });
  expect(await codeOf(editing)).toBe('INVALID');
  expect(server.sentBy('alice')).not.toMatch(/secret/);
});
