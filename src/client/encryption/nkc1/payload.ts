import { toBase64 } from '../../../lib/base64.ts';
import { decodeUtf8, encodeUtf8 } from '../../../lib/bytes.ts';
import type { Json, JsonObject } from '../../../protocol/metadata.ts';
import { decodeKey } from './envelope.ts';

/** P: the plaintext of an envelope, before padding. */
export type Payload = MessagePayload | ChangePayload | SessionPayload | SenderKeyPayload;

/**
 * A payload of a later version: another `v`, or another kind. This version has reserved the kind `members`.
 */
export interface UnsupportedPayload {
  readonly kind: 'unsupported';
}

interface PayloadBase {
  /** The message's client id. */
  readonly id: string;
  /** When it was written, in milliseconds since the epoch. */
  readonly ts: number;
}

/** A message or an edit of one. */
export interface MessagePayload extends PayloadBase {
  readonly kind: 'message' | 'edit';
  /** For an edit: the message id, while `id` is the client id of the message. The client id too if there is no other yet. */
  readonly edits?: string | undefined;
  /** For an edit: greater than that of any earlier edit of the message. */
  readonly n?: number | undefined;
  /** Conversation id. The receiver compares it with the conversation that the server delivered the message in. */
  readonly cid: string;
  readonly type: string;
  readonly content: string;
  readonly replyTo?: string | undefined;
  /** The sender's JSON: the first file, for readers that know one only. That of an encrypted file includes `keys`. */
  readonly attachment?: object | undefined;
  /** All files, if the message was sent with this field. */
  readonly attachments?: readonly object[] | undefined;
  /** Ids of the users whom the message mentions. */
  readonly mentions?: readonly string[] | undefined;
  /** Data of the app. */
  readonly metadata?: JsonObject | undefined;
  /** The ids of all members but the sender, sorted. The receiver compares them with the members that the server reports. */
  readonly to?: readonly string[] | undefined;
}

/** Deletes a message, or replaces the sender's reactions to one. */
export interface ChangePayload extends PayloadBase {
  readonly kind: 'delete' | 'reaction';
  readonly cid: string;
  /** As for an edit: the message id, while `id` is the client id of the message. */
  readonly edits: string;
  /** For a reaction: greater than that of any earlier reaction of the sender to the message. */
  readonly n: number;
  /** For a reaction: all reactions of the sender to the message. */
  readonly reactions?: readonly string[] | undefined;
}

/** Controls the session. Belongs to no conversation. */
export interface SessionPayload extends PayloadBase {
  readonly kind: 'session-init' | 'session-ack' | 'session-reset';
}

/** Distributes a sender key to a group member, or requests one. */
export interface SenderKeyPayload extends PayloadBase {
  readonly kind: 'sender-key';
  readonly cid: string;
  readonly senderKey: SenderKeyDistribution | SenderKeyRequest;
}

/** A sender key as it is sent to a group member. */
export interface SenderKeyDistribution {
  readonly cid: string;
  readonly chainId: number;
  readonly iteration: number;
  readonly chainKey: Uint8Array;
  readonly sigKey: Uint8Array;
}

/** Requests the sender key of a chain that can't be decrypted. */
export interface SenderKeyRequest {
  readonly cid: string;
  readonly chainId: number;
}

const VERSION = 1;
const SESSION_KINDS = ['session-init', 'session-ack', 'session-reset'] as const;
const KINDS = ['message', 'edit', 'delete', 'reaction', 'sender-key', ...SESSION_KINDS] as const;

/** Encodes a payload as UTF-8 JSON. */
export function encodePayload(payload: Payload): Uint8Array {
  const { id, ts, kind } = payload;
  return encodeUtf8(JSON.stringify({ v: VERSION, id, kind, ts, ...bodyOf(payload) }));
}

function bodyOf(payload: Payload): Record<string, unknown> {
  if (payload.kind === 'message' || payload.kind === 'edit') {
    const { cid, type, content, replyTo, attachment, attachments, mentions, metadata, to, edits, n } = payload;
    return { cid, type, content, replyTo, attachment, attachments, mentions, metadata, to, edits, n };
  }
  if (payload.kind === 'delete' || payload.kind === 'reaction') {
    const { cid, edits, n, reactions } = payload;
    return { cid, type: 'system', content: '', edits, n, reactions };
  }
  if (payload.kind !== 'sender-key') return { cid: '', type: 'system', content: '' };
  return { cid: payload.cid, type: 'system', content: JSON.stringify(senderKeyJson(payload.senderKey)) };
}

