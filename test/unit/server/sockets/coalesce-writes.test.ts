import { expect, test } from 'vitest';
import { coalesceWrites, WRITES_PER_TURN } from '../../../../src/server/sockets/coalesce-writes.ts';

/** A WebSocket connection whose stream tells when it is written. */
function connection(written: () => void) {
  const listeners = { flush: () => undefined, packet: () => undefined } as Record<'flush' | 'packet', () => void>;
  coalesceWrites({
    on: (event, listener) => void (listeners[event] = listener),
    transport: { socket: { _socket: { cork: () => undefined, uncork: written } } },
  });
  return listeners;
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('what is flushed in one turn is written at its end, to those who have sent a request last', async () => {
  const written: string[] = [];
  const asking = connection(() => written.push('asking'));
  const other = connection(() => written.push('other'));
  asking.packet();
  asking.flush();
  other.flush();
  other.flush();
  expect(written).toEqual([]);
  await new Promise((resolve) => {
    process.nextTick(resolve);
  });
  expect(written).toEqual(['other', 'asking']);
});

test('hundreds of connections are written in the following turns, a limited number in each', async () => {
  const written: number[] = [];
  const count = 2 * WRITES_PER_TURN + 10;
  const connections = Array.from({ length: count }, (_, at) => connection(() => written.push(at)));
  for (const each of connections) each.flush();
  await new Promise((resolve) => {
    process.nextTick(resolve);
  });
  expect(written).toEqual([]);
  const perTurn: number[] = [];
  for (let before = 0; written.length < count; before = written.length) {
    await turn();
    perTurn.push(written.length - before);
  }
  expect(perTurn.filter((each) => each > 0)).toEqual([WRITES_PER_TURN, WRITES_PER_TURN, 10]);
});
