/** Measures the level of an audio track with the Web Audio API. Level 0 where the browser doesn't let it run. */
export class LevelMeter {
  #context: AudioContext | undefined;
  #source: MediaStreamAudioSourceNode | undefined;
  #analyser: AnalyserNode | undefined;
  #samples = new Float32Array();

  /** Measures this track from now on; `null` for none. */
  measure(track: MediaStreamTrack | null): void {
    this.#source?.disconnect();
    this.#source = undefined;
    if (track === null || typeof AudioContext !== 'function') return;
    const context = (this.#context ??= new AudioContext());
    this.#analyser ??= new AnalyserNode(context, { fftSize: 2_048 });
    this.#source = context.createMediaStreamSource(new MediaStream([track]));
    this.#source.connect(this.#analyser);
  }

  /** Returns the current level from 0 to 1 (root mean square), rounded, so that silence changes nothing. */
  level(): number {
    const analyser = this.#analyser;
    if (analyser === undefined || this.#source === undefined) return 0;
    this.#resume();
    if (this.#samples.length !== analyser.fftSize) this.#samples = new Float32Array(analyser.fftSize);
    analyser.getFloatTimeDomainData(this.#samples);
    const power = this.#samples.reduce((sum, sample) => sum + sample * sample, 0) / this.#samples.length;
    return Math.min(1, Math.round(Math.sqrt(power) * 100) / 100);
  }

  /** Browsers refuse it until the user has interacted with the page (HTML, sticky activation). */
  #resume(): void {
    // Missing in older browsers, although the type says otherwise.
    const { userActivation } = navigator as Partial<Navigator>;
    if (this.#context?.state !== 'suspended' || userActivation?.hasBeenActive === false) return;
    this.#context.resume().catch(() => undefined);
  }

  /** Releases the audio hardware. */
  close(): void {
    this.measure(null);
    this.#context?.close().catch(() => undefined);
    this.#context = undefined;
    this.#analyser = undefined;
  }
}
