/** Codes a server answers with, on the socket (`ack`, `message:error`, `error`) and over REST alike. */
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

/** Codes that only a client produces: about its own connection, storage, devices and keys. */
export const CLIENT_ERROR_CODES = [
  'TIMEOUT',
  'DISCONNECTED',
  'STORAGE',
  'MEDIA_DENIED',
  'MEDIA_UNAVAILABLE',
  'E2EE_NO_KEYS',
  'E2EE_IDENTITY_CHANGED',
  'E2EE_DECRYPTION_FAILED',
  'E2EE_OTHER_DEVICE',
  'E2EE_LOCKED',
] as const;

export type ServerErrorCode = (typeof SERVER_ERROR_CODES)[number];
/** What {@link CommError.code} may be. */
export type ErrorCode = ServerErrorCode | (typeof CLIENT_ERROR_CODES)[number];

/** The HTTP status that stands for each code in REST answers. */
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

/** An error as it travels. */
export interface ErrorBody {
  code: ServerErrorCode;
  message: string;
  /** Wait at least this long before the same request again, in milliseconds. */
  retryAfterMs?: number | undefined;
}

const RETRYABLE: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'TOKEN_EXPIRED',
  'RATE_LIMITED',
  'UNAVAILABLE',
  'INTERNAL',
  'TIMEOUT',
  'DISCONNECTED',
]);

/** What a {@link CommError} carries besides its code and message. */
export interface CommErrorOptions {
  /** Wait at least this long before the same request again, in milliseconds. */
  retryAfterMs?: number | undefined;
  /** What the developer can do about it, in one sentence. */
  fix?: string | undefined;
  cause?: unknown;
}

/**
 * The one error class of the package. Compare `code`, never `message`.
 * `retryable` says whether the very same request can succeed later.
 */
export class CommError extends Error {
  override readonly name = 'CommError';
  readonly code: ErrorCode;
  readonly retryable: boolean;
  readonly retryAfterMs?: number | undefined;
  readonly fix?: string | undefined;

  constructor(code: ErrorCode, message: string, options: CommErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.retryable = RETRYABLE.has(code);
    this.retryAfterMs = options.retryAfterMs;
    this.fix = options.fix;
  }
}

/** True for every error this package makes; narrows `unknown` in a `catch`. */
export function isCommError(error: unknown): error is CommError {
  return error instanceof CommError;
}

/** Reads an error a peer sent. Whatever is no known code becomes `INTERNAL`: a peer can't invent codes. */
export function commErrorFrom(body: unknown): CommError {
  const { code, message, retryAfterMs } = (typeof body === 'object' && body !== null ? body : {}) as Record<
    string,
    unknown
  >;
  const known = SERVER_ERROR_CODES.find((each) => each === code) ?? 'INTERNAL';
  return new CommError(known, typeof message === 'string' ? message : 'The server refused without a reason', {
    ...(typeof retryAfterMs === 'number' && retryAfterMs >= 0 && { retryAfterMs }),
  });
}
