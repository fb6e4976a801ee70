import { expect, test } from 'vitest';
import { silentLogger } from '../../../../../src/lib/logger.ts';
import { CommError } from '../../../../../src/protocol/errors.ts';
import type { Push } from '../../../../../src/protocol/events.ts';
import type { CallRecord } from '../../../../../src/server/cluster/call-record.ts';
import { SharedActiveCalls } from '../../../../../src/server/services/calls/shared-active-calls.ts';
import { manualClock } from '../../../../helpers/manual-clock.ts';

class Bench {
  readonly clock = manualClock();
  readonly pushes: string[] = [];
  hasDatabase = true;
  #users: readonly string[] = [];
  #reading: Promise<void> = Promise.resolve();
  readonly active = new SharedActiveCalls({
    clock: this.clock,
    logger: silentLogger,
    store: {
      // What the statements return is tested with a database.
      read: async <T>() => {
        const rows = this.#rows();
        await this.#reading;
        if (!this.hasDatabase) throw new CommError('UNAVAILABLE', 'The database is unavailable');
        return rows as T;
      },
    },
    broadcaster: {
      toProcessesOf: (conversationId) => void this.pushes.push(`others of ${conversationId}`),
      toConversationHere: (conversationId, push) => void this.pushes.push(`${conversationId}: ${usersOf(push)}`),
      toSocket: (socketId, push) => void this.pushes.push(`${socketId}: ${usersOf(push)}`),
    },
  });

  /** The participants of the stored call; none: there is no running call. */
  set(...users: string[]): void {
    this.#users = users;
  }

  /** Lets reads wait until the returned function is called. */
  hold(): () => void {
    const { promise, resolve } = Promise.withResolvers<undefined>();
    this.#reading = promise;
    return () => resolve(undefined);
  }

  async settled(): Promise<string[]> {
    for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
    return this.pushes.splice(0);
  }

  #rows(): object[] {
    if (this.#users.length === 0) return [];
    const record: CallRecord = {
      id: 'x',
      conversationId: 'c',
      type: 'audio',
      callerId: 'alice',
      state: 'connected',
      startedAt: 0,
      answeredAt: 1,
      invitations: [],
      seats: this.#users.map((userId) => ({
        userId,
        socketId: undefined,
        joinedAt: '1970-01-01T00:00:00.000Z',
        audioMuted: false,
        videoMuted: true,
        screenSharing: false,
      })),
    };
    return [{ id: 'x', state: JSON.stringify(record), version: 1, logged: 0 }];
  }
}

function usersOf({ data }: Push): string {
  const { activeCall } = data as { activeCall?: { participantIds: string[] } | null };
  return activeCall === null ? 'no call' : (activeCall?.participantIds.join(' ') ?? '');
}

test('the process that changes a running call tells the others, and pushes it to its own sockets', async () => {
  const bench = new Bench();
  bench.set('alice', 'bob');
  bench.active.changed('c');
  expect(await bench.settled()).toEqual(['others of c', 'c: alice bob']);
});

test('a process that is told of a change pushes it to its own sockets only', async () => {
  const bench = new Bench();
  bench.set('alice', 'bob');
  bench.active.changedElsewhere('c');
  expect(await bench.settled()).toEqual(['c: alice bob']);
  bench.clock.advance(1_000);
  await bench.settled();
  bench.set();
  bench.active.changedElsewhere('c');
  expect(await bench.settled()).toEqual(['c: no call']);
});

test('changes within a second are two pushes: the first and the last state', async () => {
  const bench = new Bench();
  for (const users of [['alice'], ['alice', 'bob'], ['alice', 'bob', 'carol']]) {
    bench.set(...users);
    bench.active.changedElsewhere('c');
    await bench.settled().then((pushes) => bench.pushes.push(...pushes));
  }
  bench.clock.advance(1_000);
  expect(await bench.settled()).toEqual(['c: alice', 'c: alice bob carol']);
  bench.clock.advance(1_000);
  expect(await bench.settled()).toEqual([]);
  expect(bench.clock.pending).toBe(0);
});

test('a change that arrives while the call is read is pushed too', async () => {
  const bench = new Bench();
  const release = bench.hold();
  bench.set('alice');
  bench.active.changedElsewhere('c');
  bench.set('alice', 'bob');
  bench.active.changedElsewhere('c');
  release();
  expect(await bench.settled()).toEqual(['c: alice']);
  bench.clock.advance(1_000);
  expect(await bench.settled()).toEqual(['c: alice bob']);
});

test('a device that connects learns of the running calls, unless it is a base client', async () => {
  const bench = new Bench();
  bench.set('alice', 'bob');
  await bench.active.connected({ userId: 'carol', socketId: 'modern', caps: new Set(['rev']) });
  await bench.active.connected({ userId: 'carol', socketId: 'base', caps: new Set() });
  expect(await bench.settled()).toEqual(['modern: alice bob']);
});

test('a change that can not be read because the database is unavailable is pushed once it is available', async () => {
  const bench = new Bench();
  bench.hasDatabase = false;
  bench.set('alice', 'bob');
  bench.active.changedElsewhere('c');
  expect(await bench.settled()).toEqual([]);
  bench.hasDatabase = true;
  bench.clock.advance(1_000);
  expect(await bench.settled()).toEqual(['c: alice bob']);
});
