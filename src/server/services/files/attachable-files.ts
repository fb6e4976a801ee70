import type { MessageAttachment } from '../../../protocol/messages.ts';
import type { ResolvedConfig } from '../../config.ts';
import type { Work } from '../../store/engine/work.ts';
import { readableFile, type FileRow } from '../../store/queries/files.ts';
import { invalid } from '../errors.ts';
import { fileIdOf } from './file-paths.ts';

/**
 * Returns the ids of this server's files that an attachment names. The sender must have uploaded them for the
 * conversation, or must be able to read them through a message.
 *
 * @throws CommError `INVALID`, with the same message for files of others and for unknown ones
 */
export function* attachableFiles(
  senderId: string,
  conversationId: string,
  attachment: MessageAttachment,
  { restPath }: Pick<ResolvedConfig, 'restPath'>,
): Work<readonly string[]> {
  const ids: string[] = [];
  for (const field of ['url', 'thumbnailUrl'] as const) {
    const fileId = fileIdOf(restPath, attachment[field] ?? '');
    if (fileId === undefined) continue;
    const file = yield* readableFile(fileId, senderId);
    if (file === undefined || (file.expires_at !== null && file.conversation_id !== conversationId)) {
      throw invalid(`attachment.${field} must be a file that you have uploaded to this conversation`);
    }
    if (field === 'url') checkDescription(attachment, file);
    ids.push(fileId);
  }
  return ids;
}

/** Readers decide by these fields whether they load a file and how they show it. */
function checkDescription({ fileSize, mimeType }: MessageAttachment, { size, mime_type: type }: FileRow): void {
  if (fileSize !== size) throw invalid('attachment.fileSize must be the size of the uploaded file');
  if (mimeType !== type) throw invalid('attachment.mimeType must be the type of the uploaded file');
}
