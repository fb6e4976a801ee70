import { createHmac, timingSafeEqual } from 'node:crypto';

/** Who may read a file by a URL, and until when. */
export interface UrlGrant {
  readonly fileId: string;
  readonly userId: string;
  /** Seconds since the epoch. */
  readonly expires: number;
}

/** Signs a grant. @returns query parameters */
export function signGrant(grant: UrlGrant, secret: string): string {
  const { userId, expires } = grant;
  return new URLSearchParams({ user: userId, expires: String(expires), signature: macOf(grant, secret) }).toString();
}

/**
 * Returns the user of a signed URL, or `undefined` if the signature is not valid for this file or has expired.
 *
 * @param nowMs - milliseconds since the epoch
 */
export function verifyGrant(
  fileId: string,
  query: Readonly<Record<string, string | undefined>>,
  secret: string,
  nowMs: number,
): string | undefined {
  const { user: userId = '', expires: text = '', signature = '' } = query;
  const expires = /^\d{1,12}$/.test(text) ? Number(text) : 0;
  const expected = Buffer.from(macOf({ fileId, userId, expires }, secret));
  const given = Buffer.from(signature);
  const matches = given.byteLength === expected.byteLength && timingSafeEqual(given, expected);
  return matches && expires * 1_000 > nowMs ? userId : undefined;
}

/** JSON keeps the parts distinct. */
function macOf({ fileId, userId, expires }: UrlGrant, secret: string): string {
  return createHmac('sha256', secret)
    .update(JSON.stringify([fileId, userId, expires]))
    .digest('base64url');
}
