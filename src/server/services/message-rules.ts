import { CommError } from '../../protocol/errors.ts';
import type { MessageAttachment, SendMessage } from '../../protocol/messages.ts';
import { mimeTypeAllowed, type ResolvedConfig } from '../config.ts';
import { checkSender } from './envelope-rules.ts';
import { invalid } from './refusals.ts';

type Limits = Pick<ResolvedConfig, 'maxMessageLength' | 'fileUpload'>;

/**
 * What a message must be, before the database is asked anything.
 *
 * @throws CommError `INVALID`, `FORBIDDEN`, `MESSAGE_TOO_LONG`, `FILE_TOO_LARGE`, `MIME_TYPE_NOT_ALLOWED`
 */
export function checkMessage(userId: string, message: SendMessage, limits: Limits): void {
  const { attachment, encrypted = false, envelope } = message;
  checkLength(message.content, limits);
  if (attachment !== undefined) checkAttachment(attachment, limits);
  if (encrypted !== (envelope !== undefined))
    throw invalid('An encrypted message has an envelope, and no other has one');
  if (envelope !== undefined) checkSender(userId, envelope);
  if (attachment === undefined && envelope === undefined && message.content.trim() === '') {
    throw invalid('A message has a text, an attachment or an envelope');
  }
}

/** @throws CommError `MESSAGE_TOO_LONG` */
export function checkLength(content: string, { maxMessageLength }: Limits): void {
  if (content.length <= maxMessageLength) return;
  throw new CommError('MESSAGE_TOO_LONG', `A message has at most ${maxMessageLength} characters`);
}

function checkAttachment({ fileSize, mimeType }: MessageAttachment, { fileUpload }: Limits): void {
  if (fileSize > fileUpload.maxFileSize) {
    throw new CommError('FILE_TOO_LARGE', `A file has at most ${fileUpload.maxFileSize} bytes`);
  }
  if (!mimeTypeAllowed(mimeType, fileUpload.allowedMimeTypes)) {
    throw new CommError('MIME_TYPE_NOT_ALLOWED', 'Files of this type are not accepted');
  }
}
