import { fromBase64, toBase64 } from '../../lib/base64.ts';
import { concat } from '../../lib/bytes.ts';
import { CommError } from '../../protocol/errors.ts';
import type { Storable } from '../../storage/comm-storage.ts';
import { deviceKey } from '../../storage/device-key.ts';
import type { DataKeyDeps, Wrap, Wrapped } from './wrapped.ts';

const GCM_NONCE = 12;

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

const givenKey = () => import('./given-key.ts');

async function wrapKey(key: Uint8Array, wrap: Wrap, deps: DataKeyDeps): Promise<Wrapped> {
  if (wrap === 'none') return { wrap, key: toBase64(key) };
  if (wrap !== 'device') return (await givenKey()).wrapUnder(key, wrap, deps);
  const iv = Uint8Array.from(deps.random(GCM_NONCE));
  const under = await deviceKey(deps.storage.sharedAs ?? '');
  const box = await crypto.subtle.encrypt({ name: 'AES-GCM', iv }, under, Uint8Array.from(key));
  return { wrap, key: toBase64(concat(iv, new Uint8Array(box))) };
}

async function unwrap(held: Wrapped, deps: DataKeyDeps): Promise<Uint8Array> {
  const bytes = fromBase64(held.key);
  const key = bytes && (await unwrapBytes(held, bytes, deps));
  if (key?.length !== 32) throw lockedError();
  return key;
}

async function unwrapBytes(
  held: Wrapped,
  bytes: Uint8Array<ArrayBuffer>,
  deps: DataKeyDeps,
): Promise<Uint8Array | undefined> {
  const { wrap } = held;
  if (wrap === 'none') return bytes;
  if (wrap !== 'device') return (await givenKey()).unwrapUnder(held, bytes, deps);
  const under = await deviceKey(deps.storage.sharedAs ?? '');
  const iv = bytes.subarray(0, GCM_NONCE);
  return crypto.subtle.decrypt({ name: 'AES-GCM', iv }, under, bytes.subarray(GCM_NONCE)).then(
    (key) => new Uint8Array(key),
    () => undefined,
  );
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
