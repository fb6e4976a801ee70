import { ByteWriter, equalBytes, readStrictly } from '../../lib/bytes.ts';
import type { EncryptedEnvelope } from '../../protocol/encryption.ts';
import { buildEnvelope } from './envelope.ts';
import { failure, type Outcome } from './failures.ts';
import type { Identity } from './identity.ts';
import type { PreKeys } from './prekeys.ts';
import type { Random } from './primitives.ts';
import { encodeSession, readSession, sealOn, type Session } from './session.ts';

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

const MAX_ARCHIVED = 5;
const MAX_UNACKNOWLEDGED_MS = 30 * 24 * 60 * 60_000;

export function newPeer(userId: string): Peer {
  return { userId, primary: undefined, archived: [], tombstones: [] };
}

/** There is no session to send on, or one that was not acknowledged for 30 days: fetch a bundle and `startWith` it. */
export function needsSession({ primary }: Peer, now: number): boolean {
  if (primary === undefined) return true;
  return primary.ours && !primary.acknowledged && now - primary.createdAt >= MAX_UNACKNOWLEDGED_MS;
}

/** Encrypts on the primary session, or on the one named (an acknowledgement goes on the session it acknowledges). */
export function encryptTo(
  peer: Peer,
  own: OwnIdentity,
  plaintext: Uint8Array,
  random: Random,
  sessionId?: string,
): Outcome<{ peer: Peer; envelope: EncryptedEnvelope }> {
  const session = sessionId === undefined ? peer.primary : sessionOf(peer, sessionId);
  const sealed = session && sealOn(session, { senderId: own.userId, recipientId: peer.userId }, plaintext, random);
  if (sealed === undefined) return failure('unknown-session');
  const from = { userId: own.userId, identityKey: own.identity.publicKey };
  const envelope = buildEnvelope(from, peer.userId, sealed.session.id, sealed.ciphertext, sealed.opening);
  return { ok: true, peer: replaceSession(peer, sealed.session), envelope };
}

export function sessionOf({ primary, archived }: Peer, sessionId: string): Session | undefined {
  return primary?.id === sessionId ? primary : archived.find(({ id }) => id === sessionId);
}

/** With a session's next state in its place. */
export function replaceSession(peer: Peer, session: Session): Peer {
  if (peer.primary?.id === session.id) return { ...peer, primary: session };
  return { ...peer, archived: peer.archived.map((each) => (each.id === session.id ? session : each)) };
}

/** With a session as the one to send on, and the one before it archived. */
export function withPrimary(peer: Peer, session: Session): Peer {
  const others = [peer.primary, ...peer.archived].filter((each) => each !== undefined && each.id !== session.id);
  return { ...peer, primary: session, archived: others.filter((each) => each !== undefined).slice(0, MAX_ARCHIVED) };
}

/** With a session that was used last, but isn't the one to send on. */
export function withArchived(peer: Peer, session: Session): Peer {
  const others = peer.archived.filter(({ id }) => id !== session.id);
  return { ...peer, archived: [session, ...others].slice(0, MAX_ARCHIVED) };
}

/** Without the sessions that were agreed with another identity key than this one. */
export function keepIdentity(peer: Peer, identityKey: Uint8Array): Peer {
  const [primary, ...archived] = [peer.primary, ...peer.archived].filter(
    (session) => session !== undefined && equalBytes(session.peerIdentity, identityKey),
  );
  return { ...peer, primary, archived: archived.filter((session) => session !== undefined) };
}

export function encodePeer(peer: Peer): Uint8Array {
  const writer = new ByteWriter().u8(1).text(peer.userId);
  const session = (each: Session): void => void writer.bytes(encodeSession(each));
  writer.maybe(peer.primary, session).list(peer.archived, session);
  writer.list(peer.tombstones, (each) => writer.text(each.sessionId).u32(each.signedPreKeyId));
  return writer.done();
}

export function decodePeer(bytes: Uint8Array): Peer | undefined {
  return readStrictly(bytes, (reader) => {
    if (reader.u8() !== 1) reader.fail();
    return {
      userId: reader.text(),
      primary: reader.maybe(() => readSession(reader)),
      archived: reader.list(() => readSession(reader)),
      tombstones: reader.list(() => ({ sessionId: reader.text(), signedPreKeyId: reader.u32() })),
    };
  });
}
