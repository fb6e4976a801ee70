import { fromBase64Url, toBase64Url } from '../../lib/base64.ts';
import { concat, encodeUtf8, equalBytes } from '../../lib/bytes.ts';
import { sha512 } from './primitives.ts';

/** Who is compared: user id and identity key. */
export interface Party {
  readonly userId: string;
  readonly identityKey: Uint8Array;
}

const ITERATIONS = 5_200;
const KEY_TYPE = Uint8Array.of(5);
const QR_PREFIX = 'NKC1:';
const QR_VERSION = Uint8Array.of(1);
const QR_BYTES = 32;

/** The 60 digits that both see alike, as libsignal's `Fingerprint.new(5200, 2, …)` makes them. 5,200 hashes a party: cache it. */
export function safetyNumber(local: Party, remote: Party): string {
  return [local, remote]
    .map((party) => digits(fingerprint(party)))
    .sort()
    .join('');
}

/** `NKC1:` and what the other side's {@link matchesQr} wants to see. */
export function qrPayload(local: Party, remote: Party): string {
  return QR_PREFIX + toBase64Url(concat(QR_VERSION, scannable(local), scannable(remote)));
}

/** Whether what was scanned from the other's screen says the same keys, crosswise. */
export function matchesQr(scanned: string, local: Party, remote: Party): boolean {
  if (!scanned.startsWith(QR_PREFIX)) return false;
  const bytes = fromBase64Url(scanned.slice(QR_PREFIX.length));
  return bytes !== undefined && equalBytes(bytes, concat(QR_VERSION, scannable(remote), scannable(local)));
}

/** Of the fingerprint, as libsignal does: it binds the key to the user's id, which a bare key would not. */
function scannable(party: Party): Uint8Array {
  return fingerprint(party).subarray(0, QR_BYTES);
}

function fingerprint({ userId, identityKey }: Party): Uint8Array {
  const key = concat(KEY_TYPE, identityKey);
  let hash = sha512(concat(new Uint8Array(2), key, encodeUtf8(userId), key));
  for (let done = 1; done < ITERATIONS; done += 1) hash = sha512(concat(hash, key));
  return hash;
}

/** The first 30 bytes, in fives, as five digits each. */
function digits(hash: Uint8Array): string {
  let text = '';
  for (let at = 0; at < 30; at += 5) {
    const five = hash.subarray(at, at + 5).reduce((value, byte) => value * 256 + byte, 0);
    text += String(five % 100_000).padStart(5, '0');
  }
  return text;
}
