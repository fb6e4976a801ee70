import { encodeUtf8 } from '../../lib/bytes.ts';
import { toBase64Url } from '../../lib/base64.ts';
import type { Message, MessageAttachment } from '../../protocol/messages.ts';
import { SENDABLE_TYPES } from '../../protocol/vocabulary.ts';
import type { Storable } from '../../storage/comm-storage.ts';
import { keepDecrypted } from '../../transport/rows.ts';
import type { Secret } from '../cipher.ts';
import type { MessagePayload } from './payload.ts';
import { sha256 } from './primitives.ts';

/** A decrypted text as it is kept: its key is gone, so that it can't be decrypted again. */
export interface Text extends Secret {
  /** Of the ciphertext it came from: an edit brings another one under the same message id. */
  readonly hash: string;
  readonly cid: string;
  readonly senderId: string;
  /** What its sender calls it. */
  readonly clientId: string;
  /** Whom an own text was encrypted for, and under which identity key; absent for a group's. */
  readonly to?: { readonly userId: string; readonly key: string } | undefined;
  /** Of the message, as far as it is known: own texts are kept before they have any. */
  readonly createdAt?: string | undefined;
}

/** A relative path or plain http(s), as the server wants it of what it can read: no `javascript:` link runs in a page. */
const SAFE_URL = /^(?:https?:\/\/|\/(?!\/)|\.{1,2}\/)/i;

/** Names a ciphertext in 128 bits. */
export function hashOf(ciphertext: string): string {
  return toBase64Url(sha256(encodeUtf8(ciphertext)).subarray(0, 16));
}

/** What is secret of a message, and nothing beside it. */
export function secretOf({ content, type, replyTo, attachment }: Secret): Secret {
  return {
    content,
    type,
    ...(replyTo !== undefined && { replyTo }),
    ...(attachment !== undefined && { attachment }),
  };
}

/** What a payload says, as far as a message can hold it: its sender is who he is, and may write whatever he likes. */
export function secretIn({ content, type, replyTo, attachment }: MessagePayload): Secret {
  const safe = attachmentIn(attachment);
  return {
    content,
    type: SENDABLE_TYPES.find((each) => each === type) ?? 'text',
    ...(replyTo !== undefined && { replyTo }),
    ...(safe !== undefined && { attachment: safe }),
  };
}

function attachmentIn(value: MessagePayload['attachment']): MessageAttachment | undefined {
  if (value === undefined) return undefined;
  const { url, mimeType, fileName, fileSize, thumbnailUrl } = value;
  if (typeof url !== 'string' || !SAFE_URL.test(url)) return undefined;
  if (typeof mimeType !== 'string' || !/^[\w.+-]+\/[\w.+-]+$/.test(mimeType)) return undefined;
  if (typeof fileName !== 'string' || typeof fileSize !== 'number') return undefined;
  if (thumbnailUrl !== undefined && (typeof thumbnailUrl !== 'string' || !SAFE_URL.test(thumbnailUrl)))
    return undefined;
  return { ...value, url, mimeType, fileName, fileSize };
}

/** The message as its readers see it: what the server says beside the envelope doesn't count. */
export function withSecret(message: Message, secret: Secret): Message {
  const { replyTo: _replyTo, attachment: _attachment, ...outer } = message;
  const { content, type, replyTo, attachment } = secret;
  return keepDecrypted({
    ...outer,
    content,
    type,
    ...(replyTo !== undefined && { replyTo }),
    ...(attachment !== undefined && { attachment }),
  });
}

export function textFor(message: Message, hash: string, secret: Secret, clientId: string): Text {
  const { conversationId: cid, senderId, createdAt } = message;
  return { ...secret, hash, cid, senderId, clientId, createdAt };
}

export function storable(text: Text): Storable {
  return { ...text, to: text.to && { ...text.to }, attachment: text.attachment && { ...text.attachment } };
}

/** A text as it was stored. */
export function readText(value: unknown): Text | undefined {
  return typeof value === 'object' && value !== null && 'hash' in value ? (value as Text) : undefined;
}
