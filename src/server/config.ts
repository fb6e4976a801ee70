import { LIMITS } from '../protocol/limits.ts';
import { DEFAULT_NAMESPACE, DEFAULT_REST_PATH, DEFAULT_SOCKET_PATH } from '../protocol/constants.ts';

/** At most `maxMessages` sends per user in any window of `windowSeconds`. */
export interface MessageRateLimit {
  /** Number of sends per window, at least 1. */
  maxMessages: number;
  /** Length of the window in seconds. */
  windowSeconds: number;
}
/** Restrictions on attachments. */
export interface FileUploadConfig {
  /** Maximum file size in bytes. @defaultValue 52_428_800 (50 MiB) */
  maxFileSize?: number | undefined;
  /** Allowed types, such as `image/png` or `image/*`. An empty list allows every type. @defaultValue every type */
  allowedMimeTypes?: readonly string[] | undefined;
  /** Accepted for LumenJS's configuration; has no effect. */
  maxAttachmentsPerMessage?: number | undefined;
}

/** Fields of LumenJS's configuration that have no effect on a server, neither there nor here. */
export interface LumenOnlyConfig {
  /** Read receipts are always enabled. */
  readReceipts?: boolean | undefined;
  /** Typing indicators are always enabled. */
  typingIndicators?: boolean | undefined;
  /** Set the option `calls` of the clients instead. */
  mediaConstraints?: { audio?: unknown; video?: unknown } | undefined;
  /** Set the option `encryption` of the clients instead. */
  encryption?:
    | { enabled: boolean; keyRotationInterval?: number | undefined; oneTimePreKeyCount?: number | undefined }
    | undefined;
  /** Messages are kept until they are deleted. */
  messageRetentionDays?: number | undefined;
  /** Clients reconnect by themselves. */
  reconnection?: { maxRetries: number; baseDelayMs: number; maxDelayMs: number } | undefined;
  /** Set the option `files` of the server instead. */
  storage?: unknown;
}

/** A STUN or TURN server with fixed credentials. */
export interface IceServerConfig {
  /** One or more URLs, such as `stun:stun.example.com:3478`. */
  urls: string | readonly string[];
  /** Username of a TURN server. */
  username?: string | undefined;
  /** Password of a TURN server. */
  credential?: string | undefined;
}

/** TURN servers that check time-limited credentials, such as coturn with `use-auth-secret`. */
export interface TurnConfig {
  /** One or more URLs, such as `turn:turn.example.com:3478?transport=udp`. */
  urls: string | readonly string[];
  /** The secret shared with the TURN servers: `static-auth-secret` of coturn. */
  secret: string;
  /** Validity of credentials in seconds, 60 to 604,800. Clients request new ones before they expire. @defaultValue 86_400 */
  ttl?: number | undefined;
}

/** {@link TurnConfig} with defaults applied and values validated. */
export interface ResolvedTurn {
  readonly urls: readonly string[];
  readonly secret: string;
  readonly ttl: number;
}

/** Sizes, timeouts and paths of the server. Every value has a default. */
export interface CommunicationConfig extends LumenOnlyConfig {
  /** Socket.IO namespace. @defaultValue '/nk/messages' */
  namespace?: string | undefined;
  /** Path of the Socket.IO endpoint. @defaultValue '/__nk_socketio/' */
  path?: string | undefined;
  /** Path prefix of the REST routes. @defaultValue '/__nk_comm' */
  restPath?: string | undefined;
  /** Maximum length of a message in UTF-16 code units. @defaultValue 10_000 */
  maxMessageLength?: number | undefined;
  /** Number of rows of a page if the request specifies no limit, 1 to 201. @defaultValue 50 */
  pageSize?: number | undefined;
  /** Time in ms after which typing ends if the client doesn't renew it. @defaultValue 5_000 */
  typingTimeoutMs?: number | undefined;
  /** Time in ms between the disconnect of a user's last device and the status `offline`. @defaultValue 5_000 */
  presenceGraceMs?: number | undefined;
  /** Limit on sends per user. @defaultValue none */
  rateLimit?: MessageRateLimit | undefined;
  /**
   * Makes previews of links for clients that ask for them. The server then requests pages that users name, from public
   * addresses only. @defaultValue false
   */
  linkPreviews?: boolean | undefined;
  /**
   * Lets users search all users of the server by name or id (`user:search`). @defaultValue false
   */
  userSearch?: boolean | undefined;
  /** Restrictions on attachments. */
  fileUpload?: FileUploadConfig | undefined;
  /** Time in ms after which an unanswered call ends as `missed`. @defaultValue 45_000 */
  ringTimeoutMs?: number | undefined;
  /** Time in ms that a disconnected participant has to reconnect before they leave the call. @defaultValue 25_000 */
  callReconnectMs?: number | undefined;
  /** Maximum number of participants of a call, including the caller. @defaultValue 8 */
  maxCallParticipants?: number | undefined;
  /**
   * Maximum number of participants of a video call, and of participants with video in an audio call. In a mesh, each participant sends a stream to every other.
   * @defaultValue 4
   */
  maxVideoParticipants?: number | undefined;
  /** STUN and TURN servers of clients without the option `calls.iceServers`. @defaultValue none */
  iceServers?: readonly IceServerConfig[] | undefined;
}

