import type { EncryptedEnvelope } from '../../protocol/encryption.ts';
import type { Bundle } from './bundle.ts';
import type { Outcome } from './failures.ts';
import type { Identity } from './identity.ts';
import type { PreKeys } from './prekeys.ts';
import type { Random } from './primitives.ts';

/** One session with a peer. */
export interface Session {
  readonly id: string;
  /** The identity key it was agreed with. */
  readonly peerIdentity: Uint8Array;
  /** We started it. */
  readonly ours: boolean;
  /** Something was decrypted on it. */
  readonly acknowledged: boolean;
  readonly createdAt: number;
}

/** A session that a peer has started: what would start it again is a replay, for as long as its signed prekey lives. */
export interface Tombstone {
  readonly sessionId: string;
  readonly signedPreKeyId: number;
}

/** Everything known about one peer's sessions. A value: each step returns the next one. */
export interface Peer {
  readonly userId: string;
  /** The one we send on. */
  readonly primary: Session | undefined;
  /** At most five, the one used last first: what still comes on them is read. */
  readonly archived: readonly Session[];
  readonly tombstones: readonly Tombstone[];
}

/** Who we are. */
export interface Own {
  readonly userId: string;
  readonly identity: Identity;
  readonly preKeys: PreKeys;
}
export type OwnIdentity = Pick<Own, 'userId' | 'identity'>;

export function newPeer(userId: string): Peer {
  return { userId, primary: undefined, archived: [], tombstones: [] };
}

/** There is no session to send on, or one that was not acknowledged for 30 days: fetch a bundle and {@link startWith} it. */
export function needsSession(_peer: Peer, _now: number): boolean {
  throw new Error('not yet');
}

/** Agrees on a new session and makes it the primary one. */
export function startWith(
  _peer: Peer,
  _own: OwnIdentity,
  _bundle: Bundle,
  _random: Random,
  _now: number,
): Outcome<{ peer: Peer; sessionId: string }> {
  throw new Error('not yet');
}

/** Encrypts on the primary session, or on the one named (an acknowledgement goes on the session it acknowledges). */
export function encryptTo(
  _peer: Peer,
  _own: OwnIdentity,
  _plaintext: Uint8Array,
  _random: Random,
  _sessionId?: string,
): Outcome<{ peer: Peer; envelope: EncryptedEnvelope }> {
  throw new Error('not yet');
}

export interface Decrypted {
  readonly peer: Peer;
  readonly plaintext: Uint8Array;
  readonly sessionId: string;
  /** The sender's identity key, which the tag has proven. Compare it with the pin *before* calling, by the envelope. */
  readonly identityKey: Uint8Array;
  /** It started a session: delete the one-time key in the transaction that stores `peer`. */
  readonly started?: { readonly signedPreKeyId: number; readonly oneTimePreKeyId: number | undefined };
  /** A `session-ack` has to go out on `sessionId`. */
  readonly ackDue: boolean;
  /** It is the first thing decrypted on a session that we started: it is established. */
  readonly established: boolean;
}

/** Reads an envelope from the peer. A failure has changed nothing. */
export function receive(_peer: Peer, _own: Own, _envelope: EncryptedEnvelope, _now: number): Outcome<Decrypted> {
  throw new Error('not yet');
}

/** Without the sessions that were agreed with another identity key than this one. */
export function keepIdentity(_peer: Peer, _identityKey: Uint8Array): Peer {
  throw new Error('not yet');
}

export function encodePeer(_peer: Peer): Uint8Array {
  throw new Error('not yet');
}

export function decodePeer(_bytes: Uint8Array): Peer | undefined {
  throw new Error('not yet');
}
