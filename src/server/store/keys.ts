import { sql } from 'kysely';
import type { KeyBundle, PreKey } from '../../protocol/encryption.ts';
import { query, statement, type Params } from './statement.ts';
import { all, first, run, type Work } from './work.ts';

/** A published bundle without its one-time prekeys. */
export type PublishedKeys = Omit<KeyBundle, 'oneTimePreKeys'>;

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
    })
    // Not INSERT OR REPLACE: deleting the old row would cascade.
    .onConflict((conflict) =>
      conflict.column('user_id').doUpdateSet({
        identity_key: p.identityKey,
        signed_pre_key_id: p.keyId,
        signed_pre_key: p.publicKey,
        signed_pre_key_signature: p.signature,
        uploaded_at: p.uploadedAt,
      }),
    ),
);
const deletePreKeys = statement((p: Params<{ userId: string }>) =>
  query.deleteFrom('encryption_prekeys').where('user_id', '=', p.userId),
);
const insertPreKeys = statement(
  (p: Params<{ userId: string; preKeys: string }>) => sql`
    insert into encryption_prekeys (user_id, key_id, public_key)
    select ${p.userId}, value ->> 'keyId', value ->> 'publicKey' from json_each(${p.preKeys})`,
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

/** Replaces whatever the user had published, one-time prekeys included. */
export function* replaceKeys(bundle: KeyBundle): Work<void> {
  const { userId, identityKey, signedPreKey, signedPreKeySignature, oneTimePreKeys, uploadedAt } = bundle;
  yield* run(upsertKeys({ userId, identityKey, ...signedPreKey, signature: signedPreKeySignature, uploadedAt }));
  yield* run(deletePreKeys({ userId }));
  yield* run(insertPreKeys({ userId, preKeys: JSON.stringify(oneTimePreKeys) }));
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
    }
  );
}

/** Takes the oldest one-time prekey away: whoever gets it is the only one who ever does. */
export function* takeOneTimePreKey(userId: string): Work<TakenPreKey | undefined> {
  const [taken] = yield* all(takePreKey({ userId }));
  if (taken === undefined) return undefined;
  const left = (yield* first(countPreKeys({ userId })))?.left ?? 0;
  return { preKey: { keyId: taken.key_id, publicKey: taken.public_key }, left };
}
