import { expect, test } from 'vitest';
import { silentLogger } from '../../../../../src/lib/logger.ts';
import { Refusals } from '../../../../../src/server/services/limits/refusals.ts';
import { resolveLimits } from '../../../../../src/server/services/limits/server-limits.ts';
import { UnreadOutput, type Output } from '../../../../../src/server/services/limits/unread-output.ts';
import { manualClock } from '../../../../helpers/manual-clock.ts';

/** An output whose peer reads when it is told to. */
class FakeOutput implements Output {
  readonly userId: string;
  readonly #unread: UnreadOutput;
  isResponse = false;
  isClosed = false;
  #unreadBytes = 0;
  #readBytes = 0;

  constructor(unread: UnreadOutput, userId: string) {
    this.#unread = unread;
    this.userId = userId;
  }

  write(bytes: number): void {
    this.#unreadBytes += bytes;
    this.#unread.wrote(this, bytes);
  }

  read(bytes: number): void {
    this.#unreadBytes -= bytes;
    this.#readBytes += bytes;
  }

  unreadBytes(): number {
    return this.#unreadBytes;
  }

  progress(): number {
    return this.#readBytes;
  }

  close(): void {
    this.isClosed = true;
  }
}

function start() {
  const clock = manualClock();
  const limits = resolveLimits({ unreadBytesPerSocket: 100, unreadBytesPerUser: 250, unreadBytesTotal: 500 });
  const unread = new UnreadOutput(limits, clock, new Refusals(clock, silentLogger, () => 60_000));
  return { clock, unread, output: (userId: string) => new FakeOutput(unread, userId) };
}

test('the response to one request may exceed the limit of a socket, but not that of its user', () => {
  const { unread, output } = start();
  const [socket, response, other] = [output('alice'), output('alice'), output('alice')];
  response.isResponse = true;
  other.isResponse = true;
  socket.write(90);
  response.write(150);
  unread.check();
  expect([socket.isClosed, response.isClosed]).toEqual([false, false]);
  socket.write(20);
  unread.check();
  expect([socket.isClosed, response.isClosed]).toEqual([true, false]);
  other.write(160);
  unread.check();
  expect([response.isClosed, other.isClosed]).toEqual([false, true]);
});

test('a connection above its limit is closed, others are kept', () => {
  const { unread, output } = start();
  const [slow, other] = [output('alice'), output('alice')];
  slow.write(60);
  slow.write(40);
  other.write(50);
  unread.check();
  expect([slow.isClosed, other.isClosed]).toEqual([false, false]);
  slow.write(1);
  unread.check();
  expect([slow.isClosed, other.isClosed]).toEqual([true, false]);
});

test('a connection that reads may receive any amount', () => {
  const { unread, output } = start();
  const reader = output('alice');
  for (let round = 0; round < 100; round += 1) {
    reader.write(90);
    unread.check();
    reader.read(90);
    unread.check();
  }
  expect(reader.isClosed).toBe(false);
  expect(unread.totalBytes).toBe(0);
});

test('the largest outputs of a user above the limit are closed', () => {
  const { unread, output } = start();
  const outputs = [80, 90, 70, 60].map((bytes) => {
    const each = output('alice');
    each.write(bytes);
    return each;
  });
  const bystander = output('bob');
  bystander.write(100);
  unread.check();
  expect(outputs.map(({ isClosed }) => isClosed)).toEqual([false, true, false, false]);
  expect(bystander.isClosed).toBe(false);
});

test('the largest outputs of the process are closed above its limit', () => {
  const { unread, output } = start();
  const outputs = Array.from({ length: 8 }, (_, index) => {
    const each = output(`user ${index}`);
    each.write(60 + index);
    return each;
  });
  unread.check();
  expect(outputs.map(({ isClosed }) => isClosed)).toEqual([false, false, false, false, false, false, false, true]);
});

test('a connection that reads nothing for the timeout is closed; a slow reader is not', () => {
  const { clock, output } = start();
  const [stuck, slow] = [output('alice'), output('bob')];
  stuck.write(50);
  slow.write(50);
  for (let seconds = 0; seconds < 30; seconds += 5) {
    slow.read(1);
    clock.advance(5_000);
  }
  expect([stuck.isClosed, slow.isClosed]).toEqual([true, false]);
});

test('no timer runs while everything is read', () => {
  const { clock, output } = start();
  const reader = output('alice');
  reader.write(10);
  reader.read(10);
  expect(clock.pending).toBe(1);
  clock.advance(5_000);
  expect(clock.pending).toBe(0);
});

test('requests of a connection or user with much unread output are refused', () => {
  const { unread, output } = start();
  const slow = output('alice');
  slow.write(51);
  unread.check();
  expect(() => unread.admit('alice', slow)).toThrow(expect.objectContaining({ code: 'RATE_LIMITED' }) as Error);
  const others = [output('alice'), output('alice')];
  unread.admit('alice', others[0]);
  for (const each of others) each.write(50);
  unread.check();
  expect(() => unread.admit('alice')).toThrow(expect.objectContaining({ code: 'RATE_LIMITED' }) as Error);
  unread.admit('bob');
});

test('an output that has ended is not measured', () => {
  const { clock, unread, output } = start();
  const ended = output('alice');
  ended.write(1_000);
  unread.ended(ended);
  unread.check();
  clock.advance(60_000);
  expect(ended.isClosed).toBe(false);
});

test('requests are admitted again when the connections of their user that did not read have ended', () => {
  const { unread, output } = start();
  const [first, second, other] = [output('alice'), output('alice'), output('bob')];
  for (const each of [first, second, other]) each.write(70);
  unread.check();
  const admits =
    (userId: string): (() => void) =>
    () =>
      unread.admit(userId);
  expect(admits('alice')).toThrow(expect.objectContaining({ code: 'RATE_LIMITED' }));
  expect(admits('bob')).not.toThrow();
  unread.ended(first);
  unread.ended(first);
  expect(admits('alice')).not.toThrow();
});
