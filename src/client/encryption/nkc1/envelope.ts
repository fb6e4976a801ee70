import { fromBase64, toBase64 } from '../../../lib/base64.ts';
import { type ByteReader, concat, readStrictly, u32 } from '../../../lib/bytes.ts';
import type { EncryptedEnvelope } from '../../../protocol/encryption.ts';
import { LIMITS } from '../../../protocol/limits.ts';
import { isPaddedLength, NONCE_BYTES } from './chain.ts';
import type { RatchetHeader } from './ratchet.ts';

const VERSION = 1;
const TYPE_MESSAGE = 1;
const TYPE_PREKEY = 2;
const TYPE_SENDER_KEY = 3;
const MAX_PREKEY_ID = 2 ** 31 - 1;
const SIGNATURE_BYTES = 64;

/** Greatest payload length in bytes that fits into an envelope of the protocol's maximum size. */
export const MAX_PAYLOAD_BYTES = Math.floor(((LIMITS.ciphertextLength / 4) * 3 - 256) / 256) * 256 - 1;

/** The fields of `prekey` envelopes, which identify the key agreement. */
export interface PreKeyFields {
  readonly ephemeralKey: Uint8Array;
  readonly signedPreKeyId: number;
  readonly oneTimePreKeyId: number | undefined;
}

/** A parsed pairwise envelope. Nothing in it is authenticated yet. */
export interface PairEnvelope {
  readonly identityKey: Uint8Array;
  /** Present on `prekey` envelopes only. */
  readonly preKeyFields: PreKeyFields | undefined;
  readonly ratchetHeader: RatchetHeader;
  readonly nonce: Uint8Array;
  /** H, the encoded header. */
  readonly header: Uint8Array;
  /** Ciphertext and tag. */
  readonly ciphertext: Uint8Array;
}

/** A parsed group envelope. Nothing in it is authenticated yet. */
export interface GroupEnvelope {
  readonly identityKey: Uint8Array;
  readonly chainId: number;
  readonly iteration: number;
  readonly nonce: Uint8Array;
  readonly header: Uint8Array;
  readonly ciphertext: Uint8Array;
  readonly signature: Uint8Array;
}

/** Encodes H of a pairwise message. */
export function encodePairHeader(
  { ratchetKey, pn, n }: RatchetHeader,
  nonce: Uint8Array,
  signedPreKeyId: number | undefined,
): Uint8Array {
  return concat(
    Uint8Array.of(VERSION, signedPreKeyId === undefined ? TYPE_MESSAGE : TYPE_PREKEY),
    ...(signedPreKeyId === undefined ? [] : [u32(signedPreKeyId)]),
    ratchetKey,
    u32(pn),
    u32(n),
    nonce,
  );
}

/** Encodes H of a group message. */
export function encodeGroupHeader(chainId: number, iteration: number, nonce: Uint8Array): Uint8Array {
  return concat(Uint8Array.of(VERSION, TYPE_SENDER_KEY), u32(chainId), u32(iteration), nonce);
}

/** Builds the wire envelope. `preKeyFields` makes it a `prekey` envelope. */
export function buildEnvelope(
  from: { readonly userId: string; readonly identityKey: Uint8Array },
  recipientId: string,
  sessionId: string,
  ciphertext: Uint8Array,
  preKeyFields?: PreKeyFields,
): EncryptedEnvelope {
  return {
    senderId: from.userId,
    recipientId,
    sessionId,
    ciphertext: toBase64(ciphertext),
    messageType: preKeyFields === undefined ? 'message' : 'prekey',
    senderIdentityKey: toBase64(from.identityKey),
    ...(preKeyFields !== undefined && { senderEphemeralKey: toBase64(preKeyFields.ephemeralKey) }),
    ...(preKeyFields?.oneTimePreKeyId !== undefined && { usedOneTimePreKeyId: preKeyFields.oneTimePreKeyId }),
  };
}

