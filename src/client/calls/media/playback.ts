import type { Playback } from '../webrtc/media-backend.ts';

/**
 * Detects whether the autoplay policy blocks audio (HTML, "allowed to play"). The app plays the streams in its own
 * elements; here each stream is only played silently until the browser has allowed it once.
 */
export class BrowserPlayback implements Playback {
  /** The probe element by stream; `undefined` after the browser allowed it. */
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
    this.unwatch(stream);
    const audio = new Audio();
    // Volume 0 instead of `muted`, because muted elements are always allowed to play.
    audio.volume = 0;
    audio.srcObject = stream;
    this.#probes.set(stream, audio);
    void this.#probe(stream, audio);
  }

  unwatch(stream: MediaStream): void {
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
    // Started before the first await, while the user gesture is still active.
    const probing = Array.from(this.#probes, ([stream, audio]) => audio && this.#probe(stream, audio));
    await Promise.allSettled([...playing, ...probing]);
  }

  dispose(): void {
    this.#listeners.clear();
    for (const stream of this.#probes.keys()) this.unwatch(stream);
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

/** Returns the media elements of the page, including those in open shadow roots. */
function* mediaElements(root: Document | ShadowRoot): Iterable<HTMLMediaElement> {
  for (const element of root.querySelectorAll('*')) {
    if (element instanceof HTMLMediaElement) yield element;
    if (element.shadowRoot !== null) yield* mediaElements(element.shadowRoot);
  }
}
