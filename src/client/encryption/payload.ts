import { toBase64 } from '../../lib/base64.ts';
import { decodeUtf8, encodeUtf8 } from '../../lib/bytes.ts';
import type { Storable } from '../../storage/comm-storage.ts';
import { readKey } from './envelope.ts';

/** What the encrypted part of a message says: P. */
export type Payload = MessagePayload | SessionPayload | SenderKeyPayload;

interface Common {
  /** The message's client id. */
  readonly id: string;
  /** When it was written, in milliseconds. */
  readonly ts: number;
}

export interface MessagePayload extends Common {
  readonly kind: 'message';
  /** The conversation it was written in: to be compared with the one it came in. */
  readonly cid: string;
  readonly type: string;
  readonly content: string;
  readonly replyTo?: string | undefined;
  /** JSON as the sender made it; an encrypted file's has `key`, `prefix`, `size` and `sha256` besides. */
  readonly attachment?: { readonly [key: string]: Storable | undefined } | undefined;
}

/** About the session itself: it belongs to no conversation. */
export interface SessionPayload extends Common {
  readonly kind: 'session-init' | 'session-ack' | 'session-reset';
}

/** Gives a member the key of the sender's chain in a group, or asks a sender for it. */
export interface SenderKeyPayload extends Common {
  readonly kind: 'sender-key';
  readonly cid: string;
  readonly senderKey: SenderKey | SenderKeyRequest;
}

export interface SenderKey {
  readonly cid: string;
  readonly chainId: number;
  readonly iteration: number;
  readonly chainKey: Uint8Array;
  readonly sigKey: Uint8Array;
}

/** The same without keys: "I can't read this chain of yours". */
export interface SenderKeyRequest {
  readonly cid: string;
  readonly chainId: number;
}

const VERSION = 1;
const SESSION_KINDS = ['session-init', 'session-ack', 'session-reset'] as const;

export function encodePayload(payload: Payload): Uint8Array {
  const { id, ts, kind } = payload;
  return encodeUtf8(JSON.stringify({ v: VERSION, id, kind, ts, ...bodyOf(payload) }));
}

function bodyOf(payload: Payload): Record<string, unknown> {
  if (payload.kind === 'message') {
    const { cid, type, content, replyTo, attachment } = payload;
    return { cid, type, content, replyTo, attachment };
  }
  if (payload.kind !== 'sender-key') return { cid: '', type: 'system', content: '' };
  return { cid: payload.cid, type: 'system', content: JSON.stringify(encodeSenderKey(payload.senderKey)) };
}

function encodeSenderKey(key: SenderKey | SenderKeyRequest): Record<string, unknown> {
  const { cid, chainId } = key;
  if (!('chainKey' in key)) return { cid, chainId };
  return {
    cid,
    chainId,
    iteration: key.iteration,
    chainKey: toBase64(key.chainKey),
    sigKey: toBase64(key.sigKey),
  };
}

/** `undefined` for what is no payload of this version. Fields that it doesn't know are passed over. */
export function readPayload(plaintext: Uint8Array): Payload | undefined {
  const read = parseObject(decodeUtf8(plaintext));
  if (read === undefined || read['v'] !== VERSION) return undefined;
  const { id, kind, ts, cid } = read;
  if (typeof id !== 'string' || typeof ts !== 'number' || !Number.isFinite(ts)) return undefined;
  const session = SESSION_KINDS.find((each) => each === kind);
  if (session !== undefined) return { kind: session, id, ts };
  if (typeof cid !== 'string' || cid === '') return undefined;
  if (kind === 'message') return readMessage(read, { id, ts, cid });
  if (kind !== 'sender-key') return undefined;
  const senderKey = readSenderKey(read['content'], cid);
  return senderKey === undefined ? undefined : { kind, id, ts, cid, senderKey };
}

function readMessage(
  read: JsonObject,
  common: { readonly id: string; readonly ts: number; readonly cid: string },
): MessagePayload | undefined {
  const { type, content } = read;
  const replyTo = read['replyTo'] ?? undefined;
  const attachment = read['attachment'] ?? undefined;
  if (typeof type !== 'string' || typeof content !== 'string') return undefined;
  if (replyTo !== undefined && typeof replyTo !== 'string') return undefined;
  if (attachment !== undefined && !isObject(attachment)) return undefined;
  return { kind: 'message', ...common, type, content, replyTo, attachment };
}

function readSenderKey(content: Storable | undefined, cid: string): SenderKey | SenderKeyRequest | undefined {
  const read = parseObject(content);
  const { chainId, iteration } = read ?? {};
  if (read === undefined || read['cid'] !== cid || !isU32(chainId)) return undefined;
  if (iteration === undefined && read['chainKey'] === undefined && read['sigKey'] === undefined)
    return { cid, chainId };
  const chainKey = readKey(read['chainKey']);
  const sigKey = readKey(read['sigKey']);
  if (!isU32(iteration) || chainKey === undefined || sigKey === undefined) return undefined;
  return { cid, chainId, iteration, chainKey, sigKey };
}

type JsonObject = { readonly [key: string]: Storable | undefined };

function parseObject(text: unknown): JsonObject | undefined {
  if (typeof text !== 'string') return undefined;
  try {
    const value = JSON.parse(text) as Storable;
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function isObject(value: Storable): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isU32(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= 0xffff_ffff;
}
