import { LIMITS } from 'lumen-comm/protocol';
import { h, on } from '../lib/dom.ts';
import { fileSize } from '../lib/format.ts';
import { icon } from '../lib/icons.ts';
import { iconButton } from '../ui/button.ts';
import { toast } from '../ui/toast.ts';
import { kindOf } from './message-files.ts';

interface Staged {
  readonly file: File;
  readonly element: HTMLElement;
  readonly url: string | undefined;
}

/** The files that are sent with the next message. */
export class AttachmentTray {
  readonly element = h('ul', { class: 'tray', 'aria-label': 'Files to send', hidden: true });
  /** Called when a file was added or removed. */
  onChange: () => void = () => undefined;
  #staged: readonly Staged[] = [];

  get files(): readonly File[] {
    return this.#staged.map(({ file }) => file);
  }

  add(files: Iterable<File>): void {
    const added = [...files];
    const room = LIMITS.attachments - this.#staged.length;
    if (added.length > room) toast(`A message has at most ${LIMITS.attachments} files.`);
    for (const file of added.slice(0, room)) {
      const url = kindOf({ mimeType: file.type }) === 'picture' ? URL.createObjectURL(file) : undefined;
      const staged: Staged = { file, url, element: chipOf(file, url, () => this.#remove(staged)) };
      this.#staged = [...this.#staged, staged];
      this.element.append(staged.element);
    }
    this.#changed();
  }

  /** Removes all files. */
  clear(): void {
    this.dispose();
    this.#staged = [];
    this.element.replaceChildren();
    this.#changed();
  }

  /** Frees the previews. */
  dispose(): void {
    for (const { url } of this.#staged) if (url !== undefined) URL.revokeObjectURL(url);
  }

  #remove(staged: Staged): void {
    this.#staged = this.#staged.filter((each) => each !== staged);
    if (staged.url !== undefined) URL.revokeObjectURL(staged.url);
    staged.element.remove();
    this.#changed();
  }

  #changed(): void {
    this.element.hidden = this.#staged.length === 0;
    this.onChange();
  }
}

function chipOf(file: File, url: string | undefined, remove: () => void): HTMLElement {
  const picture = url === undefined ? undefined : h('img', { alt: '', src: url });
  // A file that the browser can't decode is shown by its name.
  if (picture !== undefined) on(picture, 'error', () => picture.replaceWith(icon('file')));
  return h(
    'li',
    { class: 'tray-file', title: file.name },
    h('span', { class: 'tray-picture' }, picture ?? icon('file')),
    h('span', { class: 'tray-name', dir: 'auto' }, file.name),
    h('small', {}, fileSize(file.size)),
    iconButton({ label: `Remove ${file.name}`, icon: 'close', class: 'tray-remove' }, remove),
  );
}
