import { type ByteReader, ByteWriter, concat, encodeUtf8, lp } from '../../../lib/bytes.ts';
import { type Chain, decryptPadded, encryptPadded, MESSAGE_INFO, NONCE_BYTES } from './chain.ts';
import { encodePairHeader, type PairEnvelope, type PreKeyFields } from './envelope.ts';
import type { Outcome } from './failures.ts';
import type { KeyPair, Random } from './primitives.ts';
import { advanceSendingChain, ratchetDecrypt, type RatchetDecrypted, type RatchetState } from './ratchet.ts';
import { readSkippedKeys, writeSkippedKeys } from './skipped-keys.ts';
import { sessionIdFromTranscript } from './x3dh.ts';

/** One session with a peer. Immutable. */
export interface SessionState {
  readonly id: string;
  /** TH, which is part of every message's associated data. */
  readonly transcript: Uint8Array;
  /** The peer's identity key in the key agreement. */
  readonly peerIdentity: Uint8Array;
  /** True if this user started the session. */
  readonly isInitiator: boolean;
  /** True once a message was decrypted on it. Until then the initiator sends `prekey` envelopes. */
  readonly isAcknowledged: boolean;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  /** The fields of its `prekey` envelopes. */
  readonly preKeyFields: PreKeyFields;
  readonly ratchet: RatchetState;
}

const AD_LABEL = encodeUtf8('NKC1-AD');

/** Sender and recipient of a message. */
export interface MessageRoute {
  readonly senderId: string;
  readonly recipientId: string;
}

function associatedData(
  session: SessionState,
  { senderId, recipientId }: MessageRoute,
  header: Uint8Array,
): Uint8Array {
  return concat(AD_LABEL, session.transcript, lp(senderId), lp(recipientId), header);
}

/**
 * Encrypts the next message of a session. Returns header and ciphertext, with the prekey fields as long as the session is not
 * acknowledged. Returns `undefined` if the session can't send yet.
 */
export function encryptInSession(
  session: SessionState,
  route: MessageRoute,
  plaintext: Uint8Array,
  random: Random,
): { session: SessionState; ciphertext: Uint8Array; preKeyFields: PreKeyFields | undefined } | undefined {
  const step = advanceSendingChain(session.ratchet, random);
  if (step === undefined) return undefined;
  const preKeyFields = session.isInitiator && !session.isAcknowledged ? session.preKeyFields : undefined;
  const nonce = random(NONCE_BYTES);
  const header = encodePairHeader(step.ratchetHeader, nonce, preKeyFields?.signedPreKeyId);
  const ad = associatedData(session, route, header);
  const ciphertext = encryptPadded(step.key, plaintext, { info: MESSAGE_INFO, nonce, ad });
  return { session: { ...session, ratchet: step.ratchet }, ciphertext: concat(header, ciphertext), preKeyFields };
}

/** Decrypts a message of a session. */
export function decryptInSession(
  session: SessionState,
  route: MessageRoute,
  { header, nonce, ciphertext, ratchetHeader }: PairEnvelope,
  now: number,
): Outcome<RatchetDecrypted> {
  const params = { info: MESSAGE_INFO, nonce, ad: associatedData(session, route, header) };
  return ratchetDecrypt(session.ratchet, ratchetHeader, (key) => decryptPadded(key, ciphertext, params), now);
}

/** Serializes a session for storage. */
export function encodeSessionState(session: SessionState): Uint8Array {
  const writer = new ByteWriter();
  const { preKeyFields, ratchet } = session;
  const chain = ({ key, next }: Chain): void => void writer.bytes(key).u32(next);
  writer.bytes(session.transcript).bytes(session.peerIdentity).flag(session.isInitiator).flag(session.isAcknowledged);
  writer.u64(session.createdAt).bytes(preKeyFields.ephemeralKey).u32(preKeyFields.signedPreKeyId);
  writer.u32(preKeyFields.oneTimePreKeyId ?? 0);
  writer.bytes(ratchet.rootKey);
  writer.maybe(ratchet.ownKeyPair, (pair) => writer.bytes(pair.publicKey).bytes(pair.privateKey));
  writer.maybe(ratchet.remoteKey, (key) => writer.bytes(key));
  writer.maybe(ratchet.sending, chain).maybe(ratchet.receiving, chain).u32(ratchet.previousCount);
  writeSkippedKeys(writer, ratchet.skippedKeys, 32);
  return writer.done();
}

/** Reads what {@link encodeSessionState} wrote. */
export function readSessionState(reader: ByteReader): SessionState {
  const transcript = reader.take(32);
  return {
    id: sessionIdFromTranscript(transcript),
    transcript,
    peerIdentity: reader.take(32),
    isInitiator: reader.flag(),
    isAcknowledged: reader.flag(),
    createdAt: reader.u64(),
    preKeyFields: {
      ephemeralKey: reader.take(32),
      signedPreKeyId: reader.u32(),
      oneTimePreKeyId: reader.u32() || undefined,
    },
    ratchet: readRatchetState(reader),
  };
}

function readRatchetState(reader: ByteReader): RatchetState {
  const chain = (): Chain => ({ key: reader.take(32), next: reader.u32() });
  const pair = (): KeyPair => ({ publicKey: reader.take(32), privateKey: reader.take(32) });
  return {
    rootKey: reader.take(32),
    ownKeyPair: reader.maybe(pair),
    remoteKey: reader.maybe(() => reader.take(32)),
    sending: reader.maybe(chain),
    receiving: reader.maybe(chain),
    previousCount: reader.u32(),
    skippedKeys: readSkippedKeys(reader, 32),
  };
}
