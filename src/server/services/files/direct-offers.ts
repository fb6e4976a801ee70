import { abortable } from '../../../lib/abort.ts';
import type { Clock } from '../../../lib/clock.ts';
import type { KeyedQueue } from '../../../lib/keyed-queue.ts';
import { errorFields, type Logger } from '../../../lib/logger.ts';
import { isCommError } from '../../../protocol/errors.ts';
import type { UploadParts } from '../../../protocol/files.ts';
import type { Refusals } from '../limits/refusals.ts';
import { DirectUploadsUnsafe, type FileBackend, StorageUnavailable } from './file-backend.ts';
import { askStorage, reasonOf } from './storage-failures.ts';

/** Dependencies of {@link DirectOffers}. */
export interface DirectOffersDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly refusals: Refusals;
  /** Requests that write, one at a time per file. */
  readonly writes: KeyedQueue<string>;
}

/** Time in ms that the storage has to begin an upload. Clients wait for 10 s for the answer to their request. */
const BEGIN_MS = 3_000;

/** Begins uploads to the storage itself. While that is not possible, the server takes the bytes. */
export class DirectOffers {
  readonly #deps: DirectOffersDeps;
  /** Whether the storage must not be offered to clients. */
  #isOff = false;

  constructor(deps: DirectOffersDeps) {
    this.#deps = deps;
  }

  /** Begins an upload. @returns the first parts; `undefined` if the bytes are to be sent to the server. Never rejects. */
  async offer({ direct }: FileBackend, id: string, size: number): Promise<UploadParts | undefined> {
    if (direct === undefined || size === 0 || this.#isOff) return undefined;
    const { clock, refusals, writes } = this.#deps;
    const deadline = new AbortController();
    const { signal } = deadline;
    const cancel = clock.after(BEGIN_MS, () => deadline.abort(new StorageUnavailable('No upload was begun in time')));
    // If the storage begins it late all the same, the bytes that the client then sends to the server come after it.
    const begun = writes.run(id, () => direct.begin(id, size, signal));
    try {
      return await askStorage(() => abortable(begun, signal), refusals);
    } catch (error) {
      this.#report(error);
      return undefined;
    } finally {
      cancel();
    }
  }

  #report(error: unknown): void {
    const { logger, refusals } = this.#deps;
    // Logged by `askStorage`.
    if (isCommError(error)) return;
    if (!(error instanceof DirectUploadsUnsafe)) {
      refusals.warn('an upload to the storage was not begun', 'UNAVAILABLE', reasonOf(error));
      return;
    }
    if (this.#isOff) return;
    this.#isOff = true;
    // The message is one of this library, and says what the storage answered.
    logger.error('direct uploads are off, because the storage is not safe for them', {
      ...errorFields(error),
      reason: error.message,
    });
  }
}
