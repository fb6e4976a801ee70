import { once } from 'node:events';
import { createServer as createHttpServer, type RequestListener } from 'node:http';
import { createServer as createTcpServer, type AddressInfo, type Server as NetServer } from 'node:net';
import { SignJWT, type JWTPayload } from 'jose';
import { Server, type Namespace } from 'socket.io';
import { onTestFinished, expect, test } from 'vitest';
import {
  CommClient,
  memoryStorage,
  type CommClientOptions,
  type CommError,
  type LogFields,
  type SocketListener,
} from '../../../src/index.ts';
import { jwtAuth, type CommServerOptions } from '../../../src/server/index.ts';
import { freePort } from '../../helpers/documentation/run-snippet.ts';
import { manualClock } from '../../helpers/manual-clock.ts';
import { startServer } from '../../helpers/server/comm-server.ts';

const SECRET = 'a secret that is long enough for HS256';
const now = (): number => Math.floor(Date.now() / 1_000);

const sign = (claims: JWTPayload, secret = SECRET): Promise<string> =>
  new SignJWT(claims).setProtectedHeader({ alg: 'HS256' }).sign(new TextEncoder().encode(secret));

/** Listens on a free port until the test ends. */
async function listen(server: NetServer): Promise<string> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const serveHttp = (listener: RequestListener): Promise<string> => listen(createHttpServer(listener));

async function serve(options: CommServerOptions = {}): Promise<string> {
  const server = await startServer(options);
  onTestFinished(() => server[Symbol.asyncDispose]());
  return server.url;
}

/** Serves a namespace of another Socket.IO server. */
async function serveSocketIo(
  namespace: string,
  setUp: (namespace: Namespace) => void = () => undefined,
): Promise<string> {
  const http = createHttpServer((_request, response) => response.writeHead(404).end());
  const io = new Server(http, { path: '/__nk_socketio/' });
  setUp(io.of(namespace));
  onTestFinished(() => io.close());
  return listen(http);
}

/** Serves what another server serves, except WebSockets. */
function forward(url: string, headers: Record<string, string> = {}): Promise<string> {
  return serveHttp((request, response) => {
    fetch(`${url}${request.url ?? ''}`, { headers }).then(
      async (answer) => response.writeHead(answer.status).end(await answer.text()),
      () => response.destroy(),
    );
  });
}

/** Opens a WebSocket that says nothing. */
function openSilently(url: string): { opened: Promise<void>; close: () => void } {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/__nk_socketio/?EIO=4&transport=websocket`);
  const opened = new Promise<void>((resolve) => socket.addEventListener('message', () => resolve(), { once: true }));
  return { opened, close: () => socket.close() };
}

interface Attempt {
  readonly client: CommClient;
  readonly warnings: readonly LogFields[];
  /** Resolves with the reason of the first failure. */
  readonly failed: Promise<CommError>;
  readonly outcome: Promise<unknown>;
}

/** Starts to connect. */
function attempt(options: CommClientOptions): Attempt {
  const warnings: LogFields[] = [];
  const ignore = (): void => undefined;
  const logger = {
    debug: ignore,
    info: ignore,
    error: ignore,
    warn: (message: string, fields: LogFields = {}) => warnings.push({ message, ...fields }),
  };
  const client = new CommClient({ userId: 'alice', storage: memoryStorage(), logger, ...options });
  onTestFinished(() => client[Symbol.asyncDispose]());
  const failed = new Promise<CommError>((resolve) => {
    client.connection.subscribe(() => {
      const { lastError } = client.connection.getSnapshot();
      if (lastError !== undefined) resolve(lastError);
    });
  });
  const outcome = client.connect().catch((error: unknown) => error);
  return { client, warnings, failed, outcome };
}

type Cause = readonly [reason: string, code: string, what: string, options: () => Promise<CommClientOptions>];

const CAUSES: readonly Cause[] = [
  [
    'unreachable',
    'DISCONNECTED',
    'nothing listens on the port',
    async () => ({ url: `http://127.0.0.1:${await freePort()}` }),
  ],
  [
    'unreachable',
    'DISCONNECTED',
    'the host name does not exist',
    () => Promise.resolve({ url: 'http://chat.example.invalid' }),
  ],
  [
    'unreachable',
    'DISCONNECTED',
    'the server is no HTTP server',
    async () => ({ url: await listen(createTcpServer((socket) => socket.end('220 mail\r\n'))) }),
  ],
  [
    'foreign-server',
    'UNSUPPORTED',
    'a website answers with a page for every path',
    async () => ({ url: await serveHttp((_request, response) => response.end('<h1>Welcome</h1>')) }),
  ],
  [
    'foreign-server',
    'UNSUPPORTED',
    'an API answers with 404',
    async () => ({ url: await serveHttp((_request, response) => response.writeHead(404).end('{"error":"none"}')) }),
  ],
  [
    'foreign-server',
    'UNSUPPORTED',
    'a Socket.IO server has none of our namespaces',
    async () => ({ url: await serveSocketIo('/game') }),
  ],
  ['wrong-path', 'NOT_FOUND', '`path` is wrong', async () => ({ url: await serve(), path: '/socket.io/' })],
  [
    'wrong-path',
    'NOT_FOUND',
    'the server has another path',
    async () => ({ url: await serve({ config: { path: '/chat/' } }) }),
  ],
  ['wrong-namespace', 'NOT_FOUND', '`namespace` is wrong', async () => ({ url: await serve(), namespace: '/nk/chat' })],
  [
    'origin-refused',
    'FORBIDDEN',
    'the server does not allow the origin',
    async () => ({ url: await forward(await serve(), { origin: 'https://evil.example' }) }),
  ],
  [
    'websocket-blocked',
    'DISCONNECTED',
    'a proxy does not forward WebSockets',
    async () => ({ url: await forward(await serve()), transports: ['websocket'] }),
  ],
  [
    'server-unavailable',
    'UNAVAILABLE',
    'a proxy has no server behind it',
    async () => ({ url: await serveHttp((_request, response) => response.writeHead(502).end('Bad Gateway')) }),
  ],
  [
    'too-many-connections',
    'RATE_LIMITED',
    'a proxy has reached its limit',
    async () => ({
      url: await serveHttp((_request, response) => response.writeHead(429, { 'retry-after': '7' }).end()),
    }),
  ],
];

