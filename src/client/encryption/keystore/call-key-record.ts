import { fromBase64, toBase64 } from '../../../lib/base64.ts';
import type { CallKey } from '../../cipher.ts';
import type { SenderKeyDistribution } from '../nkc1/payload.ts';
import { RECORDS } from './keystore.ts';
import type { RecordTransaction } from './record-store.ts';

/** Prefix of `cid` in a sender key that is for the media of a call, not for the messages of a group. */
export const CALL_CID_PREFIX = 'call:';

/** A received call key that no tab has taken yet. */
export interface CallKeyRecord extends CallKey {
  /** The call, and the sender's device in it. */
  readonly about: string;
  /** Milliseconds since the epoch. */
  readonly receivedAt: number;
}

/**
 * Stores a sender's newest call key. An envelope is decrypted once, possibly in another tab than the one that has the call.
 */
export function putCallKey(
  tx: RecordTransaction,
  senderId: string,
  { cid, chainId, chainKey }: SenderKeyDistribution,
  now: number,
): void {
  const about = cid.slice(CALL_CID_PREFIX.length);
  tx.putJson(RECORDS.callKey(senderId), { about, keyId: chainId, secret: toBase64(chainKey), at: now });
}

/** Parses a stored call key. Returns `undefined` if it is malformed or absent. */
export function parseCallKey(value: unknown): CallKeyRecord | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { about, keyId, secret, at } = value as Record<string, unknown>;
  const bytes = typeof secret === 'string' ? fromBase64(secret) : undefined;
  if (typeof about !== 'string' || typeof keyId !== 'number' || typeof at !== 'number') return undefined;
  return bytes && { about, keyId, secret: new Uint8Array(bytes), receivedAt: at };
}
