import { expect, test } from 'vitest';
import { startServer } from '../../../helpers/server/comm-server.ts';
import { caller, startChat } from '../../../helpers/server/chat.ts';
import { envelopeOf } from '../../../helpers/server/envelopes.ts';

test('the owner and admins of a group delete any message in it, other members only their own', async () => {
  await using server = await startServer();
  const clients = {
    ada: await server.connect('ada'),
    bob: await server.connect('bob'),
    cleo: await server.connect('cleo'),
  };
  const { ada, bob, cleo } = clients;
  const { id: conversationId } = await ada.ask('conversation:create', {
    type: 'group',
    participantIds: ['bob', 'cleo'],
  });
  await ada.ask('conversation:set-role', { conversationId, userId: 'bob', role: 'admin' });
  const say = async (by: keyof typeof clients): Promise<{ conversationId: string; messageId: string }> => {
    const { id } = await clients[by].ask('message:send', { conversationId, content: 'rude words', type: 'text' });
    return { conversationId, messageId: id };
  };
  const byMember = await say('cleo');
  const tombstone = await bob.ask('message:delete', byMember);
  expect(tombstone).toMatchObject({ senderId: 'cleo', content: '', deletedBy: 'bob' });
  expect(await cleo.next('message:deleted')).toMatchObject({ messageId: byMember.messageId, deletedBy: 'bob' });
  expect(await cleo.next('message:updated', ({ deletedAt }) => deletedAt !== undefined)).toMatchObject({
    deletedBy: 'bob',
    editedBy: 'bob',
    rev: tombstone.rev,
  });
  // Who has deleted it stays, also if another deletes it once more.
  expect(await cleo.ask('message:delete', byMember)).toMatchObject({ deletedBy: 'bob' });
  expect(await ada.ask('message:delete', await say('bob'))).toMatchObject({ deletedBy: 'ada' });
  expect(await bob.ask('message:delete', await say('ada'))).toMatchObject({ deletedBy: 'bob' });
  const ofOwner = await say('ada');
  expect(await cleo.refused('message:delete', ofOwner)).toMatchObject({ code: 'FORBIDDEN' });
  const rest = await server.rest(`/messages/${ofOwner.messageId}`, 'bob', { method: 'DELETE' });
  expect(await rest.json()).toMatchObject({ deletedBy: 'bob' });
  // Nobody edits what another has written.
  expect(await ada.refused('message:edit', { ...(await say('cleo')), content: 'kind words' })).toMatchObject({
    code: 'FORBIDDEN',
  });
  expect(await cleo.ask('message:delete', await say('cleo'))).toMatchObject({ deletedBy: 'cleo' });
});

test('in a direct conversation nobody deletes the message of the other', async () => {
  const chat = await startChat();
  const { id: conversationId } = await chat.direct('ada', 'bob');
  const { id: messageId } = await chat.say('bob', conversationId, 'x');
  const refused = chat.messages.delete(caller('ada'), { conversationId, messageId });
  await expect(refused).rejects.toMatchObject({ code: 'FORBIDDEN' });
  chat.sqlite.close();
});

test('a former admin deletes nothing', async () => {
  const chat = await startChat();
  const { id: conversationId } = await chat.group('ada', 'bob', 'cleo');
  const { id: messageId } = await chat.say('cleo', conversationId, 'x');
  const set = (role: 'admin' | 'member') =>
    chat.membership.setRole(caller('ada'), { conversationId, userId: 'bob', role });
  await set('admin');
  await set('member');
  const refused = chat.messages.delete(caller('bob'), { conversationId, messageId });
  await expect(refused).rejects.toMatchObject({ code: 'FORBIDDEN' });
  chat.sqlite.close();
});

test('an encrypted message is deleted by an admin without the envelope of its sender', async () => {
  const chat = await startChat();
  const { id: conversationId } = await chat.group('ada', 'bob');
  const envelope = envelopeOf('bob', conversationId);
  const { id: messageId } = await chat.say('bob', conversationId, 'x', { encrypted: true, envelope });
  const tombstone = await chat.messages.delete(caller('ada'), { conversationId, messageId });
  expect(tombstone).toMatchObject({ encrypted: true, content: '', deletedBy: 'ada' });
  expect(tombstone).not.toHaveProperty('envelope');
  chat.sqlite.close();
});
