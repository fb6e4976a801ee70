import { abortable } from '../../lib/abort.ts';
import { deferred } from '../../lib/deferred.ts';
import { ObservableValue } from '../../lib/observable.ts';
import { CommError } from '../../protocol/errors.ts';
import type { ClientContext } from '../context.ts';
import { LevelMeter } from '../devices/level-meter.ts';
import { requireMediaDevices, toMediaError } from '../devices/media-errors.ts';
import { requireFields, requireId } from '../validation.ts';
import type { RecordVoiceOptions, VoiceRecorder, VoiceRecorderSnapshot, VoiceRecording } from './files-client.ts';
import { waveformOf } from './waveform.ts';

/** What a recording needs of the client. */
type RecordingContext = Pick<ClientContext, 'clock' | 'emitter' | 'report'>;

/** AAC is played by all browsers, and Opus by all current ones. */
const FORMATS = [
  { type: 'audio/mp4;codecs=mp4a.40.2', extension: 'm4a' },
  { type: 'audio/webm;codecs=opus', extension: 'webm' },
  { type: 'audio/ogg;codecs=opus', extension: 'ogg' },
  { type: 'audio/mp4', extension: 'm4a' },
];
/** Enough for speech: a minute has 240 kB. */
const BITS_PER_SECOND = 32_000;
const MAX_DURATION_MS = 900_000;
/** As long as the meter measures, so that no sound falls between two values. */
const LEVEL_INTERVAL_MS = 50;
/** Levels in a snapshot. */
const SHOWN_LEVELS = 100;

/**
 * Implements `FilesClient.recordVoice()`.
 *
 * @param recorded - called with a recording before `stop()` returns it
 */
export async function recordVoice(
  context: RecordingContext,
  options: RecordVoiceOptions,
  recorded: (recording: VoiceRecording) => void,
): Promise<VoiceRecorder> {
  requireFields('files.recordVoice()', options, ['deviceId', 'maxDurationMs', 'fileName', 'signal']);
  const { deviceId, maxDurationMs = MAX_DURATION_MS, fileName = 'voice-message', signal } = options;
  if (deviceId !== undefined) requireId('deviceId', deviceId);
  requireId('fileName', fileName);
  if (!(maxDurationMs > 0)) throw new TypeError('maxDurationMs must be more than 0');
  signal?.throwIfAborted();
  const format =
    typeof MediaRecorder === 'function' ? FORMATS.find(({ type }) => MediaRecorder.isTypeSupported(type)) : undefined;
  if (format === undefined) throw new CommError('MEDIA_UNAVAILABLE', 'This browser has no MediaRecorder for audio');
  const devices = requireMediaDevices();
  const disconnect = new AbortController();
  const stopListening = context.emitter.on('status', (status) => {
    if (status === 'disconnected') disconnect.abort(new CommError('DISCONNECTED', 'disconnect() was called'));
  });
  const end = signal === undefined ? disconnect.signal : AbortSignal.any([signal, disconnect.signal]);
  const opening = devices.getUserMedia({ audio: deviceId === undefined ? true : { deviceId: { exact: deviceId } } });
  try {
    const stream = await abortable(opening, end);
    // An abort after the promise was resolved has no effect on it.
    end.throwIfAborted();
    const name = `${fileName}.${format.extension}`;
    return new Recording(context, { stream, type: format.type, name, maxDurationMs, end, stopListening, recorded });
  } catch (error) {
    stopListening();
    // The microphone may open after the abort.
    opening.then(release, () => undefined);
    throw end.aborted ? error : toMediaError(error);
  }
}

interface RecordingParts {
  readonly stream: MediaStream;
  /** MIME type with codec. */
  readonly type: string;
  readonly name: string;
  readonly maxDurationMs: number;
  /** Aborts to cancel the recording. */
  readonly end: AbortSignal;
  readonly stopListening: () => void;
  readonly recorded: (recording: VoiceRecording) => void;
}

class Recording implements VoiceRecorder {
  readonly #clock: RecordingContext['clock'];
  readonly #parts: RecordingParts;
  readonly #recorder: MediaRecorder;
  readonly #meter = new LevelMeter();
  readonly #view: ObservableValue<VoiceRecorderSnapshot>;
  readonly #result = deferred<VoiceRecording>();
  readonly #chunks: Blob[] = [];
  readonly #levels: number[] = [];
  readonly #startedAt: number;
  #stopTimer = (): void => undefined;

