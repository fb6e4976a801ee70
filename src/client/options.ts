import { systemClock, type Clock } from '../lib/clock.ts';
import type { Complete } from '../lib/complete.ts';
import { silentLogger, type Logger } from '../lib/logger.ts';
import { systemRandom, type RandomSource } from '../lib/random.ts';
import type { Conversation } from '../protocol/conversations.ts';
import type { CommStorage } from '../storage/comm-storage.ts';
import type { BaseServerFeature } from '../transport/base-mode.ts';
import type { SocketPort } from '../transport/socket-port.ts';
import type { Token } from '../transport/token-source.ts';
import type { CallOptions } from './calls/session/call-types.ts';
import { kindOf, requireFields, requireId, requireOneOf } from './validation.ts';
import { DEFAULT_NAMESPACE, DEFAULT_REST_PATH, DEFAULT_SOCKET_PATH } from '../protocol/constants.ts';

/** Options of end-to-end encryption; `{}` turns it on. */
export interface EncryptionOptions {
  /**
   * Encrypts the keys and message texts stored on this device: under a passphrase, which a function is asked for with the
   * first use, or under a key of 32 bytes that the app stores.
   * @defaultValue in browsers a non-extractable key of WebCrypto; elsewhere they are stored in the clear
   */
  atRest?:
    | {
        /** The passphrase, or a function that returns it. */
        passphrase: string | (() => string | Promise<string>);
      }
    | {
        /** 32 bytes. */
        key: Uint8Array;
      }
    | undefined;
  /**
   * What happens when the identity key of a user who is not verified changes. `warn` emits `encryption:identity-changed`
   * and accepts the key. `block` sends and shows nothing until `encryption.acceptIdentity()`, which always applies to
   * verified users.
   * @defaultValue `'warn'`
   */
  policy?: 'warn' | 'block' | undefined;
  /**
   * Which conversations require encryption, besides those of `encryption.setRequired()`: all, direct ones, or those for which
   * a function returns `true`. If the answer can't be determined, the conversation requires encryption.
   * @defaultValue none
   */
  required?: true | 'direct' | ((conversation: Conversation) => boolean) | undefined;
}

/** Options of automatic presence. */
export interface PresenceOptions {
  /**
   * Time without input after which a page publishes `away`, in milliseconds; `false` turns it off. Browsers only.
   * @defaultValue 300_000
   */
  idleAfterMs?: number | false | undefined;
}

/** Options of offline reading. */
export interface OfflineOptions {
  /**
   * Most conversations whose newest messages are kept, and most conversations of the list.
   * @defaultValue 50
   */
  conversations?: number | undefined;
  /**
   * Most messages kept of each conversation.
   * @defaultValue 50
   */
  messages?: number | undefined;
  /**
   * Size of everything kept, in characters.
   * @defaultValue 4_000_000
   */
  size?: number | undefined;
}

/** What a LumenJS server supports beyond its own tables. */
export interface BaseServerOptions {
  /**
   * Features that crash a LumenJS server with its own tables. Without their names here they reject with `UNSUPPORTED`.
   *
   * @defaultValue none
   */
  supports?: readonly BaseServerFeature[] | undefined;
}

/** Options of a {@link CommClient}. A server needs a `token` or, in development, a `userId`. */
export interface CommClientOptions {
  /**
   * Origin of the server.
   * @defaultValue the page's own origin
   */
  url?: string | undefined;
  /**
   * The user's id where no token is used: in development, or behind a proxy that authenticates. With a token it names the
   * stored outbox until the first connection, and is sent to LumenJS servers only.
   */
  userId?: string | undefined;
  /** Access token, or a function that returns one. A function is called again on `TOKEN_EXPIRED`. */
  token?: Token | undefined;
  /**
   * Socket.IO namespace.
   * @defaultValue `'/nk/messages'`
   */
  namespace?: string | undefined;
  /**
   * Path of Socket.IO's requests.
   * @defaultValue `'/__nk_socketio/'`
   */
  path?: string | undefined;
  /**
   * Path of the REST routes.
   * @defaultValue `'/__nk_comm'`
   */
  restPath?: string | undefined;
  /**
   * Transports of Socket.IO, in the order in which they are tried.
   * @defaultValue `['websocket', 'polling']`
   */
  transports?: readonly ('websocket' | 'polling')[] | undefined;
  /**
   * Stores the outbox, cursors and keys over reloads.
   * @defaultValue `indexedDbStorage()` where IndexedDB is available, otherwise `memoryStorage()`
   */
  storage?: CommStorage | undefined;
  /** Options of audio and video calls. */
  calls?: CallOptions | undefined;
  /** Options of end-to-end encryption. If absent, its code is not loaded. */
  encryption?: EncryptionOptions | undefined;
  /**
   * The list of conversations and the newest messages of recent ones are kept in `storage`, so that the next session shows them
   * without a network; `false` turns it off. Nothing is kept in `memoryStorage()`.
   * @defaultValue `{}`
   */
  offline?: OfflineOptions | false | undefined;
  /** Options of automatic presence. */
  presence?: PresenceOptions | undefined;
  /**
   * How long a request waits for its response, in milliseconds. While the connection receives other data, it waits up to
   * three times as long.
   * @defaultValue 10_000
   */
  requestTimeoutMs?: number | undefined;
  /**
   * Receives diagnostics; never tokens, keys or message texts.
   * @defaultValue no logging
   */
  logger?: Logger | undefined;
  /**
   * Called for requests to the server and, with direct uploads, to its storage: add headers such as `Authorization` only if the URL
   * has the origin of your server.
   * @defaultValue the global `fetch`
   */
  fetch?: typeof fetch | undefined;
  /** The LumenJS server that the client connects to. Ignored by lumen-comm-server. */
  baseServer?: BaseServerOptions | undefined;
  /** Replaces Socket.IO as the transport; `lumenPagePort()` for LumenJS page components. */
  socket?: SocketPort | undefined;
  /** Replaces the system's clock and timers, for tests. */
  clock?: Clock | undefined;
  /** Replaces the random source, for tests. In production `bytes()` must be cryptographically secure. */
  random?: RandomSource | undefined;
}

