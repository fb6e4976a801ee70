import { createStore, get, update } from 'idb-keyval';

const NAME = 'aes';

/**
 * This browser's own AES-GCM key (256 bits): WebCrypto uses it and gives it to nobody, not even to us. It lives in a database
 * beside the one it is for, because an entry of a storage has to fit into JSON. Several tabs that ask at once get the same.
 *
 * @param storageName - the storage it is for
 */
export async function deviceKey(storageName: string): Promise<CryptoKey> {
  const store = createStore(`${storageName}-device`, 'keys');
  const held = await get<CryptoKey>(NAME, store);
  if (held !== undefined) return held;
  // Made before the transaction, which can't wait for it; whoever is first stays.
  const made = await crypto.subtle.generateKey({ name: 'AES-GCM', length: 256 }, false, ['encrypt', 'decrypt']);
  await update<CryptoKey>(NAME, (first) => first ?? made, store);
  return (await get<CryptoKey>(NAME, store)) ?? made;
}
