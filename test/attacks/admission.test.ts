import { once } from 'node:events';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { MAX_DELAY_MS, MEGABYTE, startAttackedServer, type AttackedServer } from './test-bed.ts';

const PATH = '/__nk_socketio/?EIO=4';
const SEPARATOR = '\u001E';

/** Opens a long-polling session and returns the URL of its requests. */
async function openPolling({ url }: AttackedServer): Promise<string> {
  const response = await fetch(`${url}${PATH}&transport=polling`);
  const { sid } = JSON.parse((await response.text()).slice(1)) as { sid: string };
  return `${url}${PATH}&transport=polling&sid=${sid}`;
}

async function openWebSocket({ url }: AttackedServer): Promise<WebSocket> {
  const socket = new WebSocket(`${url.replace('http', 'ws')}${PATH}&transport=websocket`);
  await new Promise((resolve, reject) => {
    socket.addEventListener('open', resolve, { once: true });
    socket.addEventListener('error', () => reject(new Error('The WebSocket was refused')), { once: true });
  });
  return socket;
}

/** Resolves when the server has closed the socket. */
async function closed(socket: WebSocket): Promise<void> {
  if (socket.readyState !== WebSocket.CLOSED) await once(socket, 'close');
}

let server: AttackedServer;

beforeAll(async () => {
  server = await startAttackedServer();
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
});

test('requests of many packets, before any user is known, end their sessions', async () => {
  const bodies = [
    `40${SEPARATOR}`.repeat(100_000),
    `40/nk/messages,${SEPARATOR}`.repeat(3_000),
    SEPARATOR.repeat(60_000),
    `40${SEPARATOR}`.repeat(3_000_000),
  ];
  const cost = await server.attack(async () => {
    for (const body of bodies) {
      for (let round = 0; round < 10; round += 1) {
        const session = await openPolling(server);
        await fetch(session, { method: 'POST', body }).catch(() => undefined);
        expect((await fetch(session)).status).toBe(400);
      }
    }
  });
  expect(cost.served).toBeGreaterThan(0);
  expect(cost.peakBytes).toBeLessThan(160 * MEGABYTE);
  expect(cost.delayMs).toBeLessThan(MAX_DELAY_MS);
});

test('hostile frames, before any user is known, close their connections', async () => {
  const attacks: (string | Uint8Array<ArrayBuffer>)[][] = [
    ['40', '451-["nk:message:send",{"_placeholder":true,"num":0}]'],
    [new Uint8Array(50_000)],
    Array.from({ length: 17 }, () => '40/nk/messages,{}'),
    ['40/nk/messages,{}', '40/nk/messages,{}'],
    [`40/nk/messages,{"token":"${'x'.repeat(100_000)}"}`],
    [`40/nk/messages,{"token":"${'x'.repeat(12_000_000)}"}`],
    [`40/nk/messages,${'['.repeat(20_000)}`],
    ['45999999999999-["x"]'],
  ];
  const cost = await server.attack(async () => {
    for (const frames of attacks) {
      const sockets = await Promise.all(Array.from({ length: 20 }, () => openWebSocket(server)));
      for (const socket of sockets) for (const frame of frames) socket.send(frame);
      await Promise.all(sockets.map(closed));
    }
  });
  expect(cost.served).toBeGreaterThan(0);
  expect(cost.peakBytes).toBeLessThan(160 * MEGABYTE);
  expect(cost.delayMs).toBeLessThan(MAX_DELAY_MS);
});

test('a connection that joins the root namespace, or none, is closed after the timeout', async () => {
  const [root, silent, foreign] = await Promise.all([
    openWebSocket(server),
    openWebSocket(server),
    openWebSocket(server),
  ]);
  root.send('40');
  foreign.send('40/other,');
  await Promise.all([root, silent, foreign].map(closed));
});

test('one address holds at most 100 connections without a user; others are served', async () => {
  // A timeout that a slow machine doesn't reach while the connections are opened.
  await using server = await startAttackedServer(['--limits', JSON.stringify({ handshakeTimeoutMs: 300_000 })]);
  const sockets: WebSocket[] = [];
  const cost = await server.attack(async () => {
    const opened = await Promise.allSettled(Array.from({ length: 300 }, () => openWebSocket(server)));
    sockets.push(...opened.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : [])));
    const refused = await fetch(`${server.url}${PATH}&transport=polling`);
    expect([refused.status, await refused.json()]).toMatchObject([429, { error: { code: 'RATE_LIMITED' } }]);
  });
  expect(sockets.filter(({ readyState }) => readyState === WebSocket.OPEN).length).toBeLessThanOrEqual(100);
  expect(cost.peakBytes).toBeLessThan(160 * MEGABYTE);
  expect(cost.delayMs).toBeLessThan(MAX_DELAY_MS);
  for (const socket of sockets) socket.close();
  await Promise.all(sockets.map(closed));
  const late = await server.connect('late');
  await late.request('comm:ping', {});
});

test('a user has at most 50 sockets; the next one is refused and the others stay', async () => {
  const users = [];
  for (let count = 0; count < 50; count += 1) users.push(await server.connect('crowd'));
  await expect(server.connect('crowd')).rejects.toThrow('too many connections of this user');
  await Promise.all(users.map((user) => user.request('comm:ping', {})));
  for (const user of users) user.close();
});

test('frames of a user with the structure of a bomb are answered without being parsed', async () => {
  const mallory = await server.connect('mallory');
  const bombs = [
    Array.from({ length: 300_000 }, () => ({})),
    JSON.parse(`${'['.repeat(1_000)}${']'.repeat(1_000)}`) as unknown,
    Array.from({ length: 500_000 }, () => 0),
  ];
  const cost = await server.attack(async () => {
    for (let round = 0; round < 5; round += 1) {
      for (const userIds of bombs) {
        const request = mallory.request('presence:watch', { userIds: userIds as string[] });
        await expect(request).rejects.toMatchObject({ code: expect.stringMatching(/INVALID|RATE_LIMITED/) as string });
      }
    }
  });
  expect(cost.peakBytes).toBeLessThan(160 * MEGABYTE);
  expect(cost.delayMs).toBeLessThan(MAX_DELAY_MS);
});
