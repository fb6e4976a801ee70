import { encodeUtf8 } from '../../../lib/bytes.ts';
import { toBase64Url } from '../../../lib/base64.ts';
import { CommError } from '../../../protocol/errors.ts';
import type { AttachmentKeys, EditMessage, Message, MessageAttachment } from '../../../protocol/messages.ts';
import { SENDABLE_TYPES } from '../../../protocol/constants.ts';
import { LIMITS } from '../../../protocol/limits.ts';
import { isMetadata, METADATA_LIMITS } from '../../../protocol/metadata.ts';
import { fields, type Fields } from '../../../transport/fields.ts';
import { keepDecrypted } from '../../../transport/parse-rows.ts';
import type { Secret } from '../../cipher.ts';
import type { MessagePayload } from '../nkc1/payload.ts';
import { sha256 } from '../nkc1/primitives.ts';

/** The files of a message. */
type Files = Pick<Message, 'attachment' | 'attachments'>;

/** The reactions of one user to a message, authenticated. */
export interface UserReactions {
  readonly userId: string;
  /** Counter of the payload. */
  readonly n: number;
  /** Hash of its ciphertext; empty for this user's own reactions. */
  readonly hash: string;
  readonly emojis: readonly string[];
}

/** The plaintext of a message as it is stored. Its message key no longer exists, so it can't be decrypted again. */
export interface Plaintext extends Secret {
  /** Hash of its ciphertext: an edit has another one under the same message id. */
  readonly hash: string;
  readonly cid: string;
  readonly senderId: string;
  /** The sender's client id for the message. */
  readonly clientId: string;
  /** For an own message in a direct conversation: the recipient and their identity key. */
  readonly to?: { readonly userId: string; readonly key: string } | undefined;
  /** Counter of the edit; absent for the original. */
  readonly n?: number | undefined;
  /** When its sender wrote the message (ISO 8601), authenticated. */
  readonly sentAt?: string | undefined;
  /** The message's `createdAt`; absent for an own message that the server has not confirmed. */
  readonly createdAt?: string | undefined;
  /** The newest reactions of each user. */
  readonly reactions?: readonly UserReactions[] | undefined;
  /** True if the server says that the message was deleted, and its sender has not. */
  readonly hidden?: boolean | undefined;
}

/** Relative or http(s) URLs, as the server requires them of readable messages. Excludes `javascript:` URLs. */
const SAFE_URL = /^(?:https?:\/\/|\/(?!\/)|\.{1,2}\/)/i;

/** Returns a 128-bit hash of a ciphertext in base64url. */
export function hashCiphertext(ciphertext: string): string {
  return toBase64Url(sha256(encodeUtf8(ciphertext)).subarray(0, 16));
}

/** Returns the files of a message. */
export function attachmentsOf({ attachment, attachments }: Files): readonly MessageAttachment[] {
  return attachments ?? (attachment === undefined ? [] : [attachment]);
}

/** @throws CommError `INVALID` for an encrypted file, whose keys a message that is not encrypted would reveal */
export function refuseSealedFiles(message: Files): void {
  if (attachmentsOf(message).every(({ keys, thumbnailKeys }) => (keys ?? thumbnailKeys) === undefined)) return;
  throw new CommError('INVALID', 'attachment is an encrypted file, and its message must be encrypted too', {
    fix: 'Pass encrypt: true to send(), or encrypt: false to files.upload().',
  });
}

/**
 * The server lets the members of a conversation read a file if a message names it, and an encrypted message names encrypted
 * files only: a readable one would tell the server more than its size.
 *
 * @param filesPath - start of the URLs of the server's files
 * @throws CommError `INVALID` for a file of the server that is not encrypted
 */
export function refuseReadableFiles(message: Files, filesPath: string): void {
  const isReadable = attachmentsOf(message).some(
    ({ url, keys, thumbnailUrl = '', thumbnailKeys }) =>
      (keys === undefined && url.startsWith(filesPath)) ||
      (thumbnailKeys === undefined && thumbnailUrl.startsWith(filesPath)),
  );
  if (!isReadable) return;
  throw new CommError('INVALID', 'attachment is not encrypted, and the files of an encrypted message must be', {
    fix: 'Upload the file and its thumbnail without encrypt: false, and pass their keys as keys and thumbnailKeys.',
  });
}

/** @throws CommError `INVALID` for metadata that readers would drop: the server can't check it in an encrypted message */
export function refuseInvalidMetadata({ metadata }: Pick<Secret, 'metadata'>): void {
  if (metadata === undefined || isMetadata(metadata)) return;
  const { metadataBytes, metadataDepth } = METADATA_LIMITS;
  throw new CommError(
    'INVALID',
    `metadata must be a JSON object of at most ${metadataBytes} bytes and ${metadataDepth} levels`,
  );
}

/** Picks the fields of a message that only its readers see. */
export function pickSecret({ content, type, replyTo, attachment, attachments, mentions, metadata }: Secret): Secret {
  return {
    content,
    type,
    ...(replyTo !== undefined && { replyTo }),
    ...(attachment !== undefined && { attachment }),
    ...(attachments !== undefined && { attachments }),
    ...(mentions !== undefined && { mentions }),
    ...(metadata !== undefined && Object.keys(metadata).length > 0 && { metadata }),
  };
}

/** Separates what only readers see from an edit. @throws CommError `INVALID` as {@link refuseInvalidMetadata} */
export function splitEdit(edit: EditMessage): { secret: Secret; outer: EditMessage } {
  refuseInvalidMetadata(edit);
  const { content, mentions, metadata, ...outer } = edit;
  // An empty object removes the metadata, so it stays.
  const secret: Secret = { content, type: 'text', ...(mentions && { mentions }), ...(metadata && { metadata }) };
  return { secret, outer: { ...outer, content: '' } };
}

