import { describe, expect, test } from 'vitest';
import type { EncryptedEnvelope, Message } from '../../src/index.ts';
import type { App } from '../helpers/client/app.ts';
import { direct, group } from '../helpers/client/world.ts';
import { MaliciousServer, mapConversations, mapMessages } from './malicious-server.ts';

interface Scene {
  server: MaliciousServer;
  alice: App;
  bob: App;
  cleo: App;
  conversationId: string;
  /** Bob's readable copy of a message of Alice. */
  message: Message;
}

/** Alice, Bob and Cleo in a group, or Alice and Bob in a direct conversation, with a message of Alice. */
async function start(type: 'direct' | 'group'): Promise<Scene> {
  const server = await MaliciousServer.start();
  const [alice, bob, cleo] = await Promise.all([server.join('alice'), server.join('bob'), server.join('cleo')]);
  const conversationId = type === 'group' ? await group(alice, bob, cleo) : await direct(alice, bob);
  const message = await say(alice, bob, conversationId, 'meet at 8');
  return { server, alice, bob, cleo, conversationId, message };
}

async function say(from: App, to: App, conversationId: string, content: string): Promise<Message> {
  await from.client.messages.send({ conversationId, content, encrypt: true });
  return Promise.race([
    to.next('message:new', (each) => each.content === content),
    to.next('message:updated', (each) => each.content === content),
  ]);
}

/** Makes the server answer a user with other rows. */
function rewrite(server: MaliciousServer, user: string, change: (row: Message) => object): void {
  const altered = (value: unknown, to: string): unknown => (to === user ? mapMessages(value, change) : value);
  server.altersRest = (_path, body, to) => altered(body, to);
  server.altersPush = (push, to) => ({ ...push, data: altered(push.data, to) });
}

function tombstone(row: Message, envelope?: EncryptedEnvelope): object {
  return { ...row, content: '', type: 'system', deletedAt: '2026-01-01T00:00:00.000Z', envelope };
}

/** The envelope of the last request with this name. */
function sentEnvelope(server: MaliciousServer, wanted: string): EncryptedEnvelope | undefined {
  const request = server.requests.findLast(({ name }) => name === wanted);
  return (request?.payload as { envelope?: EncryptedEnvelope } | undefined)?.envelope;
}

const ref = ({ id, conversationId }: Message) => ({ messageId: id, conversationId });

