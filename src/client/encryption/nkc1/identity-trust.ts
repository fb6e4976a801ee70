import { fromBase64, toBase64 } from '../../../lib/base64.ts';

/** What is known of a user's identity key. The first key seen is pinned (trust on first use). */
export interface IdentityTrust {
  /** The pinned key, in padded base64. */
  readonly key: string;
  /** True if the key was compared with its owner, by safety number or QR code. */
  readonly verified: boolean;
  /** Another key that the user has presented since and that has not been accepted. */
  readonly changedTo?: string | undefined;
  /** A key that this user has rejected. It is ignored, and the pinned one stays in use. */
  readonly rejected?: string | undefined;
  /** The key before the pinned one, until the user has acknowledged the change. */
  readonly previousKey?: string | undefined;
  /** When another key was first presented, in milliseconds since the epoch. */
  readonly changedAt?: number | undefined;
  /** True if the server has reported that the key may have changed: fetch the bundle before sending. */
  readonly stale?: boolean | undefined;
  /** When a session was last re-established because data was lost, in milliseconds since the epoch. */
  readonly resetAt?: number | undefined;
  /** When lost messages were last sent again to the user, in milliseconds since the epoch. */
  readonly resentAt?: number | undefined;
}

/**
 * What is known of a user's identity key: nothing, a pinned key, a verified key, or a pinned key that differs from the one the
 * user presents now.
 */
export type TrustState = 'unknown' | 'pinned' | 'verified' | 'changed';

/** A user has another identity key than before. Emitted before any message that is encrypted under the new key. */
export interface IdentityChange {
  /** The user whose key changed. */
  userId: string;
  /** The new key in padded base64, as `encryption.acceptIdentity()` takes it. */
  identityKey: string;
  /** The previous key in padded base64. */
  previousKey: string;
  /** True if the previous key was verified. */
  wasVerified: boolean;
  /** True if the policy accepted the new key. If false, nothing is sent to or shown from the user until it is accepted. */
  accepted: boolean;
}

/** A change that the user has neither acknowledged nor decided. */
export interface OpenIdentityChange extends IdentityChange {
  /** When the other key was first presented (ISO 8601). */
  changedAt: string;
}

/** The result of comparing a presented identity key with the pinned one. */
export interface TrustDecision {
  /** To be stored. */
  readonly trust: IdentityTrust;
  /** If false, hold messages under the presented key and send nothing. */
  readonly accepted: boolean;
  /** To be emitted before anything else; absent if it was emitted before. */
  readonly change?: IdentityChange | undefined;
}

/**
 * Compares an identity key that a message has authenticated, or that the server has returned, with the pinned one. The policy
 * `warn` accepts another key unless the pinned one is verified; `block` never does.
 */
export function evaluateIdentityKey(
  userId: string,
  trust: IdentityTrust | undefined,
  presented: Uint8Array,
  policy: 'warn' | 'block',
  now: number,
): TrustDecision {
  const identityKey = toBase64(presented);
  if (trust === undefined) return { trust: { key: identityKey, verified: false }, accepted: true };
  if (trust.key === identityKey) {
    if (trust.changedTo === undefined) return { trust, accepted: true };
    // The other key was a mistake or a lie.
    const { changedTo: _changedTo, changedAt: _changedAt, ...cleared } = trust;
    return { trust: cleared, accepted: true };
  }
  if (trust.rejected === identityKey) return { trust, accepted: false };
  const accepted = !trust.verified && policy === 'warn';
  const change = { userId, identityKey, previousKey: trust.key, wasVerified: trust.verified, accepted };
  if (accepted) {
    // Of several changes the key that the user knew before all of them is kept.
    const { key, resetAt, previousKey = key, changedAt = now } = trust;
    const trace = { previousKey: previousKey === identityKey ? key : previousKey, changedAt };
    return { trust: { key: identityKey, verified: false, resetAt, ...trace }, accepted, change };
  }
  return {
    trust: { ...trust, changedTo: identityKey, changedAt: now },
    accepted,
    change: trust.changedTo === identityKey ? undefined : change,
  };
}

/** Classifies what is known of a key. */
export function trustState(trust: IdentityTrust | undefined): TrustState {
  if (trust === undefined) return 'unknown';
  if (trust.changedTo !== undefined) return 'changed';
  return trust.verified ? 'verified' : 'pinned';
}

/** The pinned key: the one in use, and the one to compare with its owner. */
export function pinnedIdentityKey({ key }: IdentityTrust): Uint8Array {
  return fromBase64(key) ?? new Uint8Array();
}

/** Rejects the key that was presented last. The pinned one stays in use. */
export function rejectChange(trust: IdentityTrust): IdentityTrust {
  const { changedTo, changedAt: _changedAt, ...rest } = trust;
  return changedTo === undefined ? trust : { ...rest, rejected: changedTo };
}

/** Removes the trace of an accepted change. */
export function acknowledgeChange({
  previousKey: _previousKey,
  changedAt: _changedAt,
  ...trust
}: IdentityTrust): IdentityTrust {
  return trust;
}

/** Returns the change that the user has neither acknowledged nor decided. */
export function openChange(userId: string, trust: IdentityTrust | undefined): OpenIdentityChange | undefined {
  if (trust?.changedAt === undefined) return undefined;
  const { key, verified, changedTo, previousKey } = trust;
  const changedAt = new Date(trust.changedAt).toISOString();
  if (changedTo !== undefined) {
    return { userId, identityKey: changedTo, previousKey: key, wasVerified: verified, accepted: false, changedAt };
  }
  if (previousKey === undefined) return undefined;
  return { userId, identityKey: key, previousKey, wasVerified: false, accepted: true, changedAt };
}

/** Parses a stored value. Returns `undefined` if it is malformed or absent. */
export function parseIdentityTrust(value: unknown): IdentityTrust | undefined {
  if (typeof value !== 'object' || value === null || !('key' in value) || typeof value.key !== 'string')
    return undefined;
  const { verified, changedTo, rejected, previousKey, changedAt, stale, resetAt, resentAt } = value as Partial<
    Record<keyof IdentityTrust, unknown>
  >;
  return {
    key: value.key,
    verified: verified === true,
    ...(typeof changedTo === 'string' && { changedTo }),
    ...(typeof rejected === 'string' && { rejected }),
    ...(typeof previousKey === 'string' && { previousKey }),
    ...(typeof changedAt === 'number' && { changedAt }),
    ...(stale === true && { stale }),
    ...(typeof resetAt === 'number' && { resetAt }),
    ...(typeof resentAt === 'number' && { resentAt }),
  };
}
