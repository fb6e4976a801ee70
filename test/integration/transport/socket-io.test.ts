import { once } from 'node:events';
import { createServer, type Server as HttpServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Server, type Socket } from 'socket.io';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { socketIoPort, type SocketIoOptions } from '../../../src/transport/socket-io.ts';
import type { SocketPort } from '../../../src/transport/socket-port.ts';
import { logSocket } from '../../helpers/socket-log.ts';

const PATH = '/__nk_socketio/';
const NAMESPACE = '/nk/messages';
const EMPTY = { auth: {}, query: {} };

let http: HttpServer;
let io: Server;
let url: string;
let refuse: ((socket: Socket) => Error | undefined) | undefined;
let accepted: Socket[];
const ports: SocketPort[] = [];

beforeEach(async () => {
  refuse = undefined;
  accepted = [];
  http = createServer();
  io = new Server(http, { path: PATH });
  io.of(NAMESPACE).use((socket, next) => next(refuse?.(socket)));
  io.of(NAMESPACE).on('connection', (socket) => accepted.push(socket));
  http.listen(0, '127.0.0.1');
  await once(http, 'listening');
  url = `http://127.0.0.1:${String((http.address() as AddressInfo).port)}`;
});

afterEach(async () => {
  for (const port of ports.splice(0)) port.disconnect();
  await io.close();
});

function open(options: Partial<SocketIoOptions> = {}) {
  const port = socketIoPort({ url, namespace: NAMESPACE, path: PATH, ...options });
  ports.push(port);
  return { port, log: logSocket(port) };
}

async function connected(options: Partial<SocketIoOptions> = {}) {
  const { port, log } = open(options);
  port.connect(EMPTY);
  expect(await log.next()).toEqual({ type: 'connected' });
  const socket = accepted.at(-1);
  if (socket === undefined) throw new Error('No client has connected');
  return { port, log, socket };
}

const ask = (port: SocketPort, event: string, payload: unknown): Promise<unknown> =>
  new Promise((resolve) => port.emit(event, payload, resolve));

describe('connecting', () => {
  test('if the WebSocket is blocked, the same attempt continues by polling', async () => {
    const blocked: string[] = [];
    http.removeAllListeners('upgrade');
    http.on('upgrade', (_request, socket) => {
      blocked.push('websocket');
      socket.destroy();
    });
    const { socket } = await connected({ transports: ['websocket', 'polling'] });
    expect([blocked, socket.conn.transport.name]).toEqual([['websocket'], 'polling']);
  });

  test('the handshake sends the token in auth only and the query unchanged', async () => {
    const { port, log } = open({ extraHeaders: { 'x-user-id': 'ann' }, transports: ['websocket'] });
    const requested: string[] = [];
    http.prependListener('upgrade', ({ url: requestUrl }) => requested.push(requestUrl ?? ''));
    port.connect({ auth: { token: 'secret-token', caps: ['ack'] }, query: { userId: 'ann' } });
    await log.next();
    const { handshake } = accepted[0] as Socket;
    expect(handshake.auth).toEqual({ token: 'secret-token', caps: ['ack'] });
    expect(handshake.headers['x-user-id']).toBe('ann');
    expect(Object.keys(handshake.query).filter((key) => !['EIO', 'transport', 't'].includes(key))).toEqual(['userId']);
    expect(requested).toHaveLength(1);
    expect(requested[0]).not.toContain('secret-token');
  });

  test.each([['websocket' as const], ['polling' as const]])('connects over %s only', async (transport) => {
    const { port, log, socket } = await connected({ transports: [transport] });
    socket.on('nk:ping', (payload: unknown, reply: (payload: unknown) => void) => reply(payload));
    expect(await ask(port, 'nk:ping', { n: 1 })).toEqual({ n: 1 });
    socket.emit('nk:data', { event: 'x', data: 1 });
    expect(await log.next()).toEqual({ type: 'pushed', frame: { event: 'x', data: 1 } });
    expect(socket.conn.transport.name).toBe(transport);
  });

  test('ignores a path in the url', async () => {
    const { socket } = await connected({ url: `${url}/some/page` });
    expect(socket.nsp.name).toBe(NAMESPACE);
  });

  test('a refusal has the code of the server', async () => {
    refuse = () => Object.assign(new Error('The token has expired'), { data: { code: 'TOKEN_EXPIRED' } });
    const { port, log } = open();
    port.connect(EMPTY);
    expect(await log.next()).toEqual({ type: 'refused', code: 'TOKEN_EXPIRED', message: 'The token has expired' });
  });

  test.each([
    ['no data', new Error('no')],
    ['data that is not an object', Object.assign(new Error('no'), { data: 'TOKEN_EXPIRED' })],
    ['a code that is not a string', Object.assign(new Error('no'), { data: { code: 42 } })],
  ])('a refusal with %s has no code', async (_title, error) => {
    refuse = () => error;
    const { port, log } = open();
    port.connect(EMPTY);
    expect(await log.next()).toEqual({ type: 'refused', code: undefined, message: 'no' });
  });

  test('an unreachable server is one refusal without a code', async () => {
    const { port, log } = open({ url: 'http://127.0.0.1:1' });
    port.connect(EMPTY);
    expect(await log.next()).toMatchObject({ type: 'refused', code: undefined });
    refuse = undefined;
    const second = open();
    second.port.connect(EMPTY);
    await second.log.next();
    expect(log.entries).toHaveLength(1);
  });

  test('the attempt after a refusal sends the new token', async () => {
    refuse = ({ handshake }) => (handshake.auth['token'] === 'new' ? undefined : new Error('no'));
    const { port, log } = open();
    port.connect({ auth: { token: 'old' }, query: {} });
    await log.next();
    port.connect({ auth: { token: 'new' }, query: {} });
    expect(await log.next()).toEqual({ type: 'connected' });
  });

  test('an invalid url is a TypeError', () => {
    expect(() => socketIoPort({ url: 'chat', namespace: NAMESPACE, path: PATH })).toThrow(TypeError);
  });

  test('without a url and a page, connect() throws a TypeError', () => {
    const port = socketIoPort({ namespace: NAMESPACE, path: PATH });
    expect(() => port.connect(EMPTY)).toThrow(TypeError);
  });
});

