import { concat, encodeUtf8 } from '../../lib/bytes.ts';
import { failure, type Outcome } from './failures.ts';
import { hkdf, hmacSha256, open, seal } from './primitives.ts';

/** A symmetric ratchet: each key makes one message's key and the chain's next one. */
export interface Chain {
  readonly key: Uint8Array;
  /** The number of the next message. */
  readonly next: number;
}

export interface NumberedKey {
  readonly n: number;
  readonly key: Uint8Array;
}

/** More than so many missing messages in a row are refused: each one costs whoever receives an HMAC. */
export const MAX_GAP = 1_000;
export const NONCE_BYTES = 16;
const TAG_BYTES = 16;
const BLOCK = 256;
const MESSAGE_KEY = Uint8Array.of(1);
const CHAIN_KEY = Uint8Array.of(2);
const ROOT_INFO = encodeUtf8('NKC1-ROOT');
/** Between two users, and in a group. */
export const PAIR_INFO = encodeUtf8('NKC1-MSG');
export const GROUP_INFO = encodeUtf8('NKC1-SK');

/** The root key and a new chain, out of a root key and a DH result. */
export function rootStep(root: Uint8Array, shared: Uint8Array): { root: Uint8Array; chain: Chain } {
  const keys = hkdf(shared, root, ROOT_INFO, 64);
  return { root: keys.slice(0, 32), chain: { key: keys.slice(32), next: 0 } };
}

export function nextMessageKey(chain: Chain): { key: Uint8Array; chain: Chain } {
  return {
    key: hmacSha256(chain.key, MESSAGE_KEY),
    chain: { key: hmacSha256(chain.key, CHAIN_KEY), next: chain.next + 1 },
  };
}

/** How many messages are missing before the one with number `n`; refused when they are too many, or it is no new one. */
export function checkGap(chain: Chain, n: number): Outcome<{ missing: number }> {
  if (n < chain.next) return failure('replay');
  return n - chain.next > MAX_GAP ? failure('gap') : { ok: true, missing: n - chain.next };
}

/** The keys before number `n`, which {@link checkGap} has let through, and the chain from there. */
export function skipTo(chain: Chain, n: number): { chain: Chain; skipped: readonly NumberedKey[] } {
  const skipped: NumberedKey[] = [];
  let at = chain;
  while (at.next < n) {
    const step = nextMessageKey(at);
    skipped.push({ n: at.next, key: step.key });
    at = step.chain;
  }
  return { chain: at, skipped };
}

/** What a message key seals and opens: the header is part of what the tag covers. */
export interface Sealing {
  readonly info: Uint8Array;
  readonly nonce: Uint8Array;
  readonly ad: Uint8Array;
}

export function sealPadded(messageKey: Uint8Array, plaintext: Uint8Array, { info, nonce, ad }: Sealing): Uint8Array {
  const keys = hkdf(messageKey, nonce, info, 44);
  return seal(keys.subarray(0, 32), keys.subarray(32), pad(plaintext), ad);
}

/** `undefined` when the tag is wrong, or what it covers isn't padded as it has to be. */
export function openPadded(
  messageKey: Uint8Array,
  ciphertext: Uint8Array,
  { info, nonce, ad }: Sealing,
): Uint8Array | undefined {
  const keys = hkdf(messageKey, nonce, info, 44);
  const padded = open(keys.subarray(0, 32), keys.subarray(32), ciphertext, ad);
  return padded === undefined ? undefined : unpad(padded);
}

/** Whether a ciphertext can be one at all: whole blocks, at least one, and a tag. */
export function isPaddedLength(length: number): boolean {
  return length >= BLOCK + TAG_BYTES && (length - TAG_BYTES) % BLOCK === 0;
}

/** 80, and zeros up to a whole block: the length of a short text says nothing. */
function pad(plaintext: Uint8Array): Uint8Array {
  const length = Math.floor(plaintext.length / BLOCK) * BLOCK + BLOCK;
  return concat(plaintext, Uint8Array.of(0x80), new Uint8Array(length - plaintext.length - 1));
}

function unpad(padded: Uint8Array): Uint8Array | undefined {
  let end = padded.length - 1;
  while (end > padded.length - BLOCK && padded[end] === 0) end -= 1;
  return padded[end] === 0x80 ? padded.slice(0, end) : undefined;
}
