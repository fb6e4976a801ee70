import { expect, test } from 'vitest';
import {
  diagnose,
  findReason,
  type DiagnosisOptions,
  type Findings,
} from '../../../../src/client/connection/diagnose.ts';
import { explainFailure } from '../../../../src/client/connection/explain-failure.ts';
import type { Probe } from '../../../../src/client/connection/probe-server.ts';
import {
  CommError,
  CONNECT_FAULTS,
  CREDENTIAL_FAULTS,
  type CommErrorOptions,
  type ErrorCode,
} from '../../../../src/protocol/errors.ts';
import { manualClock } from '../../../helpers/manual-clock.ts';

const engine: Probe = { found: 'engine', status: 400 };
const notFound: Probe = { found: 'other', status: 404 };
const ours: Probe = { found: 'comm', status: 404 };
const refused: Probe = { found: 'comm', status: 403 };
const unreadable: Probe = { found: 'unreadable' };
const unreachable: Probe = { found: 'unreachable', detail: 'ECONNREFUSED' };

test.each<[findings: Findings, reason: string]>([
  [{ socket: unreachable }, 'unreachable'],
  [{ socket: { found: 'silent' } }, 'no-answer'],
  [{ socket: engine }, 'websocket-blocked'],
  [{ socket: engine, handshake: { found: 'engine', status: 403 } }, 'origin-refused'],
  [{ socket: engine, handshake: { found: 'comm', status: 429 } }, 'too-many-connections'],
  [{ socket: engine, handshake: { found: 'other', status: 503 } }, 'server-unavailable'],
  [{ socket: engine, handshake: { found: 'other', status: 200 } }, 'websocket-blocked'],
  [{ socket: engine, handshake: { found: 'unreachable' } }, 'websocket-blocked'],
  [{ socket: { found: 'other', status: 403 }, rest: notFound }, 'foreign-server'],
  [{ socket: refused }, 'origin-refused'],
  [{ socket: refused, rest: refused }, 'origin-refused'],
  [{ socket: unreadable }, 'origin-refused'],
  [{ socket: unreadable, rest: unreadable }, 'origin-refused'],
  [{ socket: unreadable, rest: ours }, 'wrong-path'],
  [{ socket: unreadable, rest: unreadable, defaultPath: refused }, 'origin-refused'],
  [{ socket: notFound, rest: notFound }, 'foreign-server'],
  [{ socket: notFound, rest: ours }, 'wrong-path'],
  [{ socket: notFound, rest: notFound, defaultPath: engine }, 'wrong-path'],
  [{ socket: notFound, rest: notFound, defaultPath: notFound }, 'foreign-server'],
  [{ socket: ours, rest: ours }, 'wrong-path'],
  [{ socket: ours, rest: notFound }, 'wrong-path'],
  [{ socket: { found: 'other', status: 429 }, rest: ours }, 'too-many-connections'],
  [{ socket: { found: 'other', status: 502 } }, 'server-unavailable'],
  [{ socket: { found: 'comm', status: 503 }, rest: ours }, 'server-unavailable'],
  [{ socket: { found: 'other', status: 504 } }, 'server-unavailable'],
])('findings %o mean %s', (findings, reason) => {
  expect(findReason(findings, true, false)[0]).toBe(reason);
});

test('a long-polling transport that fails although the server answers has lost its connection', () => {
  expect(findReason({ socket: engine }, false, false)[0]).toBe('connection-lost');
});

test('a device without a network is offline, unless the server answers', () => {
  expect(findReason({ socket: unreachable }, true, true)[0]).toBe('offline');
  expect(findReason({ socket: engine }, true, true)[0]).toBe('websocket-blocked');
});

test('a server at the default path is named in the fix', () => {
  const [reason, details] = findReason({ socket: notFound, defaultPath: engine }, true, false);
  const target = { origin: 'http://chat', path: '/socket.io/', namespace: '/nk/messages', pageOrigin: undefined };
  expect(explainFailure(reason, target, new CommError('DISCONNECTED', ''), details).fix).toContain('/__nk_socketio/');
});

test.each([...CREDENTIAL_FAULTS, ...CONNECT_FAULTS])('%s is explained by a sentence and a fix', (reason) => {
  const cause = new Error('cause');
  const target = { origin: 'https://chat', path: '/p/', namespace: '/n', pageOrigin: 'https://page' };
  const error = explainFailure(reason, target, new CommError('DISCONNECTED', '', { cause, retryAfterMs: 5 }));
  expect(error).toMatchObject({ reason, cause, retryAfterMs: 5 });
  expect(error.message).toMatch(/^[A-Z].*[^.]$/);
  expect(error.fix).toMatch(/^[A-Z].*\.$/);
  expect(`${error.message} ${String(error.fix)}`).not.toContain('undefined');
});

