import { concat, encodeUtf8, equalBytes, u32 } from '../../../lib/bytes.ts';
import { CommError } from '../../../protocol/errors.ts';
import { sealedSize, SEGMENT_BYTES, segmentsOf, TAG_BYTES } from './attachment-segments.ts';
import { type Random, sha256Stream } from './primitives.ts';

/** The secret part of an encrypted file, which the encrypted message carries. */
export interface AttachmentSecret {
  /** AES key, 32 bytes. */
  readonly key: Uint8Array;
  /** Nonce prefix, 7 bytes. */
  readonly prefix: Uint8Array;
  /** Length of the plaintext in bytes. */
  readonly size: number;
  /** SHA-256 of the ciphertext. */
  readonly sha256: Uint8Array;
}
/** Called after each segment with the number of plaintext bytes processed, and their total. */
export type Progress = (done: number, total: number) => void;

const KEY_BYTES = 32;
const PREFIX_BYTES = 7;
const DIGEST_BYTES = 32;
const AAD = encodeUtf8('NKC1-ATT');
/** Segments that are read and encrypted together: 4 MiB, which a browser can move to the disk as a blob. */
const BATCH = 64;

/**
 * Encrypts a file with AES-256-GCM in segments of 64 KiB.
 *
 * @throws CommError `UNSUPPORTED` if WebCrypto is not available (on a page without HTTPS); the reason of the signal
 */
export async function encryptAttachment(
  file: Blob,
  random: Random,
  { onProgress, signal }: { onProgress?: Progress | undefined; signal?: AbortSignal | undefined } = {},
): Promise<{ ciphertext: Blob; secret: AttachmentSecret }> {
  const key = random(KEY_BYTES);
  const prefix = random(PREFIX_BYTES);
  const aes = await importKey(key, 'encrypt');
  const hash = sha256Stream();
  const parts: Blob[] = [];
  const count = segmentsOf(file.size);
  const encrypt = async (first: number): Promise<ArrayBuffer[]> => {
    const bytes = await file.slice(first * SEGMENT_BYTES, (first + BATCH) * SEGMENT_BYTES).arrayBuffer();
    const inBatch = Array.from({ length: Math.min(BATCH, count - first) }, (_, at) => at);
    return await Promise.all(
      inBatch.map((at) =>
        subtle().encrypt(
          parameters(prefix, first + at, first + at === count - 1),
          aes,
          new Uint8Array(bytes, at * SEGMENT_BYTES, Math.min(SEGMENT_BYTES, bytes.byteLength - at * SEGMENT_BYTES)),
        ),
      ),
    );
  };
  let next: Promise<ArrayBuffer[]> | undefined = encrypt(0);
  for (let first = 0; next !== undefined; first += BATCH) {
    const sealed: ArrayBuffer[] = await next;
    signal?.throwIfAborted();
    // WebCrypto encrypts the next batch in another thread, while this one is hashed.
    next = first + BATCH < count ? encrypt(first + BATCH) : undefined;
    next?.catch(() => undefined);
    for (const segment of sealed) hash.update(new Uint8Array(segment));
    parts.push(new Blob(sealed));
    onProgress?.(Math.min((first + BATCH) * SEGMENT_BYTES, file.size), file.size);
  }
  return { ciphertext: new Blob(parts), secret: { key, prefix, size: file.size, sha256: hash.digest() } };
}

/**
 * Decrypts a file while it arrives, in chunks of any size. Returns each segment once its tag was verified, which covers
 * key, position and whether it is the last one.
 *
 * Every method rejects with `E2EE_DECRYPTION_FAILED` from the first segment on that is not authentic: the file was modified,
 * truncated, extended or reordered, or encrypted under another key.
 */
export class AttachmentDecryptor {
  readonly #aes: CryptoKey;
  readonly #secret: AttachmentSecret;
  readonly #hash = sha256Stream();
  readonly #segments: number;
  #rest = new Uint8Array();
  #index = 0;
  #hasFailed = false;

  private constructor(aes: CryptoKey, secret: AttachmentSecret) {
    this.#aes = aes;
    this.#secret = secret;
    this.#segments = segmentsOf(secret.size);
  }

