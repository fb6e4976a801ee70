import { abortable } from '../lib/abort.ts';
import { backoffMs } from '../lib/backoff.ts';
import type { Clock } from '../lib/clock.ts';
import { deferred, type Deferred } from '../lib/deferred.ts';
import { VERSION } from '../lib/version.ts';
import { CommError } from '../protocol/errors.ts';
import {
  reduceConnection,
  statusOf,
  type ConnectionEffect,
  type ConnectionEvent,
  type ConnectionState,
  type ConnectionStatus,
} from '../transport/connection.ts';
import type { ConnectRefusal, SocketPort } from '../transport/socket-port.ts';
import type { TokenSource } from '../transport/token-source.ts';
import type { Wire } from '../transport/wire.ts';
import { HELLO_TIMEOUT_MS } from '../protocol/vocabulary.ts';

export interface LifecyclePorts {
  socket: SocketPort;
  wire: Wire;
  tokens: TokenSource;
  clock: Clock;
  userId: string | undefined;
  /** What is offered to the server. */
  caps: readonly string[];
  /** The hello of our server; `undefined`: there was none in time, so this is a base server. */
  greeted(hello: unknown): void;
  /** Joins, syncs and flushes. Resolves when in step. */
  /** @param isCurrent - false once the line it was begun on is lost: what comes after an `await` must not go on */
  catchUp(isCurrent: () => boolean): Promise<void>;
  lineLost(): void;
  pushed(event: string, data: unknown): void;
  status(status: ConnectionStatus): void;
  /** A base server would leave a ping unanswered. */
  canPing(): boolean;
  report(error: unknown): void;
}

const BACKOFF = { baseMs: 500, maxMs: 20_000 };
/** A server that takes the connection and then says nothing. */
const OPEN_TIMEOUT_MS = 20_000;
const PING_TIMEOUT_MS = 5_000;
/** An attempt of which nothing has been heard for so long is not worth waiting for once there is a reason to doubt it. */
const STALE_MS = 2_000;

/** Does what the connection machine says. */
export class Lifecycle {
  readonly #ports: LifecyclePorts;
  #state: ConnectionState = { name: 'idle' };
  /** Settles when the next attempt to get in step has; whoever comes after that waits on another one. */
  #settled: Deferred<void> = deferred();
  /** Moves with every attempt, so that what an earlier one left running is ignored. */
  #epoch = 0;
  #cancelTimer = (): void => undefined;
  #refusal: CommError | undefined;
  /** What the current attempt shows. */
  #token: string | undefined;
  /** The app's mistake, which no further attempt can mend. */
  #misuse: unknown;

  constructor(ports: LifecyclePorts) {
    this.#ports = ports;
    ports.socket.listen({
      connected: () => {
        ports.wire.opened();
        this.#step({ type: 'opened' });
      },
      disconnected: (_reason, byServer) => this.#step({ type: 'lost', byServer }),
      refused: (refusal) => this.#refused(refusal),
      pushed: (frame) => this.#pushed(frame),
    });
  }

