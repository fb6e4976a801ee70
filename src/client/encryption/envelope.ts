import { fromBase64, toBase64 } from '../../lib/base64.ts';
import { type ByteReader, concat, readStrictly, u32 } from '../../lib/bytes.ts';
import type { EncryptedEnvelope } from '../../protocol/encryption.ts';
import { LIMITS } from '../../protocol/limits.ts';
import { isPaddedLength, NONCE_BYTES } from './chain.ts';
import type { Position } from './ratchet.ts';

const VERSION = 1;
const MESSAGE = 1;
const PREKEY = 2;
const SENDER_KEY = 3;
const MAX_KEY_ID = 2 ** 31 - 1;
const SIGNATURE_BYTES = 64;

/** The longest payload that an envelope of the wire's greatest size has room for, in bytes. */
export const MAX_PAYLOAD_BYTES = Math.floor(((LIMITS.ciphertextLength / 4) * 3 - 256) / 256) * 256 - 1;

/** What an envelope says about the session that it starts. */
export interface Opening {
  readonly ephemeralKey: Uint8Array;
  readonly signedPreKeyId: number;
  readonly oneTimePreKeyId: number | undefined;
}

/** An envelope between two users, taken apart. Nothing of it is proven yet. */
export interface PairEnvelope {
  readonly identityKey: Uint8Array;
  /** On `prekey` only. */
  readonly opening: Opening | undefined;
  readonly position: Position;
  readonly nonce: Uint8Array;
  /** H, as it was sent. */
  readonly header: Uint8Array;
  /** Ciphertext and tag. */
  readonly body: Uint8Array;
}

/** An envelope in a group, taken apart. */
export interface GroupEnvelope {
  readonly identityKey: Uint8Array;
  readonly chainId: number;
  readonly n: number;
  readonly nonce: Uint8Array;
  readonly header: Uint8Array;
  readonly body: Uint8Array;
  readonly signature: Uint8Array;
}

/** H of a message between two users. */
export function pairHeader(position: Position, nonce: Uint8Array, signedPreKeyId: number | undefined): Uint8Array {
  return concat(
    Uint8Array.of(VERSION, signedPreKeyId === undefined ? MESSAGE : PREKEY),
    ...(signedPreKeyId === undefined ? [] : [u32(signedPreKeyId)]),
    position.dh,
    u32(position.pn),
    u32(position.n),
    nonce,
  );
}

/** H of a message in a group. */
export function groupHeader(chainId: number, n: number, nonce: Uint8Array): Uint8Array {
  return concat(Uint8Array.of(VERSION, SENDER_KEY), u32(chainId), u32(n), nonce);
}

/** Puts an envelope together: `opening` makes it a `prekey` one. */
export function buildEnvelope(
  from: { readonly userId: string; readonly identityKey: Uint8Array },
  recipientId: string,
  sessionId: string,
  ciphertext: Uint8Array,
  opening?: Opening,
): EncryptedEnvelope {
  return {
    senderId: from.userId,
    recipientId,
    sessionId,
    ciphertext: toBase64(ciphertext),
    messageType: opening === undefined ? 'message' : 'prekey',
    senderIdentityKey: toBase64(from.identityKey),
    ...(opening !== undefined && { senderEphemeralKey: toBase64(opening.ephemeralKey) }),
    ...(opening?.oneTimePreKeyId !== undefined && { usedOneTimePreKeyId: opening.oneTimePreKeyId }),
  };
}

/** `undefined` for what isn't one, whatever it is. */
export function parsePairEnvelope(envelope: EncryptedEnvelope): PairEnvelope | undefined {
  const identityKey = readKey(envelope.senderIdentityKey);
  const ciphertext = readText(envelope.ciphertext);
  if (identityKey === undefined || ciphertext === undefined) return undefined;
  if (envelope.messageType !== 'message' && envelope.messageType !== 'prekey') return undefined;
  const isPreKey = envelope.messageType === 'prekey';
  const parsed = readStrictly(ciphertext, (reader) => {
    if (reader.u8() !== VERSION || reader.u8() !== (isPreKey ? PREKEY : MESSAGE)) reader.fail();
    const signedPreKeyId = isPreKey ? readId(reader) : undefined;
    const position = { dh: reader.take(32), pn: reader.u32(), n: reader.u32() };
    const nonce = reader.take(NONCE_BYTES);
    const header = ciphertext.slice(0, ciphertext.length - reader.left);
    const body = isPaddedLength(reader.left) ? reader.take(reader.left) : reader.fail();
    return { identityKey, position, nonce, header, body, signedPreKeyId };
  });
  if (parsed === undefined) return undefined;
  const { signedPreKeyId, ...rest } = parsed;
  const { senderEphemeralKey, usedOneTimePreKeyId } = envelope;
  if (signedPreKeyId === undefined) {
    const bare = senderEphemeralKey === undefined && usedOneTimePreKeyId === undefined;
    return bare ? { ...rest, opening: undefined } : undefined;
  }
  const ephemeralKey = readKey(senderEphemeralKey);
  if (ephemeralKey === undefined) return undefined;
  if (usedOneTimePreKeyId !== undefined && !isKeyId(usedOneTimePreKeyId)) return undefined;
  return { ...rest, opening: { ephemeralKey, signedPreKeyId, oneTimePreKeyId: usedOneTimePreKeyId } };
}

/** `undefined` for what isn't one, whatever it is. */
export function parseGroupEnvelope(envelope: EncryptedEnvelope): GroupEnvelope | undefined {
  const identityKey = readKey(envelope.senderIdentityKey);
  const ciphertext = readText(envelope.ciphertext);
  if (identityKey === undefined || ciphertext === undefined || envelope.messageType !== 'message') return undefined;
  if (envelope.senderEphemeralKey !== undefined || envelope.usedOneTimePreKeyId !== undefined) return undefined;
  return readStrictly(ciphertext, (reader) => {
    if (reader.u8() !== VERSION || reader.u8() !== SENDER_KEY) reader.fail();
    const chainId = reader.u32();
    const n = reader.u32();
    const nonce = reader.take(NONCE_BYTES);
    const header = ciphertext.slice(0, ciphertext.length - reader.left);
    const length = reader.left - SIGNATURE_BYTES;
    const body = isPaddedLength(length) ? reader.take(length) : reader.fail();
    return { identityKey, chainId, n, nonce, header, body, signature: reader.take(SIGNATURE_BYTES) };
  });
}

export function isKeyId(id: unknown): id is number {
  return typeof id === 'number' && Number.isInteger(id) && id >= 1 && id <= MAX_KEY_ID;
}

/** 32 bytes in base64. */
export function readKey(text: unknown): Uint8Array | undefined {
  const bytes = readText(text);
  return bytes?.length === 32 ? bytes : undefined;
}

function readText(text: unknown): Uint8Array | undefined {
  return typeof text === 'string' && text.length <= LIMITS.ciphertextLength ? fromBase64(text) : undefined;
}

function readId(reader: ByteReader): number {
  const id = reader.u32();
  return isKeyId(id) ? id : reader.fail();
}
