import { abortable } from '../../lib/abort.ts';
import { backoffMs } from '../../lib/backoff.ts';
import type { Clock } from '../../lib/clock.ts';
import type { RandomSource } from '../../lib/random.ts';
import { deferred, type Deferred } from '../../lib/deferred.ts';
import { VERSION } from '../../lib/version.ts';
import { CommError, commErrorFrom } from '../../protocol/errors.ts';
import {
  isConnected,
  reduceConnection,
  statusOf,
  type ConnectionEffect,
  type ConnectionEvent,
  type ConnectionState,
  type ConnectionStatus,
} from '../../transport/connection.ts';
import { fields } from '../../transport/fields.ts';
import type { ConnectRefusal, SocketPort } from '../../transport/socket-port.ts';
import type { TokenSource } from '../../transport/token-source.ts';
import type { RequestChannel } from '../../transport/request-channel.ts';
import { parseFrame, parseHello, type PushFrame, type ServerHello } from '../../transport/frames.ts';
import { HELLO_TIMEOUT_MS } from '../../protocol/constants.ts';
import type { ConnectionReporter } from './connection-reporter.ts';

export interface ConnectionOptions {
  readonly socket: SocketPort;
  readonly channel: RequestChannel;
  readonly tokens: TokenSource;
  readonly clock: Clock;
  readonly random: RandomSource;
  readonly userId: string | undefined;
  /** The capabilities to offer to the server. */
  readonly capabilities: readonly string[];
  /** The app says that the server may be a base server. */
  readonly mayBeBase?: boolean | undefined;
  /** Returns whether the server responds to pings. A base server does not. */
  readonly canPing: () => boolean;
  readonly reporter: ConnectionReporter;
  /** Reports an error that no caller awaits, and returns it as a `CommError`. */
  readonly report: (error: unknown) => CommError;
}

/** What the rest of the client does about a connection. */
export interface ConnectionHandler {
  /** @param hello - `undefined`: the server sent none in time, so it is a base server */
  greeted(hello: ServerHello | undefined): void;
  /**
   * Brings the client in step with the server.
   *
   * @param isCurrent - returns false once the connection is lost; the resync must then end without effect
   */
  resync(isCurrent: () => boolean): Promise<void>;
  /** As `resync`, of a client that is connected and has not been told everything: its requests go on. */
  refresh(isCurrent: () => boolean): Promise<void>;
  pushed(frame: PushFrame): void;
  connectionLost(): void;
  statusChanged(status: ConnectionStatus): void;
}

const BACKOFF = { baseMs: 500, maxMs: 20_000 };
/** An attempt that takes longer is given up. */
const OPEN_TIMEOUT_MS = 20_000;
const PING_TIMEOUT_MS = 5_000;
/** At a wake-up, an attempt without any received frame for this long is replaced by a new one. */
const STALE_MS = 2_000;

/** Keeps the client connected: performs the effects of the connection state machine. */
export class ConnectionManager {
  readonly #options: ConnectionOptions;
  #handler: ConnectionHandler | undefined;
  #state: ConnectionState = { name: 'idle' };
  /** Settles with the current attempt; replaced afterwards. */
  #settled: Deferred<void> = deferred();
  /** Increments with every attempt, so that tasks of earlier ones are ignored. */
  #epoch = 0;
  #cancelTimer = (): void => undefined;
  /** Attempts since the client was last connected. */
  #attempt = 0;
  /** The server asked not to be contacted before this time. */
  #notBefore = 0;
  /** Start of the next attempt. */
  #retryAt: number | undefined;
  /** The token of the current attempt. */
  #token: string | undefined;
  /** True if the server of the last connection sent no hello: it may be a base server. */
  #wasSilent = false;
  /** A wrong option, because of which every attempt would fail. */
  #misuse: unknown;
  /** `connect()` calls that wait. */
  #waiters = 0;
  /** True if one of the waiting calls, or one that waited with them, started the connecting. */
  #startedByWaiter = false;

