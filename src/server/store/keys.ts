import { sql } from 'kysely';
import type { KeyBundle, PreKey } from '../../protocol/encryption.ts';
import { query, statement, type Params } from './statement.ts';
import { all, first, run, type Work } from './work.ts';

/** A published bundle without its one-time prekeys. */
export interface PublishedKeys extends Omit<KeyBundle, 'oneTimePreKeys'> {
  /** The client that published it acknowledges what is kept in a mailbox. */
  readonly mailbox: boolean;
}

export interface TakenPreKey {
  preKey: PreKey;
  /** How many are left after it. */
  left: number;
}

interface KeysRow {
  userId: string;
  identityKey: string;
  keyId: number;
  publicKey: string;
  signature: string;
  uploadedAt: string;
  mailbox: number;
}

const upsertKeys = statement((p: Params<KeysRow>) =>
  query
    .insertInto('encryption_keys')
    .values({
      user_id: p.userId,
      identity_key: p.identityKey,
      signed_pre_key_id: p.keyId,
      signed_pre_key: p.publicKey,
      signed_pre_key_signature: p.signature,
      uploaded_at: p.uploadedAt,
      mailbox: p.mailbox,
    })
    // Not INSERT OR REPLACE: deleting the old row would cascade.
    .onConflict((conflict) =>
      conflict.column('user_id').doUpdateSet({
        identity_key: p.identityKey,
        signed_pre_key_id: p.keyId,
        signed_pre_key: p.publicKey,
        signed_pre_key_signature: p.signature,
        uploaded_at: p.uploadedAt,
        mailbox: p.mailbox,
      }),
    ),
);
const deletePreKeys = statement((p: Params<{ userId: string }>) =>
  query.deleteFrom('encryption_prekeys').where('user_id', '=', p.userId),
);
const insertPreKeys = statement(
  (p: Params<{ userId: string; preKeys: string }>) => sql`
    insert into encryption_prekeys (user_id, key_id, public_key)
    select ${p.userId}, value ->> 'keyId', value ->> 'publicKey' from json_each(${p.preKeys})
    where (value ->> 'keyId', value ->> 'publicKey') not in (
      select key_id, public_key from comm_taken_prekeys where user_id = ${p.userId}
    )`,
);
/** Only an upload that is repeated could bring them back; a later one brings others. */
const forgetTaken = statement(
  (p: Params<{ userId: string; preKeys: string }>) => sql`
    delete from comm_taken_prekeys where user_id = ${p.userId}
      and (key_id, public_key) not in (select value ->> 'keyId', value ->> 'publicKey' from json_each(${p.preKeys}))`,
);
const keepTaken = statement((p: Params<{ userId: string; keyId: number; publicKey: string }>) =>
  query
    .insertInto('comm_taken_prekeys')
    .values({ user_id: p.userId, key_id: p.keyId, public_key: p.publicKey })
    .onConflict((conflict) => conflict.doNothing()),
);
const selectDepleted = statement(
  (p: Params<{ userId: string }>) => sql<{ depleted: number }>`
    select 1 as depleted from encryption_keys where user_id = ${p.userId}
      and not exists (select 1 from encryption_prekeys where user_id = ${p.userId})`,
);
const selectKeys = statement((p: Params<{ userId: string }>) =>
  query.selectFrom('encryption_keys').selectAll().where('user_id', '=', p.userId),
);
const takePreKey = statement((p: Params<{ userId: string }>) =>
  query
    .deleteFrom('encryption_prekeys')
    .where('user_id', '=', p.userId)
    .where('key_id', '=', (inner) =>
      inner
        .selectFrom('encryption_prekeys')
        .select((each) => each.fn.min('key_id').as('key_id'))
        .where('user_id', '=', p.userId),
    )
    .returning(['key_id', 'public_key']),
);
const countPreKeys = statement((p: Params<{ userId: string }>) =>
  query
    .selectFrom('encryption_prekeys')
    .select((each) => each.fn.countAll<number>().as('left'))
    .where('user_id', '=', p.userId),
);

/**
 * Replaces whatever the user had published, one-time prekeys included, except that what was handed out stays so.
 *
 * @returns how many one-time prekeys there are now
 */
export function* replaceKeys(bundle: KeyBundle, hasMailbox: boolean): Work<number> {
  const { userId, identityKey, signedPreKey, signedPreKeySignature: signature, oneTimePreKeys, uploadedAt } = bundle;
  const mailbox = hasMailbox ? 1 : 0;
  yield* run(upsertKeys({ userId, identityKey, ...signedPreKey, signature, uploadedAt, mailbox }));
  yield* run(deletePreKeys({ userId }));
  const preKeys = JSON.stringify(oneTimePreKeys);
  yield* run(forgetTaken({ userId, preKeys }));
  yield* run(insertPreKeys({ userId, preKeys }));
  return yield* preKeysLeft(userId);
}

export function* publishedKeys(userId: string): Work<PublishedKeys | undefined> {
  const row = yield* first(selectKeys({ userId }));
  return (
    row && {
      userId,
      identityKey: row.identity_key,
      signedPreKey: { keyId: row.signed_pre_key_id, publicKey: row.signed_pre_key },
      signedPreKeySignature: row.signed_pre_key_signature,
      uploadedAt: row.uploaded_at,
      mailbox: row.mailbox !== 0,
    }
  );
}

/** Takes the oldest one-time prekey away: whoever gets it is the only one who ever does. */
export function* takeOneTimePreKey(userId: string): Work<TakenPreKey | undefined> {
  const [taken] = yield* all(takePreKey({ userId }));
  if (taken === undefined) return undefined;
  yield* run(keepTaken({ userId, keyId: taken.key_id, publicKey: taken.public_key }));
  const left = yield* preKeysLeft(userId);
  return { preKey: { keyId: taken.key_id, publicKey: taken.public_key }, left };
}

/** Whether the user has keys, and no one-time prekey among them. */
export function* isDepleted(userId: string): Work<boolean> {
  return (yield* first(selectDepleted({ userId }))) !== undefined;
}

function* preKeysLeft(userId: string): Work<number> {
  return (yield* first(countPreKeys({ userId })))?.left ?? 0;
}
