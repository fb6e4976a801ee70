import { fromBase64, toBase64 } from '../../lib/base64.ts';
import { ByteWriter, concat, readStrictly } from '../../lib/bytes.ts';
import { openSecretbox, type Random, secretbox } from './primitives.ts';

const NONCE_BYTES = 24;

/** A record as it rests, under a data key of 32 bytes: bound to where it is stored and to its revision (u32). */
export function sealRecord(
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

/** `undefined` for what was changed, moved from another place, or sealed under another key. */
export function openRecord(
  dataKey: Uint8Array,
  storeKey: string,
  sealed: unknown,
): { rev: number; data: Uint8Array } | undefined {
  const bytes = typeof sealed === 'string' ? fromBase64(sealed) : undefined;
  if (bytes === undefined || bytes.length < NONCE_BYTES) return undefined;
  const record = openSecretbox(bytes.subarray(NONCE_BYTES), bytes.subarray(0, NONCE_BYTES), dataKey);
  if (record === undefined) return undefined;
  return readStrictly(record, (reader) => {
    if (reader.text() !== storeKey) reader.fail();
    return { rev: reader.u32(), data: reader.take(reader.left) };
  });
}
