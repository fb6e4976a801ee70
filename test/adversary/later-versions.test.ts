import { expect, test } from 'vitest';
import { memoryStorage } from '../../src/index.ts';
import { type Keystore, RECORDS, getSessionRecord } from '../../src/client/encryption/keystore/keystore.ts';
import { GroupCipher } from '../../src/client/encryption/nkc1/group-cipher.ts';
import { decodeSenderKeyRecord, encodeSenderKeyRecord } from '../../src/client/encryption/nkc1/sender-key-record.ts';
import { SessionCipher } from '../../src/client/encryption/nkc1/session-cipher.ts';
import { encodeSessionRecord } from '../../src/client/encryption/nkc1/session-record.ts';
import { fromBase64, toBase64 } from '../../src/lib/base64.ts';
import { decodeUtf8, encodeUtf8 } from '../../src/lib/bytes.ts';
import type { EncryptedEnvelope, KeyBundle } from '../../src/protocol/encryption.ts';
import type { CommStorage } from '../../src/storage/comm-storage.ts';
import type { App } from '../helpers/client/app.ts';
import { openStoredKeystore } from '../helpers/client/keystore.ts';
import { direct } from '../helpers/client/world.ts';
import type { CheckedClient } from '../helpers/server/checked-client.ts';
import { MaliciousServer, mapMessages } from './malicious-server.ts';

/** Fields that no client of this version knows. */
const EXT = { pq: { suite: 7, key: 'AAEC' } };

test('a client publishes the extension fields of a later version again, for the same identity only', async () => {
  const server = await MaliciousServer.start();
  server.altersRequest = (name, payload) =>
    name === 'encryption:upload-keys' ? { ...(payload as KeyBundle), ext: EXT } : payload;
  const alice = await server.join('alice');
  server.altersRequest = (_name, payload) => payload;
  const uploads = (): readonly KeyBundle[] =>
    server.requests.filter(({ name }) => name === 'encryption:upload-keys').map(({ payload }) => payload as KeyBundle);
  await alice.client.encryption.takeOver();
  expect(uploads().map(({ ext }) => ext)).toEqual([undefined, EXT]);
  await alice.client.encryption.reset();
  expect(uploads().map(({ ext }) => ext)).toEqual([undefined, EXT, undefined]);
});

test('extension fields of keys and envelopes are ignored, and stay in the envelope of the message', async () => {
  const server = await MaliciousServer.start();
  server.altersRequest = (name, payload) => {
    const request = payload as { envelope?: object };
    if (name === 'encryption:upload-keys') return { ...request, ext: EXT };
    return request.envelope === undefined ? payload : { ...request, envelope: { ...request.envelope, ext: EXT } };
  };
  const [alice, bob] = await Promise.all([server.join('alice'), server.join('bob')]);
  const conversationId = await direct(alice, bob);
  await alice.client.messages.send({ conversationId, content: 'hello', encrypt: true });
  const received = await bob.next('message:new');
  expect(received.content).toBe('hello');
  expect(received.envelope?.ext).toEqual(EXT);
  await alice.sessionWith('bob');
});

/** Alice's device runs a later version: it uses her keys, and sends over a socket of its own. */
class LaterClient {
  readonly keystore: Keystore;
  readonly socket: CheckedClient;

  private constructor(keystore: Keystore, socket: CheckedClient) {
    this.keystore = keystore;
    this.socket = socket;
  }

  static async start(server: MaliciousServer, storage: CommStorage): Promise<LaterClient> {
    return new LaterClient(await openStoredKeystore(storage, 'alice'), await server.world.server.connect('alice'));
  }

  /** Encrypts any payload for a peer on the session that the client uses. */
  encrypt(peerId: string, payload: object): Promise<EncryptedEnvelope> {
    const { records, random } = this.keystore;
    return records.transact([RECORDS.identity, RECORDS.session(peerId)], (tx) => {
      const local = this.keystore.localIdentity(tx);
      const bytes = encodeUtf8(JSON.stringify(payload));
      const step = SessionCipher.encrypt(getSessionRecord(tx, peerId), local, bytes, random);
      if (!step.ok) throw new Error(step.reason);
      tx.put(RECORDS.session(peerId), encodeSessionRecord(step.record));
      return step.envelope;
    });
  }

