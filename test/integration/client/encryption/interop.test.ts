import { expect, test } from 'vitest';
import type { EncryptedEnvelope } from '../../../../src/index.ts';
import type { Message } from '../../../../src/protocol/index.ts';
import { encrypting } from '../../../helpers/client/encryption.ts';
import { startWorld, type World } from '../../../helpers/client/world.ts';
import type { App } from '../../../helpers/client/app.ts';
import type { CheckedClient } from '../../../helpers/server/checked-client.ts';
import { InteropGroup, type InteropSenderKey } from '../../../interop/group.ts';
import { InteropUser } from '../../../interop/user.ts';

interface Foreign {
  user: InteropUser;
  line: CheckedClient;
}

/** A user of the second implementation, with published keys. */
async function foreign(world: World, userId: string): Promise<Foreign> {
  const user = new InteropUser(userId);
  const line = await world.server.connect(userId);
  await line.ask('encryption:upload-keys', user.bundle());
  return { user, line };
}

function payload(kind: string, cid: string, content: string, id = '0197a000-0000-7000-8000-000000000001'): string {
  return JSON.stringify({ v: 1, id, cid, kind, ts: 1_800_000_000_000, type: 'text', content });
}

function send(
  { line }: Foreign,
  conversationId: string,
  envelope: EncryptedEnvelope,
  clientId?: string,
): Promise<Message> {
  return line.ask('message:send', {
    conversationId,
    content: 'Encrypted message',
    type: 'text',
    encrypted: true,
    envelope,
    clientId: clientId ?? '0197a000-0000-7000-8000-000000000001',
  });
}

function read(
  { user }: Foreign,
  envelope: EncryptedEnvelope | undefined,
): { kind: string; content: string; cid: string } {
  if (envelope === undefined) throw new Error('There is no envelope');
  return JSON.parse(user.decrypt(envelope).toString()) as { kind: string; content: string; cid: string };
}

/** The JSON of a sender key in a payload. */
function writeKey({ chainKey, sigKey, ...rest }: InteropSenderKey): string {
  return JSON.stringify({ ...rest, chainKey: chainKey.toString('base64'), sigKey: sigKey.toString('base64') });
}

function readKey(content: string): InteropSenderKey {
  const key = JSON.parse(content) as Record<'chainKey' | 'sigKey' | 'cid', string> &
    Record<'chainId' | 'iteration', number>;
  return { ...key, chainKey: Buffer.from(key.chainKey, 'base64'), sigKey: Buffer.from(key.sigKey, 'base64') };
}

async function pair(): Promise<{ world: World; alice: App; bob: Foreign; conversationId: string }> {
  const world = await startWorld();
  const alice = await encrypting(world, 'alice');
  const bob = await foreign(world, 'bob');
  const { id } = await alice.client.conversations.create({ type: 'direct', participantIds: ['bob'] });
  return { world, alice, bob, conversationId: id };
}

test('the second implementation decrypts a session that the client starts, and the client its answer', async () => {
  const { alice, bob, conversationId } = await pair();
  await alice.client.messages.send({ conversationId, content: 'hello from ours', encrypt: true });
  const first = await bob.line.next('message:new');
  expect(first.envelope?.messageType).toBe('prekey');
  expect(read(bob, first.envelope)).toMatchObject({ kind: 'message', content: 'hello from ours', cid: conversationId });
  await send(bob, conversationId, bob.user.encrypt('alice', payload('message', conversationId, 'hello from theirs')));
  await alice.next('message:new', ({ content }) => content === 'hello from theirs');
  await alice.sessionWith('bob');
  const second = await alice.client.messages.send({ conversationId, content: 'not a prekey any more', encrypt: true });
  expect(second.envelope?.messageType).toBe('message');
  expect(read(bob, second.envelope)).toMatchObject({ content: 'not a prekey any more' });
});

