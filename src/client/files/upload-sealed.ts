import type { MessageAttachment } from '../../protocol/messages.ts';
import { type FileCipher, SEALED_FILE } from '../cipher.ts';
import type { DescribedMedia } from './describe-media.ts';
import type { FilesClient, UploadOptions } from './files-client.ts';

/**
 * Encrypts a file and uploads the result. The server learns the size only. The encrypted bytes are kept until they are stored, so
 * that a resumed upload sends the same ones.
 *
 * @param described - the attachment of the file, without its URL
 * @param media - resolves with what readers show before they load the file
 * @returns an attachment that describes the file, with the keys to it
 */
export async function uploadSealed(
  file: Blob,
  described: MessageAttachment,
  media: Promise<DescribedMedia>,
  { conversationId, signal, onProgress }: UploadOptions,
  cipher: FileCipher,
  upload: FilesClient['upload'],
): Promise<MessageAttachment> {
  const { fileSize } = described;
  const { sealed, keys } = await cipher.seal(file, signal);
  const { url } = await upload(sealed, {
    conversationId,
    fileName: SEALED_FILE.fileName,
    encrypt: false,
    signal,
    // The tags at the end of the segments are no progress of the file.
    onProgress: (done) => onProgress?.(done === sealed.size ? fileSize : Math.min(done, fileSize), fileSize),
  });
  // What is known of a recorded voice message is not changed.
  return { ...(await media).fields, ...described, url, keys };
}
