import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { startFaultProxy, type FaultProxy, type LineFaults } from '../../../src/testing/fault-proxy.ts';

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

async function received(socket: Socket, bytes: number): Promise<string> {
  let text = '';
  for await (const chunk of socket) {
    text += String(chunk);
    if (text.length >= bytes) break;
  }
  return text;
}

test('without faults bytes come through unchanged', async () => {
  const socket = await open({});
  socket.write('hello');
  expect(await received(socket, 5)).toBe('hello');
});

test('split, delayed and stalled bytes come late and in pieces, but all of them and in order', async () => {
  const socket = await open({ split: 1, delay: 1, delayMs: [1, 3], stall: 1, stallMs: [1, 5] });
  const text = Array.from({ length: 50 }, (_, number) => `line ${number};`).join('');
  for (const part of text.split(/(?<=;)/)) socket.write(part);
  expect(await received(socket, text.length)).toBe(text);
  expect(proxy.figures.splits).toBeGreaterThan(0);
  expect(proxy.figures.stalls).toBeGreaterThan(0);
});

test('a cut loses what was on its way and ends the connection', async () => {
  const socket = await open({ cut: 1 });
  const closed = once(socket, 'close');
  socket.write('hello');
  await closed;
  expect(proxy.figures.cuts).toBe(1);
});

test('cut() ends every connection now, and new ones work', async () => {
  const socket = await open({});
  const closed = once(socket, 'close');
  proxy.cut();
  await closed;
  const again = connect(Number(new URL(proxy.url).port), '127.0.0.1');
  again.write('hello');
  expect(await received(again, 5)).toBe('hello');
});

test('after kill() nothing comes through and nobody is told; heal() lets it go on', async () => {
  const socket = await open({});
  proxy.kill();
  socket.write('hello');
  let heard = false;
  socket.on('data', () => (heard = true));
  // A connection beside it shows that there was time enough.
  const beside = connect(Number(new URL(target).port), '127.0.0.1');
  beside.write('beside');
  await once(beside, 'data');
  beside.destroy();
  expect(heard).toBe(false);
  const data = once(socket, 'data');
  proxy.heal();
  await data;
  expect(socket.destroyed).toBe(false);
});

test('heal() ends the faults, resume() brings them back', async () => {
  const socket = await open({ cut: 1 });
  proxy.heal();
  socket.write('hello');
  await once(socket, 'data');
  proxy.resume();
  const closed = once(socket, 'close');
  socket.write('hello');
  await closed;
});

test('a narrow line passes everything on, whole and in order', async () => {
  const socket = await open({ bytesPerSecond: 2_000_000 });
  const text = Array.from({ length: 5_000 }, (_, number) => `line ${number};`).join('');
  socket.write(text);
  expect(await received(socket, text.length)).toBe(text);
  expect(proxy.figures).toMatchObject({ bytesUp: text.length, bytesDown: text.length });
});

test('what has no room on the line yet waits, also behind another connection; heal() widens it', async () => {
  const socket = await open({ bytesPerSecond: 1 });
  const other = connect(Number(new URL(proxy.url).port), '127.0.0.1');
  await once(other, 'connect');
  let heard = false;
  for (const each of [socket, other]) each.on('data', () => (heard = true));
  socket.write('x'.repeat(3_600));
  other.write('y');
  // A connection beside it shows that there was time enough.
  const beside = connect(Number(new URL(target).port), '127.0.0.1');
  beside.write('beside');
  await once(beside, 'data');
  beside.destroy();
  expect(heard).toBe(false);
  const all = Promise.all([once(socket, 'data'), once(other, 'data')]);
  proxy.heal();
  await all;
  other.destroy();
});
