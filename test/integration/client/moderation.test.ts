import { describe, expect, test } from 'vitest';
import type { Message } from '../../../src/index.ts';
import type { Report } from '../../../src/server/index.ts';
import { until } from '../../helpers/client/app.ts';
import { encryptedPair, encrypting, serverSees } from '../../helpers/client/encryption.ts';
import { rejectionOf } from '../../helpers/client/rejection.ts';
import { chat, direct, group, startWorld } from '../../helpers/client/world.ts';

const ref = ({ id, conversationId }: Message) => ({ conversationId, messageId: id });
const CARD = { card: { kind: 'poll', options: ['yes', 'no'] } };

describe('metadata', () => {
  test('is sent, edited and removed, and is in views, history and events', async () => {
    const { alice, bob, conversationId } = await chat();
    const view = bob.client.conversations.open(conversationId);
    await view.ready;
    const sent = await alice.client.messages.send({ conversationId, content: 'vote', metadata: CARD });
    expect(sent.metadata).toEqual(CARD);
    expect((await bob.next('message:new')).metadata).toEqual(CARD);
    await until(view, ({ messages }) => messages.at(-1)?.metadata !== undefined);
    expect(view.getSnapshot().messages.at(-1)?.metadata).toEqual(CARD);
    const edited = await alice.client.messages.edit({ ...ref(sent), content: 'vote again' });
    expect(edited).toMatchObject({ content: 'vote again', metadata: CARD });
    await alice.client.messages.edit({ ...ref(sent), content: 'vote again', metadata: { closed: true } });
    await bob.next('message:updated', ({ metadata }) => metadata?.['closed'] === true);
    expect((await bob.client.messages.get(sent.id)).metadata).toEqual({ closed: true });
    await alice.client.messages.edit({ ...ref(sent), content: 'vote again', metadata: {} });
    const last = await bob.next('message:updated', ({ metadata }) => metadata === undefined);
    expect(last).not.toHaveProperty('metadata');
    view.close();
  });

  test('of an encrypted message is sealed, stays over an edit of the text, and can be replaced', async () => {
    const { server, alice, bob, conversationId } = await encryptedPair();
    const metadata = { note: 'for your eyes' };
    const sent = await alice.client.messages.send({ conversationId, content: 'first text', metadata, encrypt: true });
    expect(sent.metadata).toEqual(metadata);
    expect((await bob.next('message:new')).metadata).toEqual(metadata);
    await alice.client.messages.edit({ ...ref(sent), content: 'second text' });
    expect(await bob.next('message:updated', ({ content }) => content === 'second text')).toMatchObject({ metadata });
    const later = { note: 'something else' };
    await alice.client.messages.edit({ ...ref(sent), content: 'third text', metadata: later });
    expect(await bob.next('message:updated', ({ content }) => content === 'third text')).toMatchObject({
      metadata: later,
    });
    await alice.client.messages.edit({ ...ref(sent), content: 'fourth text', metadata: {} });
    const last = await bob.next('message:updated', ({ content }) => content === 'fourth text');
    expect(last).not.toHaveProperty('metadata');
    expect(await serverSees(server)).not.toMatch(/your eyes|something else/);
    const tooLarge = { conversationId, content: 'x', metadata: { text: 'x'.repeat(5_000) }, encrypt: true };
    expect(await rejectionOf(alice.client.messages.send(tooLarge))).toMatchObject({ code: 'INVALID' });
  });
});

