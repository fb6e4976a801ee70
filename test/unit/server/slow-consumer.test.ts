import { EventEmitter } from 'node:events';
import { expect, test } from 'vitest';
import { guardSlowConsumer, type EngineConnection } from '../../../src/server/slow-consumer.ts';

/** As Engine.IO does it: a packet is told of first, and flushed right after it while the transport can write. */
class Connection extends EventEmitter implements EngineConnection {
  transport = undefined;
  writable = true;
  closed = false;
  send(bytes: number): void {
    this.emit('packetCreate', { data: 'x'.repeat(bytes) });
    if (this.writable) this.emit('flush');
  }
  close(): void {
    this.closed = true;
  }
}

function guarded(): { connection: Connection; told: () => number } {
  const connection = new Connection();
  let count = 0;
  guardSlowConsumer(connection, () => (count += 1), 100);
  return { connection, told: () => count };
}

test('one answer may be as large as it is, whether or not the line is busy', () => {
  const { connection } = guarded();
  connection.send(10_000);
  connection.writable = false;
  connection.send(40);
  connection.send(10_000);
  connection.send(40);
  expect(connection.closed).toBe(false);
});

test('what waits behind it may not grow', () => {
  const { connection, told } = guarded();
  connection.writable = false;
  connection.send(10_000);
  for (let sent = 0; sent < 10; sent += 1) connection.send(10);
  expect(connection.closed).toBe(false);
  connection.send(10);
  expect([connection.closed, told()]).toEqual([true, 1]);
});

test('a peer that reads is never closed', () => {
  const { connection } = guarded();
  for (let sent = 0; sent < 1_000; sent += 1) connection.send(90);
  expect(connection.closed).toBe(false);
});
