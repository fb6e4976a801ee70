import type { AbortOptions } from '../../lib/abort.ts';
import type { Observable } from '../../lib/observable.ts';
import type { CommError } from '../../protocol/errors.ts';
import type { MessageAttachment } from '../../protocol/messages.ts';

/** Options of `files.download()`. */
export interface DownloadOptions extends AbortOptions {
  /** Called with the number of bytes that were transferred, and their total. */
  onProgress?: ((doneBytes: number, totalBytes: number) => void) | undefined;
}

/** Options of `files.upload()`. */
export interface UploadOptions extends DownloadOptions {
  /** Id of the conversation to which the attachment will be sent. */
  conversationId: string;
  /** @defaultValue the name of a `File`, else `file` */
  fileName?: string | undefined;
  /**
   * Encrypts the file, its name and its type before it is uploaded. The attachment then has `keys`, and its message must be
   * encrypted.
   * @defaultValue true with the option `encryption`, else false
   */
  encrypt?: boolean | undefined;
}

/** Options of `files.recordVoice()`. */
export interface RecordVoiceOptions extends AbortOptions {
  /** Id of the microphone, from `navigator.mediaDevices.enumerateDevices()`. @defaultValue the browser's default */
  deviceId?: string | undefined;
  /** Time in ms after which the recording ends by itself. @defaultValue 900_000 (15 minutes) */
  maxDurationMs?: number | undefined;
  /** Name of the file, without the extension. @defaultValue `voice-message` */
  fileName?: string | undefined;
}

/** The state of a recording. */
export interface VoiceRecorderSnapshot {
  /** `recording` until `stop()`, `cancel()`, the longest duration, or the end of the microphone. */
  readonly state: 'recording' | 'stopped' | 'cancelled';
  /** Length of the recording in ms. */
  readonly elapsedMs: number;
  /** Loudness from 0 to 1 in steps of 50 ms, oldest first: at most the last five seconds. */
  readonly levels: readonly number[];
  /** Why the recording ended by itself: `MEDIA_UNAVAILABLE` if the microphone was unplugged or the encoder failed. */
  readonly error?: CommError | undefined;
}

/** A finished voice message. */
export interface VoiceRecording {
  /** For `attachments` of `messages.send()`, which sends duration and waveform with it, or for `files.upload()`. */
  readonly file: File;
  /** Seconds. */
  readonly duration: number;
  /** Loudness over the duration: at most 64 values from 0 to 100. */
  readonly waveform: readonly number[];
}

/** A recording of the microphone, from `files.recordVoice()`. */
export interface VoiceRecorder extends Observable<VoiceRecorderSnapshot> {
  /**
   * Ends the recording and releases the microphone. Idempotent: further calls return the same recording.
   *
   * @throws CommError `CANCELLED` after `cancel()`, `MEDIA_UNAVAILABLE` if nothing was recorded
   */
  stop(): Promise<VoiceRecording>;
  /** Ends and deletes the recording, and releases the microphone. Idempotent. */
  cancel(): void;
}

/** Uploads and downloads files. The code is loaded with the first call. */
export interface FilesClient {
  /**
   * Uploads a file in parts. After a lost connection it continues where it was interrupted, and waits while the client is not
   * connected. Images have `width` and `height` in browsers. Aborting deletes what was uploaded.
   *
   * @returns the attachment to pass to `messages.send()`
   * @throws CommError `FILE_TOO_LARGE`, `MIME_TYPE_NOT_ALLOWED`, `FORBIDDEN`, `NOT_FOUND`, `RATE_LIMITED`; `UNSUPPORTED` if
   *   the server takes no uploads; `UPLOAD_FAILED` if the server can't be reached though the client is connected
   */
  upload(file: Blob, options: UploadOptions): Promise<MessageAttachment>;
  /**
   * Downloads a file, and decrypts it if the attachment has `keys`. Continues after a lost connection. Keeps the whole file as
   * a `Blob`, which browsers store on the disk if it is large; for `<img>` and `<video>` use `url()`.
   *
   * @throws CommError `NOT_FOUND` if the message was deleted or the user is no member anymore, `DISCONNECTED`,
   *   `E2EE_DECRYPTION_FAILED` if an encrypted file was modified
   */
  download(attachment: MessageAttachment, options?: DownloadOptions): Promise<Blob>;
  /**
   * Returns an absolute URL of a file, for `<img src>` and `<video src>`. For files of the server it is valid for some minutes
   * and for this user only; don't store it. Calls are combined into one request, and results are reused. The `blob:` URL of a
   * message that is being sent is returned as it is.
   *
   * @throws CommError `NOT_FOUND` as `download()`, `UNSUPPORTED` for an encrypted file: show what `download()` returns
   */
  url(attachment: Pick<MessageAttachment, 'url' | 'keys'>, options?: AbortOptions): Promise<string>;
  /**
   * Opens the microphone and records a voice message. The browser asks the user for permission. The microphone is released by
   * `stop()`, `cancel()` and the longest duration, and by an abort or `disconnect()`, both of which cancel the recording. Needs no
   * connection.
   *
   * @throws CommError `MEDIA_DENIED` if the user or the browser denied access, `MEDIA_UNAVAILABLE` if there is no microphone, or
   *   the browser can't record
   */
  recordVoice(options?: RecordVoiceOptions): Promise<VoiceRecorder>;
}