/** Options with defaults filled in. */
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
  readonly offline: OfflineOptions | false;
  readonly idleAfterMs: number | false;
  readonly requestTimeoutMs: number;
  readonly logger: Logger;
  readonly fetch: typeof fetch | undefined;
  readonly baseServer: BaseServerOptions | undefined;
  readonly socket: SocketPort | undefined;
  readonly clock: Clock;
  readonly random: RandomSource;
}

const NAMES = [
  'url',
  'userId',
  'token',
  'namespace',
  'path',
  'restPath',
  'transports',
  'storage',
  'calls',
  'encryption',
  'offline',
  'presence',
  'requestTimeoutMs',
  'logger',
  'fetch',
  'baseServer',
  'socket',
  'clock',
  'random',
] as const satisfies readonly (keyof CommClientOptions)[];
const CALL_NAMES = [
  'iceServers',
  'media',
  'maxBitrateKbps',
  'resolution',
  'ringTimeoutMs',
  'mediaEncryption',
  'platform',
  'processors',
] as const satisfies readonly (keyof CallOptions)[];
/** Every option name; the types make the lists complete. */
const OPTIONS: Complete<keyof CommClientOptions, typeof NAMES> = NAMES;
const CALL_OPTIONS: Complete<keyof CallOptions, typeof CALL_NAMES> = CALL_NAMES;
const TRANSPORTS = ['websocket', 'polling'] as const;
const FEATURES = ['archive', 'mute', 'pin', 'forward', 'calls'] as const satisfies readonly BaseServerFeature[];

/**
 * Validates options and fills in the defaults. Has no side effects, so it is safe during server rendering.
 * @throws TypeError for unknown options and wrong values
 */
export function resolveOptions(options: CommClientOptions = {}): ResolvedOptions {
  requireFields('CommClient', options, OPTIONS);
  const {
    calls,
    encryption,
    presence,
    offline = {},
    baseServer,
    requestTimeoutMs = 10_000,
    transports = TRANSPORTS,
    userId,
    token,
    url,
  } = options;
  if (offline !== false) {
    requireFields('offline', offline, ['conversations', 'messages', 'size']);
    for (const [name, value] of Object.entries(offline)) {
      if (value !== undefined) requirePositive(`offline.${name}`, value);
    }
  }
  if (presence !== undefined) requireFields('presence', presence, ['idleAfterMs']);
  if (encryption !== undefined) {
    const { policy, required } = encryption;
    requireFields('encryption', encryption, ['atRest', 'policy', 'required']);
    if (policy !== undefined) requireOneOf('encryption.policy', ['warn', 'block'], policy);
    if (required !== undefined && required !== true && typeof required !== 'function') {
      requireOneOf('encryption.required', ['direct'], required);
    }
  }
  if (calls !== undefined) requireFields('calls', calls, CALL_OPTIONS);
  if (userId !== undefined) requireId('userId', userId);
  if (token !== undefined && typeof token !== 'string' && typeof token !== 'function') {
    throw new TypeError(`token must be a string or a function; got ${kindOf(token)}`);
  }
  for (const name of ['url', 'namespace', 'path', 'restPath'] as const) {
    const value: unknown = options[name];
    if (value !== undefined && typeof value !== 'string') {
      throw new TypeError(`${name} must be a string; got ${kindOf(value)}`);
    }
  }
  if (url !== undefined && !/^https?:\/\//.test(url)) {
    throw new TypeError('url must start with http:// or https://');
  }
  if (!Array.isArray(transports)) throw new TypeError(`transports must be an array; got ${kindOf(transports)}`);
  for (const transport of transports as readonly unknown[]) requireOneOf('transport', TRANSPORTS, transport);
  requirePositive('requestTimeoutMs', requestTimeoutMs);
  if (calls?.mediaEncryption === true && encryption === undefined) {
    throw new TypeError('calls.mediaEncryption needs the option "encryption"');
  }
  if (baseServer !== undefined) requireFields('baseServer', baseServer, ['supports']);
  for (const feature of baseServer?.supports ?? []) requireOneOf('baseServer.supports', FEATURES, feature);
  const idleAfterMs = presence?.idleAfterMs ?? 300_000;
  if (idleAfterMs !== false) requirePositive('presence.idleAfterMs', idleAfterMs);
  return {
    url: url?.replace(/\/+$/, ''),
    userId,
    token,
    namespace: options.namespace ?? DEFAULT_NAMESPACE,
    path: options.path ?? DEFAULT_SOCKET_PATH,
    restPath: (options.restPath ?? DEFAULT_REST_PATH).replace(/\/+$/, ''),
    transports,
    storage: options.storage,
    calls,
    encryption,
    offline,
    idleAfterMs,
    requestTimeoutMs,
    logger: options.logger ?? silentLogger,
    fetch: options.fetch,
    baseServer,
    socket: options.socket,
    clock: options.clock ?? systemClock,
    random: options.random ?? systemRandom,
  };
}

function requirePositive(name: string, value: unknown): void {
  if (typeof value !== 'number' || !Number.isFinite(value) || value <= 0) {
    throw new TypeError(`${name} must be a positive number; got ${typeof value === 'number' ? value : kindOf(value)}`);
  }
}
