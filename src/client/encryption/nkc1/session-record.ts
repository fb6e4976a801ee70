import { ByteWriter, equalBytes, readStrictly } from '../../../lib/bytes.ts';
import type { IdentityKeyPair } from './identity-key.ts';
import type { PreKeyState } from './prekey-state.ts';
import { encodeSessionState, readSessionState, type SessionState } from './session-state.ts';

/** Marks a session that a peer has started. Starting it again is a replay, as long as its signed prekey exists. */
export interface Tombstone {
  readonly sessionId: string;
  readonly signedPreKeyId: number;
}

/** All sessions with one peer. Immutable: each operation returns the next record. */
export interface SessionRecord {
  /** The peer. */
  readonly userId: string;
  /** The session that messages are sent on. */
  readonly primary: SessionState | undefined;
  /** At most five former primary sessions, most recently used first. Messages on them can still be decrypted. */
  readonly archived: readonly SessionState[];
  readonly tombstones: readonly Tombstone[];
}

/** The local user and their identity: what encryption needs. */
export interface LocalIdentity {
  readonly userId: string;
  readonly identity: IdentityKeyPair;
}

/** The local user with their prekeys: what decryption needs. */
export interface LocalParty extends LocalIdentity {
  readonly preKeys: PreKeyState;
}

const MAX_ARCHIVED = 5;
const MAX_UNACKNOWLEDGED_MS = 30 * 24 * 60 * 60_000;

/** Creates an empty record. */
export function newSessionRecord(userId: string): SessionRecord {
  return { userId, primary: undefined, archived: [], tombstones: [] };
}

/** Whether a new session must be started before sending: there is none, or it was not acknowledged for 30 days. */
export function needsSession({ primary }: SessionRecord, now: number): boolean {
  if (primary === undefined) return true;
  return primary.isInitiator && !primary.isAcknowledged && now - primary.createdAt >= MAX_UNACKNOWLEDGED_MS;
}

/** Finds a session by its id. */
export function findSession({ primary, archived }: SessionRecord, sessionId: string): SessionState | undefined {
  return primary?.id === sessionId ? primary : archived.find(({ id }) => id === sessionId);
}

/** Replaces a session by its next state, in the same place. */
export function replaceSession(record: SessionRecord, session: SessionState): SessionRecord {
  if (record.primary?.id === session.id) return { ...record, primary: session };
  return { ...record, archived: record.archived.map((each) => (each.id === session.id ? session : each)) };
}

/** Makes a session primary and archives the previous one. */
export function promoteSession(record: SessionRecord, session: SessionState): SessionRecord {
  const others = [record.primary, ...record.archived].filter((each) => each !== undefined && each.id !== session.id);
  return { ...record, primary: session, archived: others.filter((each) => each !== undefined).slice(0, MAX_ARCHIVED) };
}

/** Puts a session first among the archived ones. */
export function archiveSession(record: SessionRecord, session: SessionState): SessionRecord {
  const others = record.archived.filter(({ id }) => id !== session.id);
  return { ...record, archived: [session, ...others].slice(0, MAX_ARCHIVED) };
}

/** Removes all sessions that were established with another identity key of the peer. */
export function retainIdentity(record: SessionRecord, identityKey: Uint8Array): SessionRecord {
  const [primary, ...archived] = [record.primary, ...record.archived].filter(
    (session) => session !== undefined && equalBytes(session.peerIdentity, identityKey),
  );
  return { ...record, primary, archived: archived.filter((session) => session !== undefined) };
}

/** Serializes a record for storage. */
export function encodeSessionRecord(record: SessionRecord): Uint8Array {
  const writer = new ByteWriter().u8(1).text(record.userId);
  const session = (each: SessionState): void => void writer.bytes(encodeSessionState(each));
  writer.maybe(record.primary, session).list(record.archived, session);
  writer.list(record.tombstones, (each) => writer.text(each.sessionId).u32(each.signedPreKeyId));
  return writer.done();
}

/** Reads what {@link encodeSessionRecord} wrote. Returns `undefined` if the bytes are malformed. */
export function decodeSessionRecord(bytes: Uint8Array): SessionRecord | undefined {
  return readStrictly(bytes, (reader) => {
    if (reader.u8() !== 1) reader.fail();
    return {
      userId: reader.text(),
      primary: reader.maybe(() => readSessionState(reader)),
      archived: reader.list(() => readSessionState(reader)),
      tombstones: reader.list(() => ({ sessionId: reader.text(), signedPreKeyId: reader.u32() })),
    };
  });
}