  constructor(options: ConnectionOptions) {
    this.#options = options;
    options.socket.listen({
      connected: () => {
        options.channel.opened();
        this.#step({ type: 'opened' });
      },
      disconnected: (_reason, byServer) => this.#lost(byServer),
      refused: (refusal) => this.#refused(refusal),
      pushed: (frame) => this.#pushed(frame),
    });
  }

  /** Connects the rest of the client. Call it once, before `connect()`. */
  attach(handler: ConnectionHandler): void {
    this.#handler = handler;
  }

  get status(): ConnectionStatus {
    return statusOf(this.#state);
  }

  /** True while requests can be sent. */
  get online(): boolean {
    return isConnected(this.#state) || this.#state.name === 'resyncing';
  }

  /** Resolves when connected and in step. An abort only ends the wait; see `isAbandoned`. */
  async connect(signal: AbortSignal | undefined): Promise<void> {
    signal?.throwIfAborted();
    this.#startedByWaiter = !('failures' in this.#state) || (this.#startedByWaiter && this.#waiters > 0);
    this.#waiters += 1;
    try {
      this.#step({ type: 'connect' });
      await this.whenConnected(signal);
    } catch (error) {
      if (signal?.aborted === true) this.#addCause(error);
      throw error;
    } finally {
      this.#waiters -= 1;
    }
  }

  /** True if all calls of `connect()` that the current connecting was started for have ended. */
  get isAbandoned(): boolean {
    return this.#startedByWaiter && this.#waiters === 0;
  }

  disconnect(): void {
    this.#options.reporter.stop();
    this.#options.tokens.forget();
    this.#step({ type: 'disconnect' });
  }

  /** The network is back or the page is visible again: ends the wait before the next attempt and checks the connection. */
  wake(): void {
    const { channel, clock } = this.#options;
    const { heardAt } = channel;
    // During a resync large responses arrive, which can take as long as a ping on a slow connection.
    const staleMs = this.online ? PING_TIMEOUT_MS : STALE_MS;
    const { name } = this.#state;
    if (name === 'waiting' ? clock.now() >= this.#notBefore : clock.now() - heardAt >= staleMs) {
      this.#step({ type: 'wake' });
    }
    if (!this.online || !this.#options.canPing()) return;
    const epoch = this.#epoch;
    channel.request('comm:ping', {}, { timeoutMs: PING_TIMEOUT_MS }).catch((error: unknown) => {
      // Any other error is a response, so the connection works.
      const isSilent = error instanceof CommError && error.code === 'TIMEOUT';
      if (!isSilent || epoch !== this.#epoch) return;
      if (channel.heardAt === heardAt) this.#lost(false);
      else this.wake();
    });
  }

  /** The server no longer accepts the user on this connection. @param error - `TOKEN_EXPIRED` or `UNAUTHENTICATED` */
  userRejected(error: CommError): void {
    this.#step({ type: 'refused-user', expired: error.code === 'TOKEN_EXPIRED' }, error);
  }

  /** Resolves when connected and in step. @throws CommError `DISCONNECTED`, `UNAUTHENTICATED` */
  whenConnected(signal: AbortSignal | undefined): Promise<void> {
    switch (this.#state.name) {
      case 'connected':
      case 'refreshing':
        return Promise.resolve();
      case 'idle':
      case 'disconnected':
        return Promise.reject(
          new CommError('DISCONNECTED', 'The client is not connected', { fix: 'Call `connect()` first.' }),
        );
      case 'unauthenticated':
        return this.#rejectExplained();
      default:
        return abortable(this.#settled.promise, signal);
    }
  }

  /** As `whenConnected()`, but also waits for a later `connect()`. */
  async untilConnected(signal: AbortSignal | undefined): Promise<void> {
    while (!isConnected(this.#state)) {
      // A rejection only ends this attempt.
      await abortable(
        this.#settled.promise.catch(() => undefined),
        signal,
      );
    }
  }

  /** @param error - the failure that the event reports */
  #step(event: ConnectionEvent, error?: CommError): void {
    const before = this.status;
    const [next, effects] = reduceConnection(this.#state, event);
    const wasLost = isConnected(this.#state) && !isConnected(next);
    const { reporter, clock } = this.#options;
    if (!('failures' in this.#state)) this.#attempt = 0;
    // An event without effect is about an attempt that has ended already.
    if (error !== undefined && next !== this.#state) {
      this.#notBefore = clock.now() + (error.retryAfterMs ?? 0);
      void this.#report(error, next.name === 'unauthenticated');
    }
    this.#state = next;
    if (wasLost) this.#settled = deferred();
    this.#retryAt = undefined;
    for (const effect of effects) this.#do(effect);
    reporter.changed(this.status, this.#attempt, this.#retryAt);
    if (this.status !== before) this.#handler?.statusChanged(this.status);
  }

  /** Reports a failure. If its diagnosis shows that the server asks for a wait, the next attempt is postponed. */
  async #report(error: CommError, isFinal: boolean): Promise<void> {
    const { reporter, clock } = this.#options;
    const { retryAfterMs } = await reporter.failed(error, this.#attempt, isFinal);
    if (retryAfterMs === error.retryAfterMs || retryAfterMs === undefined || this.#state.name !== 'waiting') return;
    this.#notBefore = clock.now() + retryAfterMs;
    this.#do({ do: 'wait', failures: this.#state.failures });
    reporter.changed(this.status, this.#attempt, this.#retryAt);
  }

  #do(effect: ConnectionEffect): void {
    switch (effect.do) {
      case 'open':
        return void this.#open();
      case 'close':
        return this.#close();
      case 'await-hello':
        // A server that has sent a hello before is slow, and must not be treated as a base server.
        return this.#after(this.#options.canPing() ? OPEN_TIMEOUT_MS : HELLO_TIMEOUT_MS, () =>
          this.#greet(undefined, false),
        );
      case 'resync':
        return void this.#resync('resync');
      case 'refresh':
        return void this.#resync('refresh');
      case 'wait': {
        const { clock, random } = this.#options;
        const now = clock.now();
        // Added to the time that the server asked for, because clients that were told the same time must not return together.
        const delay = Math.max(0, this.#notBefore - now) + backoffMs(effect.failures, random.number(), BACKOFF);
        this.#retryAt = now + delay;
        return this.#after(delay, () => this.#step({ type: 'wake' }));
      }
      case 'refresh-token':
        this.#options.tokens.refused(this.#token);
        return;
      case 'settle':
        return this.#settle(effect.connected);
    }
  }

  async #open(): Promise<void> {
    const epoch = ++this.#epoch;
    this.#attempt += 1;
    this.#options.channel.heard();
    this.#after(OPEN_TIMEOUT_MS, () => this.#step({ type: 'failed' }, noAnswer()));
    const { socket, tokens, userId, mayBeBase, capabilities: caps } = this.#options;
    let token: string | undefined;
    try {
      token = await tokens.get();
    } catch (cause) {
      if (epoch !== this.#epoch) return;
      const error = new CommError('UNAUTHENTICATED', 'The token function failed', { cause, reason: 'token-function' });
      this.#options.report(error);
      return this.#step({ type: 'failed' }, error);
    }
    if (epoch !== this.#epoch) return;
    this.#token = token;
    const auth = { caps, clientVersion: VERSION, ...(token !== undefined && { token }) };
    try {
      // A base server reads no token and disconnects without an id.
      const sendsId = token === undefined || mayBeBase === true || this.#wasSilent;
      socket.connect({ auth, query: sendsId && userId !== undefined ? { userId } : {} });
    } catch (error) {
      this.#misuse = error;
      this.#step({ type: 'disconnect' });
    }
  }

  #close(): void {
    this.#epoch += 1;
    this.#cancelTimer();
    this.#options.socket.disconnect();
    this.#options.channel.closed();
    this.#handler?.connectionLost();
  }

  /** @param received - a hello has arrived, even an invalid one; else the wait for it is over */
  #greet(hello: ServerHello | undefined, received: boolean): void {
    const isLate = this.online && received && !this.#options.canPing();
    if (this.#state.name !== 'greeting' && !isLate) return;
    if (isLate) {
      // The server was slow and is no base server: the resync starts again.
      this.#epoch += 1;
      this.#handler?.connectionLost();
    }
    this.#cancelTimer();
    this.#options.tokens.accepted();
    this.#wasSilent = !received;
    this.#handler?.greeted(hello);
    this.#step({ type: 'greeted' });
  }

  async #resync(kind: 'resync' | 'refresh'): Promise<void> {
    const epoch = this.#epoch;
    const isCurrent = (): boolean => epoch === this.#epoch;
    try {
      await this.#handler?.[kind](isCurrent);
      if (isCurrent()) this.#step({ type: 'resynced' });
    } catch (error) {
      if (!isCurrent()) return;
      const isTemporary = error instanceof CommError && error.retryable;
      const reported = isTemporary ? error : this.#options.report(error);
      if (reported.code === 'E2EE_LOCKED') {
        // The keys belong to another user than the hello names, which another attempt would not change.
        this.#handler?.greeted(undefined);
        this.#misuse = reported;
        return this.#step({ type: 'disconnect' }, reported);
      }
      this.#step({ type: 'failed' }, reported);
    }
  }

  #pushed(frame: unknown): void {
    this.#options.channel.heard();
    const push = parseFrame(frame);
    if (push?.event === 'comm:hello') this.#greet(parseHello(push.data), true);
    else if (push?.event === 'comm:resync') this.#missed();
    else if (push !== undefined) this.#handler?.pushed(push);
  }

  /** The server has lost pushes. */
  #missed(): void {
    if (!this.online) return;
    // A resync that runs may have read the rows before.
    this.#epoch += 1;
    if (this.#state.name === 'resyncing') this.#handler?.connectionLost();
    this.#step({ type: 'missed' });
  }

  #refused({ code, message, cause }: ConnectRefusal): void {
    const data = fields(fields(cause)?.['data']);
    const error =
      code === undefined
        ? new CommError('DISCONNECTED', message, { cause })
        : commErrorFrom({ ...data, code, message }, cause);
    const isBanned = data?.['reason'] === 'user-banned';
    if (code === 'UNAUTHENTICATED' || code === 'TOKEN_EXPIRED' || isBanned) this.userRejected(error);
    else this.#step({ type: 'failed' }, error);
  }

  #lost(byServer: boolean): void {
    const isGreeting = this.#state.name === 'greeting';
    // A base server disconnects a client without an id, which the next attempt sends.
    const sendsIdNext =
      isGreeting && !this.#wasSilent && this.#token !== undefined && this.#options.userId !== undefined;
    if (isGreeting) this.#wasSilent = true;
    const refused = byServer && isGreeting && !sendsIdNext;
    const reason = refused ? 'user-refused' : 'connection-lost';
    this.#step(
      { type: 'lost', byServer: byServer && !sendsIdNext },
      new CommError('DISCONNECTED', 'The connection was lost', { reason }),
    );
  }

  #settle(connected: boolean): void {
    const settled = this.#settled;
    if (connected) {
      this.#attempt = 0;
      return settled.resolve();
    }
    this.#settled = deferred();
    if (this.#state.name === 'unauthenticated') return void this.#rejectExplained().catch(settled.reject);
    settled.reject(this.#misuse ?? new CommError('DISCONNECTED', 'Disconnected'));
    this.#misuse = undefined;
  }

  /** Rejects with the reason why the server does not accept the user. */
  async #rejectExplained(): Promise<never> {
    const { failure, explained } = this.#options.reporter;
    throw (await explained) ?? failure ?? noAnswer();
  }

  /** Adds the reason why the client is not connected to the reason of an abort, which stays the same object. */
  #addCause(reason: unknown): void {
    if (!(reason instanceof Error) || reason.cause !== undefined) return;
    const { snapshot, failure } = this.#options.reporter;
    const value = snapshot.getSnapshot().lastError ?? failure ?? noAnswer();
    // A frozen reason stays as it is.
    Reflect.defineProperty(reason, 'cause', { value, configurable: true, writable: true });
  }

  #after(delayMs: number, task: () => void): void {
    this.#cancelTimer();
    this.#cancelTimer = this.#options.clock.after(delayMs, task);
  }
}

function noAnswer(): CommError {
  return new CommError('TIMEOUT', 'The server has not answered', { reason: 'no-answer' });
}