test.each(CAUSES)('%s (%s): %s', async (reason, code, _, options) => {
  const { client, failed, warnings } = attempt(await options());
  const error = await failed;
  expect(error).toMatchObject({ name: 'CommError', reason, code });
  expect(error.fix).toMatch(/\w/);
  expect(client.connection.getSnapshot()).toMatchObject({ status: 'connecting', lastError: error });
  expect(warnings[0]).toMatchObject({ message: 'Not connected', reason, code });
});

type TokenCase = readonly [reason: string, code: string, what: string, token: () => Promise<string | undefined>];

const claims = { sub: 'alice', iss: 'us', aud: 'chat' };
const TOKENS: readonly TokenCase[] = [
  ['credentials-missing', 'UNAUTHENTICATED', 'no token', () => Promise.resolve(undefined)],
  ['token-malformed', 'UNAUTHENTICATED', 'no JWT', () => Promise.resolve('secret-token')],
  ['token-signature', 'UNAUTHENTICATED', 'another secret', () => sign(claims, 'another secret, just as long as it is')],
  ['token-issuer', 'UNAUTHENTICATED', 'another issuer', () => sign({ ...claims, iss: 'them' })],
  ['token-audience', 'UNAUTHENTICATED', 'another audience', () => sign({ ...claims, aud: 'mail' })],
  ['token-subject', 'UNAUTHENTICATED', 'no subject', () => sign({ iss: 'us', aud: 'chat' })],
  [
    'user-id-invalid',
    'UNAUTHENTICATED',
    'an empty subject',
    () => sign({ ...claims, sub: '', iat: Math.floor(Date.now() / 1_000) }),
  ],
  ['token-not-yet-valid', 'UNAUTHENTICATED', 'a start in the future', () => sign({ ...claims, nbf: now() + 60 })],
  ['token-expired', 'TOKEN_EXPIRED', 'an expiry in the past', () => sign({ ...claims, exp: now() - 60 })],
];

test.each(TOKENS)('%s (%s): a token with %s', async (reason, code, _, token) => {
  const given = await token();
  const url = await serve({ auth: jwtAuth({ secret: SECRET, issuer: 'us', audience: 'chat' }) });
  const { client, failed, outcome, warnings } = attempt({ url, ...(given !== undefined && { token: () => given }) });
  const error = await failed;
  expect(error).toMatchObject({ reason, code });
  expect(error.fix).toMatch(/\w/);
  // With an expired token the client goes on: the next one may be accepted.
  const isFinal = code === 'UNAUTHENTICATED';
  expect(client.connection.getSnapshot()).toMatchObject({
    status: isFinal ? 'unauthenticated' : 'connecting',
    lastError: error,
  });
  if (!isFinal) await client.disconnect();
  expect((await outcome) === error).toBe(isFinal);
  expect(warnings[0]).toMatchObject({ reason, code });
  expect(JSON.stringify([warnings, error.message, error.fix])).not.toContain(given ?? 'secret-token');
});

