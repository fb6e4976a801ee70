import { CommError } from '../../../protocol/errors.ts';
import type { EditMessage, MessageAttachment, SendMessage } from '../../../protocol/messages.ts';
import { mimeTypeAllowed, type ResolvedConfig } from '../../config.ts';
import { attachmentsOf } from '../../store/queries/stored-attachments.ts';
import { checkSender } from '../e2ee/check-envelope.ts';
import { invalid } from '../errors.ts';

type Limits = Pick<ResolvedConfig, 'maxMessageLength' | 'fileUpload'>;

/**
 * Validates a message as far as it is possible without the database.
 *
 * @throws CommError `INVALID`, `FORBIDDEN`, `MESSAGE_TOO_LONG`, `FILE_TOO_LARGE`, `MIME_TYPE_NOT_ALLOWED`
 */
export function checkMessage(userId: string, message: SendMessage, limits: Limits): void {
  const { encrypted = false, envelope, linkPreview, metadata, mentions, threadId, alsoInConversation } = message;
  const attachments = attachmentsOf(message);
  checkLength(message.content, limits);
  for (const attachment of attachments) checkAttachment(attachment, limits);
  if (encrypted !== (envelope !== undefined))
    throw invalid('envelope must be present if and only if encrypted is true');
  if (envelope !== undefined) checkSender(userId, envelope);
  checkReadable({ mentions, metadata, envelope });
  if (alsoInConversation === true && threadId === undefined) throw invalid('alsoInConversation requires threadId');
  if (linkPreview !== undefined && (encrypted || !message.content.includes(linkPreview.url))) {
    throw invalid('linkPreview.url must be a link in content, which must not be encrypted');
  }
  if (attachments.length === 0 && envelope === undefined && message.content.trim() === '') {
    throw invalid('content must not be empty without an attachment or envelope');
  }
}

/**
 * Validates an edit as far as it is possible without the database.
 *
 * @throws CommError `INVALID`, `FORBIDDEN`, `MESSAGE_TOO_LONG`
 */
export function checkEdit(userId: string, edit: EditMessage, limits: Limits): void {
  const { content, envelope } = edit;
  checkLength(content, limits);
  if (envelope !== undefined) checkSender(userId, envelope);
  else if (content.trim() === '') throw invalid('content must not be empty');
  checkReadable(edit);
}

/** Mentions and metadata of an encrypted message are in its envelope. @throws CommError `INVALID` */
function checkReadable({
  mentions = [],
  metadata,
  envelope,
}: Pick<EditMessage, 'mentions' | 'metadata' | 'envelope'>): void {
  if (envelope === undefined) return;
  if (mentions.length > 0) throw invalid('mentions of an encrypted message must be in its envelope');
  if (metadata !== undefined) throw invalid('metadata of an encrypted message must be in its envelope');
}

/** Checks the configured length. @throws CommError `MESSAGE_TOO_LONG` */
export function checkLength(content: string, { maxMessageLength }: Limits): void {
  if (content.length <= maxMessageLength) return;
  throw new CommError('MESSAGE_TOO_LONG', `content must have at most ${maxMessageLength} characters`);
}

function checkAttachment({ fileSize, mimeType }: MessageAttachment, { fileUpload }: Limits): void {
  if (fileSize > fileUpload.maxFileSize) {
    throw new CommError('FILE_TOO_LARGE', `attachment.fileSize must be at most ${fileUpload.maxFileSize}`);
  }
  if (!mimeTypeAllowed(mimeType, fileUpload.allowedMimeTypes)) {
    throw new CommError('MIME_TYPE_NOT_ALLOWED', 'attachment.mimeType is not an allowed type');
  }
}
