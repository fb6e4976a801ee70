import { fromBase64, toBase64 } from '../../lib/base64.ts';
import { concat, encodeUtf8 } from '../../lib/bytes.ts';
import type { Logger } from '../../lib/logger.ts';
import { CommError } from '../../protocol/errors.ts';
import type { CommStorage, Storable } from '../../storage/comm-storage.ts';
import { deviceKey } from '../../storage/device-key.ts';
import type { EncryptionOptions } from '../options.ts';
import { openSecretbox, scrypt, secretbox, type Random } from './primitives.ts';

export interface DataKeyDeps {
  storage: CommStorage;
  /** Where the wrapped key is kept. */
  storeKey: string;
  atRest: EncryptionOptions['atRest'];
  /** What is stored is gone with the process. */
  isVolatile: boolean;
  logger: Logger;
  random: Random;
}

/** How the data key is kept: `none` is as it is, where nothing on this device could guard it. */
type Wrap = 'device' | 'passphrase' | 'key' | 'none';

interface Wrapped {
  readonly wrap: Wrap;
  /** Base64: nonce and box, or the key itself. */
  readonly key: string;
  /** Of a passphrase: base64, and scrypt's N = 2^log2N with r = 8, p = 1. */
  readonly salt?: string;
  readonly log2N?: number;
}

/** 32 MB for a moment at each start: it guards what a thief of the device has, who can guess as fast as he likes. */
const LOG2N = 15;
const MAX_LOG2N = 20;
const GCM_NONCE = 12;
const BOX_NONCE = 24;

/**
 * The key of 32 bytes that all records of a user are sealed under, as it is kept here; a new one where there is none.
 * Tabs that start at once end with the same. A data key kept in a weaker way than the options ask for is wrapped again.
 *
 * @throws CommError `E2EE_LOCKED` when the passphrase or the key isn't the one it was wrapped with
 */
export async function openDataKey(deps: DataKeyDeps): Promise<Uint8Array> {
  const { storage, storeKey, random } = deps;
  const held = readWrapped(await storage.get(storeKey));
  // Known once the storage has been used.
  const wanted = wrapOf(deps);
  if (held !== undefined) {
    const key = await unwrap(held, deps);
    if (held.wrap !== wanted) await storage.transact([], await writing(storeKey, key, wanted, deps));
    return key;
  }
  const made = random(32);
  const wrapped = await wrapKey(made, wanted, deps);
  const kept = await storage.transact([storeKey], (values) => {
    const first = readWrapped(values.get(storeKey));
    const writes = new Map<string, Storable>(first === undefined ? [[storeKey, { ...wrapped }]] : []);
    return { writes, result: first };
  });
  if (wanted === 'none' && !deps.isVolatile) {
    deps.logger.warn('Keys and texts are stored without a key to guard them: give encryption.atRest');
  }
  return kept === undefined ? made : unwrap(kept, deps);
}

async function writing(storeKey: string, key: Uint8Array, wanted: Wrap, deps: DataKeyDeps) {
  const wrapped = await wrapKey(key, wanted, deps);
  return () => ({ writes: new Map<string, Storable>([[storeKey, { ...wrapped }]]), result: undefined });
}

function wrapOf({ atRest, storage }: DataKeyDeps): Wrap {
  if (atRest !== undefined) return 'passphrase' in atRest ? 'passphrase' : 'key';
  const hasDeviceKey =
    storage.sharedAs !== undefined &&
    'indexedDB' in globalThis &&
    (crypto.subtle as SubtleCrypto | undefined) !== undefined;
  return hasDeviceKey ? 'device' : 'none';
}

