import { sql } from 'kysely';
import { extensionFieldsSchema, type KeyBundle, type PreKey } from '../../../protocol/encryption.ts';
import { query, statement, type Params } from '../engine/statement.ts';
import { all, first, run, type Work } from '../engine/work.ts';
import { parsed } from './rows.ts';

/** A published key bundle without its one-time prekeys. */
export interface PublishedKeys extends Omit<KeyBundle, 'oneTimePreKeys'> {
  /** Whether the publishing client has the capability `mailbox`. */
  readonly mailbox: boolean;
}

/** A one-time prekey that was handed out. */
export interface TakenPreKey {
  preKey: PreKey;
  /** One-time prekeys after it was taken. */
  stock: PreKeyStock;
}

/** One-time prekeys of a user. */
export interface PreKeyStock {
  /** Number of one-time prekeys left. */
  readonly left: number;
  /** The last ones of an upload, which are handed out only to users whom the owner knows. */
  readonly reserve: number;
}

/** Share of an upload that is reserved. */
const RESERVED_SHARE = 1 / 5;

interface KeysRow {
  userId: string;
  identityKey: string;
  keyId: number;
  publicKey: string;
  signature: string;
  uploadedAt: string;
  mailbox: number;
  ext: string | null;
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
      ext: p.ext,
    })
    // Not INSERT OR REPLACE, which would delete the old row and cascade.
    .onConflict((conflict) =>
      conflict.column('user_id').doUpdateSet({
        identity_key: p.identityKey,
        signed_pre_key_id: p.keyId,
        signed_pre_key: p.publicKey,
        signed_pre_key_signature: p.signature,
        uploaded_at: p.uploadedAt,
        mailbox: p.mailbox,
        ext: p.ext,
      }),
    ),
);
const deletePreKeys = statement((p: Params<{ userId: string }>) =>
  query.deleteFrom('encryption_prekeys').where('user_id', '=', p.userId),
);
const insertPreKeys = statement(
  (p: Params<{ userId: string; preKeys: string }>) => sql`
    insert into encryption_prekeys (user_id, key_id, public_key)
    select ${p.userId}, cast(value ->> 'keyId' as bigint), value ->> 'publicKey' from json_each(${p.preKeys})
    where (cast(value ->> 'keyId' as bigint), value ->> 'publicKey') not in (
      select key_id, public_key from comm_taken_prekeys where user_id = ${p.userId}
    )`,
);
/**
 * A handed-out prekey can only return with a repeated upload, so keys that aren't part of this upload can be deleted.
 */
const forgetTaken = statement(
  (p: Params<{ userId: string; preKeys: string }>) => sql`
    delete from comm_taken_prekeys where user_id = ${p.userId}
      and (key_id, public_key) not in (
        select cast(value ->> 'keyId' as bigint), value ->> 'publicKey' from json_each(${p.preKeys}))`,
);
const keepTaken = statement((p: Params<{ userId: string; keyId: number; publicKey: string }>) =>
  query
    .insertInto('comm_taken_prekeys')
    .values({ user_id: p.userId, key_id: p.keyId, public_key: p.publicKey })
    .onConflict((conflict) => conflict.doNothing()),
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
const countPreKeys = statement(
  (p: Params<{ userId: string }>) => sql<{ left: number; taken: number }>`
    select (select count(*) from encryption_prekeys where user_id = ${p.userId}) as left,
      (select count(*) from comm_taken_prekeys where user_id = ${p.userId}) as taken`,
);

/**
 * Replaces the published keys of a user. One-time prekeys that were handed out are not published again.
 *
 * @returns the number of one-time prekeys
 */
export function* replaceKeys(bundle: KeyBundle, hasMailbox: boolean): Work<number> {
  const { userId, identityKey, signedPreKey, signedPreKeySignature: signature, oneTimePreKeys, uploadedAt } = bundle;
  const mailbox = hasMailbox ? 1 : 0;
  const ext = bundle.ext === undefined ? null : JSON.stringify(bundle.ext);
  yield* run(upsertKeys({ userId, identityKey, ...signedPreKey, signature, uploadedAt, mailbox, ext }));
  yield* run(deletePreKeys({ userId }));
  const preKeys = JSON.stringify(oneTimePreKeys);
  yield* run(forgetTaken({ userId, preKeys }));
  yield* run(insertPreKeys({ userId, preKeys }));
  return (yield* preKeyStock(userId)).left;
}

/** Returns the published keys of a user. */
export function* publishedKeys(userId: string): Work<PublishedKeys | undefined> {
  const row = yield* first(selectKeys({ userId }));
  if (row === undefined) return undefined;
  const ext = row.ext === null ? undefined : parsed(extensionFieldsSchema, row.ext);
  return {
    userId,
    identityKey: row.identity_key,
    signedPreKey: { keyId: row.signed_pre_key_id, publicKey: row.signed_pre_key },
    signedPreKeySignature: row.signed_pre_key_signature,
    uploadedAt: row.uploaded_at,
    mailbox: row.mailbox !== 0,
    ...(ext !== undefined && { ext }),
  };
}

/** Removes and returns the oldest one-time prekey. Each is handed out once. */
export function* takeOneTimePreKey(userId: string): Work<TakenPreKey | undefined> {
  const [taken] = yield* all(takePreKey({ userId }));
  if (taken === undefined) return undefined;
  yield* run(keepTaken({ userId, keyId: taken.key_id, publicKey: taken.public_key }));
  return { preKey: { keyId: taken.key_id, publicKey: taken.public_key }, stock: yield* preKeyStock(userId) };
}

/** Returns whether the user has published keys but has no one-time prekey left except the reserve. */
export function* isDepleted(userId: string): Work<boolean> {
  if ((yield* publishedKeys(userId)) === undefined) return false;
  const { left, reserve } = yield* preKeyStock(userId);
  return left <= reserve;
}

/** Returns the one-time prekeys that a user has left. */
export function* preKeyStock(userId: string): Work<PreKeyStock> {
  const { left, taken } = (yield* first(countPreKeys({ userId }))) ?? { left: 0, taken: 0 };
  return { left, reserve: Math.floor((left + taken) * RESERVED_SHARE) };
}
