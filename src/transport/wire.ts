import { abortable, type AbortOptions } from '../lib/abort.ts';
import type { Clock } from '../lib/clock.ts';
import { CommError, commErrorFrom } from '../protocol/errors.ts';
import { REQUEST_PREFIX, type RequestName, type RequestOf, type ResponseOf } from '../protocol/events.ts';
import type { SocketPort } from './socket-port.ts';

export interface RequestOptions extends AbortOptions {
  timeoutMs?: number | undefined;
}

/** Asks the server and answers with what it said, whatever kind of server it is. */
export interface Requester {
  /** @throws CommError: what the server refused with, `TIMEOUT`, or `DISCONNECTED` (nobody knows whether it arrived) */
  request<K extends RequestName>(name: K, payload: RequestOf<K>, options?: RequestOptions): Promise<ResponseOf<K>>;
}

/** So many times the limit of a request may pass for as long as the line brings something. */
const PATIENCE = 3;
interface Waiting {
  reject(error: CommError): void;
}

/** Requests and their acknowledgements over one connection after another. */
export class Wire implements Requester {
  readonly #socket: SocketPort;
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  readonly #waiting = new Set<Waiting>();
  #up = false;
  /** When the line has last brought anything, or the attempt at one was begun. */
  heardAt = 0;

  constructor(socket: SocketPort, clock: Clock, timeoutMs: number) {
    this.#socket = socket;
    this.#clock = clock;
    this.#timeoutMs = timeoutMs;
  }

  get up(): boolean {
    return this.#up;
  }

  opened(): void {
    this.heard();
    this.#up = true;
  }

  /** The line has brought something. */
  heard(): void {
    this.heardAt = this.#clock.now();
  }

  /** Everything that waits for an answer of this connection learns that none will come. */
  closed(): void {
    this.#up = false;
    for (const waiting of this.#waiting) waiting.reject(disconnected());
  }

  /** Sends without waiting for anything; lost while disconnected. */
  send<K extends RequestName>(name: K, payload: RequestOf<K>): void {
    if (this.#up) this.#socket.emit(REQUEST_PREFIX + name, payload);
  }

  request<K extends RequestName>(
    name: K,
    payload: RequestOf<K>,
    // The answer to a sync is the largest there is, and grows with the number of conversations.
    { signal, timeoutMs = this.#timeoutMs * (name === 'sync' ? PATIENCE : 1) }: RequestOptions = {},
  ): Promise<ResponseOf<K>> {
    if (signal?.aborted === true) return Promise.reject(signal.reason as Error);
    if (!this.#up) return Promise.reject(disconnected());
    const answer = new Promise<ResponseOf<K>>((resolve, reject) => {
      const settle = (): void => {
        this.#waiting.delete(waiting);
        stopTimer();
      };
      const waiting: Waiting = {
        reject(error) {
          settle();
          reject(error);
        },
      };
      // On a slow line an answer waits behind what comes before it: while something comes, it is on its way.
      const watch = (delayMs: number, restMs: number, heardAt: number): (() => void) =>
        this.#clock.after(delayMs, () => {
          const nextMs = Math.min(this.heardAt + timeoutMs - this.#clock.now(), restMs);
          if (this.heardAt !== heardAt && nextMs > 0) stopTimer = watch(nextMs, restMs - nextMs, this.heardAt);
          else waiting.reject(new CommError('TIMEOUT', `No answer to ${name} within ${timeoutMs} ms`));
        });
      let stopTimer = watch(timeoutMs, timeoutMs * (PATIENCE - 1), this.heardAt);
      this.#waiting.add(waiting);
      this.#socket.emit(REQUEST_PREFIX + name, payload, (reply) => {
        this.heard();
        if (!this.#waiting.has(waiting)) return;
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
  return new CommError('DISCONNECTED', 'The connection ended before the answer');
}
