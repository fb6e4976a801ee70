import { LIMITS } from '../protocol/limits.ts';
import { DEFAULT_NAMESPACE, DEFAULT_REST_PATH, DEFAULT_SOCKET_PATH } from '../protocol/vocabulary.ts';

/** A token bucket: `burst` at once, `perSecond` refilled. */
export interface FloodLimit {
  burst: number;
  perSecond: number;
}
/** At most `maxMessages` sends of one user in any window of `windowSeconds`. */
export interface MessageRateLimit {
  maxMessages: number;
  windowSeconds: number;
}
/** Which attachments a message may have. */
export interface FileUploadConfig {
  /** Bytes. @defaultValue 52_428_800 (50 MiB) */
  maxFileSize?: number | undefined;
  /** Such as `image/png` or `image/*`. @defaultValue every type */
  allowedMimeTypes?: readonly string[] | undefined;
}

/** How a server behaves; every value has a default that suits a small team's chat. */
export interface CommunicationConfig {
  /** Socket.IO namespace. @defaultValue '/nk/messages' */
  namespace?: string | undefined;
  /** Path of the Socket.IO endpoint. @defaultValue '/__nk_socketio/' */
  path?: string | undefined;
  /** Where the REST routes start. @defaultValue '/__nk_comm' */
  restPath?: string | undefined;
  /** UTF-16 code units of one message. @defaultValue 10_000 */
  maxMessageLength?: number | undefined;
  /** Rows of a page that names no limit, 1 to 201. @defaultValue 50 */
  pageSize?: number | undefined;
  /** Typing ends by itself after this long without a sign. @defaultValue 5_000 */
  typingTimeoutMs?: number | undefined;
  /** Somebody whose last device went is offline after this long. @defaultValue 5_000 */
  presenceGraceMs?: number | undefined;
  /** @defaultValue none */
  rateLimit?: MessageRateLimit | undefined;
  fileUpload?: FileUploadConfig | undefined;
  /** Events of one socket. @defaultValue 10,000 at once, 1,000 per second */
  socketFlood?: FloodLimit | undefined;
  /** REST requests of one user. @defaultValue 5,000 at once, 1,000 per second */
  restFlood?: FloodLimit | undefined;
  /** A call nobody answers is missed after this long. @defaultValue 45_000 */
  ringTimeoutMs?: number | undefined;
  /** A participant of a call without a socket has left it after this long. @defaultValue 25_000 */
  callReconnectMs?: number | undefined;
  /** People in one call, the caller included. @defaultValue 8 */
  maxCallParticipants?: number | undefined;
  /** People in one video call: a mesh costs each of them a stream for every other. @defaultValue 4 */
  maxVideoParticipants?: number | undefined;
}

export interface ResolvedConfig {
  readonly namespace: string;
  readonly path: string;
  readonly restPath: string;
  readonly maxMessageLength: number;
  readonly pageSize: number;
  readonly typingTimeoutMs: number;
  readonly presenceGraceMs: number;
  readonly rateLimit: Readonly<MessageRateLimit> | undefined;
  readonly fileUpload: { readonly maxFileSize: number; readonly allowedMimeTypes: readonly string[] | undefined };
  readonly socketFlood: Readonly<FloodLimit>;
  readonly restFlood: Readonly<FloodLimit>;
  readonly ringTimeoutMs: number;
  readonly callReconnectMs: number;
  readonly maxCallParticipants: number;
  readonly maxVideoParticipants: number;
}

/** Fills in the defaults. A value that can't work is a `TypeError` that names it. */
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
    fileUpload: {
      maxFileSize: integer('fileUpload.maxFileSize', fileUpload.maxFileSize ?? 50 * 1024 * 1024, 0),
      allowedMimeTypes: fileUpload.allowedMimeTypes?.map((type) => type.toLowerCase()),
    },
    socketFlood: flood('socketFlood', config.socketFlood ?? { burst: 10_000, perSecond: 1_000 }),
    restFlood: flood('restFlood', config.restFlood ?? { burst: 5_000, perSecond: 1_000 }),
    ringTimeoutMs: integer('ringTimeoutMs', config.ringTimeoutMs ?? 45_000, 1),
    callReconnectMs: integer('callReconnectMs', config.callReconnectMs ?? 25_000, 0),
    maxCallParticipants: integer('maxCallParticipants', config.maxCallParticipants ?? 8, 2),
    maxVideoParticipants: integer('maxVideoParticipants', config.maxVideoParticipants ?? 4, 2),
  };
}

/** Whether `mimeType` is on a list as in {@link FileUploadConfig.allowedMimeTypes}. */
export function mimeTypeAllowed(mimeType: string, allowed: readonly string[] | undefined): boolean {
  if (allowed === undefined) return true;
  const wanted = mimeType.toLowerCase();
  const family = `${wanted.slice(0, wanted.indexOf('/'))}/*`;
  return allowed.some((each) => each === wanted || each === family || each === '*/*');
}

function flood(name: string, { burst, perSecond }: FloodLimit): FloodLimit {
  return {
    burst: integer(`${name}.burst`, burst, 1),
    perSecond: positive(`${name}.perSecond`, perSecond),
  };
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
