import { once } from 'node:events';
import { stat } from 'node:fs/promises';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { DatabaseSync } from 'node:sqlite';
import { Server } from 'socket.io';
import { io } from 'socket.io-client';
import { describe, expect, test, vi } from 'vitest';
import { silentLogger, type LogFields } from '../../../src/lib/logger.ts';
import { attachCommunication } from '../../../src/server/index.ts';
import { connectClient } from '../../helpers/server/checked-client.ts';
import { startServer } from '../../helpers/server/comm-server.ts';
import { temporaryDirectory } from '../../helpers/temporary-directory.ts';
import { eventually } from '../../helpers/eventually.ts';

describe('a server that trusts the header x-user-id', () => {
  const statusOf = async (port: number, headers: Record<string, string | string[]>, query = ''): Promise<number> => {
    const path = `/__nk_comm/conversations${query}`;
    const sent = request({ host: '127.0.0.1', port, path, headers: { host: '127.0.0.1', ...headers } }).end();
    const [response] = (await once(sent, 'response')) as [{ statusCode?: number; resume(): void }];
    response.resume();
    return response.statusCode ?? 0;
  };

  test('believes the header alone, once and not empty, on its own host names', async () => {
    await using server = await startServer({ trustUserIdHeader: true, origin: 'https://chat.example.com' });
    const { port } = server.server;
    expect(await statusOf(port, { 'x-user-id': 'ada' })).toBe(200);
    expect(await statusOf(port, { 'x-user-id': 'ada', host: 'chat.example.com' })).toBe(200);
    expect(await statusOf(port, { 'x-user-id': '' }, '?userId=ada')).toBe(401);
    expect(await statusOf(port, {}, '?userId=ada')).toBe(401);
    expect(await statusOf(port, { 'x-user-id': ['ada', 'bob'] })).toBe(401);
    expect(await statusOf(port, { 'x-user-id': 'ada\u00A0' })).toBe(401);
    expect(await statusOf(port, { 'x-user-id': 'ada', host: 'evil.example' })).toBe(403);
    await expect(connectClient(server.url, { userId: 'ada' })).rejects.toMatchObject({
      data: { code: 'UNAUTHENTICATED' },
    });
  });
});

test('an origin with another scheme is rejected, unless a trusted proxy reports the scheme', async () => {
  const headers = { origin: 'https://127.0.0.1', host: '127.0.0.1', 'x-user-id': 'ada', 'x-forwarded-proto': 'https' };
  for (const [trustProxy, status] of [
    [0, 403],
    [1, 200],
  ] as const) {
    await using server = await startServer({ trustUserIdHeader: true, trustProxy });
    const sent = request({
      host: '127.0.0.1',
      port: server.server.port,
      path: '/__nk_comm/conversations',
      headers,
    }).end();
    const [response] = (await once(sent, 'response')) as [{ statusCode?: number; resume(): void }];
    response.resume();
    expect(response.statusCode).toBe(status);
  }
});

test.skipIf(process.platform === 'win32')('a new database can be read by its owner only', async () => {
  await using directory = await temporaryDirectory();
  const database = `${directory.path}/comm.sqlite`;
  await using server = await startServer({ database });
  const alice = await server.connect('alice');
  await alice.ask('conversation:create', { type: 'group', participantIds: [] });
  const modes = await Promise.all(
    ['', '-wal', '-shm'].map(async (suffix) => (await stat(database + suffix)).mode & 0o777),
  );
  expect(modes).toEqual([0o600, 0o600, 0o600]);
});

test('disconnectUser ends the sockets of a user and no others', async () => {
  await using server = await startServer();
  const [phone, laptop, bob] = [
    await server.connect('alice'),
    await server.connect('alice'),
    await server.connect('bob'),
  ];
  server.server.api.disconnectUser('alice');
  expect(await phone.disconnected()).toBe('io server disconnect');
  expect(await laptop.disconnected()).toBe('io server disconnect');
  await bob.ask('comm:ping', {});
});

test('refusals are counted by code in the metrics, and logged once per cause without what the peer sent', async () => {
  const lines: [string, LogFields | undefined][] = [];
  const warn = (message: string, fields?: LogFields): void => void lines.push([message, fields]);
  await using server = await startServer({
    logger: { ...silentLogger, warn },
    auth: () => undefined,
  });
  for (let count = 0; count < 20; count += 1) {
    await expect(connectClient(server.url, { userId: 'mallory', token: 'secret-token' })).rejects.toMatchObject({
      data: { code: 'UNAUTHENTICATED' },
    });
  }
  expect(lines).toEqual([['connection rejected', { code: 'UNAUTHENTICATED', reason: 'credentials-refused' }]]);
  const metrics = await (await fetch(`${server.url}/metrics`)).text();
  expect(metrics).toContain('lumen_comm_refusals_total{code="UNAUTHENTICATED"} 20\n');
  expect(metrics).toContain('lumen_comm_sockets 0\n');
});

test('unknown events and error packets are logged once', async () => {
  const lines: [string, LogFields | undefined][] = [];
  const warn = (message: string, fields?: LogFields): void => void lines.push([message, fields]);
  await using server = await startServer({ logger: { ...silentLogger, warn } });
  const mallory = await server.connect('mallory');
  lines.length = 0;
  for (let count = 0; count < 300; count += 1) {
    mallory.socket.emit('error', 'x');
    mallory.socket.emit('nk:unknown', {});
    mallory.socket.emit('anything', {});
  }
  await mallory.raw('comm:ping', {});
  const causes = lines.map(([message]) => message);
  expect(causes.toSorted()).toEqual([...new Set(causes)].toSorted());
  expect(causes).toContain('unknown request');
});

test('the namespaces of an app are not restricted by attachCommunication, the ones of the protocol are', async () => {
  const http = createServer();
  const server = new Server(http, { path: '/__nk_socketio/' });
  const received = vi.fn<(data: unknown) => void>();
  server.of('/app').on('connection', (socket) => void socket.on('binary', received));
  attachCommunication(server, { db: new DatabaseSync(':memory:'), logger: silentLogger });
  http.listen(0, '127.0.0.1');
  await once(http, 'listening');
  const url = `http://127.0.0.1:${(http.address() as AddressInfo).port}`;
  const app = io(`${url}/app`, { path: '/__nk_socketio/', transports: ['websocket'], forceNew: true });
  try {
    await new Promise<void>((resolve) => app.once('connect', resolve));
    for (let count = 0; count < 100; count += 1) app.emit('binary', Buffer.from([1, 2, 3]));
    await eventually(() => expect(received).toHaveBeenCalledTimes(100));
    using alice = await connectClient(url, { userId: 'alice' });
    expect(await alice.refused('comm:ping', Buffer.from([1]) as never)).toMatchObject({ code: 'INVALID' });
    await alice.ask('comm:ping', {});
  } finally {
    app.disconnect();
    await server.close();
  }
});
