import { expect, test, vi } from 'vitest';
import type { Change } from '../../../../src/client/changes.ts';
import { Feed } from '../../../../src/client/messages/feed.ts';
import { deferred, type Deferred } from '../../../../src/lib/deferred.ts';
import type { Changes } from '../../../../src/protocol/conversations.ts';
import { CommError } from '../../../../src/protocol/errors.ts';
import { fakeContext, type FakeContext } from '../../../helpers/client/context.ts';
import { conversation, message } from '../../../helpers/client/messages.ts';

const conversationId = 'conversation';

function start(): { context: FakeContext; feed: Feed; told: string[]; fetches: Deferred<Changes>[] } {
  const context = fakeContext();
  const told: string[] = [];
  const fetches: Deferred<Changes>[] = [];
  const feed = new Feed(context, {
    apply: (change) => told.push(`${change.rev} ${change.kind}`),
    cutOff: () => told.push('cut off'),
    isOwed: () => false,
    fetchChanges: () => {
      const answer = deferred<Changes>();
      fetches.push(answer);
      return answer.promise;
    },
  });
  feed.follow(conversationId, { seq: 5, rev: 5 });
  feed.caughtUp({ conversations: [], heads: {}, gained: [], lost: [] });
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

test('a page that comes after the line was lost is told to nobody: it comes again with the next one', async () => {
  const { feed, told, fetches } = start();
  feed.push(created(7));
  feed.lineLost();
  fetches[0]?.resolve(page(6, 7));
  await settled();
  expect(told).toEqual([]);
});

test('a fetch that fails is repeated ever later, never sooner than the server says, and told once', async () => {
  vi.spyOn(Math, 'random').mockReturnValue(0.999);
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
  expect(waits).toEqual([2_000, 4_000, 8_000, 90_000]);
  expect(context.reported).toHaveLength(1);
  fetches.at(-1)?.resolve(page(6, 7));
  await settled();
  expect(told).toEqual(['7 conversation', '6 created', '7 created']);
});
