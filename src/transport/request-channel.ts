import { abortable, type AbortOptions } from '../lib/abort.ts';
import type { Clock } from '../lib/clock.ts';
import { CommError, commErrorFrom } from '../protocol/errors.ts';
import { REQUEST_PREFIX, type RequestName, type RequestOf, type ResponseOf } from '../protocol/events.ts';
import type { SocketPort } from './socket-port.ts';

/** Options of one request. */
export interface RequestOptions extends AbortOptions {
  /** @defaultValue the timeout of the channel */
  timeoutMs?: number | undefined;
}

/** Sends requests, to a server of this package or to a base server. */
export interface Requester {
  /**
   * Sends a request and returns the server's answer, unvalidated.
   *
   * @throws CommError with the server's code, or `TIMEOUT` or `DISCONNECTED`, after which the request may or may not have been
   * processed
   */
  request<K extends RequestName>(name: K, payload: RequestOf<K>, options?: RequestOptions): Promise<ResponseOf<K>>;
}

/** While data arrives, a request may take this multiple of its timeout. */
const MAX_TIMEOUT_FACTOR = 3;

interface Pending {
  reject(error: CommError): void;
}

/** Sends requests over consecutive connections of a port and matches acknowledgements. */
export class RequestChannel implements Requester {
  readonly #socket: SocketPort;
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  readonly #pending = new Set<Pending>();
  #up = false;
  /** When data last arrived, or when the current attempt started. */
  heardAt = 0;

  constructor(socket: SocketPort, clock: Clock, timeoutMs: number) {
    this.#socket = socket;
    this.#clock = clock;
    this.#timeoutMs = timeoutMs;
  }

  /** Whether the port is connected. */
  get up(): boolean {
    return this.#up;
  }

  /** Reports that the port is connected. */
  opened(): void {
    this.heard();
    this.#up = true;
  }

  /** Reports that data has arrived. */
  heard(): void {
    this.heardAt = this.#clock.now();
  }

  /** Reports that the connection is lost. Rejects all pending requests with `DISCONNECTED`. */
  closed(): void {
    this.#up = false;
    for (const each of this.#pending) each.reject(disconnected());
  }

  /** Sends a request without waiting for an answer. It is lost while disconnected. */
  send<K extends RequestName>(name: K, payload: RequestOf<K>): void {
    if (this.#up) this.#socket.emit(REQUEST_PREFIX + name, payload);
  }

  request<K extends RequestName>(
    name: K,
    payload: RequestOf<K>,
    // The answer to sync is the largest one: it grows with the number of conversations.
    { signal, timeoutMs = this.#timeoutMs * (name === 'sync' ? MAX_TIMEOUT_FACTOR : 1) }: RequestOptions = {},
  ): Promise<ResponseOf<K>> {
    if (signal?.aborted === true) return Promise.reject(signal.reason as Error);
    if (!this.#up) return Promise.reject(disconnected());
    const answer = new Promise<ResponseOf<K>>((resolve, reject) => {
      const settle = (): void => {
        this.#pending.delete(entry);
        stopTimer();
      };
      const entry: Pending = {
        reject(error) {
          settle();
          reject(error);
        },
      };
      // On a slow connection other data may precede the answer, so arriving data extends the timeout.
      const watch = (delayMs: number, restMs: number, heardAt: number): (() => void) =>
        this.#clock.after(delayMs, () => {
          const nextMs = Math.min(this.heardAt + timeoutMs - this.#clock.now(), restMs);
          if (this.heardAt !== heardAt && nextMs > 0) stopTimer = watch(nextMs, restMs - nextMs, this.heardAt);
          else entry.reject(new CommError('TIMEOUT', `No answer to ${name} within ${timeoutMs} ms`));
        });
      let stopTimer = watch(timeoutMs, timeoutMs * (MAX_TIMEOUT_FACTOR - 1), this.heardAt);
      this.#pending.add(entry);
      this.#socket.emit(REQUEST_PREFIX + name, payload, (reply) => {
        this.heard();
        if (!this.#pending.has(entry)) return;
        settle();
        if (isAccepted(reply)) resolve(reply.data as ResponseOf<K>);
        else reject(commErrorFrom((reply as { error?: unknown } | null | undefined)?.error));
      });
    });
    return abortable(answer, signal);
  }
}

function isAccepted(reply: unknown): reply is { ok: true; data: unknown } {
  return typeof reply === 'object' && reply !== null && 'ok' in reply && reply.ok === true && 'data' in reply;
}

function disconnected(): CommError {
  return new CommError('DISCONNECTED', 'The connection was lost before the answer arrived');
}
