import { systemClock, type Clock } from '../../lib/clock.ts';
import { errorFields, type Logger } from '../../lib/logger.ts';
import { CommError, isCommError } from '../../protocol/errors.ts';

/** The primary result codes of SQLite that are about the disk, the file or other processes, never about a request. */
const OUTAGES: ReadonlyMap<number, string> = new Map([
  [5, 'SQLITE_BUSY'],
  [6, 'SQLITE_LOCKED'],
  [7, 'SQLITE_NOMEM'],
  [8, 'SQLITE_READONLY'],
  [10, 'SQLITE_IOERR'],
  [11, 'SQLITE_CORRUPT'],
  [13, 'SQLITE_FULL'],
  [14, 'SQLITE_CANTOPEN'],
  [15, 'SQLITE_PROTOCOL'],
  [26, 'SQLITE_NOTADB'],
]);
const BUSY: ReadonlySet<string | undefined> = new Set(['SQLITE_BUSY', 'SQLITE_LOCKED', undefined]);

/** Another process is through soon; a full disk isn't emptied within a second. */
const BUSY_RETRY_MS = 1_000;
const OUTAGE_RETRY_MS = 5_000;
/** Failures that are less apart than this belong together, also where a small write fits in between. */
const QUIET_MS = 60_000;

/**
 * What failed there, as SQLite calls it, or `undefined` where the failure is about the request. `node:sqlite` has the
 * code as the number `errcode`, the others as the text `code`, both perhaps as an extended one.
 */
export function outageOf(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null) return undefined;
  const number: unknown = Reflect.get(error, 'errcode');
  const text: unknown = Reflect.get(error, 'code');
  if (typeof number === 'number') return OUTAGES.get(number & 0xff);
  if (typeof text !== 'string') return undefined;
  return [...OUTAGES.values()].find((name) => text === name || text.startsWith(`${name}_`));
}

/** True for what {@link Outages} has answered and logged. */
export function isUnavailable(error: unknown): boolean {
  return isCommError(error) && error.code === 'UNAVAILABLE';
}

/** Spells in which the database can't do its work: everybody is told to come back later, and the log is told once. */
export class Outages {
  readonly #logger: Logger;
  readonly #clock: Clock;
  #lasts = false;
  #failedAt = Number.NEGATIVE_INFINITY;

  constructor(logger: Logger, clock: Clock = systemClock) {
    this.#logger = logger;
    this.#clock = clock;
  }

  /** Whether one goes on, as far as is known: only writing shows that writing works again. */
  get lasts(): boolean {
    return this.#lasts;
  }

  /** `UNAVAILABLE` for an outage; whatever else went wrong as it is. */
  readonly answer = (error: unknown): unknown => (outageOf(error) === undefined ? error : this.begin(error));

  /** Takes note of a failure that is none of a request's. */
  begin(cause: unknown): CommError {
    const now = this.#clock.now();
    const sqlite = outageOf(cause);
    if (!this.#lasts && now - this.#failedAt >= QUIET_MS) {
      this.#logger.error('The database is not available', { ...errorFields(cause), sqlite });
    }
    this.#lasts = true;
    this.#failedAt = now;
    const retryAfterMs = BUSY.has(sqlite) ? BUSY_RETRY_MS : OUTAGE_RETRY_MS;
    return new CommError('UNAVAILABLE', 'The database is not available; try again later', { retryAfterMs, cause });
  }

  /** Something was written. One small thing that fits doesn't mean that all is well. */
  wrote(): void {
    if (this.#lasts && this.#clock.now() - this.#failedAt >= QUIET_MS) this.over();
  }

  over(): void {
    if (!this.#lasts) return;
    this.#lasts = false;
    this.#logger.info('The database is available again');
  }
}