test('token-function: `token` throws, which the error has as its cause', async () => {
  const cause = new Error('The session has ended');
  const { failed, client } = attempt({
    url: await serve(),
    token: () => {
      throw cause;
    },
  });
  expect(await failed).toMatchObject({ code: 'UNAUTHENTICATED', reason: 'token-function', cause });
  expect(client.connection.getSnapshot().nextRetryAt).toBeGreaterThan(0);
});

test('user-refused: a base server closes the connection without a word', async () => {
  const url = await serveSocketIo('/nk/messages', (namespace) =>
    namespace.on('connection', (socket) => socket.disconnect()),
  );
  const { failed } = attempt({ url });
  expect(await failed).toMatchObject({ code: 'UNAUTHENTICATED', reason: 'user-refused' });
});

test('user-refused: the middleware of another server refuses the connection, and its text is only the cause', async () => {
  const url = await serveSocketIo('/nk/messages', (namespace) =>
    namespace.use((_socket, next) => next(new Error('not authorized'))),
  );
  const { failed } = attempt({ url });
  expect(await failed).toMatchObject({ reason: 'user-refused', cause: { message: 'not authorized' } });
});

test('connection-lost: the server goes away, and the error is gone once the client is connected again', async () => {
  const server = await startServer();
  const { client, failed } = attempt({ url: server.url });
  await client.connect();
  expect(client.connection.getSnapshot()).toMatchObject({ status: 'connected', attempt: 0, lastError: undefined });
  await server.server.close();
  expect(await failed).toMatchObject({ code: 'DISCONNECTED', reason: 'connection-lost' });
  expect(client.connection.getSnapshot().status).toBe('reconnecting');
  const again = await startServer({ port: server.server.port });
  onTestFinished(() => again[Symbol.asyncDispose]());
  await client.connect();
  expect(client.connection.getSnapshot()).toMatchObject({ status: 'connected', attempt: 0, lastError: undefined });
});

test('too-many-connections: a tab above the limit of its user waits as long as the server asks', async () => {
  const url = await serve({ limits: { socketsPerUser: 1 } });
  const first = attempt({ url });
  await first.client.connect();
  const clock = manualClock(Date.now());
  const second = attempt({ url, clock });
  const error = await second.failed;
  expect(error).toMatchObject({ code: 'RATE_LIMITED', reason: 'too-many-connections' });
  const { retryAfterMs = 0 } = error;
  const { nextRetryAt = 0 } = second.client.connection.getSnapshot();
  expect(retryAfterMs).toBeGreaterThan(0);
  expect(nextRetryAt).toBeGreaterThan(clock.now() + retryAfterMs);
  await first.client.disconnect();
  clock.advance(nextRetryAt - clock.now());
  expect(await second.outcome).toBeUndefined();
  expect(second.warnings).toHaveLength(1);
});

test('too-many-connections: an address has too many connections without a user', async () => {
  const url = await serve({ limits: { connectionsPerAddress: 1 } });
  const silent = openSilently(url);
  onTestFinished(silent.close);
  await silent.opened;
  const { failed } = attempt({ url });
  expect(await failed).toMatchObject({ code: 'RATE_LIMITED', reason: 'too-many-connections', retryAfterMs: 5_000 });
});

test('an abort rejects with the reason of the signal, whose cause is the last error', async () => {
  const controller = new AbortController();
  const { client, failed, outcome } = attempt({ url: `http://127.0.0.1:${await freePort()}` });
  const reason = new Error('too late');
  const connecting = client.connect({ signal: controller.signal }).catch((error: unknown) => error);
  const error = await failed;
  controller.abort(reason);
  expect(await connecting).toBe(reason);
  expect(reason.cause).toBe(error);
  await client.disconnect();
  expect(await outcome).toMatchObject({ code: 'DISCONNECTED' });
});

test('a transport of the app is not diagnosed by requests to the server', async () => {
  let requests = 0;
  const url = await serveHttp((_request, response) => {
    requests += 1;
    response.end();
  });
  const socket = {
    connect: () => queueMicrotask(() => listener?.refused({ message: 'no carrier' })),
    listen: (given: SocketListener) => (listener = given),
    disconnect: () => undefined,
    emit: () => undefined,
  };
  let listener: SocketListener | undefined;
  const { failed } = attempt({ url, socket });
  expect(await failed).toMatchObject({ code: 'DISCONNECTED', message: 'no carrier' });
  expect(requests).toBe(0);
});
