import { expect, test } from 'vitest';
import type { Change } from '../../../../src/client/changes.ts';
import { ChangeFeed } from '../../../../src/client/sync/change-feed.ts';
import { deferred, type Deferred } from '../../../../src/lib/deferred.ts';
import type { Changes } from '../../../../src/protocol/conversations.ts';
import { CommError } from '../../../../src/protocol/errors.ts';
import { fakeContext, type FakeContext } from '../../../helpers/client/context.ts';
import { conversation, message } from '../../../helpers/client/messages.ts';

const conversationId = 'conversation';

function start(): { context: FakeContext; feed: ChangeFeed; told: string[]; fetches: Deferred<Changes>[] } {
  const context = fakeContext();
  const told: string[] = [];
  const fetches: Deferred<Changes>[] = [];
  const feed = new ChangeFeed(context, {
    apply: (change) => told.push(`${change.rev} ${change.kind}`),
    reload: () => told.push('reload'),
    isInBacklog: () => false,
    hasLeft: () => false,
    fetchChanges: async (_id, _after, apply) => {
      const answer = deferred<Changes>();
      fetches.push(answer);
      apply(await answer.promise);
    },
  });
  feed.follow(conversationId, { seq: 5, rev: 5 });
  feed.resynced({ conversations: [], heads: {}, gained: [], lost: [] });
  return { context, feed, told, fetches };
}

function created(seq: number): Change & { rev: number } {
  return { kind: 'created', conversationId, message: message(seq), rev: seq };
}
function page(...seqs: number[]): Changes {
  const head = { seq: 7, rev: 7 };
  const changes = seqs.map((seq) => message(seq));
  return { changes, conversation: conversation({ head }), head, hasMore: false, tooLong: false };
}
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('a page that arrives after the connection was lost is ignored: the next resync returns it again', async () => {
  const { feed, told, fetches } = start();
  feed.push(created(7));
  feed.connectionLost();
  fetches[0]?.resolve(page(6, 7));
  await settled();
  expect(told).toEqual([]);
});

test('a failed fetch is repeated with growing waits, not before the time the server asked for, and reported once', async () => {
  const { context, feed, told, fetches } = start();
  feed.push(created(7));
  const fail = async (retryAfterMs?: number): Promise<void> => {
    fetches.at(-1)?.reject(new CommError('RATE_LIMITED', 'Too much', { retryAfterMs }));
    await settled();
  };
  const waits: number[] = [];
  for (const retryAfterMs of [undefined, undefined, undefined, 90_000]) {
    await fail(retryAfterMs);
    const before = fetches.length;
    let ms = 0;
    while (fetches.length === before) {
      ms += 1_000;
      context.clock.advance(1_000);
    }
    waits.push(ms);
  }
  expect(waits).toEqual([2_000, 4_000, 8_000, 106_000]);
  expect(context.reported).toHaveLength(1);
  fetches.at(-1)?.resolve(page(6, 7));
  await settled();
  expect(told).toEqual(['7 conversation', '6 created', '7 created']);
});

test('pushes of unknown conversations wait for the resync, and beyond 1,000 the newest are dropped', () => {
  const { feed, told, fetches } = start();
  feed.connectionLost();
  const unknown = 'unknown';
  for (let seq = 1; seq <= 1_001; seq += 1) {
    feed.push({
      kind: 'created',
      conversationId: unknown,
      message: message(seq, { conversationId: unknown }),
      rev: seq,
    });
  }
  feed.follow(unknown, { seq: 0, rev: 0 });
  feed.resynced({ conversations: [], heads: {}, gained: [], lost: [] });
  feed.release();
  expect(told).toHaveLength(1_000);
  expect(told.at(-1)).toBe('1000 created');
  // The next push shows the gap, which is fetched.
  feed.push({ kind: 'created', conversationId: unknown, message: message(1_002), rev: 1_002 });
  expect(fetches).toHaveLength(1);
});

test('a lost connection drops the pushes of unknown conversations: the next resync returns them', () => {
  const { feed, told } = start();
  feed.connectionLost();
  const unknown = 'unknown';
  feed.push({ kind: 'created', conversationId: unknown, message: message(1, { conversationId: unknown }), rev: 1 });
  feed.connectionLost();
  feed.follow(unknown, { seq: 0, rev: 0 });
  feed.resynced({ conversations: [], heads: {}, gained: [], lost: [] });
  feed.release();
  expect(told).toEqual([]);
});
