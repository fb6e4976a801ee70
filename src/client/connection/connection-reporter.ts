import type { Clock } from '../../lib/clock.ts';
import type { Logger } from '../../lib/logger.ts';
import { ObservableValue } from '../../lib/observable.ts';
import type { CommError } from '../../protocol/errors.ts';
import type { ConnectionStatus } from '../../transport/connection.ts';

/** The state of the connection, and why the client is not connected. */
export interface ConnectionSnapshot {
  /** Same as `CommClient.status`. */
  readonly status: ConnectionStatus;
  /** Number of the current attempt since the client was last connected, or of the last one while it waits; 0 before the first. */
  readonly attempt: number;
  /**
   * Why the last attempt failed or the connection was lost. `reason` names the cause, `fix` the remedy. Absent while
   * connected and before the first failure. It is set once the cause has been determined, shortly after the failure.
   */
  readonly lastError?: CommError | undefined;
  /** Start of the next attempt in milliseconds since the epoch; absent unless the client waits for it. */
  readonly nextRetryAt?: number | undefined;
  /** Time of the last change of `status`, in milliseconds since the epoch. */
  readonly since: number;
}

/**
 * Determines why an attempt failed. Returns a more specific error, or the same one.
 *
 * @param isFinal - the client makes no further attempt: the error becomes `UNAUTHENTICATED`
 * @param signal - aborts when the reason is no longer of interest
 */
export type Diagnose = (error: CommError, isFinal: boolean, signal: AbortSignal) => Promise<CommError>;

/** What {@link ConnectionReporter} needs. */
export interface ReporterOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly diagnose: Diagnose;
  readonly report: (error: unknown) => void;
}

/** Publishes the state of the connection. Diagnoses each failure, logs it and publishes the result. */
export class ConnectionReporter {
  readonly snapshot: ObservableValue<ConnectionSnapshot>;
  /** The last failure, before its diagnosis; `undefined` if there was none since the client was last connected. */
  failure: CommError | undefined;
  /** The diagnosed reason of `failure`. */
  explained: Promise<CommError> | undefined;
  readonly #options: ReporterOptions;
  /** Aborts the diagnoses in progress. */
  #diagnosis = new AbortController();
  /** Number of failures. */
  #failures = 0;
  /** Failures up to this one are published or of no interest any more. */
  #published = 0;

  constructor(options: ReporterOptions) {
    this.#options = options;
    const idle: ConnectionSnapshot = { status: 'idle', attempt: 0, since: options.clock.now() };
    this.snapshot = new ObservableValue(Object.freeze(idle), options.report);
  }

  /** Publishes the state after a step. A new connection, or a new start of connecting, discards the last failure. */
  changed(status: ConnectionStatus, attempt: number, nextRetryAt: number | undefined): void {
    const before = this.snapshot.getSnapshot();
    const isSame = status === before.status;
    if (isSame && attempt === before.attempt && nextRetryAt === before.nextRetryAt) return;
    if (!isSame && (status === 'connected' || status === 'connecting')) {
      this.failure = undefined;
      this.#published = this.#failures;
    }
    this.#publish({
      status,
      attempt,
      nextRetryAt,
      since: isSame ? before.since : this.#options.clock.now(),
      lastError: this.failure && before.lastError,
    });
  }

  /** Diagnoses a failed attempt or a lost connection. Returns the diagnosed reason. @param isFinal - the client makes no further attempt */
  failed(error: CommError, attempt: number, isFinal: boolean): Promise<CommError> {
    this.failure = error;
    return (this.explained = this.#explain(error, attempt, isFinal));
  }

  /** Ends the diagnoses in progress. */
  stop(): void {
    this.#diagnosis.abort();
    this.#diagnosis = new AbortController();
  }

  async #explain(error: CommError, attempt: number, isFinal: boolean): Promise<CommError> {
    const { diagnose, logger } = this.#options;
    const failure = ++this.#failures;
    let explained = error;
    try {
      explained = await diagnose(error, isFinal, this.#diagnosis.signal);
    } catch {
      // Without a network the code of the diagnosis may not load. The failure is reported as it is.
    }
    const { code, reason, fix } = explained;
    logger.warn('Not connected', { attempt, code, reason, fix });
    // A diagnosis can take longer than the next attempt.
    if (failure > this.#published) {
      this.#published = failure;
      this.#publish({ lastError: explained });
    }
    return explained;
  }

  #publish(change: Partial<ConnectionSnapshot>): void {
    this.snapshot.set(Object.freeze({ ...this.snapshot.getSnapshot(), ...change }));
  }
}