describe.each(['direct', 'group'] as const)('in a %s conversation', (type) => {
  test('a deletion by the sender is authenticated, and deletes the stored text', async () => {
    const { alice, bob, message } = await start(type);
    await alice.client.messages.delete(ref(message));
    expect((await bob.next('message:deleted')).unauthenticated).toBeUndefined();
    const read = await bob.client.messages.get(message.id);
    expect(read.deletedAt).toBeDefined();
    expect(read.deletionUnauthenticated).toBeUndefined();
    expect(await bob.client.encryption.keptMessage(message.id)).toBeUndefined();
    expect(await bob.client.messages.search({ query: 'meet' })).toEqual([]);
  });

  test('a reader who comes later verifies the deletion', async () => {
    const { alice, bob, message } = await start(type);
    bob.port.unplug();
    await alice.client.messages.delete(ref(message));
    bob.port.plug();
    await bob.client.connect();
    await expect.poll(async () => (await bob.client.messages.get(message.id)).deletedAt).toBeDefined();
    expect((await bob.client.messages.get(message.id)).deletionUnauthenticated).toBeUndefined();
    expect(await bob.client.encryption.keptMessage(message.id)).toBeUndefined();
  });

  test('a deletion that the server invents hides the message and keeps its text', async () => {
    const { server, bob, message } = await start(type);
    server.push('bob', 'message:updated', { ...tombstone(message), rev: (message.rev ?? 0) + 1 });
    expect(await bob.next('message:deleted')).toMatchObject({ messageId: message.id, unauthenticated: true });
    rewrite(server, 'bob', (row) => tombstone(row));
    expect(await bob.client.messages.get(message.id)).toMatchObject({ content: '', deletionUnauthenticated: true });
    expect(await bob.client.messages.search({ query: 'meet' })).toEqual([]);
    expect(await bob.client.encryption.keptMessage(message.id)).toMatchObject({ content: 'meet at 8' });
    // An honest answer shows it again.
    rewrite(server, 'bob', (row) => row);
    expect(await bob.client.messages.get(message.id)).toMatchObject({ content: 'meet at 8' });
    expect(await bob.client.encryption.keptMessage(message.id)).toBeUndefined();
    expect(await bob.client.messages.search({ query: 'meet' })).toMatchObject([{ content: 'meet at 8' }]);
  });

  test('an invented notice of a deletion deletes nothing', async () => {
    const { server, bob, message } = await start(type);
    const { id: messageId, conversationId } = message;
    server.push('bob', 'message:deleted', { messageId, conversationId, deletedBy: 'alice' });
    expect(await bob.next('message:deleted')).toMatchObject({ messageId, unauthenticated: true });
    expect(await bob.client.encryption.keptMessage(messageId)).toMatchObject({ content: 'meet at 8' });
  });

  test('the deletion of another message, and a repeated one, deletes nothing', async () => {
    const { server, alice, bob, conversationId, message } = await start(type);
    const other = await say(alice, bob, conversationId, 'meet at 9');
    server.altersPush = (push, to) => (to === 'bob' ? undefined : push);
    await alice.client.messages.delete(ref(other));
    const { envelope } = await alice.client.messages.get(other.id);
    expect(envelope).toBeDefined();
    // First moved to the wrong message, then used where it belongs: its key was used up.
    rewrite(server, 'bob', (row) => (row.id === message.id ? tombstone(row, envelope) : row));
    expect(await bob.client.messages.get(message.id)).toMatchObject({ deletionUnauthenticated: true });
    expect(await bob.client.messages.get(other.id)).toMatchObject({ deletionUnauthenticated: true });
    for (const [{ id }, content] of [[message, 'meet at 8'] as const, [other, 'meet at 9'] as const])
      expect(await bob.client.encryption.keptMessage(id)).toMatchObject({ content });
  });

  test('a tombstone with the envelope of an unread message does not use up its key', async () => {
    const { server, alice, bob, conversationId, message } = await start(type);
    server.altersPush = (push, to) => (to === 'bob' ? undefined : push);
    const unread = await alice.client.messages.send({ conversationId, content: 'meet at 9', encrypt: true });
    rewrite(server, 'bob', (row) => (row.id === unread.id ? tombstone(row, row.envelope) : row));
    expect(await bob.client.messages.get(unread.id)).toMatchObject({ deletionUnauthenticated: true });
    const envelopes = unread.envelope && [unread.envelope];
    rewrite(server, 'bob', (row) => (row.id === message.id ? { ...row, reactionEnvelopes: envelopes } : row));
    expect(await bob.client.messages.get(message.id)).toMatchObject({ content: 'meet at 8' });
    expect(await bob.client.messages.get(unread.id)).toMatchObject({ content: 'meet at 9' });
  });

  test('a message that its sender has deleted does not come back', async () => {
    const { server, alice, bob, message } = await start(type);
    await alice.client.messages.delete(ref(message));
    await bob.next('message:deleted');
    rewrite(server, 'bob', () => message);
    expect(await bob.client.messages.get(message.id)).toMatchObject({ content: '', undecrypted: 'replayed' });
    rewrite(server, 'bob', () => {
      const { clientId: _id, envelope: _envelope, ...row } = message;
      return { ...row, encrypted: false, content: 'back' };
    });
    expect(await bob.client.messages.get(message.id)).toMatchObject({ content: '', undecrypted: 'not-encrypted' });
  });

  test('an envelope of a reaction that can not be processed verifies nothing, and hides no message', async () => {
    const { server, alice, bob, message } = await start(type);
    await bob.client.messages.react({ ...ref(message), emoji: '👍' });
    await alice.next('message:reaction-update');
    const genuine = sentEnvelope(server, 'message:react');
    // A lone surrogate has no encoding in UTF-8.
    const broken = { ...genuine, senderId: '\ud800' };
    const reactions = [{ emoji: '👍', count: 2, users: ['bob', 'cleo'] }];
    const shown = [{ ...reactions[0], unauthenticated: ['cleo'] }];
    rewrite(server, 'alice', (row) => ({ ...row, reactions, reactionEnvelopes: [broken, genuine, broken] }));
    expect(await alice.client.messages.get(message.id)).toMatchObject({ content: 'meet at 8', reactions: shown });
    const { conversationId, rev = 0 } = await bob.client.messages.get(message.id);
    const data = { messageId: message.id, conversationId, reactions, envelope: broken, rev: rev + 1 };
    server.push('alice', 'message:reaction-update', data);
    expect((await alice.next('message:reaction-update')).reactions).toEqual(shown);
  });

  test('reactions are authenticated, also for a reader who comes later', async () => {
    const { alice, bob, message } = await start(type);
    await bob.client.messages.react({ ...ref(message), emoji: '👍' });
    const expected = [{ emoji: '👍', count: 1, users: ['bob'] }];
    expect((await alice.next('message:reaction-update')).reactions).toEqual(expected);
    expect((await bob.next('message:reaction-update')).reactions).toEqual(expected);
    expect((await bob.client.messages.get(message.id)).reactions).toEqual(expected);
    alice.port.unplug();
    await bob.client.messages.react({ ...ref(message), emoji: '🎉' });
    await bob.client.messages.react({ ...ref(message), emoji: '👍', on: false });
    alice.port.plug();
    await alice.client.connect();
    const later = [{ emoji: '🎉', count: 1, users: ['bob'] }];
    await expect.poll(async () => (await alice.client.messages.get(message.id)).reactions).toEqual(later);
  });

  test('invented reactions are shown as unauthenticated', async () => {
    const { server, alice, bob, message } = await start(type);
    await bob.client.messages.react({ ...ref(message), emoji: '👍' });
    await alice.next('message:reaction-update');
    const lie = [
      { emoji: '👍', count: 2, users: ['bob', 'cleo'] },
      { emoji: '👎', count: 1, users: ['bob'] },
    ];
    const shown = [
      { emoji: '👍', count: 2, users: ['bob', 'cleo'], unauthenticated: ['cleo'] },
      { emoji: '👎', count: 1, users: ['bob'], unauthenticated: ['bob'] },
    ];
    rewrite(server, 'alice', (row) => ({ ...row, reactions: lie }));
    expect((await alice.client.messages.get(message.id)).reactions).toEqual(shown);
    const { conversationId, rev = 0 } = await bob.client.messages.get(message.id);
    const data = { messageId: message.id, conversationId, reactions: lie, rev: rev + 1 };
    server.push('alice', 'message:reaction-update', data);
    expect((await alice.next('message:reaction-update')).reactions).toEqual(shown);
  });

  test('a reaction that the server leaves out stays', async () => {
    const { server, alice, bob, message } = await start(type);
    await bob.client.messages.react({ ...ref(message), emoji: '👍' });
    await alice.next('message:reaction-update');
    rewrite(server, 'alice', ({ reactions: _reactions, reactionEnvelopes: _envelopes, ...row }) => row);
    expect((await alice.client.messages.get(message.id)).reactions).toEqual([
      { emoji: '👍', count: 1, users: ['bob'] },
    ]);
  });

  test('an older reaction does not replace a newer one', async () => {
    const { server, alice, bob, message } = await start(type);
    await bob.client.messages.react({ ...ref(message), emoji: '👍' });
    await alice.next('message:reaction-update');
    const old = await bob.client.messages.get(message.id);
    const envelope = sentEnvelope(server, 'message:react');
    await bob.client.messages.react({ ...ref(message), emoji: '👍', on: false });
    expect((await alice.next('message:reaction-update')).reactions).toEqual([]);
    rewrite(server, 'alice', (row) => ({ ...row, reactions: old.reactions, reactionEnvelopes: [envelope] }));
    expect((await alice.client.messages.get(message.id)).reactions).toEqual([
      { emoji: '👍', count: 1, users: ['bob'], unauthenticated: ['bob'] },
    ]);
  });

  test('a reaction is not shown at another message', async () => {
    const { server, alice, bob, conversationId, message } = await start(type);
    const other = await say(alice, bob, conversationId, 'meet at 9');
    server.altersPush = (push, to) => (to === 'alice' ? undefined : push);
    await bob.client.messages.react({ ...ref(other), emoji: '👍' });
    const envelope = sentEnvelope(server, 'message:react');
    const reactions = [{ emoji: '👍', count: 1, users: ['bob'] }];
    rewrite(server, 'alice', (row) => ({ ...row, reactions, reactionEnvelopes: [envelope] }));
    expect((await alice.client.messages.get(message.id)).reactions).toEqual([
      { ...reactions[0], unauthenticated: ['bob'] },
    ]);
  });

  test('neither the deletion nor the reaction of a message contains its text', async () => {
    const { server, alice, bob, message } = await start(type);
    await bob.client.messages.react({ ...ref(message), emoji: '👍' });
    await alice.client.messages.delete(ref(message));
    expect(server.sentBy('alice') + server.sentBy('bob')).not.toContain('meet at');
  });

  test('a reaction that the server rejects is not part of the next one', async () => {
    const { server, alice, bob, message } = await start(type);
    server.altersRequest = (name, payload) =>
      name === 'message:react' ? { ...(payload as object), emoji: '' } : payload;
    await expect(bob.client.messages.react({ ...ref(message), emoji: '👍' })).rejects.toMatchObject({
      code: 'INVALID',
    });
    server.altersRequest = (_name, payload) => payload;
    await bob.client.messages.react({ ...ref(message), emoji: '🎉' });
    expect((await alice.next('message:reaction-update')).reactions).toEqual([
      { emoji: '🎉', count: 1, users: ['bob'] },
    ]);
  });
});

