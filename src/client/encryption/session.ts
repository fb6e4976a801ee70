import { type ByteReader, ByteWriter, concat, encodeUtf8, lp } from '../../lib/bytes.ts';
import { type Chain, NONCE_BYTES, openPadded, PAIR_INFO, sealPadded } from './chain.ts';
import { type Opening, pairHeader, type PairEnvelope } from './envelope.ts';
import type { Outcome } from './failures.ts';
import type { KeyPair, Random } from './primitives.ts';
import { type Ratchet, type Read, receiveStep, sendStep } from './ratchet.ts';
import { readSkipped, writeSkipped } from './skipped-keys.ts';
import { sessionIdOf } from './x3dh.ts';

/** One session with a peer. */
export interface Session {
  readonly id: string;
  /** TH: it is part of what every tag covers. */
  readonly transcript: Uint8Array;
  /** The identity key it was agreed with. */
  readonly peerIdentity: Uint8Array;
  /** We started it. */
  readonly ours: boolean;
  /** Something was decrypted on it. Until then a session of ours sends `prekey` envelopes. */
  readonly acknowledged: boolean;
  readonly createdAt: number;
  /** What it was started with. */
  readonly opening: Opening;
  readonly ratchet: Ratchet;
}

const AD_LABEL = encodeUtf8('NKC1-AD');

/** Who a message is from, and to whom. */
export interface Direction {
  readonly senderId: string;
  readonly recipientId: string;
}

function associatedData(session: Session, { senderId, recipientId }: Direction, header: Uint8Array): Uint8Array {
  return concat(AD_LABEL, session.transcript, lp(senderId), lp(recipientId), header);
}

/** H ‖ ciphertext of the next message on a session, with its opening while nobody has acknowledged it. */
export function sealOn(
  session: Session,
  direction: Direction,
  plaintext: Uint8Array,
  random: Random,
): { session: Session; ciphertext: Uint8Array; opening: Opening | undefined } | undefined {
  const step = sendStep(session.ratchet, random);
  if (step === undefined) return undefined;
  const opening = session.ours && !session.acknowledged ? session.opening : undefined;
  const nonce = random(NONCE_BYTES);
  const header = pairHeader(step.position, nonce, opening?.signedPreKeyId);
  const ad = associatedData(session, direction, header);
  const body = sealPadded(step.key, plaintext, { info: PAIR_INFO, nonce, ad });
  return { session: { ...session, ratchet: step.ratchet }, ciphertext: concat(header, body), opening };
}

/** Reads a message on a session. */
export function openOn(
  session: Session,
  direction: Direction,
  { header, nonce, body, position }: PairEnvelope,
  now: number,
): Outcome<Read> {
  const sealing = { info: PAIR_INFO, nonce, ad: associatedData(session, direction, header) };
  return receiveStep(session.ratchet, position, (key) => openPadded(key, body, sealing), now);
}

export function encodeSession(session: Session): Uint8Array {
  const writer = new ByteWriter();
  const { opening, ratchet } = session;
  const chain = ({ key, next }: Chain): void => void writer.bytes(key).u32(next);
  writer.bytes(session.transcript).bytes(session.peerIdentity).flag(session.ours).flag(session.acknowledged);
  writer.u64(session.createdAt).bytes(opening.ephemeralKey).u32(opening.signedPreKeyId);
  writer.u32(opening.oneTimePreKeyId ?? 0);
  writer.bytes(ratchet.root).maybe(ratchet.own, (own) => writer.bytes(own.publicKey).bytes(own.privateKey));
  writer.maybe(ratchet.remote, (remote) => writer.bytes(remote));
  writer.maybe(ratchet.sending, chain).maybe(ratchet.receiving, chain).u32(ratchet.previous);
  writeSkipped(writer, ratchet.skipped, 32);
  return writer.done();
}

export function readSession(reader: ByteReader): Session {
  const transcript = reader.take(32);
  return {
    id: sessionIdOf(transcript),
    transcript,
    peerIdentity: reader.take(32),
    ours: reader.flag(),
    acknowledged: reader.flag(),
    createdAt: reader.u64(),
    opening: {
      ephemeralKey: reader.take(32),
      signedPreKeyId: reader.u32(),
      oneTimePreKeyId: reader.u32() || undefined,
    },
    ratchet: readRatchet(reader),
  };
}

function readRatchet(reader: ByteReader): Ratchet {
  const chain = (): Chain => ({ key: reader.take(32), next: reader.u32() });
  const pair = (): KeyPair => ({ publicKey: reader.take(32), privateKey: reader.take(32) });
  return {
    root: reader.take(32),
    own: reader.maybe(pair),
    remote: reader.maybe(() => reader.take(32)),
    sending: reader.maybe(chain),
    receiving: reader.maybe(chain),
    previous: reader.u32(),
    skipped: readSkipped(reader, 32),
  };
}
