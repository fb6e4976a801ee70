/* Loaded on demand: only apps that pass `encryption.atRest` need it, and scrypt with it. */
import { concat, encodeUtf8 } from '../../../lib/bytes.ts';
import type { EncryptionOptions } from '../../options.ts';
import { openSecretbox, type Random, scrypt, secretbox } from '../nkc1/primitives.ts';

/** A passphrase, or a key that the app keeps. */
export type SuppliedKey = NonNullable<EncryptionOptions['atRest']>;

/** Parameters of a passphrase's key derivation. */
export interface PassphraseParams {
  readonly salt: Uint8Array;
  /** scrypt's cost N = 2^log2N, with r = 8 and p = 1. */
  readonly log2N: number;
}

const MAX_LOG2N = 20;
const NONCE_BYTES = 24;

/**
 * Encrypts a key under a passphrase or the app's key.
 *
 * @param log2N - scrypt's cost for a passphrase
 * @throws TypeError if the app's key doesn't have 32 bytes
 */
export async function wrapWithSuppliedKey(
  key: Uint8Array,
  supplied: SuppliedKey,
  log2N: number,
  random: Random,
): Promise<{ wrapped: Uint8Array<ArrayBuffer>; params: PassphraseParams | undefined }> {
  const params = 'passphrase' in supplied ? { salt: random(16), log2N } : undefined;
  const wrappingKey = await deriveKey(supplied, params);
  if (wrappingKey === undefined) throw new TypeError('encryption.atRest.key must be a Uint8Array of 32 bytes');
  const nonce = random(NONCE_BYTES);
  return { wrapped: concat(nonce, secretbox(key, nonce, wrappingKey)), params };
}

/** Decrypts a key. Returns `undefined` if the passphrase or key is wrong. */
export async function unwrapWithSuppliedKey(
  wrapped: Uint8Array,
  supplied: SuppliedKey,
  params: PassphraseParams | undefined,
): Promise<Uint8Array | undefined> {
  const wrappingKey = await deriveKey(supplied, params);
  return wrappingKey && openSecretbox(wrapped.subarray(NONCE_BYTES), wrapped.subarray(0, NONCE_BYTES), wrappingKey);
}

async function deriveKey(supplied: SuppliedKey, params: PassphraseParams | undefined): Promise<Uint8Array | undefined> {
  if ('key' in supplied) {
    return supplied.key instanceof Uint8Array && supplied.key.length === 32 ? supplied.key : undefined;
  }
  if (params === undefined || params.log2N > MAX_LOG2N) return undefined;
  const { passphrase } = supplied;
  const text = typeof passphrase === 'string' ? passphrase : await passphrase();
  return scrypt(encodeUtf8(text.normalize('NFKC')), params.salt, { log2N: params.log2N, r: 8, p: 1 });
}
