import * as v from 'valibot';
import { deferred } from '../../lib/deferred.ts';
import { errorFields } from '../../lib/logger.ts';
import { CommError, errorBodyOf, isCommError, type ErrorBody, type ServerErrorCode } from '../../protocol/errors.ts';
import type { Push, RequestName } from '../../protocol/events.ts';
import { handshakeAuthSchema, type HandshakeAuth } from '../../protocol/handshake.ts';
import type { Identity } from '../auth/authenticate.ts';
import type { ServerCore } from '../server-core.ts';
import { rejectUnknownRequest, type RequestSource } from '../handlers/define-handler.ts';
import { HANDLERS } from '../handlers/index.ts';
import { requireNotBanned } from '../services/moderation/user-bans.ts';
import type { Caller } from '../services/ports.ts';
import type { ConnectionOutput } from './connection-output.ts';
import type { SocketAdapter } from './lumen-context.ts';
import { conversationIdsOf } from '../store/queries/users.ts';
import { CAPABILITIES, type Capability, HELLO_TIMEOUT_MS, PROTOCOL_VERSION } from '../../protocol/constants.ts';

/** Maximum delay of a timer in ms. A longer token lifetime is checked again after it. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** Parses the `auth` payload of the handshake. An invalid payload is treated as absent. */
export function handshakeAuth(auth: unknown): HandshakeAuth {
  const result = v.safeParse(handshakeAuthSchema, auth ?? {});
  return result.success ? result.output : {};
}

/** Time in ms after which a peer is greeted although it isn't in its rooms yet. Clients wait for a second. */
const GREETING_MS = HELLO_TIMEOUT_MS / 2;

/**
 * State machine of one socket. Requests that arrive while it is opening are queued until it is open.
 *
 * opening ── authenticated, in its rooms, hello pushed ──► open ── disconnected ──► closed
 *
 * The hello is pushed earlier if the rooms take long.
 *
 * opening ── rejected ──► closed
 */
export class Connection implements RequestSource {
  readonly #core: ServerCore;
  readonly #socket: SocketAdapter;
  readonly #output: ConnectionOutput | undefined;
  readonly #opening = deferred<Caller>();
  #caller: Caller | undefined;
  /** Set once the caller counts as present, before the connection is open. */
  #registeredCaller: Caller | undefined;
  #closed = false;
  #cancelExpiry: () => void = () => undefined;
  #releaseSocket: () => void = () => undefined;
  #isGreeted = false;
  #cancelGreeting: () => void = () => undefined;

  constructor(core: ServerCore, socket: SocketAdapter, output?: ConnectionOutput) {
    this.#core = core;
    this.#socket = socket;
    this.#output = output;
  }

  get services(): ServerCore['services'] {
    return this.#core.services;
  }

  get logger(): ServerCore['logger'] {
    return this.#core.logger;
  }

  get tracer(): ServerCore['tracer'] {
    return this.#core.tracer;
  }

  get caller(): Caller | Promise<Caller> {
    return this.#caller ?? this.#opening.promise;
  }

