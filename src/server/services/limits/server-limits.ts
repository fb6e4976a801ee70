import { nearest } from '../../../lib/nearest.ts';

/** Token bucket: `burst` tokens at once, refilled at `perSecond`. */
export interface RateLimit {
  /** Capacity of the bucket, at least 1. */
  burst: number;
  /** Tokens added per second, above 0. */
  perSecond: number;
}

/**
 * The most that one peer may cost. A limit per user counts all sockets and REST requests of that user in all processes; a
 * request above it is rejected with `RATE_LIMITED` and `retryAfterMs` (REST: status 429 and `Retry-After`). Sizes are in
 * bytes, durations in milliseconds.
 */
export interface ServerLimits {
  /** Engine.IO packets that a connection may send before its user is identified. @defaultValue 16 */
  handshakePackets: number;
  /** Bytes that a connection may send before its user is identified. @defaultValue 65_536 (64 KiB) */
  handshakeBytes: number;
  /** Time that a connection has to identify its user. @defaultValue 10_000 */
  handshakeTimeoutMs: number;
  /** Connections of one address whose users are not identified yet. @defaultValue 100 */
  connectionsPerAddress: number;
  /** Connections of the process. @defaultValue 10_000 */
  connections: number;
  /** Sockets of one user. @defaultValue 50 */
  socketsPerUser: number;
  /** REST requests of one user that are handled at the same time. @defaultValue 32 */
  restRequestsPerUser: number;
  /** Size of one frame. A larger one closes the connection before it is read. @defaultValue 1_048_576 (1 MiB) */
  frameBytes: number;
  /** Nesting depth of the JSON in a frame. A deeper one is rejected before it is parsed. @defaultValue 32 */
  frameDepth: number;
  /** Values and keys in the JSON of a frame. A frame with more is rejected before it is parsed. @defaultValue 32_768 */
  frameValues: number;

  /** Requests of one user, charged by the work they cause. @defaultValue a burst of 1,000, 100 per second */
  requests: RateLimit;
  /** Bytes that one user sends. @defaultValue a burst of 8 MiB, 1 MiB per second */
  requestBytes: RateLimit;
  /** Messages of one user. @defaultValue a burst of 200, 20 per second */
  messages: RateLimit;
  /** Bytes of messages that one user may store in 24 hours. @defaultValue 104_857_600 (100 MiB) */
  messageBytesPerDay: number;
  /** Conversations that one user creates. @defaultValue a burst of 60, 30 per minute */
  conversationsCreated: RateLimit;
  /** Participants of one conversation, at most 10,000. @defaultValue 1_000 */
  groupSize: number;
  /** Calls that one user starts. @defaultValue a burst of 10, 10 per minute */
  callsPerCaller: RateLimit;
  /** Calls that one user starts to the same callee. @defaultValue a burst of 3, 3 per minute */
  callsPerPair: RateLimit;

  /** Searches of one user. @defaultValue a burst of 20, 5 per second */
  searches: RateLimit;
  /** Terms of one search, after tokenization. @defaultValue 10 */
  searchTerms: number;
  /** Tokens of one phrase of a search. @defaultValue 8 */
  searchPhraseTokens: number;
  /** Duration after which a search is given up with `UNAVAILABLE`. @defaultValue 250 */
  searchDeadlineMs: number;
  /** Pages that the server requests for link previews of one user. @defaultValue a burst of 20, 20 per minute */
  linkPreviews: RateLimit;

  /** Size of the list in one reply on a socket; the client requests the rest. @defaultValue 131_072 (128 KiB) */
  socketAnswerBytes: number;
  /** Size of the list in one REST response; the client requests the rest. @defaultValue 1_048_576 (1 MiB) */
  restAnswerBytes: number;
  /** Output that one socket has not read. Above it, the socket is closed. @defaultValue 1_048_576 (1 MiB) */
  unreadBytesPerSocket: number;
  /** Output that one user's connections have not read. @defaultValue 8_388_608 (8 MiB) */
  unreadBytesPerUser: number;
  /** Output of the process that has not been read. @defaultValue 268_435_456 (256 MiB) */
  unreadBytesTotal: number;
  /** Duration after which a connection that reads none of its output is closed. @defaultValue 20_000 */
  readTimeoutMs: number;

  /** Interval in which log lines with the same cause are counted instead of repeated. @defaultValue 60_000 */
  logIntervalMs: number;
}

const KIB = 1_024;
const MIB = 1_024 * KIB;

