import type { Message, MessageAttachment, PendingMessage, SendableType } from 'lumen-comm';
import { isAttachmentUrl } from 'lumen-comm/protocol';

/** Images that browsers display without executing anything in them. */
const PICTURE = /^image\/(?:png|jpeg|gif|webp|avif|bmp)$/;
/** The name that recordings have. */
const VOICE = /^voice-message\./;

export type FileKind = 'picture' | 'video' | 'sound' | 'document';

/** Returns how a file is shown. */
export function kindOf({ mimeType }: Pick<MessageAttachment, 'mimeType'>): FileKind {
  if (PICTURE.test(mimeType)) return 'picture';
  if (mimeType.startsWith('video/')) return 'video';
  return mimeType.startsWith('audio/') ? 'sound' : 'document';
}

export function isVoice({ mimeType, fileName }: MessageAttachment): boolean {
  return mimeType.startsWith('audio/') && VOICE.test(fileName);
}

/** Returns the progress of a message whose files are being uploaded. */
export function uploadOf(message: Message | PendingMessage): PendingMessage['upload'] {
  return 'upload' in message ? message.upload : undefined;
}

/** Returns the files of a message that can be shown. Those of a pending message have a URL of this page, or none yet. */
export function filesOf(message: Message | PendingMessage): readonly MessageAttachment[] {
  if (message.deletedAt !== undefined || message.deletionUnauthenticated === true) return [];
  const all = message.attachments ?? (message.attachment === undefined ? [] : [message.attachment]);
  return uploadOf(message) === undefined ? all.filter(({ url }) => isAttachmentUrl(url)) : all;
}

/** Returns the text of a message beside its files. In its place, earlier versions have sent the name of the first file. */
export function captionOf({ content }: Message, files: readonly MessageAttachment[]): string {
  return content === files[0]?.fileName ? '' : content;
}

/** Returns the text of a message, or the names of its files. */
export function textOf(message: Message): string {
  return (
    message.content ||
    filesOf(message)
      .map(({ fileName }) => fileName)
      .join(', ')
  );
}

/** Returns the type of a message with these files. */
export function typeOf(files: readonly File[]): SendableType {
  const kinds = new Set(files.map((file) => kindOf({ mimeType: file.type })));
  if (kinds.size > 1) return 'file';
  return kinds.has('picture') ? 'image' : kinds.has('sound') ? 'audio' : 'file';
}

/** Describes files in a few words, such as "3 photos" or "Voice message". */
export function describeFiles(files: readonly MessageAttachment[]): string {
  const [first] = files;
  if (first === undefined) return '';
  const kind = kindOf(first);
  if (files.length > 1) {
    const isSame = files.every((file) => kindOf(file) === kind);
    return `${files.length} ${isSame && kind === 'picture' ? 'photos' : isSame && kind === 'video' ? 'videos' : 'files'}`;
  }
  if (isVoice(first)) return 'Voice message';
  return kind === 'picture' ? 'Photo' : kind === 'video' ? 'Video' : first.fileName;
}