function senderKeyJson(key: SenderKeyDistribution | SenderKeyRequest): Record<string, unknown> {
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

/** Decodes a payload. Returns `undefined` if it is malformed. Unknown fields are ignored. */
export function decodePayload(plaintext: Uint8Array): Payload | UnsupportedPayload | undefined {
  const read = parseObject(decodeUtf8(plaintext));
  const { v, id, kind, ts, cid } = read ?? {};
  if (read === undefined || v === undefined) return undefined;
  const isKnown = v === VERSION && (typeof kind !== 'string' || KINDS.some((each) => each === kind));
  if (!isKnown) return { kind: 'unsupported' };
  if (typeof id !== 'string' || typeof ts !== 'number' || !Number.isFinite(ts)) return undefined;
  const session = SESSION_KINDS.find((each) => each === kind);
  if (session !== undefined) return { kind: session, id, ts };
  if (typeof cid !== 'string' || cid === '') return undefined;
  if (kind === 'message') return readMessage(read, { kind, id, ts, cid });
  if (kind === 'edit') return readEdit(read, { kind, id, ts, cid });
  if (kind === 'delete' || kind === 'reaction') return readChange(read, { kind, id, ts, cid });
  if (kind !== 'sender-key') return undefined;
  const senderKey = readSenderKey(read['content'], cid);
  return senderKey === undefined ? undefined : { kind, id, ts, cid, senderKey };
}

function readMessage(
  read: JsonObject,
  common: Pick<MessagePayload, 'kind' | 'id' | 'ts' | 'cid'>,
): MessagePayload | undefined {
  const { type, content } = read;
  const replyTo = read['replyTo'] ?? undefined;
  const attachment = read['attachment'] ?? undefined;
  if (typeof type !== 'string' || typeof content !== 'string') return undefined;
  if (replyTo !== undefined && typeof replyTo !== 'string') return undefined;
  const attachments = read['attachments'] ?? undefined;
  if (attachment !== undefined && !isObject(attachment)) return undefined;
  if (attachments !== undefined && !isObjects(attachments)) return undefined;
  const claimed = read['metadata'] ?? undefined;
  // The message is shown without metadata that is not valid.
  const metadata = claimed !== undefined && isObject(claimed) ? claimed : undefined;
  const to = read['to'] ?? undefined;
  if (to !== undefined && !isStrings(to)) return undefined;
  const mentions = read['mentions'] ?? undefined;
  if (mentions !== undefined && !isStrings(mentions)) return undefined;
  return { ...common, type, content, replyTo, attachment, attachments, mentions, metadata, to };
}

function readEdit(
  read: JsonObject,
  common: Pick<MessagePayload, 'kind' | 'id' | 'ts' | 'cid'>,
): MessagePayload | undefined {
  const { edits, n } = read;
  const message = readMessage(read, common);
  if (message === undefined || typeof edits !== 'string' || !Number.isSafeInteger(n)) return undefined;
  return { ...message, edits, n: n as number };
}

function readChange(
  read: JsonObject,
  common: Pick<ChangePayload, 'kind' | 'id' | 'ts' | 'cid'>,
): ChangePayload | undefined {
  const { edits, n } = read;
  const reactions = read['reactions'] ?? undefined;
  if (typeof edits !== 'string' || !Number.isSafeInteger(n)) return undefined;
  if (common.kind === 'delete') return { ...common, edits, n: n as number };
  return reactions === undefined || !isStrings(reactions) ? undefined : { ...common, edits, n: n as number, reactions };
}

function readSenderKey(content: Json | undefined, cid: string): SenderKeyDistribution | SenderKeyRequest | undefined {
  const read = parseObject(content);
  const { chainId, iteration } = read ?? {};
  if (read === undefined || read['cid'] !== cid || !isU32(chainId)) return undefined;
  if (iteration === undefined && read['chainKey'] === undefined && read['sigKey'] === undefined)
    return { cid, chainId };
  const chainKey = decodeKey(read['chainKey']);
  const sigKey = decodeKey(read['sigKey']);
  if (!isU32(iteration) || chainKey === undefined || sigKey === undefined) return undefined;
  return { cid, chainId, iteration, chainKey, sigKey };
}

function parseObject(text: unknown): JsonObject | undefined {
  if (typeof text !== 'string') return undefined;
  try {
    const value = JSON.parse(text) as Json;
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function isObject(value: Json): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isObjects(value: Json): value is readonly JsonObject[] {
  return Array.isArray(value) && (value as readonly Json[]).every(isObject);
}

function isStrings(value: Json): value is readonly string[] {
  return Array.isArray(value) && (value as readonly Json[]).every((each) => typeof each === 'string');
}

function isU32(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= 0xffff_ffff;
}
