import { fromBase64, toBase64 } from '../../../lib/base64.ts';
import { concat } from '../../../lib/bytes.ts';
import { lazy } from '../../../lib/lazy.ts';
import type { Logger } from '../../../lib/logger.ts';
import { CommError } from '../../../protocol/errors.ts';
import type { CommStorage, Storable } from '../../../storage/comm-storage.ts';
import { deviceKey } from '../../../storage/device-key.ts';
import type { EncryptionOptions } from '../../options.ts';
import { fields } from '../../../transport/fields.ts';
import type { Random } from '../nkc1/primitives.ts';
import { laterFormatError } from './record-store.ts';

/** What {@link openDataKey} needs. */
export interface DataKeyDeps {
  storage: CommStorage;
  /** Storage key of the wrapped data key. */
  storeKey: string;
  atRest: EncryptionOptions['atRest'];
  /** True if the storage doesn't outlive the process. */
  isVolatile: boolean;
  logger: Logger;
  random: Random;
}

/** What wraps the data key: WebCrypto's non-extractable key, a passphrase, the app's key, or nothing. */
type Wrap = 'device' | 'passphrase' | 'key' | 'none';

/** The wrapped data key as it is stored. */
interface WrappedKey {
  readonly wrap: Wrap;
  /** Base64 of nonce and ciphertext, or of the data key itself for `none`. */
  readonly key: string;
  /** For a passphrase: scrypt's salt in base64, and its cost N = 2^log2N with r = 8 and p = 1. */
  readonly salt?: string;
  readonly log2N?: number;
}

const GCM_NONCE_BYTES = 12;
/** scrypt takes 128 MB of memory at each start. An attacker who has the device can guess without a limit. */
const PASSPHRASE_LOG2N = 17;

const suppliedKey = () => import('./supplied-key.ts');

/**
 * Opens the 32-byte key that encrypts all records of a user, or generates it. Tabs that start at the same time get the same
 * key. A key that is wrapped in another way than the options ask for, or under a passphrase at a lower cost, is
 * wrapped again.
 *
 * @throws CommError `E2EE_LOCKED` if the passphrase or the app's key is not the one it was wrapped with
 */
export async function openDataKey(options: DataKeyDeps): Promise<Uint8Array> {
  const deps = { ...options, atRest: askOnce(options.atRest) };
  const { storage, storeKey, random } = deps;
  const stored = parseWrappedKey(await storage.get(storeKey));
  // `sharedAs` is known only after the storage has been used.
  const wanted = wantedWrap(deps);
  if (stored !== undefined) {
    const key = await unwrap(stored, deps);
    const isWeak = wanted === 'passphrase' && (stored.log2N ?? 0) < PASSPHRASE_LOG2N;
    if (stored.wrap !== wanted || isWeak) await replaceWrappedKey(stored, await wrapKey(key, wanted, deps), deps);
    return key;
  }
  const generated = random(32);
  const wrapped = await wrapKey(generated, wanted, deps);
  const winner = await storage.transact([storeKey], (values) => {
    const existing = parseWrappedKey(values.get(storeKey));
    const writes = new Map<string, Storable>(existing === undefined ? [[storeKey, { ...wrapped }]] : []);
    return { writes, result: existing };
  });
  if (wanted === 'none' && !deps.isVolatile) {
    deps.logger.warn('Encryption keys are stored unprotected: set encryption.atRest');
  }
  return winner === undefined ? generated : unwrap(winner, deps);
}

/** Stores the key wrapped in another way, unless another tab has replaced it meanwhile. */
async function replaceWrappedKey(
  before: WrappedKey,
  wrapped: WrappedKey,
  { storage, storeKey }: DataKeyDeps,
): Promise<void> {
  await storage.transact([storeKey], (values) => {
    const isSame = parseWrappedKey(values.get(storeKey))?.key === before.key;
    return { writes: new Map<string, Storable>(isSame ? [[storeKey, { ...wrapped }]] : []), result: undefined };
  });
}