/** Parses a pairwise envelope. Returns `undefined` if it is malformed. */
export function parsePairEnvelope(envelope: EncryptedEnvelope): PairEnvelope | undefined {
  const identityKey = decodeKey(envelope.senderIdentityKey);
  const bytes = decodeBase64(envelope.ciphertext);
  if (identityKey === undefined || bytes === undefined) return undefined;
  if (envelope.messageType !== 'message' && envelope.messageType !== 'prekey') return undefined;
  const isPreKey = envelope.messageType === 'prekey';
  const parsed = readStrictly(bytes, (reader) => {
    if (reader.u8() !== VERSION || reader.u8() !== (isPreKey ? TYPE_PREKEY : TYPE_MESSAGE)) reader.fail();
    const signedPreKeyId = isPreKey ? readPreKeyId(reader) : undefined;
    const ratchetHeader = { ratchetKey: reader.take(32), pn: reader.u32(), n: reader.u32() };
    const nonce = reader.take(NONCE_BYTES);
    const header = bytes.slice(0, bytes.length - reader.left);
    const ciphertext = isPaddedLength(reader.left) ? reader.take(reader.left) : reader.fail();
    return { identityKey, ratchetHeader, nonce, header, ciphertext, signedPreKeyId };
  });
  if (parsed === undefined) return undefined;
  const { signedPreKeyId, ...rest } = parsed;
  const { senderEphemeralKey, usedOneTimePreKeyId } = envelope;
  if (signedPreKeyId === undefined) {
    const hasNone = senderEphemeralKey === undefined && usedOneTimePreKeyId === undefined;
    return hasNone ? { ...rest, preKeyFields: undefined } : undefined;
  }
  const ephemeralKey = decodeKey(senderEphemeralKey);
  if (ephemeralKey === undefined) return undefined;
  if (usedOneTimePreKeyId !== undefined && !isPreKeyId(usedOneTimePreKeyId)) return undefined;
  return { ...rest, preKeyFields: { ephemeralKey, signedPreKeyId, oneTimePreKeyId: usedOneTimePreKeyId } };
}

/** Parses a group envelope. Returns `undefined` if it is malformed. */
export function parseGroupEnvelope(envelope: EncryptedEnvelope): GroupEnvelope | undefined {
  const identityKey = decodeKey(envelope.senderIdentityKey);
  const bytes = decodeBase64(envelope.ciphertext);
  if (identityKey === undefined || bytes === undefined || envelope.messageType !== 'message') return undefined;
  if (envelope.senderEphemeralKey !== undefined || envelope.usedOneTimePreKeyId !== undefined) return undefined;
  return readStrictly(bytes, (reader) => {
    if (reader.u8() !== VERSION || reader.u8() !== TYPE_SENDER_KEY) reader.fail();
    const chainId = reader.u32();
    const iteration = reader.u32();
    const nonce = reader.take(NONCE_BYTES);
    const header = bytes.slice(0, bytes.length - reader.left);
    const length = reader.left - SIGNATURE_BYTES;
    const ciphertext = isPaddedLength(length) ? reader.take(length) : reader.fail();
    return { identityKey, chainId, iteration, nonce, header, ciphertext, signature: reader.take(SIGNATURE_BYTES) };
  });
}

/** Whether an envelope that doesn't parse has a header of a later version, or of a type that this version doesn't know. */
export function isLaterFormat({ ciphertext }: EncryptedEnvelope): boolean {
  const [version = 0, type = 0] = decodeBase64(ciphertext) ?? [];
  return version > VERSION || (version === VERSION && type > TYPE_SENDER_KEY);
}

/** Whether the value is a valid prekey id: 1 to 2³¹ − 1. */
export function isPreKeyId(id: unknown): id is number {
  return typeof id === 'number' && Number.isInteger(id) && id >= 1 && id <= MAX_PREKEY_ID;
}

/** Decodes 32 bytes from base64. Returns `undefined` if the value is anything else. */
export function decodeKey(text: unknown): Uint8Array | undefined {
  const bytes = decodeBase64(text);
  return bytes?.length === 32 ? bytes : undefined;
}

function decodeBase64(text: unknown): Uint8Array | undefined {
  return typeof text === 'string' && text.length <= LIMITS.ciphertextLength ? fromBase64(text) : undefined;
}

function readPreKeyId(reader: ByteReader): number {
  const id = reader.u32();
  return isPreKeyId(id) ? id : reader.fail();
}
