import type { Random } from './primitives.ts';

/** What the encrypted payload carries of a file. */
export interface AttachmentSecret {
  /** 32 bytes. */
  readonly key: Uint8Array;
  /** 7 bytes. */
  readonly prefix: Uint8Array;
  /** Of the plaintext, in bytes. */
  readonly size: number;
  /** SHA-256 of the ciphertext. */
  readonly sha256: Uint8Array;
}

/** Encrypts in segments of 64 KiB. A `CommError` with `UNSUPPORTED` where there is no WebCrypto (a page without HTTPS). */
export function encryptAttachment(
  _file: Blob,
  _random: Random,
  _onProgress?: (done: number, total: number) => void,
): Promise<{ ciphertext: Blob; secret: AttachmentSecret }> {
  return Promise.reject(new Error('not yet'));
}

/** `undefined` for a file that was changed, cut, extended, put in another order or encrypted under another key. */
export function decryptAttachment(
  _ciphertext: Blob,
  _secret: AttachmentSecret,
  _onProgress?: (done: number, total: number) => void,
): Promise<Blob | undefined> {
  return Promise.reject(new Error('not yet'));
}
