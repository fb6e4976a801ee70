import type { CommClient } from 'lumen-comm';
import type { LinkPreview } from 'lumen-comm/protocol';

const PAUSE_MS = 600;

/** Asks for the preview of a link while the user is still writing, so that sending waits for nothing. */
export class LinkPreviewer {
  readonly #client: CommClient;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #asked = '';
  #preview: LinkPreview | undefined;

  constructor(client: CommClient) {
    this.#client = client;
  }

  /** Asks for a preview of the first link when the text has not changed for a moment. */
  prepare(text: string): void {
    clearTimeout(this.#timer);
    const link = /https?:\/\/[^\s<>"]+/.exec(text)?.[0];
    if (link === undefined || link === this.#asked) return;
    this.#timer = setTimeout(() => void this.#ask(link), PAUSE_MS);
  }

  /** Returns the preview of a link in the text if it has arrived. */
  for(text: string): LinkPreview | undefined {
    return this.#preview !== undefined && text.includes(this.#preview.url) ? this.#preview : undefined;
  }

  async #ask(link: string): Promise<void> {
    this.#asked = link;
    try {
      [this.#preview] = await this.#client.messages.linkPreviews(link);
    } catch {
      // The server makes no previews, or not now.
      this.#preview = undefined;
    }
  }
}