/** {@link CommunicationConfig} with defaults applied and values validated. */
export interface ResolvedConfig {
  readonly namespace: string;
  readonly path: string;
  readonly restPath: string;
  readonly maxMessageLength: number;
  readonly pageSize: number;
  readonly typingTimeoutMs: number;
  readonly presenceGraceMs: number;
  readonly rateLimit: Readonly<MessageRateLimit> | undefined;
  readonly linkPreviews: boolean;
  readonly userSearch: boolean;
  readonly fileUpload: { readonly maxFileSize: number; readonly allowedMimeTypes: readonly string[] | undefined };
  readonly ringTimeoutMs: number;
  readonly callReconnectMs: number;
  readonly maxCallParticipants: number;
  readonly maxVideoParticipants: number;
  readonly iceServers: readonly (Omit<IceServerConfig, 'urls'> & { readonly urls: readonly string[] })[];
  /** Set by the option `turn` of the server. */
  readonly turn?: ResolvedTurn | undefined;
}

/**
 * Applies the defaults.
 *
 * @throws TypeError that names the option and its valid range
 */
export function resolveConfig(config: CommunicationConfig = {}): ResolvedConfig {
  const { rateLimit, fileUpload = {} } = config;
  return {
    namespace: absolutePath('namespace', config.namespace ?? DEFAULT_NAMESPACE),
    path: absolutePath('path', config.path ?? DEFAULT_SOCKET_PATH),
    restPath: absolutePath('restPath', config.restPath ?? DEFAULT_REST_PATH).replace(/\/+$/, ''),
    maxMessageLength: integer('maxMessageLength', config.maxMessageLength ?? LIMITS.messageLength, 1, LIMITS.bodyBytes),
    pageSize: integer('pageSize', config.pageSize ?? LIMITS.pageSize, 1, LIMITS.maxPageSize),
    typingTimeoutMs: integer('typingTimeoutMs', config.typingTimeoutMs ?? 5_000, 1),
    presenceGraceMs: integer('presenceGraceMs', config.presenceGraceMs ?? 5_000, 0),
    rateLimit: rateLimit && {
      maxMessages: integer('rateLimit.maxMessages', rateLimit.maxMessages, 1),
      windowSeconds: positive('rateLimit.windowSeconds', rateLimit.windowSeconds),
    },
    linkPreviews: config.linkPreviews ?? false,
    userSearch: config.userSearch ?? false,
    fileUpload: {
      maxFileSize: integer('fileUpload.maxFileSize', fileUpload.maxFileSize ?? 50 * 1024 * 1024, 0),
      allowedMimeTypes: listedTypes(fileUpload.allowedMimeTypes),
    },
    ringTimeoutMs: integer('ringTimeoutMs', config.ringTimeoutMs ?? 45_000, 1),
    callReconnectMs: integer('callReconnectMs', config.callReconnectMs ?? 25_000, 0),
    maxCallParticipants: integer('maxCallParticipants', config.maxCallParticipants ?? 8, 2),
    maxVideoParticipants: integer('maxVideoParticipants', config.maxVideoParticipants ?? 4, 2),
    iceServers: (config.iceServers ?? []).map(({ urls, ...rest }, index) => ({
      ...rest,
      urls: iceUrls(`iceServers[${index}].urls`, urls, /^(?:stun|turn)s?:\S+$/, 'stun:, stuns:, turn: or turns: URLs'),
    })),
  };
}

/**
 * Applies the defaults of the option `turn`. Messages never contain the secret.
 *
 * @throws TypeError that names the option and its valid range
 */
export function resolveTurn({ urls, secret, ttl = 86_400 }: TurnConfig): ResolvedTurn {
  if (typeof secret !== 'string' || secret === '') throw new TypeError('turn.secret must be a non-empty string');
  return {
    urls: iceUrls('turn.urls', urls, /^turns?:\S+$/, 'turn: or turns: URLs'),
    secret,
    ttl: integer('turn.ttl', ttl, 60, 604_800),
  };
}

function iceUrls(name: string, urls: string | readonly string[], allowed: RegExp, kinds: string): readonly string[] {
  const list = typeof urls === 'string' ? [urls] : urls;
  const isList: boolean = Array.isArray(list);
  if (isList && list.length > 0 && list.every((url) => allowed.test(url))) return [...list];
  throw new TypeError(`${name} must be one or more ${kinds}`);
}

/** An empty list allows all types, as in LumenJS. */
function listedTypes(types: readonly string[] | undefined): readonly string[] | undefined {
  return types === undefined || types.length === 0 ? undefined : types.map((type) => type.toLowerCase());
}

/**
 * Returns whether `mimeType` matches the list; see {@link FileUploadConfig.allowedMimeTypes}. `undefined` allows all.
 */
export function mimeTypeAllowed(mimeType: string, allowed: readonly string[] | undefined): boolean {
  if (allowed === undefined) return true;
  const wanted = mimeType.toLowerCase();
  const family = `${wanted.slice(0, wanted.indexOf('/'))}/*`;
  return allowed.some((each) => each === wanted || each === family || each === '*/*');
}

function integer(name: string, value: number, min: number, max = Number.MAX_SAFE_INTEGER): number {
  if (Number.isSafeInteger(value) && value >= min && value <= max) return value;
  throw new TypeError(`${name} must be a whole number from ${min}${max < Number.MAX_SAFE_INTEGER ? ` to ${max}` : ''}`);
}

function positive(name: string, value: number): number {
  if (Number.isFinite(value) && value > 0) return value;
  throw new TypeError(`${name} must be a number above 0`);
}

function absolutePath(name: string, value: string): string {
  if (typeof value === 'string' && value.startsWith('/')) return value;
  throw new TypeError(`${name} must start with "/"`);
}