test.each([
  ['https://page', 'http://chat', undefined, /https/],
  [undefined, 'http://chat', 'ENOTFOUND', /host name/],
  [undefined, 'https://chat', 'CERT_HAS_EXPIRED', /certificate/],
  ['https://page', 'https://chat', undefined, /Content-Security-Policy/],
  [undefined, 'http://chat', 'ECONNREFUSED', /server runs/],
])(
  'the fix for an unreachable server fits the page %s, the server %s and the code %s',
  (pageOrigin, origin, networkCode, fix) => {
    const target = { origin, path: '/p/', namespace: '/n', pageOrigin };
    const error = explainFailure('unreachable', target, new CommError('DISCONNECTED', ''), { networkCode });
    expect(error.fix).toMatch(fix);
  },
);

const fail = (): never => expect.unreachable('The server was requested');
const options: DiagnosisOptions = {
  url: 'http://chat.example.com/page',
  path: '/__nk_socketio/',
  restPath: '/__nk_comm',
  namespace: '/nk/messages',
  fetch: fail,
  clock: manualClock(),
};
const { signal } = new AbortController();
/** A `connect_error` that the server has sent. */
const connectError = (data: unknown, message = 'no'): Error => Object.assign(new Error(message), { data });

test.each<[what: string, code: ErrorCode, more: CommErrorOptions, expected: Partial<CommError>]>([
  ['a reason of the client', 'DISCONNECTED', { reason: 'connection-lost' }, { reason: 'connection-lost' }],
  [
    'a reason of the server',
    'UNAUTHENTICATED',
    { cause: connectError({ reason: 'token-key' }) },
    { reason: 'token-key' },
  ],
  ['an unknown reason', 'UNAUTHENTICATED', { cause: connectError({ reason: 'constructor' }) }, { reason: undefined }],
  ['a reason of the wrong type', 'UNAUTHENTICATED', { cause: connectError({ reason: {} }) }, { reason: undefined }],
  ['a limit', 'RATE_LIMITED', { retryAfterMs: 9 }, { reason: 'too-many-connections', retryAfterMs: 9 }],
  ['an outage', 'UNAVAILABLE', {}, { reason: 'server-unavailable' }],
  ['a refusal without a code', 'DISCONNECTED', { cause: connectError(undefined) }, { reason: 'user-refused' }],
  ['a failed resync', 'TIMEOUT', {}, { reason: undefined, message: 'as it was' }],
])('%s is not diagnosed by requests', async (_, code, more, expected) => {
  expect(await diagnose(options, new CommError(code, 'as it was', more), false, signal)).toMatchObject(expected);
});

test('the last of several expired tokens becomes UNAUTHENTICATED, with the expiry as its cause', async () => {
  const failure = new CommError('TOKEN_EXPIRED', 'x', { cause: connectError({ reason: 'token-expired' }) });
  expect(await diagnose(options, failure, true, signal)).toMatchObject({
    code: 'UNAUTHENTICATED',
    reason: 'token-expired',
    cause: { code: 'TOKEN_EXPIRED' },
  });
});

/** An error of Engine.IO. */
const transportError = (): Error => Object.assign(new Error('websocket error'), { type: 'TransportError' });
const answer: typeof fetch = () => Promise.resolve(Response.json({ code: 1, message: 'Session ID unknown' }));

test.each<[what: string, cause: Error | undefined, reason: string | undefined]>([
  ['an error of Engine.IO', transportError(), 'websocket-blocked'],
  ["the timeout of Socket.IO's client", new Error('timeout'), 'connection-lost'],
  ['an incompatible version of Socket.IO', new Error('It seems you are trying to reach a server of v2'), undefined],
  ["a failure of the app's own transport", undefined, undefined],
])('after %s the server is requested only if the transport is that of Socket.IO', async (_, cause, reason) => {
  const failure = new CommError('DISCONNECTED', 'as it was', { cause });
  expect(await diagnose({ ...options, fetch: answer }, failure, false, signal)).toMatchObject({ reason });
});

test('without a url and a page the failure stays as it is, except for an unknown namespace', async () => {
  const failure = new CommError('DISCONNECTED', 'websocket error', { cause: transportError() });
  const namespace = new CommError('DISCONNECTED', 'x', { cause: connectError(undefined, 'Invalid namespace') });
  const nowhere = { ...options, url: undefined };
  expect(await diagnose(nowhere, failure, false, signal)).toBe(failure);
  expect(await diagnose(nowhere, namespace, false, signal)).toMatchObject({ reason: 'wrong-namespace' });
});

test('an aborted diagnosis leaves the failure as it is', async () => {
  const failure = new CommError('DISCONNECTED', 'websocket error', { cause: transportError() });
  expect(await diagnose({ ...options, fetch: answer }, failure, false, AbortSignal.abort())).toBe(failure);
});
