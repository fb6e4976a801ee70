import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect, test } from 'vitest';
import type { ExtensionFields } from '../../../../src/protocol/encryption.ts';
import { databaseOf } from '../../../../src/server/store/engine/database-source.ts';
import { migrate } from '../../../../src/server/store/engine/migrate.ts';
import { MIGRATIONS } from '../../../../src/server/store/migrations/index.ts';
import { LIMITS } from '../../../../src/protocol/limits.ts';
import { startServer, type TestServer } from '../../../helpers/server/comm-server.ts';
import { envelopeOf, sessionInit } from '../../../helpers/server/envelopes.ts';
import { keyBundle, newIdentity } from '../../../helpers/server/keys.ts';
import { makeLumenDatabase } from '../../../helpers/server/lumen-database.ts';
import { temporaryDirectory } from '../../../helpers/temporary-directory.ts';
import type { CheckedClient } from '../../../helpers/server/checked-client.ts';

/** Of a version that nothing here knows. */
const EXT: ExtensionFields = {
  pq: { suite: 7, key: 'AAEC', devices: [1, 2, { name: 'é' }] },
  constructor: null,
  b: 1,
  a: 2,
};

/** Fields whose JSON has the given number of bytes, of which the last ones are a character of three bytes. */
function extOf(bytes: number): ExtensionFields {
  const empty = JSON.stringify({ x: '€' });
  return { x: `${'x'.repeat(bytes - Buffer.byteLength(empty))}€` };
}

async function pair(server: TestServer): Promise<[alice: CheckedClient, bob: CheckedClient, conversationId: string]> {
  const [alice, bob] = [await server.connect('alice'), await server.connect('bob')];
  const { id } = await alice.ask('conversation:create', { type: 'direct', participantIds: ['bob'] });
  return [alice, bob, id];
}

test('the extension fields of a key bundle are returned unchanged, until it is replaced', async () => {
  await using server = await startServer();
  const [alice, bob] = await pair(server);
  const identity = newIdentity();
  await bob.ask('encryption:upload-keys', { ...keyBundle(1, identity), ext: EXT });
  const { ext } = await alice.ask('encryption:request-keys', { recipientId: 'bob' });
  expect(JSON.stringify(ext)).toBe(JSON.stringify(EXT));
  await bob.ask('encryption:upload-keys', keyBundle(1, identity));
  expect(await alice.ask('encryption:request-keys', { recipientId: 'bob' })).not.toHaveProperty('ext');
});

test('the extension fields of envelopes are stored and delivered unchanged', async () => {
  await using server = await startServer();
  const [alice, bob, conversationId] = await pair(server);
  const envelope = { ...envelopeOf('alice', 'bob'), ext: EXT };
  const message = { conversationId, content: 'x', type: 'text', encrypted: true, envelope } as const;
  const sent = await alice.ask('message:send', message);
  expect(JSON.stringify(sent.envelope)).toBe(JSON.stringify(envelope));
  expect((await bob.next('message:new')).envelope).toEqual(envelope);
  const stored = await server.rest(`/conversations/${conversationId}/messages`, 'bob');
  expect(await stored.json()).toMatchObject([{ envelope }]);

  bob.socket.disconnect();
  const request = sessionInit('alice', 'bob');
  await alice.ask('encryption:session-init', { ...request, envelope: { ...request.envelope, ext: EXT } });
  const again = await server.connect('bob');
  expect((await again.next('encryption:session-init')).envelope.ext).toEqual(EXT);

  const edited = { ...envelope, ext: { edited: true } };
  await alice.ask('message:edit', { conversationId, messageId: sent.id, content: 'x', envelope: edited });
  expect((await again.next('message:updated')).envelope).toEqual(edited);
});

test.each<[title: string, ext: unknown]>([
  ['a list', []],
  ['a text', 'x'],
  ['null', null],
  ['a number', 1],
  ['more than 4 KiB', extOf(LIMITS.extBytes + 1)],
])('extension fields that are %s are rejected', async (_title, ext) => {
  await using server = await startServer();
  const [alice, , conversationId] = await pair(server);
  const envelope = { ...envelopeOf('alice', 'bob'), ext };
  const message = { conversationId, content: 'x', type: 'text', encrypted: true, envelope };
  const request = { ...sessionInit('alice', 'bob'), envelope };
  for (const [name, payload] of [
    ['message:send', message],
    ['encryption:session-init', request],
    ['encryption:upload-keys', { ...keyBundle(1), ext }],
  ] as const) {
    const error = await alice.refused(name, payload);
    expect(error.code).toBe('INVALID');
    expect(error.message).toMatch(/ext must be an object of at most 4096 bytes of JSON/);
  }
});

test('extension fields of exactly 4 KiB are accepted', async () => {
  await using server = await startServer();
  const [alice] = await pair(server);
  const ext = extOf(LIMITS.extBytes);
  expect(Buffer.byteLength(JSON.stringify(ext))).toBe(4_096);
  await alice.ask('encryption:upload-keys', { ...keyBundle(1), ext });
  expect((await alice.ask('encryption:request-keys', { recipientId: 'alice' })).ext).toEqual(ext);
});

test.each<[title: string, migrated: number]>([
  ['LumenJS', 0],
  ['the version before', 12],
])('a database of %s holds extension fields after its migration', async (_title, migrated) => {
  await using directory = await temporaryDirectory();
  const database = path.join(directory.path, 'comm.sqlite');
  const bundle = keyBundle(1);
  {
    using db = new DatabaseSync(database);
    makeLumenDatabase(db);
    await databaseOf(db).run(() => migrate(MIGRATIONS.slice(0, migrated)));
    const { keyId, publicKey } = bundle.signedPreKey;
    const upsert =
      'INSERT OR REPLACE INTO encryption_keys ' +
      '(user_id, identity_key, signed_pre_key_id, signed_pre_key, signed_pre_key_signature) VALUES (?, ?, ?, ?, ?)';
    db.prepare(upsert).run('ada', bundle.identityKey, keyId, publicKey, bundle.signedPreKeySignature);
  }
  await using server = await startServer({ database });
  const ada = await server.connect('ada');
  const kept = await ada.ask('encryption:request-keys', { recipientId: 'ada' });
  expect(kept).toMatchObject({ identityKey: bundle.identityKey });
  expect(kept).not.toHaveProperty('ext');
  {
    // What an app may have stored in a column of this name.
    using db = new DatabaseSync(database);
    db.exec('PRAGMA busy_timeout = 60000');
    db.exec("UPDATE encryption_keys SET ext = '[not JSON'");
  }
  expect(await ada.ask('encryption:request-keys', { recipientId: 'ada' })).not.toHaveProperty('ext');
  await ada.ask('encryption:upload-keys', { ...bundle, ext: EXT });
  expect((await ada.ask('encryption:request-keys', { recipientId: 'ada' })).ext).toEqual(EXT);
});
