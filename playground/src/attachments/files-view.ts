import type { Message, MessageAttachment } from 'lumen-comm';
import type { Session } from '../app/session.ts';
import { h, setAttributes, setChildren } from '../lib/dom.ts';
import { childAbort } from '../lib/watch.ts';
import { DocumentRow } from './document-row.ts';
import { filesOf, kindOf, uploadOf } from './message-files.ts';
import { pictureGrid, type FilesView } from './picture-grid.ts';
import { SoundPlayer } from './sound-player.ts';
import { uploadRing } from './upload-ring.ts';
import { VideoPlayer } from './video-player.ts';

export interface MessageFilesView {
  readonly element: HTMLElement;
  update(message: Message): void;
  /** Stops players, and frees decrypted files. */
  dispose(): void;
}

/**
 * The files of a message: pictures as a grid, players, documents, and the progress of their upload.
 *
 * @param signal - aborts when the conversation is closed, which stops players and frees decrypted files
 */
export function messageFiles(
  session: Session,
  discard: (message: Message) => void,
  signal: AbortSignal,
): MessageFilesView {
  let shown: readonly MessageAttachment[] = [];
  let scope = childAbort(signal);
  let pictures: FilesView | undefined;
  let others: readonly { readonly element: HTMLElement; update(file: MessageAttachment): void }[] = [];
  let message: Message | undefined;
  const ring = uploadRing(() => message !== undefined && discard(message));
  const media = h('div', { class: 'files-media' });
  const element = h('div', { class: 'files', hidden: true }, media, ring.element);

  function build(files: readonly MessageAttachment[]): void {
    scope.abort();
    scope = childAbort(signal);
    pictures = files.some((file) => kindOf(file) === 'picture') ? pictureGrid(session, scope.signal) : undefined;
    others = files.filter((file) => kindOf(file) !== 'picture').map((file) => viewOf(session, file, scope.signal));
    setChildren(media, pictures?.element, ...others.map((view) => view.element));
    const hasVisual = files.some((file) => kindOf(file) === 'picture' || kindOf(file) === 'video');
    setAttributes(element, { 'data-visual': hasVisual });
  }

  return {
    element,
    update(next) {
      message = next;
      const files = filesOf(next);
      const isSame = files.length === shown.length && files.every((file, at) => isSameFile(file, shown[at]));
      shown = files;
      if (!isSame) build(files);
      element.hidden = files.length === 0;
      pictures?.update(files.filter((file) => kindOf(file) === 'picture'));
      for (const [at, file] of files.filter((each) => kindOf(each) !== 'picture').entries()) others[at]?.update(file);
      ring.update(uploadOf(next));
    },
    dispose: () => scope.abort(),
  };
}

function viewOf(
  session: Session,
  file: MessageAttachment,
  signal: AbortSignal,
): { readonly element: HTMLElement; update(file: MessageAttachment): void } {
  const kind = kindOf(file);
  if (kind === 'sound') return new SoundPlayer(session, signal);
  return kind === 'video' ? new VideoPlayer(session, signal) : new DocumentRow(session);
}

/** Whether two attachments are the same file, before and after its upload. */
function isSameFile(one: MessageAttachment, other: MessageAttachment | undefined): boolean {
  return one.fileName === other?.fileName && one.fileSize === other.fileSize && one.mimeType === other.mimeType;
}