test('the client decrypts and acknowledges a session that the second implementation starts', async () => {
  const { alice, bob, conversationId } = await pair();
  bob.user.start(await bob.line.ask('encryption:request-keys', { recipientId: 'alice' }));
  await send(bob, conversationId, bob.user.encrypt('alice', payload('message', conversationId, 'they begin')));
  await alice.next('message:new', ({ content }) => content === 'they begin');
  const { envelope } = await bob.line.next('encryption:session-init');
  expect(read(bob, envelope)).toMatchObject({ kind: 'session-ack' });
});

test('in a group both implementations decrypt each other’s messages', async () => {
  const world = await startWorld();
  const [alice, cleo] = await Promise.all([encrypting(world, 'alice'), encrypting(world, 'cleo')]);
  const bob = await foreign(world, 'bob');
  const { id: cid } = await alice.client.conversations.create({
    type: 'group',
    name: 'All',
    participantIds: ['bob', 'cleo'],
  });
  const sent = await alice.client.messages.send({ conversationId: cid, content: 'from ours', encrypt: true });
  const given = await bob.line.next('encryption:session-init');
  const key = read(bob, given.envelope);
  expect(key).toMatchObject({ kind: 'sender-key', cid });
  const theirs = new InteropGroup(bob.user, cid);
  theirs.accept('alice', readKey(key.content));
  expect(JSON.parse(theirs.decrypt(sent.envelope as EncryptedEnvelope).toString())).toMatchObject({
    content: 'from ours',
    cid,
  });
  for (const member of ['alice', 'cleo']) {
    bob.user.start(await bob.line.ask('encryption:request-keys', { recipientId: member }));
    const envelope = bob.user.encrypt(member, payload('sender-key', cid, writeKey(theirs.key())));
    await bob.line.ask('encryption:session-init', { recipientId: member, sessionId: envelope.sessionId, envelope });
  }
  await send(bob, cid, theirs.encrypt(payload('message', cid, 'from theirs')));
  for (const app of [alice, cleo]) await app.next('message:new', ({ content }) => content === 'from theirs');
});

test('a message for another conversation and a replayed one are rejected', async () => {
  const { alice, bob, conversationId } = await pair();
  const { id: other } = await alice.client.conversations.create({ type: 'group', name: 'x', participantIds: ['bob'] });
  bob.user.start(await bob.line.ask('encryption:request-keys', { recipientId: 'alice' }));
  const clientId = (n: number): string => `0197a000-0000-7000-8000-00000000000${n}`;
  await send(
    bob,
    other,
    bob.user.encrypt('alice', payload('message', conversationId, 'spliced', clientId(1))),
    clientId(1),
  );
  expect(await alice.next('message:new')).toMatchObject({ content: '', undecrypted: 'misplaced' });
  await send(
    bob,
    conversationId,
    bob.user.encrypt('alice', payload('message', conversationId, 'x', clientId(9))),
    clientId(2),
  );
  expect(await alice.next('message:new')).toMatchObject({ content: '', undecrypted: 'misplaced' });
  const envelope = bob.user.encrypt('alice', payload('message', conversationId, 'once', clientId(3)));
  await send(bob, conversationId, envelope, clientId(3));
  expect(await alice.next('message:new')).toMatchObject({ content: 'once' });
  await send(bob, conversationId, envelope, clientId(4));
  expect(await alice.next('message:new')).toMatchObject({ content: '', undecrypted: 'replayed' });
  const forged = { ...bob.user.encrypt('alice', payload('message', conversationId, 'y')) };
  forged.ciphertext = `${forged.ciphertext.slice(0, -8)}AAAAAAA=`;
  await send(bob, conversationId, forged, clientId(5));
  expect(await alice.next('message:new')).toMatchObject({ content: '', undecrypted: 'invalid' });
  await send(bob, conversationId, bob.user.encrypt('alice', payload('session-reset', conversationId, '')), clientId(6));
  expect(await alice.next('message:new')).toMatchObject({ content: '', undecrypted: 'invalid' });
});