  /** Encrypts any payload for a group on the chain that the client uses. */
  encryptForGroup(cid: string, payload: object): Promise<EncryptedEnvelope> {
    const { records, random } = this.keystore;
    const name = RECORDS.sendingChain(cid);
    return records.transact([RECORDS.identity, name], (tx) => {
      const record = decodeSenderKeyRecord(tx.get(name) ?? new Uint8Array());
      const local = this.keystore.localIdentity(tx);
      const step = record && GroupCipher.encrypt(record, local, encodeUtf8(JSON.stringify(payload)), random);
      if (step?.ok !== true) throw new Error('there is no chain');
      tx.put(name, encodeSenderKeyRecord(step.record));
      return step.envelope;
    });
  }

  async send(conversationId: string, envelope: EncryptedEnvelope, clientId: string): Promise<string> {
    const message = { conversationId, content: 'x', type: 'text', encrypted: true, envelope, clientId } as const;
    return (await this.socket.ask('message:send', message)).id;
  }
}

const CLIENT_ID = '01890000-0000-7000-8000-000000000001';

interface Scene {
  readonly server: MaliciousServer;
  readonly alice: App;
  readonly bob: App;
  readonly later: LaterClient;
  readonly bobKeys: Keystore;
}

async function start(): Promise<Scene> {
  const server = await MaliciousServer.start();
  const [storage, bobStorage] = [memoryStorage(), memoryStorage()];
  const [alice, bob] = await Promise.all([
    server.join('alice', { storage }),
    server.join('bob', { storage: bobStorage }),
  ]);
  const later = await LaterClient.start(server, storage);
  return { server, alice, bob, later, bobKeys: await openStoredKeystore(bobStorage, 'bob') };
}

/** Sends a readable message each way and returns the session that Bob sends on. */
async function talk(alice: App, bob: App, conversationId: string, content: string): Promise<string | undefined> {
  await alice.client.messages.send({ conversationId, content, encrypt: true });
  await bob.next('message:new', (message) => message.content === content);
  const { envelope } = await bob.client.messages.send({ conversationId, content: `${content}!`, encrypt: true });
  await alice.next('message:new', (message) => message.content === `${content}!`);
  return envelope?.sessionId;
}

test.each<[title: string, change: object]>([
  ['another version', { v: 2 }],
  ['an unknown kind', { kind: 'poll' }],
  ['the reserved kind members', { kind: 'members' }],
])('a message with %s is unsupported, resets nothing, and is read by a later version', async (_title, change) => {
  const { server, alice, bob, later, bobKeys } = await start();
  const conversationId = await direct(alice, bob);
  const session = await talk(alice, bob, conversationId, 'before');
  const body = {
    v: 1,
    id: CLIENT_ID,
    kind: 'message',
    ts: 1,
    cid: conversationId,
    type: 'text',
    content: 'from later',
  };
  const ids: string[] = [];
  for (const at of [1, 2, 3, 4]) {
    const clientId = CLIENT_ID.replace(/1$/, String(at));
    const envelope = await later.encrypt('bob', { ...body, id: clientId, ...change });
    ids.push(await later.send(conversationId, envelope, clientId));
    expect(await bob.next('message:new', ({ senderId }) => senderId === 'alice')).toMatchObject({
      content: '',
      status: 'failed',
      undecrypted: 'unsupported',
    });
  }
  expect(await talk(alice, bob, conversationId, 'after')).toBe(session);
  expect(server.sentBy('bob')).not.toContain('from later');
  expect(await bob.client.encryption.trust('alice')).toBe('pinned');
  // Its key no longer exists, and the server repeats it: still not a replay.
  const [id = '', other = ''] = ids;
  expect(await bob.client.messages.get(id)).toMatchObject({ undecrypted: 'unsupported' });

  await bobKeys.records.transact([RECORDS.keptPayload(id)], (tx) => {
    const kept = tx.getJson(RECORDS.keptPayload(id)) as { payload: string };
    const payload = JSON.parse(decodeUtf8(fromBase64(kept.payload) ?? new Uint8Array()) ?? '') as object;
    // A version that knows the format.
    const known = encodeUtf8(JSON.stringify({ ...payload, v: 1, kind: 'message' }));
    tx.putJson(RECORDS.keptPayload(id), { ...kept, payload: toBase64(known) });
  });
  expect(await bob.client.messages.get(id)).toMatchObject({ content: 'from later', encrypted: true });
  expect(await bobKeys.records.listNames(RECORDS.keptPayload(''))).toHaveLength(ids.length - 1);
  expect(await bob.client.messages.get(other)).toMatchObject({ undecrypted: 'unsupported' });
});

