import { fromBase64, toBase64 } from '../../lib/base64.ts';
import type { IdentityChange } from '../events.ts';

/** What is known of somebody's identity key: the first one seen is pinned (trust on first use). */
export interface Pin {
  /** Padded base64. */
  readonly key: string;
  /** Compared with its owner by safety number or QR code. */
  readonly verified: boolean;
  /** Another key that was shown since, and that nobody has accepted. */
  readonly changedTo?: string | undefined;
  /** A server says that there may be another key: to be looked at before anything is sent. */
  readonly stale?: boolean | undefined;
  /** When the last session was started anew because data was lost, in milliseconds. */
  readonly resetAt?: number | undefined;
  /** When they were last sent again what they had lost. */
  readonly resentAt?: number | undefined;
}

export type TrustState = 'unknown' | 'pinned' | 'verified' | 'changed';

/** What comes of a key that somebody shows. */
export interface Meeting {
  readonly pin: Pin;
  /** False: hold what comes under it, and send nothing. */
  readonly accepted: boolean;
  /** To be told before anything else; absent where it was told already. */
  readonly change?: IdentityChange | undefined;
}

/** Somebody shows a key that has been proven to be theirs, or that a server says is. */
export function meet(userId: string, pin: Pin | undefined, shown: Uint8Array, policy: 'warn' | 'block'): Meeting {
  const identityKey = toBase64(shown);
  if (pin === undefined) return { pin: { key: identityKey, verified: false }, accepted: true };
  if (pin.key === identityKey) return { pin, accepted: true };
  const accepted = !pin.verified && policy === 'warn';
  const change = { userId, identityKey, previousKey: pin.key, wasVerified: pin.verified, accepted };
  if (accepted) return { pin: { key: identityKey, verified: false, resetAt: pin.resetAt }, accepted, change };
  return {
    pin: { ...pin, changedTo: identityKey },
    accepted,
    change: pin.changedTo === identityKey ? undefined : change,
  };
}

export function trustIn(pin: Pin | undefined): TrustState {
  if (pin === undefined) return 'unknown';
  if (pin.changedTo !== undefined) return 'changed';
  return pin.verified ? 'verified' : 'pinned';
}

/** The key to be compared with its owner: the one they show now. */
export function shownKey({ key, changedTo = key }: Pin): Uint8Array {
  return fromBase64(changedTo) ?? new Uint8Array();
}

/** A pin as it was stored. */
export function readPin(value: unknown): Pin | undefined {
  if (typeof value !== 'object' || value === null || !('key' in value) || typeof value.key !== 'string')
    return undefined;
  const { verified, changedTo, stale, resetAt, resentAt } = value as Partial<Record<keyof Pin, unknown>>;
  return {
    key: value.key,
    verified: verified === true,
    ...(typeof changedTo === 'string' && { changedTo }),
    ...(stale === true && { stale }),
    ...(typeof resetAt === 'number' && { resetAt }),
    ...(typeof resentAt === 'number' && { resentAt }),
  };
}
