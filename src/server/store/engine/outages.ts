import { systemClock, type Clock } from '../../../lib/clock.ts';
import { errorFields, type Logger } from '../../../lib/logger.ts';
import { CommError, isCommError } from '../../../protocol/errors.ts';

/** Primary result codes of SQLite that concern the disk, the file or other processes, not the statement. */
const OUTAGE_CODES: ReadonlyMap<number, string> = new Map([
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
/**
 * SQLSTATE codes of Postgres that concern the connection, the disk, the memory or other transactions, not the statement
 * (https://www.postgresql.org/docs/current/errcodes-appendix.html).
 */
const POSTGRES_OUTAGE = /^(?:08\w{3}|25006|40001|40P01|53\w{3}|55P03|57014|57P0[1-4]|58\w{3}|XX00[12])$/;
const BUSY: ReadonlySet<string | undefined> = new Set(['SQLITE_BUSY', 'SQLITE_LOCKED', undefined]);

/** A lock is released soon; a full disk isn't freed within a second. */
const BUSY_RETRY_MS = 1_000;
const OUTAGE_RETRY_MS = 5_000;
/** Failures within this time in ms belong to one outage, even if a small write succeeds in between. */
const OUTAGE_GAP_MS = 60_000;

/**
 * Returns the name of an outage, or `undefined` if the error concerns the statement: SQLite's name, or the SQLSTATE of
 * Postgres. `node:sqlite` reports the code as the number `errcode`, other drivers as the string `code`; both may be extended
 * codes.
 */
export function outageCode(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null) return undefined;
  const number: unknown = Reflect.get(error, 'errcode');
  const text: unknown = Reflect.get(error, 'code');
  if (typeof number === 'number') return OUTAGE_CODES.get(number & 0xff);
  if (typeof text !== 'string') return undefined;
  if (POSTGRES_OUTAGE.test(text)) return text;
  return [...OUTAGE_CODES.values()].find((name) => text === name || text.startsWith(`${name}_`));
}

/** Returns whether an error is an outage, which {@link OutageTracker} has already logged. */
export function isUnavailable(error: unknown): boolean {
  return isCommError(error) && error.code === 'UNAVAILABLE';
}

/** Tracks outages of the database. Each outage is logged once. */
export class OutageTracker {
  readonly #logger: Logger;
  readonly #clock: Clock;
  #active = false;
  #failedAt = Number.NEGATIVE_INFINITY;

  constructor(logger: Logger, clock: Clock = systemClock) {
    this.#logger = logger;
    this.#clock = clock;
  }

  /** Whether an outage continues, as far as is known. Only a successful write ends it. */
  get active(): boolean {
    return this.#active;
  }

  /** Maps an outage to `UNAVAILABLE`; returns other errors unchanged. */
  readonly toUnavailable = (error: unknown): unknown => (outageCode(error) === undefined ? error : this.record(error));

  /** Records a failure as an outage. @returns the error to reject with */
  record(cause: unknown): CommError {
    const now = this.#clock.now();
    const sqlite = outageCode(cause);
    if (!this.#active && now - this.#failedAt >= OUTAGE_GAP_MS) {
      this.#logger.error('database outage', { ...errorFields(cause), sqlite });
    }
    this.#active = true;
    this.#failedAt = now;
    const retryAfterMs = BUSY.has(sqlite) ? BUSY_RETRY_MS : OUTAGE_RETRY_MS;
    return new CommError('UNAVAILABLE', 'The database is temporarily unavailable', { retryAfterMs, cause });
  }

  /** Records a successful write. A single small write doesn't end an outage until `OUTAGE_GAP_MS` has passed. */
  recordWrite(): void {
    if (this.#active && this.#clock.now() - this.#failedAt >= OUTAGE_GAP_MS) this.end();
  }

  /** Ends the outage. */
  end(): void {
    if (!this.#active) return;
    this.#active = false;
    this.#logger.info('database available again');
  }
}
