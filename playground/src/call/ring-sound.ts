const KEY = 'lumen-comm-playground/ring';
const EVERY_MS = 3_000;
/** Seconds and hertz. */
const NOTES = [
  [0, 659],
  [0.22, 784],
  [0.44, 988],
] as const;

/** Browsers play nothing before somebody has clicked: until then it stays silent, and nobody is told of an error. */
export class RingSound {
  #context: AudioContext | undefined;
  #timer = 0;

  get isOn(): boolean {
    return localStorage.getItem(KEY) !== 'off';
  }

  set(isOn: boolean): void {
    localStorage.setItem(KEY, isOn ? 'on' : 'off');
    if (!isOn) void this.#context?.suspend();
  }

  start(): void {
    if (this.#timer !== 0) return;
    this.#play();
    this.#timer = window.setInterval(() => this.#play(), EVERY_MS);
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = 0;
    void this.#context?.suspend();
  }

  #play(): void {
    if (!this.isOn || !navigator.userActivation.hasBeenActive) return;
    const context = (this.#context ??= new AudioContext());
    void context.resume();
    for (const [after, frequency] of NOTES) {
      const at = context.currentTime + after;
      const tone = new OscillatorNode(context, { frequency });
      const gain = new GainNode(context, { gain: 0 });
      gain.gain.setValueAtTime(0, at);
      gain.gain.linearRampToValueAtTime(0.12, at + 0.02);
      gain.gain.exponentialRampToValueAtTime(0.001, at + 0.4);
      tone.connect(gain).connect(context.destination);
      tone.start(at);
      tone.stop(at + 0.45);
    }
  }
}