test('a kept payload is shown only in its conversation, under its client id and as of its sender', async () => {
  const { server, alice, bob, later, bobKeys } = await start();
  const conversationId = await direct(alice, bob);
  await talk(alice, bob, conversationId, 'before');
  const body = { v: 2, id: 'another', kind: 'message', ts: 1, cid: conversationId, type: 'text', content: 'x' };
  const id = await later.send(conversationId, await later.encrypt('bob', body), CLIENT_ID);
  await bob.next('message:new', ({ undecrypted }) => undecrypted === 'unsupported');
  await bobKeys.records.transact([RECORDS.keptPayload(id)], (tx) => {
    const kept = tx.getJson(RECORDS.keptPayload(id)) as Record<string, string>;
    const known = encodeUtf8(JSON.stringify({ ...body, v: 1 }));
    tx.putJson(RECORDS.keptPayload(id), { ...kept, payload: toBase64(known) });
  });
  expect(await bob.client.messages.get(id)).toMatchObject({ content: '', undecrypted: 'misplaced' });
  server.altersRest = (_path, response, to) =>
    to === 'bob' ? mapMessages(response, ({ envelope, ...each }) => lieAbout(each, envelope)) : response;
  const lieAbout = (message: object, envelope: EncryptedEnvelope | undefined): object => ({
    ...message,
    clientId: 'another',
    senderId: 'carol',
    ...(envelope && { envelope: { ...envelope, senderId: 'carol' } }),
  });
  expect(await bob.client.messages.get(id)).toMatchObject({ content: '', status: 'failed' });
  // Without the lies it is still there.
  server.altersRest = (_path, response, to) =>
    to === 'bob' ? mapMessages(response, (each) => ({ ...each, clientId: 'another' })) : response;
  expect(await bob.client.messages.get(id)).toMatchObject({ content: 'x' });
});

test('readable content does not take the place of an unsupported message', async () => {
  const { server, alice, bob, later } = await start();
  const conversationId = await direct(alice, bob);
  await talk(alice, bob, conversationId, 'before');
  const id = await later.send(conversationId, await later.encrypt('bob', { v: 2 }), CLIENT_ID);
  await bob.next('message:new', ({ undecrypted }) => undecrypted === 'unsupported');
  server.altersRest = (_path, body, to) =>
    to === 'bob'
      ? mapMessages(body, ({ envelope: _envelope, clientId: _clientId, ...each }) => ({
          ...each,
          encrypted: false,
          content: 'invented',
        }))
      : body;
  expect(await bob.client.messages.get(id)).toMatchObject({ content: '', undecrypted: 'not-encrypted' });
});

