import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { startFaultProxy, type FaultProxy, type LineFaults } from '../../../src/server/testing/fault-proxy.ts';

const server = createServer((socket) => {
  socket.on('error', () => undefined);
  socket.pipe(socket);
});
let target: string;
let proxy: FaultProxy;

beforeEach(async () => {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  target = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

afterEach(async () => {
  await proxy.close();
  await new Promise((resolve) => {
    server.close(resolve);
  });
});

async function open(faults: LineFaults): Promise<Socket> {
  proxy = await startFaultProxy({ target, seed: 1, ...faults });
  const socket = connect(Number(new URL(proxy.url).port), '127.0.0.1');
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  return socket;
}

async function read(socket: Socket, bytes: number): Promise<string> {
  let text = '';
  for await (const chunk of socket) {
    text += String(chunk);
    if (text.length >= bytes) break;
  }
  return text;
}

test('forwards bytes unchanged without faults', async () => {
  const socket = await open({});
  socket.write('hello');
  expect(await read(socket, 5)).toBe('hello');
});

test('split, delayed and stalled bytes all arrive, in order', async () => {
  const socket = await open({ split: 1, delay: 1, delayMs: [1, 3], stall: 1, stallMs: [1, 5] });
  const text = Array.from({ length: 50 }, (_, number) => `line ${number};`).join('');
  for (const part of text.split(/(?<=;)/)) socket.write(part);
  expect(await read(socket, text.length)).toBe(text);
  expect(proxy.figures.splits).toBeGreaterThan(0);
  expect(proxy.figures.stalls).toBeGreaterThan(0);
});

test('a cut loses the chunk and closes the connection', async () => {
  const socket = await open({ cut: 1 });
  const closed = once(socket, 'close');
  socket.write('hello');
  await closed;
  expect(proxy.figures.cuts).toBe(1);
});

test('cut() closes every connection and still accepts new ones', async () => {
  const socket = await open({});
  const closed = once(socket, 'close');
  proxy.cut();
  await closed;
  const again = connect(Number(new URL(proxy.url).port), '127.0.0.1');
  again.write('hello');
  expect(await read(again, 5)).toBe('hello');
});

test('kill() stops forwarding without closing connections; heal() delivers the held bytes', async () => {
  const socket = await open({});
  proxy.kill();
  socket.write('hello');
  let received = false;
  socket.on('data', () => (received = true));
  // A round trip on a direct connection shows that the bytes would have had time to arrive.
  const direct = connect(Number(new URL(target).port), '127.0.0.1');
  direct.write('direct');
  await once(direct, 'data');
  direct.destroy();
  expect(received).toBe(false);
  const data = once(socket, 'data');
  proxy.heal();
  await data;
  expect(socket.destroyed).toBe(false);
});

test('heal() stops the faults and resume() injects them again', async () => {
  const socket = await open({ cut: 1 });
  proxy.heal();
  socket.write('hello');
  await once(socket, 'data');
  proxy.resume();
  const closed = once(socket, 'close');
  socket.write('hello');
  await closed;
});

test('limited bandwidth delivers all bytes in order', async () => {
  const socket = await open({ bytesPerSecond: 2_000_000 });
  const text = Array.from({ length: 5_000 }, (_, number) => `line ${number};`).join('');
  socket.write(text);
  expect(await read(socket, text.length)).toBe(text);
  expect(proxy.figures).toMatchObject({ bytesUp: text.length, bytesDown: text.length });
});

test('connections share the bandwidth limit; heal() removes it', async () => {
  const socket = await open({ bytesPerSecond: 1 });
  const other = connect(Number(new URL(proxy.url).port), '127.0.0.1');
  await once(other, 'connect');
  let received = false;
  for (const each of [socket, other]) each.on('data', () => (received = true));
  socket.write('x'.repeat(3_600));
  other.write('y');
  // A round trip on a direct connection shows that the bytes would have had time to arrive.
  const direct = connect(Number(new URL(target).port), '127.0.0.1');
  direct.write('direct');
  await once(direct, 'data');
  direct.destroy();
  expect(received).toBe(false);
  const all = Promise.all([once(socket, 'data'), once(other, 'data')]);
  proxy.heal();
  await all;
  other.destroy();
});
