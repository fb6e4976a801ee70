import { concat, encodeUtf8, equalBytes, u32 } from '../../lib/bytes.ts';
import { CommError } from '../../protocol/errors.ts';
import { type Random, sha256Stream } from './primitives.ts';

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
export type Progress = (done: number, total: number) => void;

const SEGMENT = 65_536;
const TAG = 16;
const KEY_BYTES = 32;
const PREFIX_BYTES = 7;
const AAD = encodeUtf8('NKC1-ATT');

/** Encrypts in segments of 64 KiB. A `CommError` with `UNSUPPORTED` where there is no WebCrypto (a page without HTTPS). */
export async function encryptAttachment(
  file: Blob,
  random: Random,
  onProgress?: Progress,
): Promise<{ ciphertext: Blob; secret: AttachmentSecret }> {
  const key = random(KEY_BYTES);
  const prefix = random(PREFIX_BYTES);
  const aes = await importKey(key, 'encrypt');
  const hash = sha256Stream();
  const parts: Uint8Array<ArrayBuffer>[] = [];
  const count = segmentsOf(file.size);
  for (let index = 0; index < count; index += 1) {
    const segment = await file.slice(index * SEGMENT, (index + 1) * SEGMENT).arrayBuffer();
    const sealed = await subtle().encrypt(parameters(prefix, index, index === count - 1), aes, segment);
    const part = new Uint8Array(sealed);
    hash.update(part);
    parts.push(part);
    onProgress?.(Math.min((index + 1) * SEGMENT, file.size), file.size);
  }
  return { ciphertext: new Blob(parts), secret: { key, prefix, size: file.size, sha256: hash.digest() } };
}

/** `undefined` for a file that was changed, cut, extended, put in another order or encrypted under another key. */
export async function decryptAttachment(
  ciphertext: Blob,
  { key, prefix, size, sha256 }: AttachmentSecret,
  onProgress?: Progress,
): Promise<Blob | undefined> {
  const count = segmentsOf(size);
  if (key.length !== KEY_BYTES || prefix.length !== PREFIX_BYTES || !Number.isSafeInteger(size) || size < 0)
    return undefined;
  if (ciphertext.size !== size + count * TAG) return undefined;
  const aes = await importKey(key, 'decrypt');
  const hash = sha256Stream();
  const parts: ArrayBuffer[] = [];
  for (let index = 0; index < count; index += 1) {
    const segment = await ciphertext.slice(index * (SEGMENT + TAG), (index + 1) * (SEGMENT + TAG)).arrayBuffer();
    hash.update(new Uint8Array(segment));
    const opened = await subtle()
      .decrypt(parameters(prefix, index, index === count - 1), aes, segment)
      // A wrong tag is all that can be the matter.
      .catch(() => undefined);
    if (opened === undefined) return undefined;
    parts.push(opened);
    onProgress?.(Math.min((index + 1) * SEGMENT, size), size);
  }
  return equalBytes(hash.digest(), sha256) ? new Blob(parts) : undefined;
}

/** An empty file has one segment too: its end is then sealed. */
function segmentsOf(size: number): number {
  return Math.max(1, Math.ceil(size / SEGMENT));
}

function parameters(prefix: Uint8Array, index: number, last: boolean): AesGcmParams {
  const iv = concat(prefix, u32(index), Uint8Array.of(last ? 1 : 0));
  return { name: 'AES-GCM', iv, additionalData: AAD, tagLength: TAG * 8 };
}

function importKey(key: Uint8Array, usage: 'encrypt' | 'decrypt'): Promise<CryptoKey> {
  return subtle().importKey('raw', concat(key), 'AES-GCM', false, [usage]);
}

function subtle(): SubtleCrypto {
  // Absent on a page that didn't come by HTTPS, whatever its type says.
  const found: SubtleCrypto | undefined = globalThis.crypto?.subtle;
  if (found === undefined) {
    throw new CommError('UNSUPPORTED', 'Attachments are encrypted by WebCrypto, which is not there', {
      fix: 'Serve the page by HTTPS.',
    });
  }
  return found;
}
