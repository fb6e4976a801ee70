import { systemClock, type Clock } from '../lib/clock.ts';
import { silentLogger, type Logger } from '../lib/logger.ts';
import type { CommStorage } from '../storage/comm-storage.ts';
import type { SocketPort } from '../transport/socket-port.ts';
import type { Token } from '../transport/token-source.ts';
import type { CallOptions } from './calls/call-types.ts';
import { requireId } from './context.ts';
import { DEFAULT_NAMESPACE, DEFAULT_REST_PATH, DEFAULT_SOCKET_PATH } from '../protocol/vocabulary.ts';

/** How end-to-end encryption works; `{}` turns it on. */
export interface EncryptionOptions {
  /**
   * What opens the keys and texts that are stored on this device: a passphrase (asked for when they are first needed), or a
   * key of 32 bytes that the app keeps.
   * @defaultValue a key that the browser keeps and doesn't hand out; outside of browsers none
   */
  atRest?: { passphrase: string | (() => string | Promise<string>) } | { key: Uint8Array } | undefined;
  /**
   * What to do when somebody who isn't verified shows another identity key: `warn` tells of it and goes on, `block` sends
   * and shows nothing until `acceptIdentity()`, as it always is with somebody who is verified.
   * @defaultValue `'warn'`
   */
  identityChanges?: 'warn' | 'block' | undefined;
}

/** When a page counts as left alone. */
export interface PresenceOptions {
  /**
   * `away` by itself after this long without input, in milliseconds; `false`: never. Browsers only.
   * @defaultValue 300_000
   */
  idleAfterMs?: number | false | undefined;
}

/**
 * How a {@link CommClient} reaches its server and who it is there. Every field has a default except that a server wants
 * a `token` or (in
 * development) a `userId`.
 */
export interface CommClientOptions {
  /**
   * Origin of the server.
   * @defaultValue the page's own origin
   */
  url?: string | undefined;
  /**
   * Who this is where no token is used: in development, or behind a proxy that vouches for it. Beside a token it is not
   * sent; it says whose outbox this is before a server has.
   */
  userId?: string | undefined;
  /** A token, or how to get one. A function is asked again when the server says that the token has expired. */
  token?: Token | undefined;
  /** @defaultValue `'/nk/messages'` */
  namespace?: string | undefined;
  /** @defaultValue `'/__nk_socketio/'` */
  path?: string | undefined;
  /** @defaultValue `'/__nk_comm'` */
  restPath?: string | undefined;
  /** @defaultValue `['websocket', 'polling']` */
  transports?: readonly ('websocket' | 'polling')[] | undefined;
  /**
   * What outlives the page: outbox and cursors.
   * @defaultValue `indexedDbStorage()` where there is IndexedDB, else `memoryStorage()`
   */
  storage?: CommStorage | undefined;
  /** ICE servers and media of calls. */
  calls?: CallOptions | undefined;
  /** End-to-end encryption. Absent: none of it is loaded. */
  encryption?: EncryptionOptions | undefined;
  /** When `away` is told by itself. */
  presence?: PresenceOptions | undefined;
  /**
   * How long a request waits for its answer while nothing else comes either, in milliseconds; on a slow line that brings
   * something, up to three times as long.
   * @defaultValue 10_000
   */
  requestTimeoutMs?: number | undefined;
  /** @defaultValue silent */
  logger?: Logger | undefined;
  /** @defaultValue the global `fetch` */
  fetch?: typeof fetch | undefined;
  /** The transport, in place of Socket.IO's own; `lumenPagePort()` for LumenJS page components. */
  socket?: SocketPort | undefined;
  /** For tests. */
  clock?: Clock | undefined;
}

export interface ResolvedOptions {
  readonly url: string | undefined;
  readonly userId: string | undefined;
  readonly token: Token | undefined;
  readonly namespace: string;
  readonly path: string;
  readonly restPath: string;
  readonly transports: readonly ('websocket' | 'polling')[];
  readonly storage: CommStorage | undefined;
  readonly calls: CallOptions | undefined;
  readonly encryption: EncryptionOptions | undefined;
  readonly idleAfterMs: number | false;
  readonly requestTimeoutMs: number;
  readonly logger: Logger;
  readonly fetch: typeof fetch | undefined;
  readonly socket: SocketPort | undefined;
  readonly clock: Clock;
}

/**
 * Fills in the defaults. Touches nothing outside: safe while a server renders.
 * @throws TypeError on wrong use
 */
export function resolveOptions(options: CommClientOptions = {}): ResolvedOptions {
  const { presence, requestTimeoutMs = 10_000, userId, token, url } = options;
  if (userId !== undefined) requireId('userId', userId);
  if (token !== undefined && typeof token !== 'string' && typeof token !== 'function') {
    throw new TypeError('token: a string or function');
  }
  if (url !== undefined && !/^https?:\/\//.test(url)) {
    throw new TypeError('url must be http(s)://…');
  }
  positive('requestTimeoutMs', requestTimeoutMs);
  if (options.calls?.mediaEncryption && !options.encryption) throw new TypeError('mediaEncryption needs encryption');
  const idleAfterMs = presence?.idleAfterMs ?? 300_000;
  if (idleAfterMs !== false) positive('presence.idleAfterMs', idleAfterMs);
  return {
    url: url?.replace(/\/+$/, ''),
    userId,
    token,
    namespace: options.namespace ?? DEFAULT_NAMESPACE,
    path: options.path ?? DEFAULT_SOCKET_PATH,
    restPath: (options.restPath ?? DEFAULT_REST_PATH).replace(/\/+$/, ''),
    transports: options.transports ?? ['websocket', 'polling'],
    storage: options.storage,
    calls: options.calls,
    encryption: options.encryption,
    idleAfterMs,
    requestTimeoutMs,
    logger: options.logger ?? silentLogger,
    fetch: options.fetch,
    socket: options.socket,
    clock: options.clock ?? systemClock,
  };
}

function positive(name: string, value: unknown): void {
  if (typeof value !== 'number' || !Number.isFinite(value) || value <= 0) {
    throw new TypeError(`${name} must be a positive number`);
  }
}