  /**
   * Authenticates the socket and opens the connection. Never rejects: a rejected peer receives an `error` push and is
   * disconnected.
   */
  async open(identify: () => Identity | Promise<Identity>, { caps: offered }: HandshakeAuth): Promise<void> {
    try {
      const asked = identify();
      const { userId, expiresAt, profile } = asked instanceof Promise ? await asked : asked;
      if (this.#closed) return;
      this.#releaseSocket = this.#core.userSockets.take(userId);
      if (this.#output !== undefined) this.#output.userId = userId;
      const caps = new Set<Capability>(CAPABILITIES.filter((cap) => offered?.includes(cap)));
      if (!this.services.files.enabled) caps.delete('uploads');
      const caller: Caller = { userId, socketId: this.#socket.id, caps };
      const refresh = caps.has('rev') && caps.has('resync') ? () => this.#refresh(identify) : undefined;
      this.#registeredCaller = caller;
      this.services.presence.register(caller);
      if (offered !== undefined) this.#cancelGreeting = this.#greetInTime(caller);
      await this.#core.ready();
      if (profile !== undefined) await this.services.profiles.claimed(userId, profile);
      if (!(await this.#joinRooms(caller, refresh))) return;
      if (offered !== undefined) this.#greet(caller);
      await this.services.presence.connected(caller);
      if (this.#closed) return;
      this.#caller = caller;
      this.#opening.resolve(caller);
      this.#expireAt(expiresAt);
      this.#pushState(caller);
    } catch (error) {
      this.#reject(error);
    }
  }

  handle(name: RequestName, args: readonly unknown[]): void {
    this.#core.inFlight.add(HANDLERS[name].handle(this, args));
  }

  /** Answers an event that isn't part of the protocol. It is charged like a request. */
  answerUnknown(args: readonly unknown[]): void {
    if (this.#closed) return;
    this.#core.refusals.note('unknown request', 'UNSUPPORTED');
    this.#core.inFlight.add(rejectUnknownRequest(this, args));
  }

  charge(caller: Caller, work: number, bytes: number): void {
    if (this.#core.draining) {
      throw new CommError('UNAVAILABLE', 'The server is shutting down', { retryAfterMs: 1_000 });
    }
    const { budgets } = this.services;
    try {
      budgets.chargeBytes(caller, bytes);
      budgets.chargeRequest(caller, work);
      this.#core.unread.admit(caller.userId, this.#output);
    } catch (error) {
      this.#core.refusals.warn('requests above the limits of a user were rejected', 'RATE_LIMITED');
      if (!budgets.tolerateRefusal(caller)) this.#socket.drop();
      throw error;
    }
  }

  async nextTurn({ userId }: Caller): Promise<void> {
    await this.#core.turns.next(userId);
    if (this.#closed) throw new CommError('UNAVAILABLE', 'The connection is closed');
    this.#core.unread.admit(userId, this.#output);
  }

  refused(code: ServerErrorCode): void {
    this.#core.refusals.count(code);
  }

  push(push: Push): void {
    if (!this.#closed) this.#socket.push(push);
  }

  /** Closes the connection and releases its state. Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#cancelExpiry();
    this.#cancelGreeting();
    this.#releaseSocket();
    this.#opening.reject(new CommError('UNAVAILABLE', 'The connection is closed'));
    this.#core.broadcaster.unregister(this.#socket.id);
    const caller = this.#registeredCaller;
    if (caller === undefined) return;
    const { typing, presence, calls, mailbox } = this.services;
    typing.disconnected(caller);
    presence.disconnected(caller);
    calls.deviceDisconnected(caller);
    mailbox.disconnected(caller);
  }

  /** Pushes what no request returns. */
  #pushState(caller: Caller): void {
    const { calls, activeCalls, mailbox, keys } = this.services;
    calls.deviceConnected(caller);
    activeCalls.connected(caller).catch((error: unknown) => {
      this.logger.warn('failed to push the running calls', errorFields(error));
    });
    mailbox.connected(caller);
    void keys.connected(caller);
  }

  /**
   * Does what a new connection of the client would do, after pushes may have been lost, among them the end of this connection. Rejects
   * if only a new connection can.
   */
  async #refresh(identify: () => Identity | Promise<Identity>): Promise<void> {
    const caller = await this.#opening.promise;
    const { userId, expiresAt } = await identify();
    if (userId !== caller.userId) throw new CommError('UNAUTHENTICATED', 'The credentials are those of another user');
    await this.#core.broadcaster.restore(this.#socket.id, () => this.#conversationIds(userId));
    await this.services.presence.refresh(caller);
    if (this.#closed) return;
    this.#cancelExpiry();
    this.#expireAt(expiresAt);
    // In its rooms: what the client reads from now on, or is pushed, leaves no gap.
    this.push({ event: 'comm:resync', data: {} });
    this.#pushState(caller);
  }

  #conversationIds(userId: string): Promise<readonly string[]> {
    return this.#core.store.read(function* () {
      // After the socket is registered: a ban from now on ends it.
      yield* requireNotBanned(userId);
      return yield* conversationIdsOf(userId);
    });
  }

  /** Returns false if the socket disconnected in the meantime. */
  async #joinRooms(caller: Caller, refresh: (() => Promise<void>) | undefined): Promise<boolean> {
    if (this.#closed) return false;
    const { broadcaster } = this.#core;
    const { userId, caps } = caller;
    await broadcaster.register({ adapter: this.#socket, userId, caps, refresh }, () => this.#conversationIds(userId));
    // Of base clients no conversations are read.
    if (!caps.has('rev')) await this.services.userBans.require(userId);
    return !this.#closed;
  }

  /**
   * Greets the peer while the database or Redis is slow, so that it takes this server for one with capabilities. Its requests are
   * queued until the connection is open.
   */
  #greetInTime(caller: Caller): () => void {
    return this.#core.clock.after(GREETING_MS, () => this.#greet(caller), true);
  }

  /** Pushes the hello, once. */
  #greet({ userId, caps }: Caller): void {
    this.#cancelGreeting();
    if (this.#isGreeted) return;
    this.#isGreeted = true;
    const { maxMessageLength, fileUpload, pageSize, typingTimeoutMs } = this.#core.config;
    this.push({
      event: 'comm:hello',
      data: {
        protocol: PROTOCOL_VERSION,
        userId,
        caps: [...caps],
        serverTime: this.services.now(),
        limits: { maxMessageLength, maxFileSize: fileUpload.maxFileSize, pageSize, typingTimeoutMs },
        ...(this.#core.announcedName !== undefined && { process: this.#core.announcedName }),
      },
    });
  }

  #expireAt(expiresAt: number | undefined): void {
    if (expiresAt === undefined) return;
    const waitMs = expiresAt - this.#core.clock.now();
    this.#cancelExpiry =
      waitMs > MAX_TIMER_MS
        ? this.#core.clock.after(MAX_TIMER_MS, () => this.#expireAt(expiresAt))
        : this.#core.clock.after(Math.max(0, waitMs), () => {
            const data: ErrorBody = {
              code: 'TOKEN_EXPIRED',
              message: 'The token has expired',
              reason: 'token-expired',
            };
            this.push({ event: 'error', data });
            this.#socket.disconnect();
          });
  }

  #reject(error: unknown): void {
    if (this.#closed) return;
    const body = rejectionOf(error);
    const { code, message } = body;
    if (!isCommError(error)) this.logger.warn('connection rejected', { code, ...errorFields(error) });
    this.#core.refusals.note('connection rejected', code, body.reason);
    this.#opening.reject(new CommError(code, message));
    this.push({ event: 'error', data: body });
    // A failure of the server and a limit are temporary, so the client should reconnect; a rejection is final.
    if (code === 'UNAVAILABLE' || code === 'RATE_LIMITED') this.#socket.drop();
    else this.#socket.disconnect();
    this.close();
  }
}

const REJECTIONS: ReadonlySet<string> = new Set(['UNAUTHENTICATED', 'TOKEN_EXPIRED', 'FORBIDDEN', 'RATE_LIMITED']);

/** Returns what the client reads of a rejection: its own fault, a limit, or that the server is not ready. */
function rejectionOf(error: unknown): ErrorBody {
  const body = errorBodyOf(error);
  if (REJECTIONS.has(body.code)) return body;
  return { code: 'UNAVAILABLE', message: 'The server is not ready' };
}
