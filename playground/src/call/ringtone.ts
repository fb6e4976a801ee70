const KEY = 'lumen-comm-playground/ring';
const INTERVAL_MS = 3_000;
/** Start in seconds and frequency in hertz. */
const NOTES = [
  [0, 659],
  [0.22, 784],
  [0.44, 988],
] as const;

/** The ringtone. Silent until the user has interacted with the page, as the autoplay policy requires. */
export class Ringtone {
  #context: AudioContext | undefined;
  #timer = 0;
  /** Softer, and one note only, for a user in a call. */
  isSoft = false;

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
    this.#timer = window.setInterval(() => this.#play(), INTERVAL_MS);
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
    for (const [after, frequency] of this.isSoft ? NOTES.slice(-1) : NOTES) {
      const at = context.currentTime + after;
      const tone = new OscillatorNode(context, { frequency });
      const gain = new GainNode(context, { gain: 0 });
      gain.gain.setValueAtTime(0, at);
      gain.gain.linearRampToValueAtTime(this.isSoft ? 0.03 : 0.12, at + 0.02);
      gain.gain.exponentialRampToValueAtTime(0.001, at + 0.4);
      tone.connect(gain).connect(context.destination);
      tone.start(at);
      tone.stop(at + 0.45);
    }
  }
}
