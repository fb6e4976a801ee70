import { fromBase64, toBase64 } from '../../lib/base64.ts';
import type { CallKey } from '../cipher.ts';
import { NAMES } from './account.ts';
import type { SenderKey } from './payload.ts';
import type { View } from './records.ts';

/** What `cid` of a sender key begins with that isn't for messages of a group, but for the media of a call. */
export const CALL = 'call:';

/** A key for a call that has come, and that no tab has taken yet. */
export interface CallKeyRecord extends CallKey {
  readonly about: string;
  /** When it came. */
  readonly at: number;
}

/**
 * Keeps the newest key of its sender for whichever tab is in the call: the one that reads the envelope may be another one,
 * and an envelope is read once. Needs the record `media`.
 */
export function keepCallKey(view: View, senderId: string, { cid, chainId, chainKey }: SenderKey, now: number): void {
  const about = cid.slice(CALL.length);
  view.write(NAMES.media(senderId), { about, keyId: chainId, secret: toBase64(chainKey), at: now });
}

export function readCallKey(value: unknown): CallKeyRecord | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { about, keyId, secret, at } = value as Partial<Record<keyof CallKeyRecord, unknown>>;
  const bytes = typeof secret === 'string' ? fromBase64(secret) : undefined;
  if (typeof about !== 'string' || typeof keyId !== 'number' || typeof at !== 'number') return undefined;
  return bytes && { about, keyId, secret: new Uint8Array(bytes), at };
}
