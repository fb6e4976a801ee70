import { describe, expect, test } from 'vitest';
import { CatchUp } from '../../../src/client/catch-up.ts';
import { Feed } from '../../../src/client/messages/feed.ts';
import type { SyncResult } from '../../../src/protocol/conversations.ts';
import { CommError } from '../../../src/protocol/errors.ts';
import { fakeContext, type FakeContext } from '../../helpers/client/context.ts';
import { conversation, message, messages } from '../../helpers/client/messages.ts';

const conversationId = 'conversation';
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Somebody who was in step once, and comes back. */
class Returning {
  readonly context: FakeContext = fakeContext();
  readonly told: string[] = [];
  readonly feed: Feed;
  readonly catchUp: CatchUp;

  constructor() {
    this.context.emitter.on('conversation:new', ({ id }) => this.told.push(`new ${id}`));
    const feed: Feed = new Feed(this.context, {
      apply: ({ kind, rev }) => kind !== 'conversation' && this.told.push(`${kind} ${rev}`),
      cutOff: () => this.told.push('cut off'),
      isOwed: (id) => catchUp.isOwed(id),
      fetchChanges: () => new Promise(() => undefined),
    });
    const catchUp: CatchUp = new CatchUp(this.context, {
      feed,
      apply: () => undefined,
      entered: () => undefined,
      left: (id) => this.told.push(`left ${id}`),
      moved: () => undefined,
    });
    catchUp.resume({ inboxRev: 3, heads: new Map([['known', { seq: 1, rev: 1 }]]) });
    this.feed = feed;
    this.catchUp = catchUp;
  }

  push(seq: number): void {
    this.feed.push({ kind: 'created', conversationId, message: message(seq), rev: seq });
  }

  async answer(result: Partial<SyncResult>): Promise<void> {
    const empty = { inboxRev: 5, conversations: [], gained: [], heads: {}, joined: {}, lost: [], reads: [] };
    this.context
      .open('sync')
      .at(-1)
      ?.answer.resolve({ ...empty, ...result });
    await settled();
  }

  /** What was said up to `seq`. */
  batch(seq: number): Partial<SyncResult> {
    const head = { seq, rev: seq };
    const changes = { changes: messages(1, seq), conversation: conversation({ head }), hasMore: false, tooLong: false };
    return { conversations: [{ conversationId, head, ...changes }] };
  }
}

describe('a message that is pushed in a conversation that began while one was away', () => {
  const joined = { [conversationId]: { seq: 0, rev: 0 } };
  const whole: Partial<SyncResult> = { gained: [conversation({ head: { seq: 4, rev: 4 } })], joined };
  const heads: Partial<SyncResult> = { heads: { [conversationId]: { seq: 3, rev: 3 } }, joined };
  test.each<[title: string, result: Partial<SyncResult>, pushesFirst: boolean, upTo: number]>([
    ['ahead of the answer that tells of it', whole, true, 4],
    ['ahead of the answer that has no room for it', heads, true, 3],
    ['behind the answer that had no room for it', heads, false, 3],
  ])('%s comes behind the conversation, and behind what was said before', async (_title, result, isFirst, upTo) => {
    const alice = new Returning();
    const done = alice.catchUp.sync();
    if (isFirst) alice.push(4);
    await alice.answer(result);
    await done;
    if (!isFirst) alice.push(4);
    await alice.answer(alice.batch(upTo));
    expect(alice.told).toEqual(['new conversation', 'created 1', 'created 2', 'created 3', 'created 4']);
  });

  test('is not lost with a server that doesn’t tell of it after all', async () => {
    const alice = new Returning();
    const done = alice.catchUp.sync();
    await alice.answer(heads);
    await done;
    alice.push(4);
    expect(alice.told).toEqual([]);
    await alice.answer({});
    expect(alice.told).toEqual(['created 4']);
  });
});

test('a conversation that was lost meanwhile, and is told so by both, is lost once', async () => {
  const alice = new Returning();
  alice.feed.follow(conversationId, { seq: 0, rev: 0 });
  const done = alice.catchUp.sync();
  await alice.answer({ heads: { [conversationId]: { seq: 3, rev: 3 } } });
  await done;
  alice.feed.unfollow(conversationId);
  await alice.answer({ lost: [conversationId] });
  expect(alice.told).toEqual([]);
});

test('what had no room is asked for again after a pause, however short the server says it may be', async () => {
  const alice = new Returning();
  const done = alice.catchUp.sync();
  await alice.answer({
    heads: { [conversationId]: { seq: 3, rev: 3 } },
    joined: { [conversationId]: { seq: 0, rev: 0 } },
  });
  await done;
  alice.context
    .open('sync')
    .at(-1)
    ?.answer.reject(new CommError('RATE_LIMITED', 'Too much', { retryAfterMs: 0 }));
  await settled();
  alice.context.clock.advance(1_000);
  expect(alice.context.open('sync')).toHaveLength(2);
  alice.context.clock.advance(1_000);
  expect(alice.context.open('sync')).toHaveLength(3);
});

test('a server whose ids are names that JavaScript has', async () => {
  const alice = new Returning();
  const done = alice.catchUp.sync();
  await alice.answer({ gained: [conversation({ id: 'constructor', head: { seq: 1, rev: 1 } })] });
  await done;
  expect(alice.feed.at('constructor')).toMatchObject({ seq: 1, rev: 1 });
});

test('marks that make no sense are passed over', async () => {
  const alice = new Returning();
  const done = alice.catchUp.sync();
  await alice.answer({ reads: [null, 1, { conversationId: 'known' }] as never });
  await expect(done).resolves.toBeUndefined();
});
