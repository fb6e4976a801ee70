import { expect, test } from 'vitest';
import { memoryStorage, type Conversation, type Message } from '../../../../src/index.ts';
import { encryptedPair, encrypting, serverSees, type EncryptedPair } from '../../../helpers/client/encryption.ts';
import { codeOf } from '../../../helpers/client/rejection.ts';
import { direct, startWorld } from '../../../helpers/client/world.ts';

/** A `fetch` whose server modifies single messages. */
function lying(): { fetch: typeof fetch; change: (message: Message) => Message } {
  const liar = {
    change: (message: Message) => message,
    fetch: async (...[input, init]: Parameters<typeof fetch>): Promise<Response> => {
      const response = await fetch(input, init);
      const { pathname } = new URL(input instanceof Request ? input.url : input);
      // Else bob would read the last message as soon as he looks the members up, which may be before or after it is sent.
      if (/\/conversations\/[^/]+$/.test(pathname)) {
        return Response.json({ ...((await response.json()) as Conversation), lastMessage: undefined });
      }
      if (!/\/messages\/[^/]+$/.test(pathname)) return response;
      return Response.json(liar.change((await response.json()) as Message));
    },
  };
  return liar;
}

async function lyingToBob(): Promise<EncryptedPair & { liar: ReturnType<typeof lying> }> {
  const liar = lying();
  const world = await startWorld();
  const [alice, bob] = await Promise.all([encrypting(world, 'alice'), encrypting(world, 'bob', { fetch: liar.fetch })]);
  return { ...world, alice, bob, liar, conversationId: await direct(alice, bob) };
}

test.each<[title: string, change: Partial<Message>]>([
  ['another sender', { senderId: 'carol' }],
  ['the reader', { senderId: 'bob' }],
  ['another conversation', { conversationId: 'another' }],
])('a decrypted text is not shown under %s', async (_title, change) => {
  const { alice, bob, liar, conversationId } = await lyingToBob();
  const { id } = await alice.client.messages.send({ conversationId, content: 'I owe you', encrypt: true });
  await bob.next('message:new');
  expect(await bob.client.messages.get(id)).toMatchObject({ content: 'I owe you' });
  liar.change = (message) => ({ ...message, ...change });
  expect(await bob.client.messages.get(id)).toMatchObject({ content: '', undecrypted: 'misplaced' });
});

test('another message of the same sender can not replace a decrypted one', async () => {
  const { alice, bob, liar, conversationId } = await lyingToBob();
  const { id } = await alice.client.messages.send({ conversationId, content: 'no', encrypt: true });
  await bob.next('message:new');
  bob.port.losesPush = (event) => event === 'message:new';
  const { envelope } = await alice.client.messages.send({ conversationId, content: 'yes', encrypt: true });
  liar.change = ({ clientId: _clientId, ...message }) => ({ ...message, ...(envelope && { envelope }) });
  expect(await bob.client.messages.get(id)).toMatchObject({ content: '', undecrypted: 'misplaced' });
});

test('the server’s readable fields of an undecrypted message are not shown', async () => {
  const { alice, bob, liar, conversationId } = await lyingToBob();
  const { id, envelope } = await alice.client.messages.send({ conversationId, content: 'hello', encrypt: true });
  await bob.next('message:new');
  const attachment = { url: 'javascript:alert(1)', mimeType: 'image/png', fileName: 'x', fileSize: 1 };
  const broken = envelope && { ...envelope, ciphertext: 'AAAA' };
  liar.change = (message) => ({
    ...message,
    ...(broken && { envelope: broken }),
    attachment,
    replyTo: '1',
    type: 'file',
  });
  const shown = await bob.client.messages.get(id);
  expect(shown).toMatchObject({ content: '', type: 'text', undecrypted: 'invalid' });
  expect(shown).not.toHaveProperty('attachment');
  expect(shown).not.toHaveProperty('replyTo');
});