test('a group message of a later version is unsupported, and the following ones are read', async () => {
  const { server, alice, bob, later, bobKeys } = await start();
  const carol = await server.join('carol');
  const { id: cid } = await alice.client.conversations.create({
    type: 'group',
    name: 'team',
    participantIds: ['bob', 'carol'],
  });
  await alice.client.messages.send({ conversationId: cid, content: 'one', encrypt: true });
  await bob.next('message:new', ({ content }) => content === 'one');
  const poll = { v: 1, id: CLIENT_ID, kind: 'poll', ts: 1, cid };
  const id = await later.send(cid, await later.encryptForGroup(cid, poll), CLIENT_ID);
  for (const reader of [bob, carol]) {
    await reader.next('message:new', ({ undecrypted }) => undecrypted === 'unsupported');
  }
  await alice.client.messages.send({ conversationId: cid, content: 'two', encrypt: true });
  await bob.next('message:new', ({ content }) => content === 'two');
  expect(await bobKeys.records.listNames(RECORDS.keptPayload(''))).toEqual([RECORDS.keptPayload(id)]);
});

test('an envelope with the header of a later version is unsupported, and its session stays in use', async () => {
  const { server, alice, bob } = await start();
  const conversationId = await direct(alice, bob);
  const session = await talk(alice, bob, conversationId, 'before');
  const header = { version: 2, type: 1 };
  server.altersRequest = (name, payload, from) => {
    const request = payload as { envelope?: EncryptedEnvelope };
    if (name !== 'message:send' || from !== 'alice' || request.envelope === undefined) return payload;
    const bytes = fromBase64(request.envelope.ciphertext) ?? new Uint8Array();
    bytes.set([header.version, header.type]);
    return { ...request, envelope: { ...request.envelope, ciphertext: toBase64(bytes) } };
  };
  for (const content of ['one', 'two', 'three', 'four']) {
    await alice.client.messages.send({ conversationId, content, encrypt: true });
    expect(await bob.next('message:new', ({ senderId }) => senderId === 'alice')).toMatchObject({
      content: '',
      undecrypted: 'unsupported',
    });
    // Then a type that this version doesn't know.
    Object.assign(header, { version: 1, type: 4 });
  }
  server.altersRequest = (_name, payload) => payload;
  expect(await talk(alice, bob, conversationId, 'after')).toBe(session);
});

test('mail of a later version is kept up to a bound, and is acknowledged', async () => {
  const { alice, bob, later, bobKeys } = await start();
  const conversationId = await direct(alice, bob);
  const session = await talk(alice, bob, conversationId, 'before');
  const post = async (envelope: EncryptedEnvelope): Promise<void> => {
    const { recipientId, sessionId } = envelope;
    await later.socket.ask('encryption:session-init', { recipientId, sessionId, envelope });
  };
  const name = RECORDS.keptMail('alice');
  const kept = (): Promise<readonly object[]> =>
    bobKeys.records.transact([name], (tx) => (tx.getJson(name) ?? []) as readonly object[]);
  await post(await later.encrypt('bob', { v: 1, id: 'a', kind: 'members', ts: 1, cid: conversationId }));
  const unknown = await later.encrypt('bob', { v: 1, id: 'b', kind: 'session-ack', ts: 1 });
  const bytes = fromBase64(unknown.ciphertext) ?? new Uint8Array();
  await post({ ...unknown, ciphertext: toBase64(bytes.with(0, 2)) });
  await expect.poll(kept).toHaveLength(2);
  const identityKey = await alice.client.encryption.identityKey();
  expect(await kept()).toMatchObject([{ identityKey }, { envelope: { senderId: 'alice' } }]);

  for (let at = 0; at < 40; at += 1) {
    await post(await later.encrypt('bob', { v: 3, id: String(at), text: 'x'.repeat(2_000) }));
  }
  expect(await talk(alice, bob, conversationId, 'after')).toBe(session);
  expect(JSON.stringify(await kept()).length).toBeLessThanOrEqual(64 * 1_024);
  expect((await kept()).length).toBeGreaterThan(10);
  // Envelopes that nothing authenticates displace no payload.
  const before = await kept();
  for (let at = 0; at < 4; at += 1) {
    const forged = toBase64(new Uint8Array(8_000).fill(at).with(0, 2));
    await post({ ...unknown, ciphertext: forged });
  }
  await talk(alice, bob, conversationId, 'at last');
  expect(await kept()).toEqual(before);
});
