import { concat, encodeUtf8 } from '../../../lib/bytes.ts';
import { failure, type Outcome } from './failures.ts';
import { aeadOpen, aeadSeal, hkdf, hmacSha256 } from './primitives.ts';

/** A symmetric-key ratchet (KDF chain). Immutable. */
export interface Chain {
  readonly key: Uint8Array;
  /** Number of the next message. */
  readonly next: number;
}

/** A message key and the number of its message. */
export interface NumberedMessageKey {
  readonly n: number;
  readonly key: Uint8Array;
}

/** Greatest number of messages that one message may skip. It bounds the HMACs that a forged header can cause. */
export const MAX_SKIP = 1_000;
/** Length of the random value R in a message header. */
export const NONCE_BYTES = 16;
const TAG_BYTES = 16;
const PADDING_BLOCK = 256;
const MESSAGE_KEY_LABEL = Uint8Array.of(1);
const CHAIN_KEY_LABEL = Uint8Array.of(2);
const ROOT_INFO = encodeUtf8('NKC1-ROOT');
/** HKDF info of pairwise messages. */
export const MESSAGE_INFO = encodeUtf8('NKC1-MSG');
/** HKDF info of group messages. */
export const SENDER_KEY_INFO = encodeUtf8('NKC1-SK');

/** KDF_RK: derives the next root key and a new chain from the root key and a DH result. */
export function kdfRootKey(rootKey: Uint8Array, shared: Uint8Array): { rootKey: Uint8Array; chain: Chain } {
  const keys = hkdf(shared, rootKey, ROOT_INFO, 64);
  return { rootKey: keys.slice(0, 32), chain: { key: keys.slice(32), next: 0 } };
}

/** KDF_CK: derives the next message key and advances the chain. */
export function kdfChainKey(chain: Chain): { key: Uint8Array; chain: Chain } {
  return {
    key: hmacSha256(chain.key, MESSAGE_KEY_LABEL),
    chain: { key: hmacSha256(chain.key, CHAIN_KEY_LABEL), next: chain.next + 1 },
  };
}

/** Returns how many messages are missing before message `n`. Fails with `replay` or `gap`, without computing any key. */
export function checkSkip(chain: Chain, n: number): Outcome<{ missing: number }> {
  if (n < chain.next) return failure('replay');
  return n - chain.next > MAX_SKIP ? failure('gap') : { ok: true, missing: n - chain.next };
}

/** Advances the chain to message `n` and returns the skipped message keys. Call {@link checkSkip} first. */
export function skipMessageKeys(chain: Chain, n: number): { chain: Chain; skippedKeys: readonly NumberedMessageKey[] } {
  const skippedKeys: NumberedMessageKey[] = [];
  let current = chain;
  while (current.next < n) {
    const step = kdfChainKey(current);
    skippedKeys.push({ n: current.next, key: step.key });
    current = step.chain;
  }
  return { chain: current, skippedKeys };
}

/** Parameters of one message encryption besides its key. */
export interface MessageCipherParams {
  readonly info: Uint8Array;
  /** R, the salt of the message's key derivation. */
  readonly nonce: Uint8Array;
  /** Associated data, which includes the message header. */
  readonly ad: Uint8Array;
}

/** Pads the plaintext and encrypts it with ChaCha20-Poly1305 under keys that are derived from the message key. */
export function encryptPadded(
  messageKey: Uint8Array,
  plaintext: Uint8Array,
  { info, nonce, ad }: MessageCipherParams,
): Uint8Array {
  const keys = hkdf(messageKey, nonce, info, 44);
  return aeadSeal(keys.subarray(0, 32), keys.subarray(32), pad(plaintext), ad);
}

/** Decrypts and unpads. Returns `undefined` if the tag or the padding is wrong. */
export function decryptPadded(
  messageKey: Uint8Array,
  ciphertext: Uint8Array,
  { info, nonce, ad }: MessageCipherParams,
): Uint8Array | undefined {
  const keys = hkdf(messageKey, nonce, info, 44);
  const padded = aeadOpen(keys.subarray(0, 32), keys.subarray(32), ciphertext, ad);
  return padded === undefined ? undefined : unpad(padded);
}

/** Whether a ciphertext of this length consists of one or more padding blocks and a tag. */
export function isPaddedLength(length: number): boolean {
  return length >= PADDING_BLOCK + TAG_BYTES && (length - TAG_BYTES) % PADDING_BLOCK === 0;
}

/** Appends 0x80 and zeros up to a multiple of 256 bytes, which hides the exact length. */
function pad(plaintext: Uint8Array): Uint8Array {
  const length = Math.floor(plaintext.length / PADDING_BLOCK) * PADDING_BLOCK + PADDING_BLOCK;
  return concat(plaintext, Uint8Array.of(0x80), new Uint8Array(length - plaintext.length - 1));
}

function unpad(padded: Uint8Array): Uint8Array | undefined {
  let end = padded.length - 1;
  while (end > padded.length - PADDING_BLOCK && padded[end] === 0) end -= 1;
  return padded[end] === 0x80 ? padded.slice(0, end) : undefined;
}
