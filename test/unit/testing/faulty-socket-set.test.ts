import { expect, test } from 'vitest';
import { faultySocket, type FaultySocket, type FaultySocketOptions } from '../../../src/testing/faulty-socket.ts';
import type { SocketListener, SocketPort } from '../../../src/transport/socket-port.ts';
import { manualClock, type ManualClock } from '../../helpers/manual-clock.ts';

interface Line {
  socket: FaultySocket;
  clock: ManualClock;
  /** Frames that reached the server, and events that reached the client. */
  seen: string[];
}

function connected(options: Omit<FaultySocketOptions, 'seed' | 'clock'>): Line {
  const seen: string[] = [];
  let listener: SocketListener | undefined;
  const port: SocketPort = {
    listen: (given) => void (listener = given),
    connect: () => listener?.connected(),
    disconnect: () => undefined,
    emit: (event) => void seen.push(event),
  };
  const clock = manualClock();
  const socket = faultySocket(port, { seed: 1, clock, ...options });
  socket.listen({
    connected: () => undefined,
    disconnected: (reason) => void seen.push(reason),
    refused: () => undefined,
    pushed: () => undefined,
  });
  socket.connect({ auth: {}, query: {} });
  return { socket, clock, seen };
}

test('set() replaces all faults of an open connection', () => {
  const { socket, seen } = connected({ drop: 1 });
  socket.emit('lost', {});
  socket.set({ duplicate: 1 });
  socket.emit('twice', {});
  socket.set({});
  socket.emit('once', {});
  expect(seen).toEqual(['twice', 'twice', 'once']);
  expect(socket.figures).toEqual({ drop: 1, duplicate: 1, delay: 0, reorder: 0, cut: 0, kill: 0 });
});

test('set() injects faults again after heal()', () => {
  const { socket, seen } = connected({ drop: 1 });
  socket.heal();
  socket.emit('arrives', {});
  socket.set({ drop: 1 });
  socket.emit('lost', {});
  expect(seen).toEqual(['arrives']);
});

test('a delayed frame arrives after the delays were turned off', () => {
  const { socket, clock, seen } = connected({ delay: 1, delayMs: [30, 30] });
  socket.emit('late', {});
  socket.set({});
  expect(seen).toEqual([]);
  clock.advance(30);
  expect(seen).toEqual(['late']);
});

test('heal() keeps killMs', () => {
  const { socket, clock, seen } = connected({ killMs: 5_000 });
  socket.heal();
  socket.kill();
  clock.advance(4_999);
  expect(seen).toEqual([]);
  clock.advance(1);
  expect(seen).toEqual(['ping timeout']);
});
