import type { MessageAttachment } from 'lumen-comm';
import type { Session } from '../app/session.ts';
import { h, hiddenText, on, setAttributes, setText } from '../lib/dom.ts';
import { fileSize } from '../lib/format.ts';
import { icon } from '../lib/icons.ts';
import { saveFile } from './save-file.ts';

/** Name, type and size of a file that the page does not show; a click downloads it. */
export class DocumentRow {
  readonly element: HTMLButtonElement;
  readonly #name = h('span', { class: 'document-name', dir: 'auto' });
  readonly #about = h('small', {});
  #file: MessageAttachment | undefined;

  constructor(session: Session) {
    this.element = h(
      'button',
      { type: 'button', class: 'document' },
      h('span', { class: 'document-icon' }, icon('file')),
      h('span', { class: 'document-text' }, hiddenText('Download '), this.#name, ' ', this.#about),
      icon('download', 18),
    );
    on(this.element, 'click', () => void this.#save(session));
  }

  update(file: MessageAttachment): void {
    this.#file = file;
    setText(this.#name, file.fileName);
    setText(this.#about, `${typeName(file)} · ${fileSize(file.fileSize)}`);
  }

  /** A second click does not start a second download. */
  async #save(session: Session): Promise<void> {
    const file = this.#file;
    if (file === undefined || file.url === '' || this.element.ariaBusy === 'true') return;
    setAttributes(this.element, { 'aria-busy': 'true' });
    await saveFile(session, file);
    setAttributes(this.element, { 'aria-busy': undefined });
  }
}

/** Returns the name of a file's type: its extension, such as "PDF". */
function typeName({ fileName }: MessageAttachment): string {
  return /\.(\w{1,6})$/.exec(fileName)?.[1]?.toUpperCase() ?? 'File';
}
