import type { MessageAttachment } from 'lumen-comm';
import type { Session } from '../app/session.ts';
import { h, on, setAttributes, setChildren } from '../lib/dom.ts';
import { icon } from '../lib/icons.ts';
import { childAbort } from '../lib/watch.ts';
import { openLightbox } from './lightbox.ts';
import { loadFile, thumbnailOf } from './load-file.ts';
import { showPlaceholder } from './placeholder.ts';

/** Pictures of one message that are shown; the last one says how many there are besides. */
const MAX_SHOWN = 4;
/** Largest size of a single picture, in pixels. */
/** Leaves room for a click beside the button that is over a picture while it is uploaded. */
const MIN_WIDTH = 96;
const MAX_WIDTH = 320;
const MAX_HEIGHT = 340;
/** A picture that is longer is cut off. */
const MAX_RATIO = 2.6;

export interface FilesView {
  readonly element: HTMLElement;
  /** Shows the same files after a change of the message, for example when they have been uploaded. */
  update(files: readonly MessageAttachment[]): void;
}

/** The pictures of a message. Their place is reserved, so that nothing moves when they have loaded. */
export function pictureGrid(session: Session, signal: AbortSignal): FilesView {
  const element = h('div', { class: 'pictures' });
  const cells: PictureCell[] = [];
  let held: readonly MessageAttachment[] = [];
  return {
    element,
    update(files) {
      held = files;
      const shown = files.length > MAX_SHOWN ? MAX_SHOWN : files.length;
      while (cells.length < shown) {
        const at = cells.length;
        const open = (): void => openLightbox(session, () => held, at, signal);
        cells.push(new PictureCell(session, open, signal));
      }
      setAttributes(element, { 'data-count': shown });
      for (const [at, cell] of cells.entries()) {
        const hidden = at === MAX_SHOWN - 1 ? files.length - MAX_SHOWN : 0;
        const file = files[at];
        if (file !== undefined) cell.update(file, hidden, files.length === 1);
      }
      setChildren(element, ...cells.slice(0, shown).map((cell) => cell.element));
    },
  };
}

class PictureCell {
  readonly element: HTMLButtonElement;
  readonly #session: Session;
  readonly #signal: AbortSignal;
  readonly #picture = h('img', { alt: '', decoding: 'async' });
  readonly #more = h('span', { class: 'picture-more', hidden: true });
  #file: MessageAttachment | undefined;
  #loading = new AbortController();

  constructor(session: Session, open: () => void, signal: AbortSignal) {
    this.#session = session;
    this.#signal = signal;
    this.element = h('button', { type: 'button', class: 'picture' }, this.#picture, this.#more);
    on(this.element, 'click', open);
  }

  update(file: MessageAttachment, hidden: number, isSingle: boolean): void {
    const before = this.#file;
    this.#file = file;
    const more = hidden > 0 ? `, and ${hidden} more` : '';
    setAttributes(this.element, { 'aria-label': `Open ${file.fileName}${more}` });
    setAttributes(this.#picture, { alt: file.fileName });
    this.#more.hidden = hidden === 0;
    this.#more.textContent = hidden === 0 ? '' : `+${hidden}`;
    if (isSingle) this.#reserve(file.width ?? this.#picture.naturalWidth, file.height ?? this.#picture.naturalHeight);
    // The preview of a pending message stays when the message was sent: it is the same picture.
    const isShown = before !== undefined && this.#picture.complete && this.#picture.naturalWidth > 0;
    if (isShown) return;
    showPlaceholder(this.element, file.placeholder);
    if (file.url === '' || file.url === before?.url) return;
    this.#loading.abort();
    this.#loading = childAbort(this.#signal);
    const { signal } = this.#loading;
    const failed = (): void => {
      setAttributes(this.element, { 'data-lost': true });
      setChildren(this.element, icon('failed'), h('span', {}, 'Not available'));
    };
    const loaded = (): void => {
      if (isSingle) this.#reserve(this.#picture.naturalWidth, this.#picture.naturalHeight);
      // Through a transparent picture it would be visible.
      this.element.style.backgroundImage = 'none';
    };
    on(this.#picture, 'load', loaded, { signal });
    setAttributes(this.element, { 'data-lost': false });
    setChildren(this.element, this.#picture, this.#more);
    const current = (): MessageAttachment => thumbnailOf(this.#file ?? file) ?? this.#file ?? file;
    loadFile(this.#session.client, current, this.#picture, { signal, failed });
  }

  #reserve(width: number, height: number): void {
    if (width <= 0 || height <= 0) return;
    const ratio = Math.min(MAX_RATIO, Math.max(1 / MAX_RATIO, width / height));
    const shown = Math.min(MAX_WIDTH, Math.round(MAX_HEIGHT * ratio), Math.max(width, MIN_WIDTH));
    this.element.style.width = `${shown}px`;
    this.element.style.aspectRatio = String(ratio);
  }
}