/** The defaults of {@link ServerLimits}. */
export const DEFAULT_LIMITS: Readonly<ServerLimits> = Object.freeze({
  handshakePackets: 16,
  handshakeBytes: 64 * KIB,
  handshakeTimeoutMs: 10_000,
  connectionsPerAddress: 100,
  connections: 10_000,
  socketsPerUser: 50,
  restRequestsPerUser: 32,
  frameBytes: MIB,
  frameDepth: 32,
  frameValues: 32_768,
  requests: { burst: 1_000, perSecond: 100 },
  requestBytes: { burst: 8 * MIB, perSecond: MIB },
  messages: { burst: 200, perSecond: 20 },
  messageBytesPerDay: 100 * MIB,
  conversationsCreated: { burst: 60, perSecond: 30 / 60 },
  groupSize: 1_000,
  callsPerCaller: { burst: 10, perSecond: 10 / 60 },
  callsPerPair: { burst: 3, perSecond: 3 / 60 },
  searches: { burst: 20, perSecond: 5 },
  searchTerms: 10,
  searchPhraseTokens: 8,
  searchDeadlineMs: 250,
  linkPreviews: { burst: 20, perSecond: 20 / 60 },
  socketAnswerBytes: 128 * KIB,
  restAnswerBytes: MIB,
  unreadBytesPerSocket: MIB,
  unreadBytesPerUser: 8 * MIB,
  unreadBytesTotal: 256 * MIB,
  readTimeoutMs: 20_000,
  logIntervalMs: 60_000,
});

type LimitName = keyof ServerLimits;

const LIMIT_NAMES = Object.keys(DEFAULT_LIMITS) as LimitName[];

/** Maximum delay of a timer. A longer one fires immediately. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** Maximum values that are not just the range of numbers. */
const MAXIMUM: Partial<Record<LimitName, number>> = { groupSize: 10_000 };

/**
 * Applies the defaults. `false` removes all limits, for tests and measurements; only `groupSize` keeps its maximum, and
 * log lines are still counted.
 *
 * @throws TypeError that names the limit and its valid range, or the valid name most similar to an unknown one
 */
export function resolveLimits(limits: Partial<ServerLimits> | false | undefined): ServerLimits {
  if (limits === false) return unlimited();
  if (limits === undefined) return { ...DEFAULT_LIMITS };
  if (typeof limits !== 'object' || limits === null) throw new TypeError('limits must be an object or false');
  const resolved: ServerLimits = { ...DEFAULT_LIMITS };
  for (const [name, value] of Object.entries(limits)) {
    if (!isLimitName(name)) throw new TypeError(unknownName(name));
    if (value !== undefined) Object.assign(resolved, { [name]: resolvedValue(name, value) });
  }
  return resolved;
}

function resolvedValue(name: LimitName, value: unknown): number | RateLimit {
  if (typeof DEFAULT_LIMITS[name] === 'number') return wholeNumber(`limits.${name}`, value, maximumOf(name));
  if (typeof value !== 'object' || value === null) {
    throw new TypeError(`limits.${name} must be an object with burst and perSecond`);
  }
  const { burst, perSecond } = value as Partial<RateLimit>;
  if (typeof perSecond !== 'number' || !Number.isFinite(perSecond) || perSecond <= 0) {
    throw new TypeError(`limits.${name}.perSecond must be a number above 0; got ${String(perSecond)}`);
  }
  return { burst: wholeNumber(`limits.${name}.burst`, burst, Number.MAX_SAFE_INTEGER), perSecond };
}

function wholeNumber(name: string, value: unknown, max: number): number {
  if (Number.isSafeInteger(value) && Number(value) >= 1 && Number(value) <= max) return Number(value);
  const range = max < Number.MAX_SAFE_INTEGER ? `from 1 to ${max}` : 'of at least 1';
  throw new TypeError(`${name} must be a whole number ${range}; got ${String(value)}`);
}

function maximumOf(name: LimitName): number {
  return MAXIMUM[name] ?? (name.endsWith('Ms') ? MAX_TIMER_MS : Number.MAX_SAFE_INTEGER);
}

function unlimited(): ServerLimits {
  const limits: ServerLimits = { ...DEFAULT_LIMITS };
  for (const name of LIMIT_NAMES) {
    const max = maximumOf(name);
    Object.assign(limits, { [name]: typeof limits[name] === 'number' ? max : { burst: max, perSecond: max } });
  }
  return { ...limits, logIntervalMs: DEFAULT_LIMITS.logIntervalMs };
}

function isLimitName(name: string): name is LimitName {
  return Object.hasOwn(DEFAULT_LIMITS, name);
}

function unknownName(name: string): string {
  const similar = nearest(name, LIMIT_NAMES);
  const hint = similar === undefined ? `must be one of ${LIMIT_NAMES.join(', ')}` : `did you mean "${similar}"?`;
  return `Unknown limit "${name}": ${hint}`;
}