test('another member can not delete a message, nor react for another', async () => {
  const { server, bob, cleo, conversationId, message } = await start('group');
  const own = await say(cleo, bob, conversationId, 'from cleo');
  server.altersPush = (push, to) => (to === 'bob' ? undefined : push);
  await cleo.client.messages.react({ ...ref(message), emoji: '👍' });
  await cleo.client.messages.delete(ref(own));
  const reaction = sentEnvelope(server, 'message:react');
  const deletion = sentEnvelope(server, 'message:delete');
  rewrite(server, 'bob', (row) => ({
    ...row,
    reactions: [{ emoji: '👍', count: 1, users: ['alice'] }],
    reactionEnvelopes: [{ ...reaction, senderId: 'alice' }],
  }));
  expect((await bob.client.messages.get(message.id)).reactions).toMatchObject([{ unauthenticated: ['alice'] }]);
  rewrite(server, 'bob', (row) => tombstone(row, deletion));
  expect(await bob.client.messages.get(message.id)).toMatchObject({ deletionUnauthenticated: true });
  rewrite(server, 'bob', (row) => tombstone({ ...row, senderId: 'cleo' }, deletion));
  expect(await bob.client.messages.get(message.id)).toMatchObject({ deletionUnauthenticated: true });
  expect(await bob.client.encryption.keptMessage(message.id)).toMatchObject({ content: 'meet at 8' });
});

