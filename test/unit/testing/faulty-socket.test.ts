import { expect, test } from 'vitest';
import { faultySocket, type FaultySocket, type FrameFaults } from '../../../src/testing/faulty-socket.ts';
import type { SocketListener, SocketPort } from '../../../src/transport/socket-port.ts';
import { manualClock } from '../../helpers/manual-clock.ts';

/** A socket whose server acknowledges each request with its payload. */
class Echo implements SocketPort {
  listener: SocketListener | undefined;
  readonly emitted: unknown[] = [];
  disconnects = 0;
  listen(listener: SocketListener): void {
    this.listener = listener;
  }
  connect(): void {
    this.listener?.connected();
  }
  disconnect(): void {
    this.disconnects += 1;
  }
  emit(_event: string, payload: unknown, acknowledge?: (reply: unknown) => void): void {
    this.emitted.push(payload);
    acknowledge?.(payload);
  }
}

interface Line {
  echo: Echo;
  socket: FaultySocket;
  clock: ReturnType<typeof manualClock>;
  log: string[];
  push: (number: number) => void;
}

function line(faults: FrameFaults, seed = 1): Line {
  const [echo, clock, log] = [new Echo(), manualClock(), [] as string[]];
  const socket = faultySocket(echo, { ...faults, seed, clock });
  socket.listen({
    connected: () => log.push('connected'),
    disconnected: (reason) => log.push(`disconnected: ${reason}`),
    refused: () => log.push('refused'),
    pushed: (frame) => log.push(`pushed ${String((frame as { data: unknown }).data)}`),
  });
  socket.connect({ auth: {}, query: {} });
  log.length = 0;
  return { echo, socket, clock, log, push: (data) => echo.listener?.pushed({ event: 'x', data }) };
}

test('without faults all frames pass unchanged', () => {
  const { socket, echo, log, push } = line({});
  push(1);
  socket.emit('nk:x', 'a', (reply) => log.push(`answered ${String(reply)}`));
  push(2);
  expect(log).toEqual(['pushed 1', 'answered a', 'pushed 2']);
  expect(echo.emitted).toEqual(['a']);
});

test.each<[fault: keyof FrameFaults, log: string[], emitted: string[]]>([
  ['drop', [], []],
  ['duplicate', ['pushed 1', 'pushed 1', 'pushed 2', 'pushed 2'], ['a', 'a']],
  ['cut', ['disconnected: transport close'], []],
])('%s', (fault, expected, emitted) => {
  const { socket, echo, log, push } = line({ [fault]: 1 });
  push(1);
  push(2);
  socket.emit('nk:x', 'a');
  expect(log).toEqual(fault === 'cut' ? [...expected] : expected);
  expect(echo.emitted).toEqual(emitted);
});

test('delay delivers frames later', () => {
  const { log, push, clock } = line({ delay: 1, delayMs: [10, 10] });
  push(1);
  expect(log).toEqual([]);
  clock.advance(10);
  expect(log).toEqual(['pushed 1']);
});

test('reorder swaps a frame with the next one, or delivers it after a short wait', () => {
  const { log, push, clock, socket } = line({ reorder: 1 });
  push(1);
  expect(log).toEqual([]);
  clock.advance(50);
  expect(log).toEqual(['pushed 1']);
  push(2);
  socket.heal();
  push(3);
  expect(log).toEqual(['pushed 1', 'pushed 3', 'pushed 2']);
});

test('kill drops frames and reports the loss after killMs', () => {
  const { log, push, clock, socket, echo } = line({ killMs: 500 });
  socket.kill();
  push(1);
  socket.emit('nk:x', 'a');
  expect([log, echo.emitted]).toEqual([[], []]);
  clock.advance(500);
  expect(log).toEqual(['disconnected: ping timeout']);
  expect(echo.disconnects).toBeGreaterThan(0);
});

test('comm:hello always passes', () => {
  const { log, echo } = line({ drop: 1 });
  echo.listener?.pushed({ event: 'comm:hello', data: 'hello' });
  expect(log).toEqual(['pushed hello']);
});

test('frames held back are lost with their connection', () => {
  const { log, push, clock, socket } = line({ delay: 1 });
  push(1);
  socket.connect({ auth: {}, query: {} });
  clock.advance(1_000);
  expect(log).toEqual(['connected']);
});

test('the same seed injects the same faults', () => {
  const run = (seed: number): string[] => {
    const { log, push } = line({ drop: 0.3, duplicate: 0.3 }, seed);
    for (let number = 0; number < 50; number += 1) push(number);
    return log;
  };
  expect(run(5)).toEqual(run(5));
  expect(run(5)).not.toEqual(run(6));
});
