import { expect, test } from 'vitest';
import { direct } from '../../../helpers/client/world.ts';
import { encryptedPair, serverSees } from '../../../helpers/client/encryption.ts';

test('what one writes the other reads, both ways, and the server sees none of it', async () => {
  const { server, alice, bob, conversationId } = await encryptedPair();
  const sent = await alice.client.messages.send({ conversationId, content: 'Are you there?', encrypt: true });
  expect(sent).toMatchObject({ content: 'Are you there?', encrypted: true, status: 'sent' });
  expect(await bob.next('message:new')).toMatchObject({ id: sent.id, content: 'Are you there?', encrypted: true });
  await bob.client.messages.send({ conversationId, content: 'Yes I am', encrypt: true });
  expect(await alice.next('message:new', ({ senderId }) => senderId === 'bob')).toMatchObject({ content: 'Yes I am' });
  await alice.next('encryption:session-established', ({ senderId }) => senderId === 'bob');
  expect(await serverSees(server)).not.toMatch(/there|Yes/);
});
