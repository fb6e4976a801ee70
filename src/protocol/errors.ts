/** Error codes of servers, in acknowledgements, `message:error` and `error` pushes, and REST answers. */
export const SERVER_ERROR_CODES = [
  'INVALID',
  'UNAUTHENTICATED',
  'TOKEN_EXPIRED',
  'FORBIDDEN',
  'NOT_FOUND',
  'CONFLICT',
  'MESSAGE_TOO_LONG',
  'FILE_TOO_LARGE',
  'MIME_TYPE_NOT_ALLOWED',
  'RATE_LIMITED',
  'BUSY',
  'UNSUPPORTED',
  'UNAVAILABLE',
  'INTERNAL',
] as const;

/** Error codes that only clients produce, about their connection, storage, devices and keys. */
export const CLIENT_ERROR_CODES = [
  'TIMEOUT',
  'DISCONNECTED',
  'OUTBOX_FULL',
  'CANCELLED',
  'UPLOAD_FAILED',
  'STORAGE',
  'MEDIA_DENIED',
  'MEDIA_UNAVAILABLE',
  'E2EE_NO_KEYS',
  'E2EE_IDENTITY_CHANGED',
  'E2EE_MEMBERS_CHANGED',
  'E2EE_DECRYPTION_FAILED',
  'E2EE_OTHER_DEVICE',
  'E2EE_LOCKED',
] as const;

/**
 * Why a server refuses the credentials of a connection or request: the `reason` of `UNAUTHENTICATED` and `TOKEN_EXPIRED`. It
 * names the part that is not valid, and never an accepted value.
 */
export const CREDENTIAL_FAULTS = [
  'credentials-missing',
  'credentials-refused',
  'user-id-invalid',
  'user-banned',
  'token-malformed',
  'token-algorithm',
  'token-key',
  'token-signature',
  'token-issuer',
  'token-audience',
  'token-subject',
  'token-lifetime',
  'token-not-yet-valid',
  'token-expired',
] as const;

/** Further reasons for which a client can't connect. Only clients produce them. */
export const CONNECT_FAULTS = [
  'offline',
  'unreachable',
  'no-answer',
  'foreign-server',
  'wrong-path',
  'wrong-namespace',
  'origin-refused',
  'websocket-blocked',
  'too-many-connections',
  'server-unavailable',
  'user-refused',
  'token-function',
  'connection-lost',
] as const;

/** What a `RATE_LIMITED` is about, if not all requests of the user: `conversation`, new messages in one conversation. */
export const RATE_SCOPES = ['conversation'] as const;

/** One of {@link RATE_SCOPES}. */
export type RateScope = (typeof RATE_SCOPES)[number];
/** One of {@link CREDENTIAL_FAULTS}. */
export type CredentialFault = (typeof CREDENTIAL_FAULTS)[number];
/** Why a client is not connected: one of {@link CREDENTIAL_FAULTS} or {@link CONNECT_FAULTS}. */
export type ConnectFailureReason = CredentialFault | (typeof CONNECT_FAULTS)[number];

/** One of {@link SERVER_ERROR_CODES}. */
export type ServerErrorCode = (typeof SERVER_ERROR_CODES)[number];
/** All values of {@link CommError.code}. */
export type ErrorCode = ServerErrorCode | (typeof CLIENT_ERROR_CODES)[number];

/** The HTTP status of each code in REST answers. */
export const HTTP_STATUS: Readonly<Record<ServerErrorCode, number>> = {
  INVALID: 400,
  UNAUTHENTICATED: 401,
  TOKEN_EXPIRED: 401,
  FORBIDDEN: 403,
  NOT_FOUND: 404,
  CONFLICT: 409,
  MESSAGE_TOO_LONG: 413,
  FILE_TOO_LARGE: 413,
  MIME_TYPE_NOT_ALLOWED: 415,
  RATE_LIMITED: 429,
  BUSY: 409,
  UNSUPPORTED: 501,
  UNAVAILABLE: 503,
  INTERNAL: 500,
};

