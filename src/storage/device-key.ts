import { createStore, get, update } from 'idb-keyval';

const NAME = 'aes';

/**
 * Returns this browser's non-extractable AES-GCM key (256 bits) for a storage, and generates it on first use. The key is
 * kept in an IndexedDB database of its own, because a `CryptoKey` can't be serialized to JSON. Tabs that call this at the
 * same time get the same key.
 *
 * @param storageName - `sharedAs` of the storage
 */
export async function deviceKey(storageName: string): Promise<CryptoKey> {
  const store = createStore(`${storageName}-device`, 'keys');
  const held = await get<CryptoKey>(NAME, store);
  if (held !== undefined) return held;
  // Generated before the transaction, because IndexedDB transactions can't await WebCrypto. The first stored key wins.
  const made = await crypto.subtle.generateKey({ name: 'AES-GCM', length: 256 }, false, ['encrypt', 'decrypt']);
  await update<CryptoKey>(NAME, (first) => first ?? made, store);
  return (await get<CryptoKey>(NAME, store)) ?? made;
}
