import { CommError, type ConnectFailureReason, type ErrorCode } from '../../protocol/errors.ts';

/** Where the client connects to, for the texts of errors. */
export interface ConnectTarget {
  /** Origin of the server. */
  readonly origin: string;
  readonly path: string;
  readonly namespace: string;
  /** Origin of the page; `undefined` outside of browsers. */
  readonly pageOrigin: string | undefined;
}

/** Further facts about a failure. */
export interface FailureDetails {
  /** HTTP status of the server's answer. */
  readonly status?: number | undefined;
  /** The path at which the server was found. */
  readonly foundPath?: string | undefined;
  /** The platform's code of a network error, such as `ECONNREFUSED`. */
  readonly networkCode?: string | undefined;
  readonly retryAfterMs?: number | undefined;
  /** The browser doesn't let the page read the server's answer, so that the reason is not certain. */
  readonly isUnreadable?: boolean | undefined;
}

interface Explanation {
  readonly code: ErrorCode;
  readonly message: (target: ConnectTarget, details: FailureDetails) => string;
  readonly fix: (target: ConnectTarget, details: FailureDetails) => string;
}

const token = (message: string, fix: string, code: ErrorCode = 'UNAUTHENTICATED'): Explanation => ({
  code,
  message: () => message,
  fix: () => fix,
});

/** The code and the texts of each reason. */
const EXPLANATIONS: Readonly<Record<ConnectFailureReason, Explanation>> = {
  offline: {
    code: 'DISCONNECTED',
    message: () => 'The device has no network connection',
    fix: () => 'Connect the device to a network. The client continues by itself.',
  },
  unreachable: {
    code: 'DISCONNECTED',
    message: ({ origin }, { networkCode }) => `No server answers at ${origin}${networkText(networkCode)}`,
    fix: ({ origin, pageOrigin }, { networkCode }) => unreachableFix(origin, pageOrigin, networkCode),
  },
  'no-answer': {
    code: 'TIMEOUT',
    message: ({ origin }) => `The server at ${origin} has not answered in time`,
    fix: () => 'Check that the server is not overloaded and that no firewall drops the packets.',
  },
  'foreign-server': {
    code: 'UNSUPPORTED',
    message: ({ origin, path, namespace }, { status }) =>
      status === undefined
        ? `A Socket.IO server answers at ${origin}, but it has no namespace ${namespace}`
        : `The server at ${origin} does not serve Socket.IO at ${path} (HTTP status ${status})`,
    fix: () =>
      'Check that `url` is the origin of lumen-comm-server or of a LumenJS app, and that a proxy in front of it forwards `path`. For a LumenJS app `namespace` must be /nk/ and the route of its page.',
  },
  'wrong-path': {
    code: 'NOT_FOUND',
    message: ({ origin, path }) => `The server at ${origin} does not serve Socket.IO at ${path}`,
    fix: (_target, { foundPath }) =>
      foundPath === undefined
        ? 'Set `path` to the path of the server, or let the proxy forward this path.'
        : `Set \`path\` to ${foundPath}, or remove the option.`,
  },
  'wrong-namespace': {
    code: 'NOT_FOUND',
    message: ({ origin, namespace }) => `The server at ${origin} has no namespace ${namespace}`,
    fix: () => 'Set `namespace` to the namespace of the server, or remove the option.',
  },
  'origin-refused': {
    code: 'FORBIDDEN',
    message: ({ origin, pageOrigin = 'the origin of this client' }, { isUnreadable = false }) =>
      isUnreadable
        ? `The server at ${origin} answers, and does not allow ${pageOrigin} to read it`
        : `The server at ${origin} does not allow ${pageOrigin}`,
    fix: ({ pageOrigin = 'https://app.example.com' }, { isUnreadable = false }) =>
      `Start the server with --origin ${pageOrigin}.${isUnreadable ? ' If `url` belongs to another server, correct it.' : ''}`,
  },
  'websocket-blocked': {
    code: 'DISCONNECTED',
    message: ({ origin }) => `The server at ${origin} answers over HTTP, but its WebSocket can't be opened`,
    fix: () =>
      'Let the proxy forward WebSockets (the headers Upgrade and Connection), or remove the option `transports`.',
  },
  'too-many-connections': {
    code: 'RATE_LIMITED',
    message: () => 'The server has too many connections of this user or address',
    fix: () => 'Close unused tabs and clients. The client continues after the time that the server asked for.',
  },
  'server-unavailable': {
    code: 'UNAVAILABLE',
    message: ({ origin }, { status }) =>
      `The server at ${origin} is starting, stopping or without its database${status === undefined ? '' : ` (HTTP status ${status})`}`,
    fix: () => 'Wait, or look at the log and at /readyz of the server.',
  },
  'user-refused': {
    code: 'UNAUTHENTICATED',
    message: () => 'The server refused the user without naming a reason',
    fix: () => 'Check `token` or `userId`, then call `connect()` again.',
  },
  'connection-lost': {
    code: 'DISCONNECTED',
    message: ({ origin }) => `The connection to ${origin} was lost`,
    fix: () => 'The client reconnects by itself.',
  },
  'token-function': token(
    'The token function failed',
    'Look at `cause` for the error that your function `token` threw.',
  ),
  'credentials-missing': token(
    'The client sent no credentials that the server accepts',
    'Set `token`. Only a server in development mode or behind a trusted proxy accepts `userId`.',
  ),
  'credentials-refused': token(
    'The server does not accept the credentials',
    'Check what `authenticate` or `auth` of the server returns for them.',
  ),
  'user-id-invalid': token(
    'The user id is not valid',
    'Use an id of 1 to 256 characters without control characters, in `userId` or in the claim sub of the token.',
  ),
  'user-banned': token(
    'The server has banned the user',
    'Ask the operator of the server to lift the ban.',
    'FORBIDDEN',
  ),
  'token-malformed': token('The token is not a signed JSON Web Token', 'Check what `token` returns.'),
  'token-algorithm': token(
    'The token is signed with an algorithm that the server does not accept',
    'Sign with HS256 for --jwt-secret, and with RSA, ECDSA or EdDSA for --jwks-url.',
  ),
  'token-key': token(
    'The token is signed with a key that the server does not know',
    'Check that --jwks-url of the server belongs to the issuer of the token, and that the kid of the token is in the set.',
  ),
  'token-signature': token(
    'The signature of the token is not valid',
    'Sign the token with the same secret or key pair that the server verifies it with.',
  ),
  'token-issuer': token(
    'The claim iss of the token is missing or not accepted',
    'Set iss to the issuer that the server is configured with.',
  ),
  'token-audience': token(
    'The claim aud of the token is missing or not accepted',
    'Set aud to the audience that the server is configured with.',
  ),
  'token-subject': token('The token has no valid claim sub', 'Set sub to the id of the user.'),
  'token-lifetime': token(
    'The claims exp and iat of the token are missing or not accepted',
    'Set exp to the end of the lifetime and iat to the time of signing, in seconds since 1970.',
  ),
  'token-not-yet-valid': token(
    'The token is not valid yet',
    'Compare the clocks of the server and of the signer of the token, and the claim nbf.',
  ),
  'token-expired': token(
    'The token has expired',
    'Let `token` be a function that fetches a new token, and compare the clocks of the server and of its signer.',
    'TOKEN_EXPIRED',
  ),
};

