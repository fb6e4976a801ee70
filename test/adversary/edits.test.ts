import { expect, test } from 'vitest';
import type { App } from '../helpers/client/app.ts';
import { direct } from '../helpers/client/world.ts';
import { MaliciousServer, mapMessages } from './malicious-server.ts';

async function pair(): Promise<{ server: MaliciousServer; alice: App; bob: App; conversationId: string }> {
  const server = await MaliciousServer.start();
  const [alice, bob] = await Promise.all([server.join('alice'), server.join('bob')]);
  return { server, alice, bob, conversationId: await direct(alice, bob) };
}

test('an older edit that the server withheld does not replace a newer one', async () => {
  const { server, alice, bob, conversationId } = await pair();
  const { id: messageId } = await alice.client.messages.send({ conversationId, content: 'at 8', encrypt: true });
  await bob.next('message:new');
  const older: unknown[] = [];
  server.altersPush = (push, to) => {
    if (to !== 'bob' || push.event !== 'message:updated') return push;
    older.push(push.data);
    return undefined;
  };
  const envelope = (await alice.client.messages.edit({ conversationId, messageId, content: 'at 9' }))?.envelope;
  await expect.poll(() => older).toHaveLength(1);
  server.altersPush = (push) => push;
  await alice.client.messages.edit({ conversationId, messageId, content: 'at 10' });
  await bob.next('message:updated', ({ content }) => content === 'at 10');
  server.altersRest = (_path, body, to) =>
    to === 'bob' ? mapMessages(body, (each) => ({ ...each, ...(envelope && { envelope }) })) : body;
  expect(await bob.client.messages.get(messageId)).toMatchObject({ content: '', undecrypted: 'replayed' });
});

test('an edit can not be shown as another message', async () => {
  const { server, alice, bob, conversationId } = await pair();
  const { id: messageId } = await alice.client.messages.send({ conversationId, content: 'no', encrypt: true });
  await bob.next('message:new');
  server.altersPush = (push, to) => (to === 'bob' && push.event.startsWith('message:') ? undefined : push);
  const edited = await alice.client.messages.edit({ conversationId, messageId, content: 'yes' });
  const other = await alice.client.messages.send({ conversationId, content: 'Shall we?', encrypt: true });
  server.altersRest = (_path, body, to) =>
    to === 'bob'
      ? mapMessages(body, (each) => (each.id === other.id ? { ...edited, content: '', id: other.id } : each))
      : body;
  expect(await bob.client.messages.get(other.id)).toMatchObject({ content: '', undecrypted: 'misplaced' });
});

test('the time at which the sender wrote a message is authenticated and survives edits', async () => {
  const { server, alice, bob, conversationId } = await pair();
  const lie = (value: unknown): unknown =>
    mapMessages(value, (each) => ({
      ...each,
      createdAt: '2001-01-01T00:00:00.000Z',
      sentAt: '2001-01-01T00:00:00.000Z',
    }));
  server.altersPush = (push, to) => (to === 'bob' ? { ...push, data: lie(push.data) } : push);
  const sent = await alice.client.messages.send({ conversationId, content: 'now', encrypt: true });
  const received = await bob.next('message:new');
  expect(received.sentAt).toMatch(/^20[2-9]/);
  expect(received.sentAt).toBe(sent.sentAt);
  await alice.client.messages.edit({ conversationId, messageId: sent.id, content: 'later' });
  expect(await bob.next('message:updated')).toMatchObject({ content: 'later', sentAt: sent.sentAt });
});
