import type { Clock } from '../../lib/clock.ts';
import { DEFAULT_SOCKET_PATH } from '../../protocol/constants.ts';
import { CommError, CREDENTIAL_FAULTS, type ConnectFailureReason } from '../../protocol/errors.ts';
import { fields } from '../../transport/fields.ts';
import { explainFailure, type ConnectTarget, type FailureDetails } from './explain-failure.ts';
import { probeServer, type Probe } from './probe-server.ts';

/** Options of the client that the diagnosis needs. */
export interface DiagnosisOptions {
  readonly url: string | undefined;
  readonly path: string;
  readonly restPath: string;
  readonly namespace: string;
  readonly fetch: typeof fetch | undefined;
  readonly clock: Clock;
}

/** What the probes of a server have found. */
export interface Findings {
  /** At the Socket.IO path of the client. */
  readonly socket: Probe;
  /** The answer to a handshake over HTTP, if Socket.IO is there. */
  readonly handshake?: Probe | undefined;
  /** At the REST path of the client. */
  readonly rest?: Probe | undefined;
  /** At the default Socket.IO path, if the client uses another one. */
  readonly defaultPath?: Probe | undefined;
}

type Finding = readonly [reason: ConnectFailureReason, details?: FailureDetails];

/**
 * Determines why an attempt failed. Requests the server only if the failure itself doesn't say it.
 *
 * @param isFinal - the client makes no further attempt: the error becomes `UNAUTHENTICATED`
 * @returns a more specific error, or `failure` itself
 */
export async function diagnose(
  options: DiagnosisOptions,
  failure: CommError,
  isFinal: boolean,
  signal: AbortSignal,
): Promise<CommError> {
  const explained = await explain(options, failure, signal);
  const { message, fix, reason } = explained;
  if (!isFinal || explained.code === 'UNAUTHENTICATED') return explained;
  return new CommError('UNAUTHENTICATED', message, { fix, reason, cause: explained });
}

async function explain(options: DiagnosisOptions, failure: CommError, signal: AbortSignal): Promise<CommError> {
  const target = targetOf(options);
  const explained = ([reason, details]: Finding): CommError => explainFailure(reason, target, failure, details);
  const known = knownReason(failure);
  if (known !== undefined) return explained([known]);
  const isNamespace = isUnknownNamespace(failure);
  const fetch = options.fetch ?? globalThis.fetch;
  const canProbe = typeof fetch === 'function' && target.origin !== '';
  if (!canProbe) return isNamespace ? explained(['wrong-namespace']) : failure;
  if (!isNamespace && !isTransportFailure(failure)) return failure;
  const probe = (path: string): Promise<Probe> =>
    probeServer(target.origin + path, { fetch, clock: options.clock, signal });
  if (isNamespace) {
    const rest = await probe(`${options.restPath}/`);
    return explained([rest.found === 'comm' ? 'wrong-namespace' : 'foreign-server']);
  }
  const findings = await findServer(options, probe);
  if (signal.aborted) return failure;
  const isWebSocket = (failure.cause as Error).message === 'websocket error';
  return explained(findReason(findings, isWebSocket, isOffline()));
}

/**
 * Returns the reason that the findings show for a failure of the transport.
 *
 * @param isWebSocket - the transport was a WebSocket
 * @param isOffline - the browser reports that there is no network
 */
export function findReason(findings: Findings, isWebSocket: boolean, isOffline: boolean): Finding {
  const { socket, handshake = socket, rest, defaultPath } = findings;
  switch (socket.found) {
    case 'unreachable':
      return isOffline ? ['offline'] : ['unreachable', { networkCode: socket.detail }];
    case 'silent':
      return ['no-answer'];
    case 'unreadable':
      return elsewhere(rest, defaultPath) ?? ['origin-refused', { isUnreadable: true }];
    case 'engine':
      return refusal(handshake) ?? [isWebSocket ? 'websocket-blocked' : 'connection-lost'];
    case 'comm':
      return refusal(socket) ?? elsewhere(rest, defaultPath) ?? ['wrong-path'];
    case 'other':
      return refusal(socket) ?? elsewhere(rest, defaultPath) ?? ['foreign-server', { status: socket.status }];
  }
}

