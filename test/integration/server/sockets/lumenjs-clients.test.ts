import { expect, test } from 'vitest';
import { startServer } from '../../../helpers/server/comm-server.ts';
import { sessionInit } from '../../../helpers/server/envelopes.ts';
import { keyBundle } from '../../../helpers/server/keys.ts';

test('the creator of a conversation is in its room without joining', async () => {
  await using server = await startServer();
  const alice = await server.connectBase('alice');
  alice.emit('conversation:create', { type: 'group', participantIds: ['bob'] });
  const { id: conversationId } = await alice.next('conversation:new');
  alice.emit('message:send', { conversationId, content: 'Hello', type: 'text' });
  expect(await alice.next('message:new')).toMatchObject({ content: 'Hello', senderId: 'alice' });
});

test('a base client that creates an existing direct conversation receives it and enters its room', async () => {
  await using server = await startServer();
  const bob = await server.connect('bob');
  const { id } = await bob.ask('conversation:create', { type: 'direct', participantIds: ['alice'] });
  const alice = await server.connectBase('alice');
  alice.emit('conversation:create', { type: 'direct', participantIds: ['bob'] });
  expect(await alice.next('conversation:new')).toMatchObject({ id });
  alice.emit('message:send', { conversationId: id, content: 'Hello again', type: 'text' });
  expect(await alice.next('message:new')).toMatchObject({ content: 'Hello again' });
  expect(bob.events.filter((event) => event === 'conversation:new')).toHaveLength(1);
});

test('message:updated names the message and the user who changed it', async () => {
  await using server = await startServer();
  const alice = await server.connectBase('alice');
  alice.emit('conversation:create', { type: 'group', participantIds: [] });
  const { id: conversationId } = await alice.next('conversation:new');
  alice.emit('message:send', { conversationId, content: 'Helo', type: 'text' });
  const { id: messageId } = await alice.next('message:new');
  alice.emit('message:edit', { conversationId, messageId, content: 'Hello' });
  expect(await alice.next('message:updated')).toMatchObject({ id: messageId, messageId, editedBy: 'alice' });
  alice.emit('message:delete', { conversationId, messageId });
  expect(await alice.next('message:updated')).toMatchObject({ messageId, editedBy: 'alice', content: '' });
});

test('the initiator is told once that the recipient acknowledged the session', async () => {
  await using server = await startServer();
  const [ada, bob] = await Promise.all([server.connect('ada'), server.connect('bob')]);
  await ada.ask('conversation:create', { type: 'direct', participantIds: ['bob'] });
  for (const text of ['first', 'second']) await ada.ask('encryption:session-init', sessionInit('ada', 'bob', text));
  const ids = [await bob.next('encryption:session-init'), await bob.next('encryption:session-init')];
  await ada.ask('comm:ping', {});
  expect(ada.events).not.toContain('encryption:session-established');
  for (const { mailboxId = '' } of ids) await bob.ask('encryption:mailbox-ack', { mailboxIds: [mailboxId] });
  expect(await ada.next('encryption:session-established')).toEqual({ sessionId: 's1', senderId: 'bob' });
  await ada.ask('comm:ping', {});
  expect(ada.payloads('encryption:session-established')).toHaveLength(1);
  expect(bob.events).not.toContain('encryption:session-established');
});

test('with a base recipient, the session counts as established once its envelope was pushed', async () => {
  await using server = await startServer();
  const ada = await server.connect('ada');
  await server.connectBase('bob').then(async (offline) => {
    await offline.ask('encryption:upload-keys', keyBundle(0));
    offline.close();
    await offline.disconnected();
  });
  await ada.ask('conversation:create', { type: 'direct', participantIds: ['bob'] });
  const bob = await server.connectBase('bob');
  await bob.settled();
  await ada.ask('encryption:session-init', sessionInit('ada', 'bob', 'heard'));
  await bob.next('encryption:session-init');
  expect(await ada.next('encryption:session-established')).toEqual({ sessionId: 's1', senderId: 'bob' });
});