/** Picks what the server has to know of an encrypted reply: it routes by it. */
export function threadOf({
  threadId,
  alsoInConversation,
}: Pick<Message, 'threadId' | 'alsoInConversation'>): Pick<Message, 'threadId' | 'alsoInConversation'> {
  return {
    ...(threadId !== undefined && { threadId }),
    ...(alsoInConversation !== undefined && { alsoInConversation }),
  };
}

/**
 * Converts a payload to message fields. The sender is authenticated but not trusted: an unknown type becomes `text`, and files
 * are dropped if one of them is malformed or has an unsafe URL, or if there are too many. So is metadata above its limits.
 */
export function secretFromPayload(payload: MessagePayload): Secret {
  const { content, type, replyTo, attachment, attachments, mentions, metadata } = payload;
  const claimed = attachments ?? (attachment === undefined ? [] : [attachment]);
  const files = claimed.map(parseAttachment).filter((each) => each !== undefined);
  const isSafe = files.length > 0 && files.length === claimed.length && files.length <= LIMITS.attachments;
  return pickSecret({
    content,
    type: SENDABLE_TYPES.find((each) => each === type) ?? 'text',
    replyTo,
    ...(mentions !== undefined && { mentions: [...new Set(mentions)].slice(0, LIMITS.mentions) }),
    ...(isSafe && { attachment: files[0], attachments: attachments && files }),
    ...(isMetadata(metadata) && { metadata }),
  });
}

function parseAttachment(value: object): MessageAttachment | undefined {
  const { url, mimeType, fileName, fileSize, thumbnailUrl, keys, thumbnailKeys, ...rest } = value as Fields;
  if (typeof url !== 'string' || !SAFE_URL.test(url)) return undefined;
  if (typeof mimeType !== 'string' || !/^[\w.+-]+\/[\w.+-]+$/.test(mimeType)) return undefined;
  if (typeof fileName !== 'string' || typeof fileSize !== 'number') return undefined;
  if (thumbnailUrl !== undefined && (typeof thumbnailUrl !== 'string' || !SAFE_URL.test(thumbnailUrl)))
    return undefined;
  // Keys are those of this file: its size is part of them. Without its keys an encrypted file would pass for a readable one.
  if (!isFileKeys(keys) || !isFileKeys(thumbnailKeys) || (keys && keys.size !== fileSize)) return undefined;
  return {
    ...describedBy(rest),
    url,
    mimeType,
    fileName,
    fileSize,
    ...(thumbnailUrl !== undefined && { thumbnailUrl }),
    ...(keys && { keys }),
    ...(thumbnailKeys && { thumbnailKeys }),
  };
}

const isMeasure = (value: unknown): boolean => Number.isFinite(value) && Number(value) >= 0;
/** What the server requires of readable messages. */
const DESCRIPTIONS: Record<string, ((value: unknown) => boolean) | undefined> = {
  width: isMeasure,
  height: isMeasure,
  duration: isMeasure,
  placeholder: (value: unknown) =>
    typeof value === 'string' && value.length <= LIMITS.placeholderLength && /^[\w+/]*={0,2}$/.test(value),
  waveform: (value: unknown) =>
    Array.isArray(value) &&
    value.length <= LIMITS.waveformValues &&
    value.every((each) => Number.isInteger(each) && each >= 0 && each <= 100),
};

/** Returns what readers can show of a file before they load it. The file is shown without a description that is not valid. */
function describedBy(claimed: Fields): Fields {
  return Object.fromEntries(Object.entries(claimed).filter(([name, value]) => DESCRIPTIONS[name]?.(value) ?? true));
}

/** Some senders write `null` for keys that are absent. */
function isFileKeys(value: unknown): value is AttachmentKeys | undefined | null {
  const { key, prefix, size, sha256 } = fields(value) ?? {};
  const isText = [key, prefix, sha256].every((each) => typeof each === 'string');
  return (value ?? undefined) === undefined || (isText && typeof size === 'number');
}

/** Replaces the server's readable fields of a message by the decrypted ones. */
export function withSecret(message: Message, secret: Secret & Pick<Plaintext, 'sentAt'>): Message {
  const { replyTo: _replyTo, ...outer } = message;
  const { sentAt } = secret;
  return keepDecrypted({
    ...withoutFiles(outer),
    ...pickSecret(secret),
    ...(sentAt !== undefined && { sentAt }),
  });
}

/** Removes what of the content the server reports besides the text. That of an encrypted message is part of its secret. */
export function withoutFiles(message: Message): Message {
  const {
    attachment: _attachment,
    attachments: _attachments,
    linkPreview: _linkPreview,
    metadata: _metadata,
    mentions: _mentions,
    ...rest
  } = message;
  return rest;
}

/** Returns the time of a payload in ISO 8601; `undefined` if it is out of range. */
export function formatSentAt(ts: number): string | undefined {
  const time = new Date(ts);
  return Number.isNaN(time.getTime()) ? undefined : time.toISOString();
}

/** Creates the stored plaintext of a message. */
export function createPlaintext(message: Message, hash: string, secret: Secret, clientId: string): Plaintext {
  const { conversationId: cid, senderId, createdAt } = message;
  return { ...secret, hash, cid, senderId, clientId, createdAt };
}

/** Parses a stored plaintext. Returns `undefined` if it is malformed or absent. */
export function parsePlaintext(value: unknown): Plaintext | undefined {
  return typeof value === 'object' && value !== null && 'hash' in value ? (value as Plaintext) : undefined;
}