  get status(): ConnectionStatus {
    return statusOf(this.#state);
  }

  /** True while the server can be asked. */
  get online(): boolean {
    return this.#state.name === 'connected' || this.#state.name === 'catching-up';
  }

  async connect(signal: AbortSignal | undefined): Promise<void> {
    signal?.throwIfAborted();
    this.#step({ type: 'connect' });
    await this.whenConnected(signal);
  }

  disconnect(): void {
    this.#ports.tokens.forget();
    this.#step({ type: 'disconnect' });
  }

  /** The network is back, or the page is looked at again: don't wait, and don't believe the line is still there. */
  wake(): void {
    const { wire, clock } = this.#ports;
    const { heardAt } = wire;
    // While catching up long answers come: on a slow line one may be on its way for as long as an answer to a ping.
    const staleMs = this.online ? PING_TIMEOUT_MS : STALE_MS;
    const { name } = this.#state;
    if (name === 'waiting' || clock.now() - heardAt >= staleMs) this.#step({ type: 'wake' });
    if (!this.online || !this.#ports.canPing()) return;
    const epoch = this.#epoch;
    wire.request('comm:ping', {}, { timeoutMs: PING_TIMEOUT_MS }).catch((error: unknown) => {
      // Whatever else is answered shows that the line is there.
      const isSilent = error instanceof CommError && error.code === 'TIMEOUT';
      if (!isSilent || epoch !== this.#epoch) return;
      if (wire.heardAt === heardAt) this.#step({ type: 'lost', byServer: false });
      else this.wake();
    });
  }

  /** The server took back its trust while connected. */
  userRefused(expired: boolean): void {
    this.#step({ type: 'refused-user', expired });
  }

  whenConnected(signal: AbortSignal | undefined): Promise<void> {
    switch (this.#state.name) {
      case 'connected':
        return Promise.resolve();
      case 'idle':
      case 'disconnected':
        return Promise.reject(
          new CommError('DISCONNECTED', 'The client is not connected', { fix: 'Call `connect()` first.' }),
        );
      case 'unauthenticated':
        return Promise.reject(this.#unauthenticated());
      default:
        return abortable(this.#settled.promise, signal);
    }
  }

  async untilConnected(signal: AbortSignal | undefined): Promise<void> {
    while (this.#state.name !== 'connected') {
      // A rejection only says that this attempt is over: whoever waits here waits for the next.
      await abortable(
        this.#settled.promise.catch(() => undefined),
        signal,
      );
    }
  }

  #step(event: ConnectionEvent): void {
    const before = this.status;
    const [next, effects] = reduceConnection(this.#state, event);
    const leftLine = this.#state.name === 'connected' && next.name !== 'connected';
    this.#state = next;
    if (leftLine) this.#settled = deferred();
    for (const effect of effects) this.#do(effect);
    if (this.status !== before) this.#ports.status(this.status);
  }

  #do(effect: ConnectionEffect): void {
    switch (effect.do) {
      case 'open':
        return void this.#open();
      case 'close':
        return this.#close();
      case 'await-hello':
        // One that has said hello before is slow now; what goes out as to a base server would lose its guarantees.
        return this.#after(this.#ports.canPing() ? OPEN_TIMEOUT_MS : HELLO_TIMEOUT_MS, () => this.#greet(undefined));
      case 'catch-up':
        return void this.#catchUp();
      case 'wait': {
        const delay = backoffMs(effect.failures, Math.random(), BACKOFF);
        return this.#after(delay, () => this.#step({ type: 'wake' }));
      }
      case 'refresh-token':
        this.#ports.tokens.refused(this.#token);
        return;
      case 'settle':
        return this.#settle(effect.connected);
    }
  }

  async #open(): Promise<void> {
    const epoch = ++this.#epoch;
    this.#ports.wire.heard();
    this.#after(OPEN_TIMEOUT_MS, () => this.#step({ type: 'failed' }));
    const { socket, tokens, userId, caps } = this.#ports;
    let token: string | undefined;
    try {
      token = await tokens.get();
    } catch (cause) {
      if (epoch !== this.#epoch) return;
      this.#ports.report(new CommError('UNAUTHENTICATED', 'No token', { cause }));
      return this.#step({ type: 'failed' });
    }
    if (epoch !== this.#epoch) return;
    this.#token = token;
    const auth = { caps, clientVersion: VERSION, ...(token !== undefined && { token }) };
    try {
      socket.connect({ auth, query: token === undefined && userId !== undefined ? { userId } : {} });
    } catch (error) {
      this.#misuse = error;
      this.#step({ type: 'disconnect' });
    }
  }

  #close(): void {
    this.#epoch += 1;
    this.#cancelTimer();
    this.#ports.socket.disconnect();
    this.#ports.wire.closed();
    this.#ports.lineLost();
  }

  #greet(hello: unknown): void {
    const isLate = this.online && hello !== undefined && !this.#ports.canPing();
    if (this.#state.name !== 'greeting' && !isLate) return;
    if (isLate) {
      // It was slow, not a base server: what was begun as with one starts over.
      this.#epoch += 1;
      this.#ports.lineLost();
    }
    this.#cancelTimer();
    this.#ports.tokens.accepted();
    this.#ports.greeted(hello);
    this.#step({ type: 'greeted' });
  }

  async #catchUp(): Promise<void> {
    const epoch = this.#epoch;
    const isCurrent = (): boolean => epoch === this.#epoch;
    try {
      await this.#ports.catchUp(isCurrent);
      if (isCurrent()) this.#step({ type: 'in-step' });
    } catch (error) {
      if (!isCurrent()) return;
      if (!(error instanceof CommError) || !error.retryable) this.#ports.report(error);
      this.#step({ type: 'failed' });
    }
  }

  #pushed(frame: unknown): void {
    this.#ports.wire.heard();
    if (typeof frame !== 'object' || frame === null || !('event' in frame) || typeof frame.event !== 'string') return;
    const data = 'data' in frame ? frame.data : undefined;
    if (frame.event === 'comm:hello') this.#greet(data);
    else this.#ports.pushed(frame.event, data);
  }

  #refused({ code, message }: ConnectRefusal): void {
    if (code !== 'UNAUTHENTICATED' && code !== 'TOKEN_EXPIRED') return this.#step({ type: 'failed' });
    this.#refusal = new CommError(code, message);
    this.#step({ type: 'refused-user', expired: code === 'TOKEN_EXPIRED' });
  }

  #settle(connected: boolean): void {
    if (connected) return this.#settled.resolve();
    const error =
      this.#state.name === 'unauthenticated'
        ? this.#unauthenticated()
        : (this.#misuse ?? new CommError('DISCONNECTED', 'Disconnected'));
    this.#misuse = undefined;
    this.#settled.reject(error);
    this.#settled = deferred();
  }

  #unauthenticated(): CommError {
    return new CommError('UNAUTHENTICATED', this.#refusal?.message ?? 'The user is not accepted', {
      fix: 'Check `token` or `userId`, then call `connect()` again.',
    });
  }

  #after(delayMs: number, task: () => void): void {
    this.#cancelTimer();
    this.#cancelTimer = this.#ports.clock.after(delayMs, task);
  }
}