test('in a conversation that requires encryption an edit is not sent readable on the server’s word', async () => {
  const liar = lying();
  const { server, alice, conversationId } = await encryptedPair({ fetch: liar.fetch });
  await alice.client.encryption.setRequired(conversationId, true);
  const { id } = await alice.client.messages.send({ conversationId, content: 'before' });
  // Without the stored plaintext only the server can tell whether the message is encrypted.
  await alice.client.encryption.reset();
  await alice.client.encryption.setRequired(conversationId, true);
  liar.change = ({ envelope: _envelope, ...message }) => ({ ...message, encrypted: false, content: 'x' });
  const edits: unknown[] = [];
  const emit = alice.port.emit.bind(alice.port);
  alice.port.emit = (event, payload, acknowledge) => {
    if (event === 'nk:message:edit') edits.push(payload);
    emit(event, payload, acknowledge);
  };
  expect(await codeOf(alice.client.messages.edit({ conversationId, messageId: id, content: 'after' }))).toBe('INVALID');
  expect(edits).toEqual([]);
  expect(await serverSees(server)).not.toMatch(/before|after/);
});

test('forwarding a readable message into a conversation that requires encryption is rejected', async () => {
  const pair = await encryptedPair();
  const { alice, bob, conversationId } = pair;
  const carol = await encrypting(pair, 'carol');
  const toConversationId = await direct(alice, carol);
  const { id: messageId } = await bob.client.messages.send({ conversationId, content: 'readable' });
  await alice.next('message:new');
  await alice.client.encryption.setRequired(toConversationId, true);
  const forwarding = alice.client.messages.forward({ messageId, fromConversationId: conversationId, toConversationId });
  expect(await codeOf(forwarding)).toBe('INVALID');
});

test('a requirement set in one tab applies in all tabs', async () => {
  const storage = memoryStorage();
  const world = await startWorld();
  const [alice, bob] = await Promise.all([encrypting(world, 'alice', { storage }), encrypting(world, 'bob')]);
  const conversationId = await direct(alice, bob);
  const tab = await encrypting(world, 'alice', { storage });
  expect(await tab.client.encryption.isRequired(conversationId)).toBe(false);
  await alice.client.encryption.setRequired(conversationId, true);
  expect(await tab.client.messages.send({ conversationId, content: 'secret' })).toMatchObject({ encrypted: true });
  expect(await serverSees(world.server)).not.toMatch(/secret/);
});

test('after a reset required conversations stay required', async () => {
  const { server, alice, conversationId } = await encryptedPair();
  await alice.client.encryption.setRequired(conversationId, true);
  await alice.client.encryption.reset();
  expect(await alice.client.encryption.isRequired(conversationId)).toBe(true);
  expect(await alice.client.messages.send({ conversationId, content: 'secret' })).toMatchObject({ encrypted: true });
  expect(await serverSees(server)).not.toMatch(/secret/);
});

test('a resent copy of a decrypted message is not shown twice', async () => {
  const { alice, bob, liar, conversationId } = await lyingToBob();
  const message = { conversationId, content: 'pay him', encrypt: true, clientId: 'c1' };
  const { id } = await alice.client.messages.send(message);
  await bob.next('message:new');
  await alice.sessionWith('bob');
  const emit = alice.port.emit.bind(alice.port);
  alice.port.emit = (event, payload, acknowledge) => {
    if (event !== 'nk:message:send') return emit(event, payload, acknowledge);
    const { envelope } = payload as Message;
    const { recipientId, sessionId } = envelope ?? {};
    emit('nk:encryption:session-init', { recipientId, sessionId, envelope }, acknowledge);
  };
  // The same message by mailbox, as after a lost session.
  alice.client.messages.send(message).catch(() => undefined);
  await bob.pushed('encryption:session-init');
  liar.change = ({ envelope, ...rest }) => ({
    ...rest,
    id: '999',
    ...(envelope && { envelope: { ...envelope, sessionId: 'gone' } }),
  });
  expect(await bob.client.messages.get(id)).toMatchObject({ content: '', id: '999' });
});