test('a server that claims to have deleted an own message does not delete its text', async () => {
  const { server, alice, message } = await start('direct');
  rewrite(server, 'alice', (row) => tombstone(row));
  expect(await alice.client.messages.get(message.id)).toMatchObject({ deletionUnauthenticated: true });
  expect(await alice.client.encryption.keptMessage(message.id)).toMatchObject({ content: 'meet at 8' });
});

test('a deletion that can not be encrypted is sent without an envelope, and hides the message', async () => {
  const { server, alice, bob, message } = await start('direct');
  // The server claims that the conversation has another peer.
  const lie = (value: unknown): unknown =>
    mapConversations(value, (each) => ({
      ...each,
      participants: (each['participants'] as { userId: string }[]).map((member) =>
        member.userId === 'bob' ? { ...member, userId: 'mallory' } : member,
      ),
    }));
  await alice.client.disconnect();
  server.altersRest = (_path, body, to) => (to === 'alice' ? lie(body) : body);
  server.altersResponse = (_name, data, to) => (to === 'alice' ? lie(data) : data);
  server.altersPush = (push, to) => (to === 'alice' ? { ...push, data: lie(push.data) } : push);
  await alice.client.connect();
  await alice.client.messages.delete(ref(message));
  expect(await bob.next('message:deleted')).toMatchObject({ messageId: message.id, unauthenticated: true });
  expect(server.requests.findLast(({ name }) => name === 'message:delete')?.payload).not.toHaveProperty('envelope');
  expect(await bob.client.encryption.keptMessage(message.id)).toMatchObject({ content: 'meet at 8' });
  // On the sender's own device the text is deleted.
  expect(await alice.client.encryption.keptMessage(message.id)).toBeUndefined();
});