async function wrapKey(key: Uint8Array, wrap: Wrap, deps: DataKeyDeps): Promise<Wrapped> {
  const { random } = deps;
  const boxed = (under: Uint8Array): string => {
    const nonce = random(BOX_NONCE);
    return toBase64(concat(nonce, secretbox(key, nonce, under)));
  };
  switch (wrap) {
    case 'none':
      return { wrap, key: toBase64(key) };
    case 'key':
      return { wrap, key: boxed(appKey(deps)) };
    case 'passphrase': {
      const salt = random(16);
      return { wrap, key: boxed(await passphraseKey(deps, salt, LOG2N)), salt: toBase64(salt), log2N: LOG2N };
    }
    case 'device': {
      const iv = Uint8Array.from(random(GCM_NONCE));
      const under = await deviceKey(deps.storage.sharedAs ?? '');
      const box = await crypto.subtle.encrypt({ name: 'AES-GCM', iv }, under, Uint8Array.from(key));
      return { wrap, key: toBase64(concat(iv, new Uint8Array(box))) };
    }
  }
}

async function unwrap(held: Wrapped, deps: DataKeyDeps): Promise<Uint8Array> {
  const bytes = fromBase64(held.key);
  const key = bytes && (await unwrapBytes(held, bytes, deps));
  if (key?.length !== 32) throw lockedError();
  return key;
}

async function unwrapBytes(
  { wrap, salt = '', log2N = LOG2N }: Wrapped,
  bytes: Uint8Array,
  deps: DataKeyDeps,
): Promise<Uint8Array | undefined> {
  const { atRest } = deps;
  const boxed = (under: Uint8Array): Uint8Array | undefined =>
    openSecretbox(bytes.subarray(BOX_NONCE), bytes.subarray(0, BOX_NONCE), under);
  switch (wrap) {
    case 'none':
      return bytes;
    case 'key':
      return atRest !== undefined && 'key' in atRest ? boxed(appKey(deps)) : undefined;
    case 'passphrase': {
      const salted = fromBase64(salt);
      if (atRest === undefined || 'key' in atRest || salted === undefined || log2N > MAX_LOG2N) return undefined;
      return boxed(await passphraseKey(deps, salted, log2N));
    }
    case 'device': {
      const data = Uint8Array.from(bytes);
      const under = await deviceKey(deps.storage.sharedAs ?? '');
      const decrypting = crypto.subtle.decrypt(
        { name: 'AES-GCM', iv: data.subarray(0, GCM_NONCE) },
        under,
        data.subarray(GCM_NONCE),
      );
      return decrypting.then(
        (key) => new Uint8Array(key),
        () => undefined,
      );
    }
  }
}

function appKey({ atRest }: DataKeyDeps): Uint8Array {
  const key = atRest !== undefined && 'key' in atRest ? atRest.key : undefined;
  if (!(key instanceof Uint8Array) || key.length !== 32) throw new TypeError('atRest.key must be 32 bytes');
  return key;
}

async function passphraseKey({ atRest }: DataKeyDeps, salt: Uint8Array, log2N: number): Promise<Uint8Array> {
  if (atRest === undefined || 'key' in atRest) throw lockedError();
  const { passphrase } = atRest;
  const text = typeof passphrase === 'string' ? passphrase : await passphrase();
  return scrypt(encodeUtf8(text.normalize('NFKC')), salt, { log2N, r: 8, p: 1 });
}

function lockedError(): CommError {
  return new CommError('E2EE_LOCKED', 'What is stored on this device can not be opened with this', {
    fix: 'Give the passphrase or key it was stored with, or start anew by encryption.reset().',
  });
}

function readWrapped(value: Storable | undefined): Wrapped | undefined {
  if (typeof value !== 'object' || value === null || !('wrap' in value)) return undefined;
  const { wrap, key, salt, log2N } = value;
  if (wrap !== 'device' && wrap !== 'passphrase' && wrap !== 'key' && wrap !== 'none') return undefined;
  if (typeof key !== 'string') return undefined;
  return {
    wrap,
    key,
    ...(typeof salt === 'string' && { salt }),
    ...(typeof log2N === 'number' && { log2N }),
  };
}