  /** Starts to record. @throws DOMException if the browser can't */
  constructor({ clock, report }: RecordingContext, parts: RecordingParts) {
    const { stream, type, end } = parts;
    this.#clock = clock;
    this.#parts = parts;
    this.#recorder = new MediaRecorder(stream, { mimeType: type, audioBitsPerSecond: BITS_PER_SECOND });
    this.#recorder.addEventListener('dataavailable', ({ data }) => this.#chunks.push(data));
    this.#recorder.addEventListener('error', () => this.#fail('The browser could not encode the recording'));
    this.#recorder.addEventListener('stop', () => this.#finish());
    stream.getAudioTracks()[0]?.addEventListener('ended', () => this.#fail('The microphone was unplugged'));
    this.#recorder.start();
    this.#startedAt = clock.now();
    this.#view = new ObservableValue<VoiceRecorderSnapshot>(
      Object.freeze({ state: 'recording', elapsedMs: 0, levels: Object.freeze([]) }),
      report,
    );
    this.#meter.measure(stream.getAudioTracks()[0] ?? null);
    end.addEventListener('abort', this.#abort);
    this.#measureLater();
  }

  readonly getSnapshot = (): VoiceRecorderSnapshot => this.#view.getSnapshot();
  readonly getServerSnapshot = (): VoiceRecorderSnapshot => this.#view.getServerSnapshot();
  readonly subscribe = (listener: () => void): (() => void) => this.#view.subscribe(listener);

  async stop(): Promise<VoiceRecording> {
    this.#end('stopped');
    return await this.#result.promise;
  }

  cancel(): void {
    this.#cancel(new CommError('CANCELLED', 'The recording was cancelled'));
  }

  readonly #abort = (): void => this.#cancel(this.#parts.end.reason);

  #cancel(reason: unknown): void {
    this.#result.reject(reason);
    this.#end('cancelled');
  }

  #fail(message: string): void {
    this.#end('stopped', new CommError('MEDIA_UNAVAILABLE', message));
  }

  /** Ends the recording, and releases everything. Only the first call has an effect. */
  #end(state: 'stopped' | 'cancelled', error?: CommError): void {
    if (this.getSnapshot().state !== 'recording') return;
    const { stream, end, stopListening } = this.#parts;
    this.#stopTimer();
    stopListening();
    end.removeEventListener('abort', this.#abort);
    this.#meter.close();
    // Inactive already if its track has ended: its last data follow.
    if (this.#recorder.state !== 'inactive') this.#recorder.stop();
    release(stream);
    this.#update({ state, elapsedMs: this.#elapsedMs(), ...(error && { error }) });
  }

  /** The recorder has delivered all data. */
  #finish(): void {
    // Without a call of `stop()`, for example by the browser's own button.
    this.#end('stopped');
    const { type, name, recorded } = this.#parts;
    const { state, elapsedMs, error } = this.getSnapshot();
    if (state === 'cancelled') return;
    const file = new File(this.#chunks, name, { type });
    if (file.size === 0) {
      this.#result.reject(error ?? new CommError('MEDIA_UNAVAILABLE', 'Nothing was recorded'));
      return;
    }
    const recording = Object.freeze({
      file,
      duration: elapsedMs / 1_000,
      waveform: Object.freeze(waveformOf(this.#levels)),
    });
    recorded(recording);
    this.#result.resolve(recording);
  }

  #measureLater(): void {
    this.#stopTimer = this.#clock.after(LEVEL_INTERVAL_MS, () => {
      this.#levels.push(this.#meter.level());
      if (this.#elapsedMs() >= this.#parts.maxDurationMs) return this.#end('stopped');
      this.#update({ state: 'recording', elapsedMs: this.#elapsedMs() });
      this.#measureLater();
    });
  }

  #elapsedMs(): number {
    return Math.max(0, this.#clock.now() - this.#startedAt);
  }

  #update(state: Omit<VoiceRecorderSnapshot, 'levels'>): void {
    this.#view.set(Object.freeze({ ...state, levels: Object.freeze(this.#levels.slice(-SHOWN_LEVELS)) }));
  }
}

function release(stream: MediaStream): void {
  for (const track of stream.getTracks()) track.stop();
}
