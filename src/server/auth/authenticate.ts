import * as v from 'valibot';
import { CommError, isCommError } from '../../protocol/errors.ts';
import { idSchema } from '../../protocol/common-schemas.ts';
import { errorFields, type Logger } from '../../lib/logger.ts';

/** Credentials of a connection or REST request. Header names are lower case. */
export interface AuthRequest {
  /** Headers of the handshake or request. */
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** Query parameters of the handshake or request. */
  readonly query: Readonly<Record<string, string | string[] | undefined>>;
  /** Token from the Socket.IO `auth` payload. REST requests carry it in the `Authorization` header. */
  readonly token?: string | undefined;
}

/** An authenticated user. */
export interface Identity {
  /** Id of the user, 1 to 256 characters, without outer spaces, control and format characters. */
  userId: string;
  /** Expiry in ms since the epoch. When it is reached, the socket receives the error `TOKEN_EXPIRED` and is closed. */
  expiresAt?: number | undefined;
  /** Name and picture of the user, where no other source has them. Invalid ones are ignored. */
  profile?: { displayName?: string | undefined; avatarUrl?: string | undefined } | undefined;
}

/**
 * Authenticates a request. Returns `undefined` if there is no user. A `CommError` (`UNAUTHENTICATED`, `TOKEN_EXPIRED`)
 * is passed to the client; any other error becomes `UNAVAILABLE`.
 */
export type Authenticate = (request: AuthRequest) => Identity | undefined | Promise<Identity | undefined>;

/**
 * Extracts the user id from headers and query, or `undefined` if there is none. The result is trusted. A list, which a
 * repeated header or parameter has, identifies no user.
 */
export type GetUserId = (
  headers: AuthRequest['headers'],
  query: AuthRequest['query'],
) => string | readonly string[] | undefined;

/** Determines how users are authenticated. */
export interface IdentifyOptions {
  /** Authenticates every request. If given, no other source is used. */
  authenticate?: Authenticate | undefined;
  /** Extracts the user id. If given, and without `authenticate`, no other source is used. */
  getUserId?: GetUserId | undefined;
  /**
   * `true` accepts the header `x-user-id` unverified, also with `NODE_ENV=production`. Use it only behind a proxy that
   * sets the header itself. A request in which it is missing, empty or repeated is rejected.
   *
   * @defaultValue absent: outside of `NODE_ENV=production`, the header and the query parameter `userId` are accepted
   */
  trustUserIdHeader?: boolean | undefined;
}

/** An {@link AuthRequest} with the user that the framework has authenticated. */
export interface IdentifyRequest extends AuthRequest {
  readonly user?: unknown;
}
/** Identifies the user of a request. Synchronous if the source is. Throws or rejects with a `CommError`. */
export type Identify = (request: IdentifyRequest) => Identity | Promise<Identity>;

/**
 * Creates the function that identifies the user of sockets and REST requests: by `authenticate`, else `getUserId`, else
 * the framework's user, else the header `x-user-id` if it is trusted or in development, else the query parameter `userId`
 * in development.
 *
 * @param options.development - whether the server has decided, and warned, that it runs in development mode
 */
export function createIdentify(options: IdentifyOptions & { development?: boolean }, logger: Logger): Identify {
  const { authenticate, getUserId, trustUserIdHeader: trusted, development } = options;
  const isDevelopment = development ?? (trusted === undefined && process.env['NODE_ENV'] !== 'production');
  // No warning where the app has decided.
  let warned = trusted !== undefined || development !== undefined;
  const trustedUserId = (request: IdentifyRequest): string | undefined => {
    const userId = isDevelopment || trusted === true ? claimedUserId(request, isDevelopment) : undefined;
    if (userId !== undefined && !warned) {
      warned = true;
      logger.warn('development mode: user ids are accepted unverified; set `authenticate` or `getUserId`');
    }
    return userId;
  };
  const authenticateRequest = (request: IdentifyRequest): ReturnType<Authenticate> => {
    if (authenticate !== undefined) return authenticate(request);
    if (getUserId !== undefined) return identity(single(getUserId(request.headers, request.query)));
    return identity(frameworkUser(request.user) ?? trustedUserId(request));
  };
  const fail = (error: unknown): never => {
    if (isCommError(error)) throw error;
    logger.error('authentication failed with an unexpected error', errorFields(error));
    throw new CommError('UNAVAILABLE', 'Authentication is temporarily unavailable', { cause: error });
  };
  return (request) => {
    let found: ReturnType<Authenticate>;
    try {
      found = authenticateRequest(request);
    } catch (error) {
      return fail(error);
    }
    if (!(found instanceof Promise)) return requireIdentity(found, request);
    return found.then(undefined, fail).then((identity) => requireIdentity(identity, request));
  };
}

/** Outer spaces, control characters, format characters and half surrogate pairs make ids that look like another's. */
const MISLEADING = /^\s|\s$|[\p{Cc}\p{Cf}\p{Cs}]/u;

/** Validates the identity that was found for a request. @throws CommError `UNAUTHENTICATED` */
function requireIdentity(found: Identity | undefined, request: IdentifyRequest): Identity {
  if (found === undefined) {
    if (tokenOf(request) === undefined) {
      throw new CommError('UNAUTHENTICATED', 'Authentication is required', { reason: 'credentials-missing' });
    }
    throw new CommError('UNAUTHENTICATED', 'The credentials are not accepted', { reason: 'credentials-refused' });
  }
  if (!v.is(idSchema, found.userId) || MISLEADING.test(found.userId)) {
    throw new CommError('UNAUTHENTICATED', 'The user id is not valid', { reason: 'user-id-invalid' });
  }
  return found;
}

/** Returns the token of a request: from the `auth` payload or the `Authorization` header, never from the URL. */
export function tokenOf({ token, headers }: AuthRequest): string | undefined {
  if (token !== undefined && token !== '') return token;
  const authorization = first(headers['authorization']);
  return /^Bearer +(\S+)$/i.exec(authorization ?? '')?.[1];
}

/**
 * Returns the user id of the header; where queries are accepted, that of the query if there is no header.
 *
 * @throws CommError `UNAUTHENTICATED` if the header is empty or repeated. Node joins repeated headers by commas, so an id
 *   with a comma can't be sent.
 */
function claimedUserId({ headers, query }: IdentifyRequest, acceptsQuery: boolean): string | undefined {
  const header = headers['x-user-id'];
  if (header === undefined) return acceptsQuery ? first(query['userId']) : undefined;
  if (typeof header !== 'string' || header.trim() === '' || header.includes(',')) {
    throw new CommError('UNAUTHENTICATED', 'The header x-user-id must be sent once and not be empty', {
      reason: 'user-id-invalid',
    });
  }
  return header;
}

function single(value: string | readonly string[] | undefined): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

function identity(userId: string | undefined): Identity | undefined {
  return userId === undefined ? undefined : { userId };
}

/** Reads the id from a framework's user: the user itself, or its `id`, `userId` or `sub`. */
function frameworkUser(user: unknown): string | undefined {
  if (typeof user === 'string') return user === '' ? undefined : user;
  if (typeof user === 'number') return String(user);
  if (typeof user !== 'object' || user === null) return undefined;
  const { id, userId, sub } = user as Record<string, unknown>;
  return [id, userId, sub].map((each) => (typeof each === 'object' ? undefined : frameworkUser(each))).find(Boolean);
}

function first(value: string | string[] | undefined): string | undefined {
  const one = Array.isArray(value) ? value[0] : value;
  return one === '' ? undefined : one;
}