describe('pins', () => {
  test('reach views of others, survive their reconnect, and are listed', async () => {
    const { alice, bob, conversationId, sent } = await chat(2);
    const [first, second] = sent as [Message, Message];
    const view = bob.client.conversations.open(conversationId);
    await view.ready;
    await alice.client.messages.pin(ref(first), true);
    await bob.next('message:updated', ({ pinned }) => pinned?.by === 'alice');
    await until(view, ({ messages }) => messages.find(({ id }) => id === first.id)?.pinned?.by === 'alice');
    bob.port.unplug();
    await alice.client.messages.pin(ref(second), true);
    await alice.client.messages.pin(ref(first), false);
    bob.port.plug();
    await bob.next('message:updated', ({ id, pinned }) => id === first.id && pinned === undefined);
    await until(view, ({ messages }) => messages.find(({ id }) => id === second.id)?.pinned?.by === 'alice');
    expect((await bob.client.messages.pinned(conversationId)).map(({ id }) => id)).toEqual([second.id]);
    view.close();
  });

  test('wait in the outbox without a connection', async () => {
    const { alice, bob, conversationId, sent } = await chat(1);
    const [message] = sent as [Message];
    alice.port.unplug();
    const pinning = alice.client.messages.pin(ref(message), true);
    const reporting = bob.client.messages.report({ ...ref(message), reason: 'spam' });
    alice.port.plug();
    await Promise.all([pinning, reporting]);
    expect((await bob.client.messages.pinned(conversationId)).map(({ id }) => id)).toEqual([message.id]);
  });

  test('of encrypted messages are listed with their text', async () => {
    const { alice, bob, conversationId } = await encryptedPair();
    const sent = await alice.client.messages.send({ conversationId, content: 'sealed text', encrypt: true });
    await bob.next('message:new');
    await bob.client.messages.pin(ref(sent), true);
    expect(await alice.next('message:updated')).toMatchObject({ content: 'sealed text', pinned: { by: 'bob' } });
    expect(await alice.client.messages.pinned(conversationId)).toMatchObject([{ content: 'sealed text' }]);
  });
});

describe('deletions by others', () => {
  test('an admin deletes a message of a member, and everybody sees by whom', async () => {
    const world = await startWorld();
    const { alice, bob } = await world.joinAll('alice', 'bob');
    const conversationId = await group(alice, bob);
    const sent = await bob.client.messages.send({ conversationId, content: 'rude words' });
    await alice.client.messages.delete(ref(sent));
    expect(await bob.next('message:deleted')).toMatchObject({ messageId: sent.id, deletedBy: 'alice' });
    expect(await bob.client.messages.get(sent.id)).toMatchObject({ content: '', deletedBy: 'alice' });
    const own = await alice.client.messages.send({ conversationId, content: 'kind words' });
    expect(await rejectionOf(bob.client.messages.delete(ref(own)))).toMatchObject({ code: 'FORBIDDEN' });
  });

  test('of an encrypted message are shown as not authenticated, and the text stays on the device', async () => {
    const world = await startWorld();
    const [alice, bob] = await Promise.all([encrypting(world, 'alice'), encrypting(world, 'bob')]);
    const conversationId = await group(alice, bob);
    const sent = await bob.client.messages.send({ conversationId, content: 'sealed words', encrypt: true });
    await alice.next('message:new', ({ content }) => content === 'sealed words');
    await alice.client.messages.delete(ref(sent));
    expect(await bob.next('message:deleted')).toMatchObject({ deletedBy: 'alice', unauthenticated: true });
    const read = await bob.client.messages.get(sent.id);
    expect(read).toMatchObject({ content: '', deletedBy: 'alice', deletionUnauthenticated: true });
    expect(await bob.client.encryption.keptMessage(sent.id)).toMatchObject({ content: 'sealed words' });
  });
});

test('a report of an encrypted message has its text only if the reporter includes it', async () => {
  const reports: Report[] = [];
  const world = await startWorld({ hooks: { onReport: (report) => void reports.push(report) } });
  const [alice, bob] = await Promise.all([encrypting(world, 'alice'), encrypting(world, 'bob')]);
  const conversationId = await direct(alice, bob);
  for (const content of ['first words', 'second words']) {
    await alice.client.messages.send({ conversationId, content, encrypt: true });
    const received = await bob.next('message:new', (each) => each.content === content);
    await bob.client.messages.report({
      ...ref(received),
      reason: 'threat',
      comment: 'Please look',
      includeContent: content === 'second words',
    });
  }
  expect(reports).toMatchObject([{ comment: 'Please look' }, { content: 'second words' }]);
  expect(reports[0]).not.toHaveProperty('content');
});
