import { fromBase64, toBase64 } from '../../../lib/base64.ts';
import { ByteWriter, concat, readStrictly } from '../../../lib/bytes.ts';
import { openSecretbox, type Random, secretbox } from '../nkc1/primitives.ts';

const NONCE_BYTES = 24;

/** Encrypts a record under the 32-byte data key. The storage key and the revision (u32) are part of the plaintext. */
export function encryptRecord(
  dataKey: Uint8Array,
  storeKey: string,
  rev: number,
  data: Uint8Array,
  random: Random,
): string {
  const nonce = random(NONCE_BYTES);
  const record = new ByteWriter().text(storeKey).u32(rev).bytes(data).done();
  return toBase64(concat(nonce, secretbox(record, nonce, dataKey)));
}

/**
 * Decrypts a record. Returns `undefined` if it was modified, or encrypted under another data key. The caller compares
 * `storeKey`, because the record may have been moved.
 */
export function decryptRecord(
  dataKey: Uint8Array,
  encrypted: unknown,
): { storeKey: string; rev: number; data: Uint8Array } | undefined {
  const bytes = typeof encrypted === 'string' ? fromBase64(encrypted) : undefined;
  if (bytes === undefined || bytes.length < NONCE_BYTES) return undefined;
  const record = openSecretbox(bytes.subarray(NONCE_BYTES), bytes.subarray(0, NONCE_BYTES), dataKey);
  if (record === undefined) return undefined;
  return readStrictly(record, (reader) => ({
    storeKey: reader.text(),
    rev: reader.u32(),
    data: reader.take(reader.left),
  }));
}