describe('disconnecting', () => {
  test('a disconnect by the server is reported as such', async () => {
    const { log, socket } = await connected();
    socket.disconnect();
    expect(await log.next()).toEqual({ type: 'disconnected', reason: 'io server disconnect', byServer: true });
  });

  test('a lost transport is not reported as a disconnect by the server', async () => {
    const { log, socket } = await connected({ transports: ['websocket'] });
    socket.conn.close();
    expect(await log.next()).toEqual({ type: 'disconnected', reason: 'transport close', byServer: false });
  });

  test('the port reconnects only when connect() is called', async () => {
    const { port, log, socket } = await connected();
    socket.conn.close();
    await log.next();
    // The complete connection of another client shows that there was time to reconnect.
    await connected();
    expect(accepted).toHaveLength(2);
    port.connect(EMPTY);
    expect(await log.next()).toEqual({ type: 'connected' });
    expect(accepted).toHaveLength(3);
  });

  test('disconnect() reports nothing to the listener and disconnects on the server', async () => {
    const { port, log, socket } = await connected();
    const gone = once(socket, 'disconnect');
    port.emit('nk:ping', {}, () => expect.unreachable('acknowledged after the end'));
    port.disconnect();
    socket.emit('nk:data', { event: 'late', data: 1 });
    await gone;
    await connected();
    expect(log.entries).toEqual([{ type: 'connected' }]);
  });

  test('disconnect() during an attempt ends it without notifying the listener', async () => {
    const { port, log } = open();
    port.connect(EMPTY);
    port.disconnect();
    await connected();
    expect(log.entries).toEqual([]);
    expect(accepted).toHaveLength(1);
  });

  test('disconnect() is idempotent, also before the first connection', () => {
    const { port, log } = open();
    port.disconnect();
    port.disconnect();
    expect(log.entries).toEqual([]);
  });

  test('a second connect() replaces the first', async () => {
    const { port, log } = open();
    port.connect({ auth: { attempt: 1 }, query: {} });
    port.connect({ auth: { attempt: 2 }, query: {} });
    expect(await log.next()).toEqual({ type: 'connected' });
    await connected();
    expect(log.entries).toHaveLength(1);
    expect(accepted[0]?.handshake.auth).toEqual({ attempt: 2 });
  });
});

describe('emitting', () => {
  test('a reply arrives unchanged; without a callback no acknowledgement is requested', async () => {
    const { port, socket } = await connected();
    const plain = once(socket, 'nk:typing:start');
    socket.on('nk:sum', ({ a, b }: { a: number; b: number }, reply: (sum: unknown) => void) =>
      reply({ ok: true, data: a + b }),
    );
    port.emit('nk:typing:start', { conversationId: 'c' });
    expect(await plain).toEqual([{ conversationId: 'c' }]);
    expect(await ask(port, 'nk:sum', { a: 1, b: 2 })).toEqual({ ok: true, data: 3 });
  });

  test('frames emitted while disconnected are dropped, not buffered', async () => {
    const { port, log, socket } = await connected();
    socket.conn.close();
    await log.next();
    port.emit('nk:lost', {}, () => expect.unreachable('acknowledged'));
    const received: string[] = [];
    io.of(NAMESPACE).once('connection', (again: Socket) => again.onAny((event: string) => received.push(event)));
    port.connect(EMPTY);
    await log.next();
    accepted.at(-1)?.on('nk:found', (_payload: unknown, reply: () => void) => reply());
    await ask(port, 'nk:found', {});
    expect(received).toEqual(['nk:found']);
  });

  test('an acknowledgement pending when the connection is lost never arrives', async () => {
    const { port, log, socket } = await connected();
    const asked = once(socket, 'nk:slow');
    let answered = 0;
    port.emit('nk:slow', {}, () => (answered += 1));
    const [, reply] = (await asked) as [unknown, () => void];
    socket.conn.close();
    await log.next();
    port.connect(EMPTY);
    await log.next();
    reply();
    accepted.at(-1)?.on('nk:quick', (_payload: unknown, quick: () => void) => quick());
    await ask(port, 'nk:quick', {});
    expect(answered).toBe(0);
  });
});

test('after many reconnects there is one connection, and each event is reported once', async () => {
  const { port, log } = open();
  const ways: ((socket: Socket) => unknown)[] = [
    (socket) => socket.disconnect(),
    (socket) => socket.conn.close(),
    () => port.disconnect(),
  ];
  for (const end of Array.from({ length: 8 }, () => ways).flat()) {
    port.connect(EMPTY);
    for (let entry = await log.next(); entry.type !== 'connected'; entry = await log.next()) {
      expect(entry.type).toBe('disconnected');
    }
    const socket = accepted.at(-1) as Socket;
    const gone = once(socket, 'disconnect');
    end(socket);
    await gone;
  }
  port.connect(EMPTY);
  await log.next();
  accepted.at(-1)?.emit('nk:data', { event: 'x' });
  expect(await log.next()).toEqual({ type: 'pushed', frame: { event: 'x' } });
  expect(io.of(NAMESPACE).sockets.size).toBe(1);
  await expect.poll(() => io.engine.clientsCount).toBe(1);
});
