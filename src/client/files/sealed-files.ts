import { CommError } from '../../protocol/errors.ts';
import type { FileCipher } from '../cipher.ts';
import type { ClientContext } from '../context.ts';
import type { QueuedFile } from '../outbox/outbox-item.ts';
import type { KeptFiles } from './kept-files.ts';

interface Sealing {
  readonly controller: AbortController;
  readonly result: Promise<void>;
}

/**
 * The files of encrypted messages in the outbox. Their bytes are kept encrypted, so that a resumed upload sends the same ones;
 * the keys to them are stored with the draft of the message.
 */
export class SealedFiles {
  readonly #context: ClientContext;
  readonly #kept: KeptFiles;
  /** Bytes as the app gave them, by id. Never stored. */
  readonly #sources = new Map<string, Blob>();
  /** By id. */
  readonly #sealing = new Map<string, Sealing>();
  /** Bytes that an earlier session has encrypted, by id. */
  readonly #opened = new Map<string, Promise<Blob | undefined>>();

  constructor(context: ClientContext, kept: KeptFiles) {
    this.#context = context;
    this.#kept = kept;
  }

  /** @throws CommError `UNSUPPORTED` without the option `encryption` */
  async cipher(): Promise<FileCipher> {
    const { cipher } = this.#context;
    if (cipher !== undefined) return await (await cipher()).files();
    throw new CommError('UNSUPPORTED', 'The message is encrypted, and the option `encryption` is not set');
  }

  /** Takes the bytes of a file. */
  add(id: string, source: Blob): void {
    this.#sources.set(id, source);
  }

  /**
   * Encrypts a file of this session, once, and holds the result. No effect for a file of an earlier session.
   *
   * @throws CommError `UNSUPPORTED` without WebCrypto, `E2EE_LOCKED`; the next call tries again
   */
  seal(clientId: string, file: QueuedFile): Promise<void> {
    const { id } = file;
    const source = this.#sources.get(id);
    if (source === undefined) return Promise.resolve();
    const known = this.#sealing.get(id);
    if (known !== undefined) return known.result;
    const controller = new AbortController();
    const sealing = { controller, result: this.#seal(clientId, file, source, controller.signal) };
    this.#sealing.set(id, sealing);
    sealing.result.catch(() => {
      if (this.#sealing.get(id) === sealing) this.#sealing.delete(id);
    });
    return sealing.result;
  }

  /** Returns the readable bytes of a file; `undefined` if they are not stored. @throws CommError `E2EE_DECRYPTION_FAILED` */
  readable(clientId: string, file: QueuedFile): Promise<Blob | undefined> {
    const source = this.#sources.get(file.id);
    if (source !== undefined) return Promise.resolve(source);
    const { id } = file;
    const known = this.#opened.get(id);
    if (known !== undefined) return known;
    const opened = this.#open(clientId, file);
    this.#opened.set(id, opened);
    const end = (blob?: unknown): void => {
      // What could not be read may be there later.
      if (!(blob instanceof Blob) && this.#opened.get(id) === opened) this.#opened.delete(id);
    };
    opened.then(end, end);
    return opened;
  }

  /** Forgets a file, but not what is stored of it. */
  drop(id: string): void {
    this.#sealing.get(id)?.controller.abort(new CommError('CANCELLED', 'The file is not needed any more'));
    this.#sealing.delete(id);
    this.#sources.delete(id);
    this.#opened.delete(id);
  }

  async #seal(clientId: string, { id, at }: QueuedFile, source: Blob, signal: AbortSignal): Promise<void> {
    const cipher = await this.cipher();
    const { sealed, keys } = await cipher.seal(source, signal);
    signal.throwIfAborted();
    // The keys first: bytes without them are of no use, while a message whose bytes were not stored says so.
    await cipher.attach(clientId, (files) =>
      // The file may have been encrypted again in the meantime, under other keys.
      signal.aborted ? undefined : files.map((each, place) => (place === at ? { ...each, keys } : each)),
    );
    signal.throwIfAborted();
    this.#kept.hold(id, sealed);
  }

  async #open(clientId: string, { id, at }: QueuedFile): Promise<Blob | undefined> {
    const sealed = await this.#kept.bytesOf(id);
    if (sealed === undefined) return undefined;
    const cipher = await this.cipher();
    const { keys, mimeType } = (await cipher.attachmentsOf(clientId))[at] ?? {};
    if (keys === undefined) return undefined;
    return new Blob([await cipher.decrypt(sealed, keys)], { type: mimeType ?? '' });
  }
}
