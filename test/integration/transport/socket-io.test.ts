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
  if (socket === undefined) throw new Error('The server saw nobody');
  return { port, log, socket };
}

const ask = (port: SocketPort, event: string, payload: unknown): Promise<unknown> =>
  new Promise((resolve) => port.emit(event, payload, resolve));

describe('connecting', () => {
  test('the handshake reaches the server: the token in auth alone, the query as given and nothing added', async () => {
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

  test.each([['websocket' as const], ['polling' as const]])('it works over %s alone', async (transport) => {
    const { port, log, socket } = await connected({ transports: [transport] });
    socket.on('nk:ping', (payload: unknown, reply: (payload: unknown) => void) => reply(payload));
    expect(await ask(port, 'nk:ping', { n: 1 })).toEqual({ n: 1 });
    socket.emit('nk:data', { event: 'x', data: 1 });
    expect(await log.next()).toEqual({ type: 'pushed', frame: { event: 'x', data: 1 } });
    expect(socket.conn.transport.name).toBe(transport);
  });

  test('a path in the url is not taken for the namespace', async () => {
    const { socket } = await connected({ url: `${url}/some/page` });
    expect(socket.nsp.name).toBe(NAMESPACE);
  });

  test('a refusal carries the code that the server gave', async () => {
    refuse = () => Object.assign(new Error('The token has expired'), { data: { code: 'TOKEN_EXPIRED' } });
    const { port, log } = open();
    port.connect(EMPTY);
    expect(await log.next()).toEqual({ type: 'refused', code: 'TOKEN_EXPIRED', message: 'The token has expired' });
  });

  test.each([
    ['no data', new Error('no')],
    ['data that is no object', Object.assign(new Error('no'), { data: 'TOKEN_EXPIRED' })],
    ['a code that is no string', Object.assign(new Error('no'), { data: { code: 42 } })],
  ])('a refusal with %s has no code', async (_title, error) => {
    refuse = () => error;
    const { port, log } = open();
    port.connect(EMPTY);
    expect(await log.next()).toEqual({ type: 'refused', code: undefined, message: 'no' });
  });

  test('a server that is not there is a refusal without a code, told once', async () => {
    const { port, log } = open({ url: 'http://127.0.0.1:1' });
    port.connect(EMPTY);
    expect(await log.next()).toMatchObject({ type: 'refused', code: undefined });
    refuse = undefined;
    const second = open();
    second.port.connect(EMPTY);
    await second.log.next();
    expect(log.entries).toHaveLength(1);
  });

  test('an attempt after a refusal takes the new token', async () => {
    refuse = ({ handshake }) => (handshake.auth['token'] === 'new' ? undefined : new Error('no'));
    const { port, log } = open();
    port.connect({ auth: { token: 'old' }, query: {} });
    await log.next();
    port.connect({ auth: { token: 'new' }, query: {} });
    expect(await log.next()).toEqual({ type: 'connected' });
  });

  test('what is no url is a mistake in the code', () => {
    expect(() => socketIoPort({ url: 'chat', namespace: NAMESPACE, path: PATH })).toThrow(TypeError);
  });

  test('without a url outside of a page, constructing is fine and connecting is a mistake in the code', () => {
    const port = socketIoPort({ namespace: NAMESPACE, path: PATH });
    expect(() => port.connect(EMPTY)).toThrow(TypeError);
  });
});

describe('the end of a connection', () => {
  test('a kick by the server is told as on purpose', async () => {
    const { log, socket } = await connected();
    socket.disconnect();
    expect(await log.next()).toEqual({ type: 'disconnected', reason: 'io server disconnect', byServer: true });
  });

  test('the loss of the transport is told as an accident', async () => {
    const { log, socket } = await connected({ transports: ['websocket'] });
    socket.conn.close();
    expect(await log.next()).toEqual({ type: 'disconnected', reason: 'transport close', byServer: false });
  });

  test('the port does not come back by itself, and does when it is told to', async () => {
    const { port, log, socket } = await connected();
    socket.conn.close();
    await log.next();
    // Somebody else's whole connection goes by in the meantime.
    await connected();
    expect(accepted).toHaveLength(2);
    port.connect(EMPTY);
    expect(await log.next()).toEqual({ type: 'connected' });
    expect(accepted).toHaveLength(3);
  });

  test('nothing is told after disconnect(), and the server sees the end', async () => {
    const { port, log, socket } = await connected();
    const gone = once(socket, 'disconnect');
    port.emit('nk:ping', {}, () => expect.unreachable('acknowledged after the end'));
    port.disconnect();
    socket.emit('nk:data', { event: 'late', data: 1 });
    await gone;
    await connected();
    expect(log.entries).toEqual([{ type: 'connected' }]);
  });

  test('disconnect() in the middle of an attempt ends it without a word', async () => {
    const { port, log } = open();
    port.connect(EMPTY);
    port.disconnect();
    await connected();
    expect(log.entries).toEqual([]);
    expect(accepted).toHaveLength(1);
  });

  test('disconnect() is idempotent, also before any connection', () => {
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
  test('a reply arrives as it was sent, and what needs none is sent without one', async () => {
    const { port, socket } = await connected();
    const plain = once(socket, 'nk:typing:start');
    socket.on('nk:sum', ({ a, b }: { a: number; b: number }, reply: (sum: unknown) => void) =>
      reply({ ok: true, data: a + b }),
    );
    port.emit('nk:typing:start', { conversationId: 'c' });
    expect(await plain).toEqual([{ conversationId: 'c' }]);
    expect(await ask(port, 'nk:sum', { a: 1, b: 2 })).toEqual({ ok: true, data: 3 });
  });

  test('what is emitted while disconnected is lost, not kept for later', async () => {
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

  test('an acknowledgement that is out when the connection ends never comes, not even on the next one', async () => {
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

test('many reconnections leave one connection, and each thing is told once', async () => {
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