/** Asks for the passphrase once, although unwrapping and wrapping use it. */
function askOnce(atRest: EncryptionOptions['atRest']): EncryptionOptions['atRest'] {
  if (atRest === undefined || !('passphrase' in atRest)) return atRest;
  const { passphrase } = atRest;
  return typeof passphrase === 'string' ? atRest : { passphrase: lazy(async () => passphrase()) };
}

function wantedWrap({ atRest, storage }: DataKeyDeps): Wrap {
  if (atRest !== undefined) return 'passphrase' in atRest ? 'passphrase' : 'key';
  const hasDeviceKey =
    storage.sharedAs !== undefined &&
    'indexedDB' in globalThis &&
    (crypto.subtle as SubtleCrypto | undefined) !== undefined;
  return hasDeviceKey ? 'device' : 'none';
}

async function wrapKey(key: Uint8Array, wrap: Wrap, deps: DataKeyDeps): Promise<WrappedKey> {
  if (wrap === 'none') return { wrap, key: toBase64(key) };
  if (wrap === 'device') {
    const iv = Uint8Array.from(deps.random(GCM_NONCE_BYTES));
    const wrappingKey = await deviceKey(deps.storage.sharedAs ?? '');
    const box = await crypto.subtle.encrypt({ name: 'AES-GCM', iv }, wrappingKey, Uint8Array.from(key));
    return { wrap, key: toBase64(concat(iv, new Uint8Array(box))) };
  }
  const { atRest, random } = deps;
  if (atRest === undefined) throw new TypeError('encryption.atRest is missing');
  const { wrapped, params } = await (await suppliedKey()).wrapWithSuppliedKey(key, atRest, PASSPHRASE_LOG2N, random);
  return { wrap, key: toBase64(wrapped), ...(params && { salt: toBase64(params.salt), log2N: params.log2N }) };
}

async function unwrap(stored: WrappedKey, deps: DataKeyDeps): Promise<Uint8Array> {
  const bytes = fromBase64(stored.key);
  const key = bytes && (await unwrapBytes(stored, bytes, deps));
  if (key?.length === 32) return key;
  throw new CommError('E2EE_LOCKED', 'The passphrase or key does not open the stored keys', {
    fix: 'Pass the passphrase or key that they were stored with, or call encryption.reset().',
  });
}

async function unwrapBytes(
  { wrap, salt: saltText, log2N }: WrappedKey,
  bytes: Uint8Array<ArrayBuffer>,
  deps: DataKeyDeps,
): Promise<Uint8Array | undefined> {
  if (wrap === 'none') return bytes;
  if (wrap === 'device') {
    const wrappingKey = await deviceKey(deps.storage.sharedAs ?? '');
    const iv = bytes.subarray(0, GCM_NONCE_BYTES);
    return crypto.subtle.decrypt({ name: 'AES-GCM', iv }, wrappingKey, bytes.subarray(GCM_NONCE_BYTES)).then(
      (key) => new Uint8Array(key),
      () => undefined,
    );
  }
  const { atRest } = deps;
  if (atRest === undefined || !(wrap in atRest)) return undefined;
  const salt = saltText === undefined ? undefined : fromBase64(saltText);
  const params = salt && log2N !== undefined ? { salt, log2N } : undefined;
  return (await suppliedKey()).unwrapWithSuppliedKey(bytes, atRest, params);
}

/** @throws CommError `E2EE_LOCKED` for a key that a later version has wrapped: it must not be replaced */
function parseWrappedKey(value: Storable | undefined): WrappedKey | undefined {
  if (value === undefined) return undefined;
  const { wrap, key, salt, log2N } = fields(value) ?? {};
  const isKnown = wrap === 'device' || wrap === 'passphrase' || wrap === 'key' || wrap === 'none';
  if (!isKnown || typeof key !== 'string') throw laterFormatError();
  return {
    wrap,
    key,
    ...(typeof salt === 'string' && { salt }),
    ...(typeof log2N === 'number' && { log2N }),
  };
}
