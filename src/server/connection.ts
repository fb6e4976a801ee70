import * as v from 'valibot';
import { deferred } from '../lib/deferred.ts';
import { errorFields } from '../lib/logger.ts';
import { CommError, isCommError } from '../protocol/errors.ts';
import type { Push, RequestName } from '../protocol/events.ts';
import { handshakeAuthSchema, type HandshakeAuth } from '../protocol/hello.ts';
import type { Identity } from './auth.ts';
import type { Core } from './core.ts';
import { refuseUnknown, type RequestSource } from './handlers/define-handler.ts';
import { HANDLERS } from './handlers/index.ts';
import type { Caller } from './services/ports.ts';
import { rateLimited, TokenBucket } from './services/rate-limit.ts';
import type { SocketLink } from './socket-io.ts';
import { conversationIdsOf } from './store/users.ts';
import { CAPABILITIES, type Capability, PROTOCOL_VERSION } from '../protocol/vocabulary.ts';

/** The longest a timer can wait; a token that lives longer is looked at again then. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** What a client sent along; whatever can't be read counts as not sent. */
export function handshakeAuth(auth: unknown): HandshakeAuth {
  const result = v.safeParse(handshakeAuthSchema, auth ?? {});
  return result.success ? result.output : {};
}

/**
 * One socket from its first moment to its last. Requests may come before it stands: they wait for it.
 *
 * opening ── authenticated, in its rooms, hello pushed ──► open ── disconnected ──► closed
 * opening ── refused ──► closed
 */
export class Connection implements RequestSource {
  readonly #core: Core;
  readonly #link: SocketLink;
  readonly #flood: TokenBucket;
  readonly #opening = deferred<Caller>();
  #caller: Caller | undefined;
  /** Whoever it is counts as there, whether or not it is open yet. */
  #arrived: Caller | undefined;
  #closed = false;
  #cancelExpiry: () => void = () => undefined;

  constructor(core: Core, link: SocketLink) {
    this.#core = core;
    this.#link = link;
    this.#flood = new TokenBucket(core.config.socketFlood, core.clock.now());
  }

  get services(): Core['services'] {
    return this.#core.services;
  }

  get logger(): Core['logger'] {
    return this.#core.logger;
  }

  get caller(): Caller | Promise<Caller> {
    return this.#caller ?? this.#opening.promise;
  }

  /** Never rejects: whoever is refused is told so and disconnected, at once where that is known at once. */
  async open(identify: () => Identity | Promise<Identity>, { caps: offered }: HandshakeAuth): Promise<void> {
    try {
      const asked = identify();
      const { userId, expiresAt } = asked instanceof Promise ? await asked : asked;
      if (this.#closed) return;
      const caps = new Set<Capability>(CAPABILITIES.filter((cap) => offered?.includes(cap)));
      const caller: Caller = { userId, socketId: this.#link.id, caps };
      this.#arrived = caller;
      this.services.presence.arrived(caller);
      await this.#core.ready();
      if (!(await this.#enter(caller))) return;
      if (offered !== undefined) this.#hello(caller);
      await this.services.presence.connected(caller);
      if (this.#closed) return;
      this.#caller = caller;
      this.#opening.resolve(caller);
      this.#expireAt(expiresAt);
      this.services.calls.table.connected(caller);
      this.services.mailbox.connected(caller);
      void this.services.keys.connected(caller);
    } catch (error) {
      this.#refuse(error);
    }
  }

  handle(name: RequestName, args: readonly unknown[]): void {
    this.#core.inFlight.add(HANDLERS[name].handle(this, args));
  }

  answerUnknown(args: readonly unknown[]): void {
    refuseUnknown(this, args);
  }

  countEvent(tokens = 1): void {
    if (this.#core.draining) {
      throw new CommError('UNAVAILABLE', 'The server is shutting down', { retryAfterMs: 1_000 });
    }
    const waitMs = this.#flood.take(this.#core.clock.now(), tokens);
    if (waitMs > 0) throw rateLimited(waitMs);
  }

  push(push: Push): void {
    if (!this.#closed) this.#link.push(push);
  }

  /** Twice is once. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#cancelExpiry();
    this.#opening.reject(new CommError('UNAVAILABLE', 'The connection is gone'));
    this.#core.hub.exit(this.#link.id);
    const caller = this.#arrived;
    if (caller === undefined) return;
    const { typing, presence, calls, mailbox } = this.services;
    typing.disconnected(caller);
    presence.disconnected(caller);
    calls.table.disconnected(caller);
    mailbox.disconnected(caller);
  }

  /** @returns false when the socket has gone meanwhile */
  async #enter(caller: Caller): Promise<boolean> {
    if (this.#closed) return false;
    const { store, hub } = this.#core;
    const { userId, caps } = caller;
    await hub.enter({ link: this.#link, userId, caps }, () => store.read(() => conversationIdsOf(userId)));
    return !this.#closed;
  }

  #hello({ userId, caps }: Caller): void {
    const { maxMessageLength, fileUpload, pageSize, typingTimeoutMs } = this.#core.config;
    this.push({
      event: 'comm:hello',
      data: {
        protocol: PROTOCOL_VERSION,
        userId,
        caps: [...caps],
        serverTime: this.services.now(),
        limits: { maxMessageLength, maxFileSize: fileUpload.maxFileSize, pageSize, typingTimeoutMs },
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
            this.push({ event: 'error', data: { code: 'TOKEN_EXPIRED', message: 'The token has expired' } });
            this.#link.disconnect();
          });
  }

  #refuse(error: unknown): void {
    if (this.#closed) return;
    const { code, message } = refusalOf(error);
    this.logger.warn('a connection was refused', { code, ...(!isCommError(error) && errorFields(error)) });
    const reason = new CommError(code, message);
    this.#opening.reject(reason);
    this.push({ event: 'error', data: { code, message } });
    // Our own trouble passes: the client is to come back. A refusal doesn't.
    if (code === 'UNAVAILABLE') this.#link.drop();
    else this.#link.disconnect();
    this.close();
  }
}

function refusalOf(error: unknown): { code: 'UNAUTHENTICATED' | 'TOKEN_EXPIRED' | 'UNAVAILABLE'; message: string } {
  if (isCommError(error) && (error.code === 'UNAUTHENTICATED' || error.code === 'TOKEN_EXPIRED')) {
    return { code: error.code, message: error.message };
  }
  return { code: 'UNAVAILABLE', message: 'The server is not ready' };
}
