import { fromBase64, toBase64 } from '../../lib/base64.ts';
import { concat, encodeUtf8 } from '../../lib/bytes.ts';
import { openSecretbox, scrypt, secretbox } from './primitives.ts';
import type { DataKeyDeps, Wrapped } from './wrapped.ts';

/** 32 MB for a moment at each start: it guards what a thief of the device has, who can guess as fast as he likes. */
const LOG2N = 15;
const MAX_LOG2N = 20;
const NONCE = 24;

/** Wraps the data key under what the app gives: a passphrase, or a key of its own. */
export async function wrapUnder(key: Uint8Array, wrap: 'passphrase' | 'key', deps: DataKeyDeps): Promise<Wrapped> {
  const salt = deps.random(16);
  const under = await keyUnder(deps, salt, LOG2N);
  if (under === undefined) throw new TypeError('atRest: a passphrase, or a key of 32 bytes');
  const nonce = deps.random(NONCE);
  const box = toBase64(concat(nonce, secretbox(key, nonce, under)));
  return wrap === 'key' ? { wrap, key: box } : { wrap, key: box, salt: toBase64(salt), log2N: LOG2N };
}

/** `undefined` when it isn't what the data key was wrapped with. */
export async function unwrapUnder(
  { wrap, salt = '', log2N = LOG2N }: Wrapped,
  bytes: Uint8Array,
  deps: DataKeyDeps,
): Promise<Uint8Array | undefined> {
  const { atRest } = deps;
  const isGiven = atRest !== undefined && wrap in atRest;
  const under = isGiven && log2N <= MAX_LOG2N ? await keyUnder(deps, fromBase64(salt), log2N) : undefined;
  return under && openSecretbox(bytes.subarray(NONCE), bytes.subarray(0, NONCE), under);
}

async function keyUnder(
  { atRest }: DataKeyDeps,
  salt: Uint8Array | undefined,
  log2N: number,
): Promise<Uint8Array | undefined> {
  if (atRest === undefined || salt === undefined) return undefined;
  if ('key' in atRest) return atRest.key instanceof Uint8Array && atRest.key.length === 32 ? atRest.key : undefined;
  const { passphrase } = atRest;
  const text = typeof passphrase === 'string' ? passphrase : await passphrase();
  return scrypt(encodeUtf8(text.normalize('NFKC')), salt, { log2N, r: 8, p: 1 });
}
