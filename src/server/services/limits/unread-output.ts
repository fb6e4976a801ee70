import type { Clock } from '../../../lib/clock.ts';
import { CommError } from '../../../protocol/errors.ts';
import type { Refusals } from './refusals.ts';
import type { ServerLimits } from './server-limits.ts';

/** A connection or response whose peer reads what the server writes. */
export interface Output {
  /** User who causes the output; `undefined` while unknown. */
  readonly userId: string | undefined;
  /** True for the response to one request, whose size is bounded already: the limit per connection doesn't apply. */
  readonly isResponse?: boolean;
  /** Bytes in the memory of this process that the peer has not read yet. */
  unreadBytes(): number;
  /** A number that changes when the peer reads, in bytes. */
  progress(): number;
  /** Called while the peer reads, though slowly. */
  progressed?(): void;
  /** Discards the unread output and ends the connection. */
  close(): void;
}

interface Tracked {
  unreadBytes: number;
  progress: number;
  progressedAt: number;
}

/** Outputs are measured after this many bytes have been written, and at intervals. */
const CHECK_EVERY_BYTES = 256 * 1_024;
const CHECKS_PER_TIMEOUT = 4;
/** Time in ms after which a user whose connections don't read may repeat a request. */
const RETRY_AFTER_MS = 1_000;

/**
 * Bounds the output that peers don't read: per connection, per user and for the process. A peer that reads slowly is
 * kept as long as it makes progress; above the limits, the connection with the most unread output is closed. Its client
 * reconnects and resyncs by its cursors.
 */
export class UnreadOutput {
  readonly #limits: Readonly<ServerLimits>;
  readonly #clock: Clock;
  readonly #refusals: Refusals;
  /** Outputs with unread bytes at the last check, or with writes since. */
  readonly #tracked = new Map<Output, Tracked>();
  /** Unread bytes of each user by the last check, without outputs that have ended since. */
  #perUser = new Map<string, number>();
  #bytesSinceCheck = 0;
  #scheduled = false;
  #hasTimer = false;

  constructor(limits: Readonly<ServerLimits>, clock: Clock, refusals: Refusals) {
    this.#limits = limits;
    this.#clock = clock;
    this.#refusals = refusals;
  }

  /** Counts a write. The output is measured later, when the kernel has taken what it can. */
  wrote(output: Output, bytes: number): void {
    if (!this.#tracked.has(output)) {
      const progressedAt = this.#clock.now();
      this.#tracked.set(output, { unreadBytes: 0, progress: output.progress(), progressedAt });
      this.#startTimer();
    }
    this.#bytesSinceCheck += bytes;
    if (this.#bytesSinceCheck < CHECK_EVERY_BYTES || this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.check();
    });
  }

  /** Stops tracking an output that has ended. Idempotent. */
  ended(output: Output): void {
    const { unreadBytes = 0 } = this.#tracked.get(output) ?? {};
    this.#tracked.delete(output);
    this.#release(output.userId, unreadBytes);
  }

  /**
   * Refuses a request whose answer would be added to much unread output of the same connection or user.
   *
   * @throws CommError `RATE_LIMITED` with `retryAfterMs`
   */
  admit(userId: string, output?: Output): void {
    const { unreadBytesPerSocket, unreadBytesPerUser } = this.#limits;
    const ownBytes = output === undefined ? 0 : (this.#tracked.get(output)?.unreadBytes ?? 0);
    if (ownBytes <= unreadBytesPerSocket / 2 && (this.#perUser.get(userId) ?? 0) <= unreadBytesPerUser / 2) return;
    throw new CommError('RATE_LIMITED', 'earlier answers have not been read', { retryAfterMs: RETRY_AFTER_MS });
  }

  /** Measures all outputs and closes those above a limit, or without progress. */
  check(): void {
    this.#bytesSinceCheck = 0;
    const { unreadBytesPerSocket, unreadBytesPerUser, unreadBytesTotal, readTimeoutMs } = this.#limits;
    const now = this.#clock.now();
    for (const [output, tracked] of this.#tracked) {
      tracked.unreadBytes = output.unreadBytes();
      const progress = output.progress();
      if (tracked.unreadBytes === 0) {
        this.#tracked.delete(output);
      } else if (progress !== tracked.progress) {
        tracked.progress = progress;
        tracked.progressedAt = now;
        output.progressed?.();
      }
      const max = output.isResponse === true ? Infinity : unreadBytesPerSocket;
      if (tracked.unreadBytes > max) this.#close(output, 'a connection did not read its output');
      else if (now - tracked.progressedAt >= readTimeoutMs) this.#close(output, 'a connection read nothing in time');
    }
    this.#closeAbove(unreadBytesPerUser, unreadBytesTotal);
  }

  /** Bytes that have not been read, by the last check. */
  get totalBytes(): number {
    let total = 0;
    for (const { unreadBytes } of this.#tracked.values()) total += unreadBytes;
    return total;
  }

  /** Closes the outputs with the most unread bytes of users and of the process until the limits are met. */
  #closeAbove(maxPerUser: number, maxTotal: number): void {
    let total = this.totalBytes;
    const perUser = new Map<string, number>();
    this.#perUser = perUser;
    for (const [{ userId }, { unreadBytes }] of this.#tracked) {
      if (userId !== undefined) perUser.set(userId, (perUser.get(userId) ?? 0) + unreadBytes);
    }
    const isOver = (userId: string | undefined): boolean =>
      total > maxTotal || (userId !== undefined && (perUser.get(userId) ?? 0) > maxPerUser);
    if (total <= maxTotal && ![...perUser.keys()].some(isOver)) return;
    const largestFirst = [...this.#tracked].toSorted(([, one], [, other]) => other.unreadBytes - one.unreadBytes);
    for (const [output, { unreadBytes }] of largestFirst) {
      const { userId } = output;
      if (!isOver(userId)) continue;
      total -= unreadBytes;
      this.#release(userId, unreadBytes);
      this.#close(output, 'connections did not read their output');
    }
  }

  #release(userId: string | undefined, bytes: number): void {
    const unread = userId === undefined ? undefined : this.#perUser.get(userId);
    if (userId !== undefined && unread !== undefined) this.#perUser.set(userId, unread - bytes);
  }

  #close(output: Output, cause: string): void {
    this.#tracked.delete(output);
    this.#refusals.note(cause, 'RATE_LIMITED');
    output.close();
  }

  #startTimer(): void {
    if (this.#hasTimer) return;
    this.#hasTimer = true;
    this.#clock.after(
      this.#limits.readTimeoutMs / CHECKS_PER_TIMEOUT,
      () => {
        this.#hasTimer = false;
        this.check();
        if (this.#tracked.size > 0) this.#startTimer();
      },
      true,
    );
  }
}
