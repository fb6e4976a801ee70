import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';

/** Returns the secret of an upload, which its URL contains. The database has the digest only. */
export function newUploadKey(): string {
  return randomBytes(32).toString('base64url');
}

export function digestOfKey(key: string): string {
  return createHash('sha256').update(key).digest('hex');
}

/** Returns whether the digest is that of the key, in constant time. */
export function isKeyOf(digest: string, key: string): boolean {
  return timingSafeEqual(Buffer.from(digest), Buffer.from(digestOfKey(key)));
}