/** An error on the wire. */
export interface ErrorBody {
  code: ServerErrorCode;
  message: string;
  /** Minimum delay before the same request is sent again, in milliseconds. */
  retryAfterMs?: number | undefined;
  /** Which part of the credentials is not valid. */
  reason?: CredentialFault | undefined;
  /** What a `RATE_LIMITED` is about; absent if it is about all requests of the user. */
  scope?: RateScope | undefined;
}

const RETRYABLE: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'TOKEN_EXPIRED',
  'RATE_LIMITED',
  'UNAVAILABLE',
  'INTERNAL',
  'TIMEOUT',
  'DISCONNECTED',
  'OUTBOX_FULL',
  'UPLOAD_FAILED',
]);

/** Further properties of a {@link CommError}. */
export interface CommErrorOptions {
  /** Minimum delay before the same request is sent again, in milliseconds. */
  retryAfterMs?: number | undefined;
  /** How the developer can fix the problem, in one sentence. */
  fix?: string | undefined;
  /** Why the client is not connected. */
  reason?: ConnectFailureReason | undefined;
  /** What a `RATE_LIMITED` is about, if not all requests of the user. */
  scope?: RateScope | undefined;
  cause?: unknown;
}

/** Marks errors of this package, also those of another copy of it, whose class is another one. */
const BRAND = Symbol.for('lumen-comm.CommError');

/** The error class of the package. Check `code`; messages may change between versions. */
export class CommError extends Error {
  override readonly name = 'CommError';
  /** Machine-readable cause. */
  readonly code: ErrorCode;
  /** Whether the same request can succeed later. */
  readonly retryable: boolean;
  /** Minimum delay before the same request is sent again, in milliseconds. */
  readonly retryAfterMs?: number | undefined;
  /** How the developer can fix the problem, in one sentence. */
  readonly fix?: string | undefined;
  /** Why the client is not connected; absent in errors that are not about the connection. */
  readonly reason?: ConnectFailureReason | undefined;
  /** `conversation` if a `RATE_LIMITED` is about new messages in one conversation (slow mode). */
  readonly scope?: RateScope | undefined;

  constructor(code: ErrorCode, message: string, options: CommErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.retryable = RETRYABLE.has(code);
    this.retryAfterMs = options.retryAfterMs;
    this.fix = options.fix;
    this.reason = options.reason;
    this.scope = options.scope;
    Object.defineProperty(this, BRAND, { value: true });
  }
}

/** Returns true for every {@link CommError}, also for one that another copy of this package has made. */
export function isCommError(error: unknown): error is CommError {
  return typeof error === 'object' && error !== null && BRAND in error;
}

/** Converts an error to what a peer may read of it. Codes that servers don't send become `INTERNAL` without details. */
export function errorBodyOf(error: unknown): ErrorBody {
  const code = isCommError(error) ? SERVER_ERROR_CODES.find((each) => each === error.code) : undefined;
  if (code === undefined) return { code: 'INTERNAL', message: 'Internal server error' };
  const { message, retryAfterMs, reason, scope } = error as CommError;
  const fault = CREDENTIAL_FAULTS.find((each) => each === reason);
  return {
    code,
    message,
    ...(retryAfterMs !== undefined && { retryAfterMs }),
    ...(fault !== undefined && { reason: fault }),
    ...(scope !== undefined && { scope }),
  };
}

/** Parses an error that a peer sent. Unknown codes become `INTERNAL`. */
export function commErrorFrom(body: unknown, cause?: unknown): CommError {
  const { code, message, retryAfterMs, scope } = (typeof body === 'object' && body !== null ? body : {}) as Record<
    string,
    unknown
  >;
  const known = SERVER_ERROR_CODES.find((each) => each === code) ?? 'INTERNAL';
  return new CommError(known, typeof message === 'string' ? message : 'The server gave no reason', {
    ...(typeof retryAfterMs === 'number' && retryAfterMs >= 0 && { retryAfterMs }),
    scope: scope as RateScope | undefined,
    cause,
  });
}
