import type { Playback } from './media-backend.ts';

/**
 * The app plays what comes, in elements of its own: played here as well, everything would be heard twice. So what is found
 * out here is only whether the browser lets a page play that nobody has clicked in yet (HTML, "allowed to play").
 */
export class BrowserPlayback implements Playback {
  readonly #probes = new Map<MediaStream, HTMLAudioElement | undefined>();
  readonly #listeners = new Set<(blocked: boolean) => void>();
  #blocked = false;

  get blocked(): boolean {
    return this.#blocked;
  }

  newStream(): MediaStream {
    return new MediaStream();
  }

  watch(stream: MediaStream): void {
    this.forget(stream);
    const audio = new Audio();
    // Silent, but not `muted`: that would be allowed always.
    audio.volume = 0;
    audio.srcObject = stream;
    this.#probes.set(stream, audio);
    void this.#probe(stream, audio);
  }

  forget(stream: MediaStream): void {
    const audio = this.#probes.get(stream);
    this.#probes.delete(stream);
    stop(audio);
  }

  onBlocked(listener: (blocked: boolean) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async resume(): Promise<void> {
    const tracks = new Set([...this.#probes.keys()].flatMap((stream) => stream.getTracks()));
    const playing = [...mediaElements(document)]
      .filter(
        ({ srcObject }) => srcObject instanceof MediaStream && srcObject.getTracks().some((each) => tracks.has(each)),
      )
      .map((element) => element.play());
    // What is left of the click has to do for these as well, so they begin before anything is awaited.
    const probing = Array.from(this.#probes, ([stream, audio]) => audio && this.#probe(stream, audio));
    await Promise.allSettled([...playing, ...probing]);
  }

  dispose(): void {
    this.#listeners.clear();
    for (const stream of this.#probes.keys()) this.forget(stream);
  }

  async #probe(stream: MediaStream, audio: HTMLAudioElement): Promise<void> {
    let blocked = false;
    try {
      await audio.play();
    } catch (error) {
      if (!(error instanceof DOMException) || error.name !== 'NotAllowedError') return;
      blocked = true;
    }
    if (this.#probes.get(stream) !== audio) return;
    if (!blocked) {
      // It has told what there was to find out.
      this.#probes.set(stream, undefined);
      stop(audio);
    }
    if (blocked === this.#blocked) return;
    this.#blocked = blocked;
    for (const listener of this.#listeners) listener(blocked);
  }
}

function stop(audio: HTMLAudioElement | undefined): void {
  if (audio === undefined) return;
  audio.pause();
  audio.srcObject = null;
}

/** Of the page, in open shadow roots too. */
function* mediaElements(root: Document | ShadowRoot): Iterable<HTMLMediaElement> {
  for (const element of root.querySelectorAll('*')) {
    if (element instanceof HTMLMediaElement) yield element;
    if (element.shadowRoot !== null) yield* mediaElements(element.shadowRoot);
  }
}