/** Returns the reason that the HTTP status of an answer names, if it does. */
function refusal(probe: Probe): Finding | undefined {
  if (!('status' in probe)) return undefined;
  const { found, status, retryAfterMs } = probe;
  switch (status) {
    case 403:
      return found === 'other' ? undefined : ['origin-refused'];
    case 429:
      return ['too-many-connections', { status, retryAfterMs }];
    case 502:
    case 503:
    case 504:
      return ['server-unavailable', { status, retryAfterMs }];
    default:
      return undefined;
  }
}

/** Returns that the server is at another path, if one was found. */
function elsewhere(rest: Probe | undefined, defaultPath: Probe | undefined): Finding | undefined {
  if (defaultPath?.found === 'engine') return ['wrong-path', { foundPath: DEFAULT_SOCKET_PATH }];
  if (defaultPath?.found === 'comm' && defaultPath.status === 403) return ['origin-refused'];
  return rest?.found === 'comm' && rest.status !== 403 ? ['wrong-path'] : undefined;
}

/** Probes the path of the client and, if no Socket.IO is there, the paths at which a server shows itself. */
async function findServer(
  { path, restPath }: DiagnosisOptions,
  probe: (path: string) => Promise<Probe>,
): Promise<Findings> {
  const socket = await probe(socketProbe(path));
  if (socket.found === 'unreachable' || socket.found === 'silent') return { socket };
  // The server ends the session of the handshake, in which nothing follows, after some seconds.
  if (socket.found === 'engine') return { socket, handshake: await probe(handshakeProbe(path)) };
  const [rest, defaultPath] = await Promise.all([
    probe(`${restPath}/`),
    path === DEFAULT_SOCKET_PATH ? undefined : probe(socketProbe(DEFAULT_SOCKET_PATH)),
  ]);
  return { socket, rest, defaultPath };
}

function handshakeProbe(path: string): string {
  return `${path.replace(/\/?$/, '/')}?EIO=4&transport=polling`;
}

/** A request that Engine.IO rejects before it allocates a session. */
function socketProbe(path: string): string {
  return `${handshakeProbe(path)}&sid=probe`;
}

/** Returns the reason of a failure that the client or the server has named. */
function knownReason({ reason, code, cause }: CommError): ConnectFailureReason | undefined {
  const named = fields(fields(cause)?.['data'])?.['reason'];
  const fault = reason ?? CREDENTIAL_FAULTS.find((each) => each === named);
  if (fault !== undefined) return fault;
  if (code === 'RATE_LIMITED') return 'too-many-connections';
  if (code === 'UNAVAILABLE') return 'server-unavailable';
  // Another server's refusal, by a middleware.
  return code === 'DISCONNECTED' && isRefusal(cause) && !isUnknownNamespace({ cause }) ? 'user-refused' : undefined;
}

/** Returns whether Socket.IO failed to open a transport. Failures of an app's own transport can't be diagnosed here. */
function isTransportFailure({ code, cause }: CommError): boolean {
  if (code !== 'DISCONNECTED' || !(cause instanceof Error)) return false;
  // Engine.IO's `server error` is an answer that is not one of its packets, as a page of another server.
  return ('type' in cause && cause.type === 'TransportError') || ['timeout', 'server error'].includes(cause.message);
}

/** Returns whether a `connect_error` is an answer of the namespace, which always sets `data`, and not a transport error. */
function isRefusal(cause: unknown): boolean {
  return cause instanceof Error && 'data' in cause;
}

function isUnknownNamespace({ cause }: { readonly cause?: unknown }): boolean {
  return isRefusal(cause) && (cause as Error).message === 'Invalid namespace';
}

function targetOf({ url, path, namespace }: DiagnosisOptions): ConnectTarget {
  const pageOrigin = typeof location === 'undefined' ? undefined : location.origin;
  return { origin: url === undefined ? (pageOrigin ?? '') : new URL(url).origin, path, namespace, pageOrigin };
}

function isOffline(): boolean {
  return fields(globalThis.navigator)?.['onLine'] === false;
}
