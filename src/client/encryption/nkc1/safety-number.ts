import { fromBase64Url, toBase64Url } from '../../../lib/base64.ts';
import { concat, encodeUtf8, equalBytes } from '../../../lib/bytes.ts';
import { sha512 } from './primitives.ts';
import type { PublicIdentity } from './x3dh.ts';

const ITERATIONS = 5_200;
const KEY_TYPE = Uint8Array.of(5);
const QR_PREFIX = 'NKC1:';
const QR_VERSION = Uint8Array.of(1);
const QR_BYTES = 32;

/**
 * The safety number of two users, compatible with libsignal's `Fingerprint.new(5200, 2, …)`. The constructor computes 5,200
 * hashes per user.
 */
export class SafetyNumber {
  readonly #local: Uint8Array;
  readonly #remote: Uint8Array;

  constructor(local: PublicIdentity, remote: PublicIdentity) {
    this.#local = fingerprint(local);
    this.#remote = fingerprint(remote);
  }

  /** 60 digits, the same for both users. */
  get digits(): string {
    return [this.#local, this.#remote].map(displayable).sort().join('');
  }

  /** The content of a QR code, for the other user's {@link matchesQr}. */
  get qrPayload(): string {
    return QR_PREFIX + toBase64Url(concat(QR_VERSION, scannable(this.#local), scannable(this.#remote)));
  }

  /** Whether a payload scanned from the other user's screen contains the same keys, crosswise. */
  matchesQr(scanned: string): boolean {
    if (!scanned.startsWith(QR_PREFIX)) return false;
    const bytes = fromBase64Url(scanned.slice(QR_PREFIX.length));
    const expected = concat(QR_VERSION, scannable(this.#remote), scannable(this.#local));
    return bytes !== undefined && equalBytes(bytes, expected);
  }
}

/** The QR code contains the fingerprint, as in libsignal: unlike the bare key, it also commits to the user id. */
function scannable(hash: Uint8Array): Uint8Array {
  return hash.subarray(0, QR_BYTES);
}

function fingerprint({ userId, identityKey }: PublicIdentity): Uint8Array {
  const key = concat(KEY_TYPE, identityKey);
  let hash = sha512(concat(new Uint8Array(2), key, encodeUtf8(userId), key));
  for (let done = 1; done < ITERATIONS; done += 1) hash = sha512(concat(hash, key));
  return hash;
}

/** The first 30 bytes as six big-endian 5-byte numbers mod 100,000, five digits each. */
function displayable(hash: Uint8Array): string {
  let text = '';
  for (let at = 0; at < 30; at += 5) {
    const five = hash.subarray(at, at + 5).reduce((value, byte) => value * 256 + byte, 0);
    text += String(five % 100_000).padStart(5, '0');
  }
  return text;
}
