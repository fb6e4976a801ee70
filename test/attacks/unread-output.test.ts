import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { textFrame, upgradeRequest } from '../helpers/server/non-reading-socket.ts';
import { MAX_DELAY_MS, MEGABYTE, startAttackedServer, type AttackedServer } from './test-bed.ts';

let server: AttackedServer;

beforeAll(async () => {
  server = await startAttackedServer();
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
});

/** Opens a TCP connection that never reads. */
async function openDeaf(): Promise<Socket> {
  const { hostname, port } = new URL(server.url);
  const socket = connect(Number(port), hostname);
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  socket.pause();
  return socket;
}

test('responses that are never read do not fill the memory', async () => {
  const mallory = await server.connect('mallory');
  const { id } = await mallory.request('conversation:create', { type: 'group', participantIds: [] });
  for (let sent = 0; sent < 110; sent += 1) await mallory.send(id, 'x'.repeat(9_000));
  const token = await server.token('mallory');
  const request = [
    `GET /__nk_comm/conversations/${id}/messages?limit=200 HTTP/1.1`,
    'Host: 127.0.0.1',
    `Authorization: Bearer ${token}`,
    '\r\n',
  ].join('\r\n');
  const sockets: Socket[] = [];
  const cost = await server.attack(async () => {
    for (let count = 0; count < 60; count += 1) {
      const socket = await openDeaf();
      sockets.push(socket);
      socket.write(request.repeat(20));
    }
    await server.rest('mallory', '/conversations');
  });
  for (const socket of sockets) socket.destroy();
  expect(cost.served).toBeGreaterThan(0);
  expect(cost.peakBytes).toBeLessThan(300 * MEGABYTE);
  expect(cost.delayMs).toBeLessThan(MAX_DELAY_MS);
});

test('sockets that stop reading and ask for more do not fill the memory', async () => {
  const trudy = await server.connect('trudy');
  const { id } = await trudy.request('conversation:create', { type: 'group', participantIds: [] });
  for (let sent = 0; sent < 110; sent += 1) await trudy.send(id, 'x'.repeat(9_000));
  const payload = { cursors: { [id]: 0 }, inboxRev: 0 };
  const { conversations } = await trudy.request('sync', payload);
  expect(JSON.stringify(conversations).length).toBeGreaterThan(100_000);
  const sync = textFrame(`42/nk/messages,1["nk:sync",${JSON.stringify(payload)}]`);
  const token = await server.token('trudy');
  const sockets: Socket[] = [];
  const cost = await server.attack(async () => {
    for (let count = 0; count < 40; count += 1) {
      const socket = await openDeaf();
      sockets.push(socket);
      socket.write(upgradeRequest(server.url));
      socket.write(textFrame(`40/nk/messages,${JSON.stringify({ token, caps: ['rev'] })}`));
    }
    // Without limits, a gigabyte of answers.
    for (let round = 0; round < 200; round += 1) for (const socket of sockets) socket.write(sync);
    await expect(server.connect('witness')).resolves.toBeDefined();
  });
  for (const socket of sockets) socket.destroy();
  expect(cost.served).toBeGreaterThan(0);
  expect(cost.peakBytes).toBeLessThan(150 * MEGABYTE);
  expect(cost.delayMs).toBeLessThan(MAX_DELAY_MS);
});
