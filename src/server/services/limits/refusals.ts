import type { Clock } from '../../../lib/clock.ts';
import type { LogFields, Logger } from '../../../lib/logger.ts';
import type { ErrorCode } from '../../../protocol/errors.ts';

interface Repetition {
  count: number;
}

/**
 * Counts refusals by code and logs each cause once per interval, so that a peer that is refused can't fill the log.
 * Causes are fixed sentences; a log line contains nothing that a peer has sent.
 */
export class Refusals {
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #intervalMs: () => number;
  readonly #repeated = new Map<string, Repetition>();
  readonly #counts = new Map<ErrorCode, number>();

  constructor(clock: Clock, logger: Logger, intervalMs: () => number) {
    this.#clock = clock;
    this.#logger = logger;
    this.#intervalMs = intervalMs;
  }

  /** Counts a refusal that is answered to the peer and not worth a log line. */
  count(code: ErrorCode): void {
    this.#counts.set(code, (this.#counts.get(code) ?? 0) + 1);
  }

  /** Counts a refusal and logs its cause and reason, unless it was logged within the interval: then it is counted there. */
  note(cause: string, code: ErrorCode, reason?: string): void {
    this.count(code);
    this.warn(cause, code, reason);
  }

  /** Logs a cause like {@link Refusals.note} without counting a refusal, which is counted elsewhere. */
  warn(cause: string, code: ErrorCode, reason?: string): void {
    const key = `${code} ${cause} ${reason}`;
    const fields: LogFields = { code, ...(reason !== undefined && { reason }) };
    const known = this.#repeated.get(key);
    if (known !== undefined) {
      known.count += 1;
      return;
    }
    this.#repeated.set(key, { count: 0 });
    this.#logger.warn(cause, fields);
    this.#clock.after(this.#intervalMs(), () => this.#summarize(key, cause, fields), true);
  }

  /** Number of refusals per code since the start. */
  get counts(): ReadonlyMap<ErrorCode, number> {
    return this.#counts;
  }

  #summarize(key: string, cause: string, fields: LogFields): void {
    const count = this.#repeated.get(key)?.count ?? 0;
    this.#repeated.delete(key);
    if (count > 0) this.#logger.warn(cause, { ...fields, count });
  }
}