/** Creates the error for a reason. @param failure - the error that is explained; becomes its cause, unless that has one */
export function explainFailure(
  reason: ConnectFailureReason,
  target: ConnectTarget,
  failure: CommError,
  details: FailureDetails = {},
): CommError {
  const { code, message, fix } = EXPLANATIONS[reason];
  return new CommError(code, message(target, details), {
    reason,
    fix: fix(target, details),
    retryAfterMs: details.retryAfterMs ?? failure.retryAfterMs,
    cause: failure.cause,
  });
}

function networkText(code: string | undefined): string {
  switch (code) {
    case undefined:
      return '';
    case 'ECONNREFUSED':
      return ': the connection is refused (ECONNREFUSED)';
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return `: the host name can't be resolved (${code})`;
    default:
      return ` (${code})`;
  }
}

function unreachableFix(origin: string, pageOrigin: string | undefined, code: string | undefined): string {
  if (pageOrigin?.startsWith('https:') === true && origin.startsWith('http:')) {
    return 'Serve the server over https: browsers block http requests of https pages.';
  }
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') return 'Check the host name in `url`.';
  if (code !== undefined && /CERT|TLS|SSL|SIGNATURE/.test(code)) {
    return 'Check the certificate of the server: its host name, its dates and its issuer.';
  }
  const page =
    pageOrigin === undefined ? '' : ', and that the Content-Security-Policy of the page allows it (connect-src)';
  return `Check that the server runs, that host and port of \`url\` are right${page}.`;
}
