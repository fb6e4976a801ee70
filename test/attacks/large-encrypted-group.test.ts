import { DatabaseSync } from 'node:sqlite';
import { expect, test } from 'vitest';
import { CommClient, memoryStorage } from '../../src/index.ts';
import { createCommunicationApiHandlers } from '../../src/server/index.ts';
import { startTestServer } from '../../src/server/testing/start-test-server.ts';
import { patientClock } from '../helpers/client/patient-clock.ts';
import { keyBundle } from '../helpers/server/keys.ts';

const MEMBERS = 1_000;

test(
  'the sender keys of a message to 1,000 members get through with the default limits',
  { timeout: 400_000 },
  async () => {
    const db = new DatabaseSync(':memory:');
    // No `limits`: the defaults.
    await using server = await startTestServer({ db });
    const others = Array.from({ length: MEMBERS - 2 }, (_, at) => `member-${at}`);
    publishKeys(db, others);
    const { id: conversationId } = await createCommunicationApiHandlers(db).createConversation({
      type: 'group',
      participantIds: ['ann', 'bob', ...others],
    });
    const clientOf = (userId: string): CommClient =>
      new CommClient({ url: server.url, userId, storage: memoryStorage(), encryption: {}, clock: patientClock() });
    await using ann = clientOf('ann');
    await using bob = clientOf('bob');
    for (const client of [ann, bob]) {
      await client.connect();
      await client.encryption.ready;
    }
    const failures: unknown[] = [];
    ann.on('message:failed', (failure) => failures.push(failure));
    ann.on('error', (error) => failures.push(error));
    const read: string[] = [];
    for (const event of ['message:new', 'message:updated'] as const) {
      bob.on(event, ({ content }) => void read.push(content));
    }
    const sent = await ann.messages.send({ conversationId, content: 'to all of you', encrypt: true });
    expect(sent.encrypted).toBe(true);
    await expect.poll(() => read, { timeout: 120_000 }).toContain('to all of you');
    const reached = (): unknown =>
      db
        .prepare(
          "SELECT count(DISTINCT recipient_id) AS recipients FROM comm_mailbox WHERE recipient_id LIKE 'member-%'",
        )
        .get()?.['recipients'];
    // Each member without a client has an envelope with the sender key in the mailbox.
    await expect.poll(reached, { timeout: 120_000 }).toBe(others.length);
    // The acknowledgements of ann, who has just sent as much as a user may, get through as well.
    const left = (): unknown =>
      db.prepare("SELECT recipient_id, sender_id FROM comm_mailbox WHERE recipient_id IN ('ann', 'bob')").all();
    await expect.poll(left, { timeout: 120_000 }).toEqual([]);
    expect(failures).toEqual([]);
  },
);

/** Publishes the same keys for many users who are never online. */
function publishKeys(db: DatabaseSync, userIds: readonly string[]): void {
  const { identityKey, signedPreKey, signedPreKeySignature } = keyBundle(0);
  const insert = db.prepare(
    `INSERT INTO encryption_keys
      (user_id, identity_key, signed_pre_key_id, signed_pre_key, signed_pre_key_signature, mailbox) VALUES (?, ?, ?, ?, ?, 1)`,
  );
  for (const userId of userIds) {
    insert.run(userId, identityKey, signedPreKey.keyId, signedPreKey.publicKey, signedPreKeySignature);
  }
}
