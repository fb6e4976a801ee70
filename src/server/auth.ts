import * as v from 'valibot';
import { CommError, isCommError } from '../protocol/errors.ts';
import { idSchema } from '../protocol/fields.ts';
import { errorFields, type Logger } from '../lib/logger.ts';

/** What a connection or a REST request shows of who is behind it. Header names are lower case. */
export interface AuthRequest {
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly query: Readonly<Record<string, string | string[] | undefined>>;
  /** The token of the Socket.IO `auth` payload; over REST it is in the `Authorization` header. */
  readonly token?: string | undefined;
}

/** Who somebody is. */
export interface Identity {
  /** 1 to 256 characters. */
  userId: string;
  /** Milliseconds since the epoch; past it a connected socket is told `TOKEN_EXPIRED` and closed. */
  expiresAt?: number | undefined;
}

/**
 * Says who somebody is, or `undefined` where they are nobody. A `CommError` it throws (`UNAUTHENTICATED`,
 * `TOKEN_EXPIRED`) is answered as it is; whatever else it throws is answered as `UNAVAILABLE`.
 */
export type Authenticate = (request: AuthRequest) => Identity | undefined | Promise<Identity | undefined>;

/** Takes the user id out of headers and query, or `undefined` for nobody; what it returns is believed. */
export type GetUserId = (headers: AuthRequest['headers'], query: AuthRequest['query']) => string | undefined;

/** How the server knows who somebody is. */
export interface IdentifyOptions {
  /** Decides alone when given. */
  authenticate?: Authenticate | undefined;
  /** Decides alone when given and there is no `authenticate`. */
  getUserId?: GetUserId | undefined;
  /**
   * Believe the header `x-user-id` and the query `userId` also with `NODE_ENV=production`: only behind a proxy that
   * sets them itself.
   *
   * @defaultValue false
   */
  trustUserIdHeader?: boolean | undefined;
}

/** An {@link AuthRequest} with the user that the framework around it already knows. */
export interface IdentifyRequest extends AuthRequest {
  readonly user?: unknown;
}
/** At once where nothing has to be waited for. Throws or rejects with a `CommError`. */
export type Identify = (request: IdentifyRequest) => Identity | Promise<Identity>;

/**
 * One rule for sockets and REST: `authenticate`, else `getUserId`, else the framework's user, else (development, or
 * trusted explicitly) the header `x-user-id` or the query `userId`.
 */
export function createIdentify(options: IdentifyOptions, logger: Logger): Identify {
  const { authenticate, getUserId } = options;
  // Whoever trusts the header explicitly knows it.
  let warned = options.trustUserIdHeader !== undefined;
  const claimed = (request: IdentifyRequest): string | undefined => {
    const userId = believesUserIds(options) ? claimedUserId(request) : undefined;
    if (userId !== undefined && !warned) {
      warned = true;
      logger.warn('development mode: every user id is believed; set `authenticate` or `getUserId`');
    }
    return userId;
  };
  const decide = (request: IdentifyRequest): ReturnType<Authenticate> => {
    if (authenticate !== undefined) return authenticate(request);
    if (getUserId !== undefined) return identity(getUserId(request.headers, request.query));
    return identity(frameworkUser(request.user) ?? claimed(request));
  };
  const refuse = (error: unknown): never => {
    if (isCommError(error)) throw error;
    logger.error('authentication failed to run', errorFields(error));
    throw new CommError('UNAVAILABLE', 'Who you are could not be checked', { cause: error });
  };
  return (request) => {
    let found: ReturnType<Authenticate>;
    try {
      found = decide(request);
    } catch (error) {
      return refuse(error);
    }
    return found instanceof Promise ? found.then(undefined, refuse).then(usable) : usable(found);
  };
}

/** @throws CommError `UNAUTHENTICATED` */
function usable(found: Identity | undefined): Identity {
  if (found === undefined || !v.is(idSchema, found.userId)) throw new CommError('UNAUTHENTICATED', 'Not signed in');
  return found;
}

/** Whether plain user ids are believed. */
function believesUserIds({ trustUserIdHeader }: IdentifyOptions, env = process.env): boolean {
  return trustUserIdHeader ?? env['NODE_ENV'] !== 'production';
}

/** The token of a request, wherever it may stand: never in the URL. */
export function tokenOf({ token, headers }: AuthRequest): string | undefined {
  if (token !== undefined && token !== '') return token;
  const authorization = first(headers['authorization']);
  return /^Bearer +(\S+)$/i.exec(authorization ?? '')?.[1];
}

function claimedUserId({ headers, query }: IdentifyRequest): string | undefined {
  return first(headers['x-user-id']) ?? first(query['userId']);
}

function identity(userId: string | undefined): Identity | undefined {
  return userId === undefined ? undefined : { userId };
}

/** Frameworks keep a user as an id, or as an object with the id in one of three places. */
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
