import type { MessageAttachment } from 'lumen-comm';
import type { Session } from '../app/session.ts';
import { h, setAttributes, setChildren } from '../lib/dom.ts';
import { fileSize } from '../lib/format.ts';
import { button } from '../ui/button.ts';
import { childAbort } from '../lib/watch.ts';
import { DocumentRow } from './document-row.ts';
import { loadFile } from './load-file.ts';
import { showPlaceholder } from './placeholder.ts';

/** Largest size of a video, in pixels. */
const MAX_WIDTH = 340;
const MAX_HEIGHT = 340;
/** A video that is longer is shown with bars. */
const MAX_RATIO = 2.6;

/** A video with the controls of the browser. An encrypted one is downloaded when the user wants to see it. */
export class VideoPlayer {
  readonly element = h('div', { class: 'video' });
  readonly #session: Session;
  readonly #signal: AbortSignal;
  #file: MessageAttachment | undefined;
  /** Loads an encrypted video. Created once, so that it keeps the focus. */
  #open: HTMLButtonElement | undefined;
  /** Saves a video that the browser can't play. */
  #document: DocumentRow | undefined;
  #isLoading = false;

  constructor(session: Session, signal: AbortSignal) {
    this.#session = session;
    this.#signal = signal;
  }

  update(file: MessageAttachment): void {
    this.#file = file;
    if (this.#document !== undefined) return this.#document.update(file);
    const { width = 0, height = 0, fileName, fileSize: bytes } = file;
    if (width > 0 && height > 0) {
      const ratio = Math.min(MAX_RATIO, Math.max(1 / MAX_RATIO, width / height));
      this.element.style.width = `${Math.round(Math.min(MAX_WIDTH, MAX_HEIGHT * ratio))}px`;
      this.element.style.aspectRatio = String(ratio);
    }
    showPlaceholder(this.element, file.placeholder);
    // The preview of a pending message stays when the message was sent: it is the same video.
    if (this.#isLoading || file.url === '') return;
    if (file.keys === undefined) return this.#load(false);
    const label = `Load video, ${fileSize(bytes)}`;
    this.#open ??= button({ label, icon: 'play', attributes: { title: fileName } }, () => this.#load(true));
    setChildren(this.element, this.#open);
  }

  #load(plays: boolean): void {
    const file = this.#file;
    if (file === undefined) return;
    this.#isLoading = true;
    const player = h('video', { controls: true, preload: 'metadata', playsinline: true, 'aria-label': file.fileName });
    setAttributes(player, { autoplay: plays });
    const loading = childAbort(this.#signal);
    const failed = (): void => {
      loading.abort();
      this.#document = new DocumentRow(this.#session);
      this.#document.update(this.#file ?? file);
      setAttributes(this.element, { class: undefined, style: undefined });
      setChildren(this.element, this.#document.element);
    };
    setChildren(this.element, player);
    loadFile(this.#session.client, () => this.#file ?? file, player, { signal: loading.signal, failed });
    this.#signal.addEventListener('abort', () => player.pause());
  }
}