  /** @throws CommError `E2EE_DECRYPTION_FAILED` if the secret is malformed, `UNSUPPORTED` if WebCrypto is not available */
  static async create(secret: AttachmentSecret): Promise<AttachmentDecryptor> {
    const { key, prefix, size, sha256 } = secret;
    const isValid =
      key.length === KEY_BYTES &&
      prefix.length === PREFIX_BYTES &&
      sha256.length === DIGEST_BYTES &&
      Number.isSafeInteger(size) &&
      size >= 0;
    if (!isValid) throw notAuthentic();
    return new AttachmentDecryptor(await importKey(key, 'decrypt'), secret);
  }

  /** Decrypts the next bytes. Calls must not overlap. @returns the segments that are complete */
  async push(chunk: Uint8Array): Promise<ArrayBuffer[]> {
    if (this.#hasFailed) throw notAuthentic();
    const bytes = concat(this.#rest, chunk);
    const opening: Promise<ArrayBuffer>[] = [];
    let at = 0;
    for (; this.#index < this.#segments; this.#index += 1) {
      const isLast = this.#index === this.#segments - 1;
      const length = (isLast ? this.#secret.size - this.#index * SEGMENT_BYTES : SEGMENT_BYTES) + TAG_BYTES;
      if (at + length > bytes.length) break;
      const segment = bytes.subarray(at, at + length);
      opening.push(subtle().decrypt(parameters(this.#secret.prefix, this.#index, isLast), this.#aes, segment));
      at += length;
    }
    this.#rest = bytes.slice(at);
    // While WebCrypto decrypts in another thread.
    this.#hash.update(chunk);
    if (this.#index === this.#segments && this.#rest.length > 0) this.#hasFailed = true;
    try {
      // Decryption fails only if the tag is wrong.
      const opened = await Promise.all(opening);
      if (!this.#hasFailed) return opened;
    } catch {
      this.#hasFailed = true;
    }
    throw notAuthentic();
  }

  /** Checks that the file is complete. */
  end(): void {
    const isComplete = this.#index === this.#segments && equalBytes(this.#hash.digest(), this.#secret.sha256);
    if (this.#hasFailed || !isComplete) throw notAuthentic();
  }
}

/** @throws CommError as {@link AttachmentDecryptor} */
export async function decryptAttachment(
  ciphertext: Blob,
  secret: AttachmentSecret,
  onProgress?: Progress,
): Promise<Blob> {
  const decryptor = await AttachmentDecryptor.create(secret);
  if (ciphertext.size !== sealedSize(secret.size)) throw notAuthentic();
  const parts: Blob[] = [];
  const batch = BATCH * (SEGMENT_BYTES + TAG_BYTES);
  for (let at = 0; at < ciphertext.size; at += batch) {
    const bytes = new Uint8Array(await ciphertext.slice(at, at + batch).arrayBuffer());
    parts.push(new Blob(await decryptor.push(bytes)));
    onProgress?.(Math.min((at / batch + 1) * BATCH * SEGMENT_BYTES, secret.size), secret.size);
  }
  decryptor.end();
  return new Blob(parts);
}

function notAuthentic(): CommError {
  return new CommError('E2EE_DECRYPTION_FAILED', 'The file was modified, or the keys belong to another file');
}

function parameters(prefix: Uint8Array, index: number, last: boolean): AesGcmParams {
  const iv = concat(prefix, u32(index), Uint8Array.of(last ? 1 : 0));
  return { name: 'AES-GCM', iv, additionalData: AAD, tagLength: TAG_BYTES * 8 };
}

function importKey(key: Uint8Array, usage: 'encrypt' | 'decrypt'): Promise<CryptoKey> {
  return subtle().importKey('raw', concat(key), 'AES-GCM', false, [usage]);
}

function subtle(): SubtleCrypto {
  // Absent in insecure contexts, although the type says otherwise.
  const found: SubtleCrypto | undefined = globalThis.crypto?.subtle;
  if (found === undefined) {
    throw new CommError('UNSUPPORTED', 'Attachments are encrypted with WebCrypto, which is not available', {
      fix: 'Serve the page over HTTPS.',
    });
  }
  return found;
}
