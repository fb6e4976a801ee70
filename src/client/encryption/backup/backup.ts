import { fromBase64, toBase64 } from '../../../lib/base64.ts';
import { CommError } from '../../../protocol/errors.ts';
import { preKeyStateAfterImport } from '../keys/prekey-upload.ts';
import {
  DISTRIBUTED_KEYS,
  getTrust,
  type Keystore,
  putTrust,
  RECEIVING_CHAINS,
  RECORDS,
} from '../keystore/keystore.ts';
import { parsePlaintext } from '../keystore/plaintexts.ts';
import type { RecordTransaction } from '../keystore/record-store.ts';
import { type IdentityTrust, parseIdentityTrust } from '../nkc1/identity-trust.ts';
import { encodePreKeyState } from '../nkc1/prekey-state.ts';
import { decryptBackup, encryptBackup } from './backup-format.ts';

/** Plaintexts per transaction during an import. */
const IMPORT_BATCH = 200;

/** What a backup contains besides the identity and the pinned keys. */
export interface BackupParts {
  /** Whether the stored plaintexts are included. */
  readonly history: boolean;
  /** Ids of the conversations that require encryption. */
  readonly required: readonly string[];
}

/** Exports the identity, the pinned keys and the given parts. */
export async function exportBackup(
  keystore: Keystore,
  passphrase: string,
  { history, required }: BackupParts,
): Promise<Uint8Array> {
  if (typeof passphrase !== 'string' || passphrase === '') throw new TypeError('passphrase must not be empty');
  const { records, userId } = keystore;
  const seed = await records.transact([RECORDS.identity], (tx) => keystore.identity(tx).seed);
  const pins = (await records.listJson(RECORDS.trust(''))).flatMap(([name, value]) => {
    const trust = parseIdentityTrust(value);
    const identityKey = trust && fromBase64(trust.key);
    return trust === undefined || identityKey === undefined
      ? []
      : [{ userId: idFromName(name), identityKey, verified: trust.verified }];
  });
  const plaintexts = history ? await records.listJson(RECORDS.plaintext('')) : [];
  const content = {
    userId,
    seed,
    pins,
    required,
    ...(history && { history: JSON.stringify(plaintexts.map(([name, value]) => [idFromName(name), value])) }),
  };
  return encryptBackup(content, passphrase, keystore.random);
}

/**
 * Replaces the identity by that of a backup, and adds its pinned keys and plaintexts. Sessions and prekeys are deleted, because
 * they belong to the previous identity.
 *
 * @returns the ids of the conversations that require encryption according to the backup
 * @throws CommError `E2EE_DECRYPTION_FAILED` if it is not a backup of this user, or the passphrase is wrong
 */
export async function importBackup(
  keystore: Keystore,
  bytes: Uint8Array,
  passphrase: string,
  now: number,
): Promise<readonly string[]> {
  if (!(bytes instanceof Uint8Array)) throw new TypeError('bytes must be a Uint8Array');
  if (typeof passphrase !== 'string') throw new TypeError('passphrase must be a string');
  const decrypted = await decryptBackup(bytes, passphrase);
  if (!decrypted.ok) {
    throw new CommError('E2EE_DECRYPTION_FAILED', `The backup cannot be decrypted: ${decrypted.reason}`);
  }
  const { content } = decrypted;
  if (content.userId !== keystore.userId) {
    throw new CommError('E2EE_DECRYPTION_FAILED', 'The backup belongs to another user');
  }
  const { records } = keystore;
  const { session, sendingChain, chainIndex, mailbox } = RECORDS;
  const prefixes = [session, sendingChain, chainIndex, mailbox].map((nameOf) => nameOf(''));
  prefixes.push(RECEIVING_CHAINS, DISTRIBUTED_KEYS);
  const obsolete = (await Promise.all(prefixes.map((prefix) => records.listNames(prefix)))).flat();
  const pins = new Map(content.pins.map((pin) => [RECORDS.trust(pin.userId), pin] as const));
  const names = [...new Set([...pins.keys(), ...(await records.listNames(RECORDS.trust('')))])];
  await records.transact([...new Set([...obsolete, ...names, RECORDS.identity, RECORDS.preKeys])], (tx) => {
    for (const name of obsolete) tx.delete(name);
    tx.put(RECORDS.identity, content.seed);
    tx.put(RECORDS.preKeys, encodePreKeyState(preKeyStateAfterImport(keystore.random)));
    for (const name of names) {
      const userId = idFromName(name);
      const pin = pins.get(name);
      const backedUp = pin && { key: toBase64(pin.identityKey), verified: pin.verified };
      const merged = mergeTrust(getTrust(tx, userId), backedUp, now);
      if (merged !== undefined) putTrust(tx, userId, merged);
    }
  });
  const plaintexts = parseHistory(content.history);
  for (let at = 0; at < plaintexts.length; at += IMPORT_BATCH) {
    const batch = plaintexts.slice(at, at + IMPORT_BATCH);
    await records.transact(
      batch.map(([id]) => RECORDS.plaintext(id)),
      (tx) => addPlaintexts(tx, batch),
    );
  }
  return content.required ?? [];
}

/**
 * Merges a pinned key of a backup with the one on this device, which may be newer. A key that the backup has verified is kept:
 * another one on this device has to be accepted.
 */
function mergeTrust(
  known: IdentityTrust | undefined,
  backedUp: Pick<IdentityTrust, 'key' | 'verified'> | undefined,
  now: number,
): IdentityTrust | undefined {
  if (known === undefined || backedUp === undefined) {
    // The times of resets belong to the deleted sessions.
    const { resetAt: _resetAt, resentAt: _resentAt, ...trust } = { ...(known ?? backedUp) } as IdentityTrust;
    return known === undefined && backedUp === undefined ? undefined : trust;
  }
  const { changedTo, changedAt, rejected, previousKey } = known;
  const verified = known.verified || (known.key === backedUp.key && backedUp.verified);
  if (known.key === backedUp.key || known.verified) {
    return { key: known.key, verified, changedTo, changedAt, rejected, previousKey };
  }
  if (backedUp.verified) return { ...backedUp, changedTo: known.key, changedAt: now };
  return { key: known.key, verified, changedTo, rejected, previousKey: backedUp.key, changedAt: now };
}

/** Existing plaintexts are kept: they are at least as new. */
function addPlaintexts(tx: RecordTransaction, entries: readonly (readonly [id: string, value: unknown])[]): void {
  for (const [id, value] of entries) {
    const name = RECORDS.plaintext(id);
    const plaintext = parsePlaintext(value);
    // One of a later version would lock the keys.
    const isKnown = plaintext !== undefined && !('v' in plaintext);
    if (isKnown && tx.get(name) === undefined) tx.putJson(name, plaintext);
  }
}

function parseHistory(history: string | undefined): [id: string, value: unknown][] {
  if (history === undefined) return [];
  const entries = JSON.parse(history) as unknown;
  return Array.isArray(entries) ? (entries as [id: string, value: unknown][]) : [];
}

function idFromName(name: string): string {
  return decodeURIComponent(name.slice(name.indexOf('/') + 1));
}
