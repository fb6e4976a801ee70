import type { MessageAttachment } from 'lumen-comm';
import type { Session } from '../app/session.ts';
import { h, on, setAttributes, setText } from '../lib/dom.ts';
import { playTime } from '../lib/format.ts';
import { setIcon } from '../lib/icons.ts';
import { iconButton } from '../ui/button.ts';
import { childAbort } from '../lib/watch.ts';
import { toast } from '../ui/toast.ts';
import { loadFile } from './load-file.ts';
import { isVoice } from './message-files.ts';
import { saveFile } from './save-file.ts';
import { drawWaveform, fitWaveform, waveformPicture } from './waveform.ts';

const BARS = 44;
/** Seconds by which an arrow key moves. */
const STEP_S = 1;

/** Only one sound plays at a time. */
let playing: HTMLAudioElement | undefined;

/** A player with waveform, position and duration. The file is loaded when it is played for the first time. */
export class SoundPlayer {
  readonly element: HTMLElement;
  readonly #session: Session;
  readonly #signal: AbortSignal;
  readonly #audio = h('audio', { preload: 'auto' });
  readonly #button: HTMLButtonElement;
  readonly #seek = h('input', { type: 'range', class: 'sound-seek', min: 0, step: STEP_S, value: 0 });
  readonly #time = h('span', { class: 'sound-time' });
  readonly #name = h('span', { class: 'sound-name', dir: 'auto' });
  readonly #bars = waveformPicture('sound-bars');
  readonly #played = waveformPicture('sound-bars sound-played');
  readonly #save: HTMLButtonElement;
  #file: MessageAttachment | undefined;
  #isLoading = false;
  /** Where to begin when the file has loaded, in seconds. */
  #startAt = 0;

  constructor(session: Session, signal: AbortSignal) {
    this.#session = session;
    this.#signal = signal;
    this.#button = iconButton({ label: 'Play', icon: 'play', class: 'sound-play' }, () => this.#toggle());
    this.#save = iconButton({ label: 'Download', icon: 'download', class: 'sound-save' }, () => {
      if (this.#file !== undefined) void saveFile(session, this.#file);
    });
    this.element = h(
      'div',
      { class: 'sound', role: 'group' },
      this.#button,
      h(
        'div',
        { class: 'sound-body' },
        this.#name,
        h('div', { class: 'sound-wave' }, this.#bars, this.#played, this.#seek),
        this.#time,
      ),
      this.#save,
      this.#audio,
    );
    for (const event of ['play', 'pause', 'seeking', 'timeupdate', 'durationchange'] as const) {
      on(this.#audio, event, () => this.#show(), { signal });
    }
    on(this.#audio, 'play', () => this.#animate(), { signal });
    on(this.#audio, 'ended', () => (this.#audio.currentTime = 0), { signal });
    const begin = (): void => {
      if (this.#startAt > 0) this.#audio.currentTime = this.#startAt;
      this.#startAt = 0;
    };
    on(this.#audio, 'loadedmetadata', begin, { signal });
    on(this.#seek, 'input', () => this.#moveTo(this.#seek.valueAsNumber));
    signal.addEventListener('abort', () => this.#audio.pause());
  }

  update(file: MessageAttachment): void {
    this.#file = file;
    const label = isVoice(file) ? 'Voice message' : file.fileName;
    setText(this.#name, isVoice(file) ? '' : file.fileName);
    this.#save.hidden = isVoice(file);
    setAttributes(this.element, { 'aria-label': label });
    setAttributes(this.#seek, { 'aria-label': `Position in ${label}` });
    const values = fitWaveform(file.waveform ?? [], BARS).map((value) => value / 100);
    for (const picture of [this.#bars, this.#played]) drawWaveform(picture, values);
    this.#show();
  }

  /** Seconds; 0 while it is unknown. */
  get #duration(): number {
    const { duration } = this.#audio;
    return this.#file?.duration ?? (Number.isFinite(duration) ? duration : 0);
  }

  #toggle(): void {
    if (!this.#audio.paused) return this.#audio.pause();
    const file = this.#file;
    if (file === undefined || file.url === '') return;
    playing?.pause();
    playing = this.#audio;
    if (!this.#isLoading) {
      this.#isLoading = true;
      const loading = childAbort(this.#signal);
      const failed = (): void => {
        this.#isLoading = false;
        loading.abort();
        this.#audio.pause();
        toast('The sound could not be played.');
      };
      loadFile(this.#session.client, () => this.#file ?? file, this.#audio, { signal: loading.signal, failed });
    }
    // Without a source yet it plays once it has one.
    this.#audio.play().catch(() => undefined);
  }

  #moveTo(seconds: number): void {
    if (this.#audio.readyState === HTMLMediaElement.HAVE_NOTHING) this.#startAt = seconds;
    else this.#audio.currentTime = seconds;
    this.#show();
  }

  #animate(): void {
    if (this.#audio.paused) return;
    this.#show();
    requestAnimationFrame(() => this.#animate());
  }

  #show(): void {
    const { paused, currentTime } = this.#audio;
    const duration = this.#duration;
    const position = Math.min(this.#startAt > 0 ? this.#startAt : currentTime, duration);
    setAttributes(this.#button, { 'aria-label': paused ? 'Play' : 'Pause', title: paused ? 'Play' : 'Pause' });
    setIcon(this.#button, paused ? 'play' : 'pause');
    const words = `${playTime(position)} of ${playTime(duration)}`;
    // With a step of a second, the end of most sounds could not be reached otherwise.
    setAttributes(this.#seek, { max: Math.ceil(duration), 'aria-valuetext': words });
    this.#seek.value = String(position);
    this.#played.style.clipPath = `inset(0 ${duration > 0 ? 100 - (position / duration) * 100 : 100}% 0 0)`;
    setText(this.#time, position > 0 ? `${playTime(position)} / ${playTime(duration)}` : playTime(duration));
  }
}
