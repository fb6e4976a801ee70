import { describe, expect, test } from 'vitest';
import { Resync } from '../../../../src/client/sync/resync.ts';
import { ChangeFeed } from '../../../../src/client/sync/change-feed.ts';
import type { SyncResult } from '../../../../src/protocol/conversations.ts';
import { CommError } from '../../../../src/protocol/errors.ts';
import { fakeContext, type FakeContext } from '../../../helpers/client/context.ts';
import { conversation, message, messages } from '../../../helpers/client/messages.ts';
import { eventually } from '../../../helpers/eventually.ts';

const conversationId = 'conversation';
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** A client with stored cursors that reconnects. */
class Returning {
  readonly context: FakeContext = fakeContext();
  readonly told: string[] = [];
  readonly feed: ChangeFeed;
  readonly resync: Resync;

  constructor() {
    this.context.emitter.on('conversation:new', ({ id }) => this.told.push(`new ${id}`));
    const feed: ChangeFeed = new ChangeFeed(this.context, {
      apply: ({ kind, rev }) => kind !== 'conversation' && this.told.push(`${kind} ${rev}`),
      reload: () => this.told.push('reload'),
      isInBacklog: (id) => resync.isInBacklog(id),
      hasLeft: (id) => resync.hasLeft(id),
      fetchChanges: () => new Promise(() => undefined),
    });
    const resync: Resync = new Resync(this.context, {
      feed,
      apply: () => undefined,
      gained: () => undefined,
      lost: (id) => this.told.push(`lost ${id}`),
      changed: () => undefined,
      started: () => undefined,
    });
    resync.resume({ inboxRev: 3, heads: new Map([['known', { seq: 1, rev: 1 }]]) });
    this.feed = feed;
    this.resync = resync;
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

describe('a push in a conversation that was created while the client was disconnected', () => {
  const joined = { [conversationId]: { seq: 0, rev: 0 } };
  const whole: Partial<SyncResult> = { gained: [conversation({ head: { seq: 4, rev: 4 } })], joined };
  const heads: Partial<SyncResult> = { heads: { [conversationId]: { seq: 3, rev: 3 } }, joined };
  test.each<[title: string, result: Partial<SyncResult>, pushesFirst: boolean, upTo: number]>([
    ['before the response that contains the conversation', whole, true, 4],
    ['before the response that has no room for it', heads, true, 3],
    ['after the response that had no room for it', heads, false, 3],
  ])('%s is applied after the conversation and its earlier messages', async (_title, result, isFirst, upTo) => {
    const alice = new Returning();
    const done = alice.resync.run();
    if (isFirst) alice.push(4);
    await alice.answer(result);
    await done;
    if (!isFirst) alice.push(4);
    await alice.answer(alice.batch(upTo));
    expect(alice.told).toEqual(['new conversation', 'created 1', 'created 2', 'created 3', 'created 4']);
  });

  test('is not lost if the server never reports the conversation', async () => {
    const alice = new Returning();
    const done = alice.resync.run();
    await alice.answer(heads);
    await done;
    alice.push(4);
    expect(alice.told).toEqual([]);
    await alice.answer({});
    expect(alice.told).toEqual(['created 4']);
  });
});

test('a lost conversation that a push and the backlog report is lost once', async () => {
  const alice = new Returning();
  alice.feed.follow(conversationId, { seq: 0, rev: 0 });
  const done = alice.resync.run();
  await alice.answer({ heads: { [conversationId]: { seq: 3, rev: 3 } } });
  await done;
  alice.feed.unfollow(conversationId);
  await alice.answer({ lost: [conversationId] });
  expect(alice.told).toEqual([]);
});

test('a failed request for the backlog is repeated after a wait, also if the server asks for none', async () => {
  const alice = new Returning();
  const done = alice.resync.run();
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
  await settled();
  expect(alice.context.open('sync')).toHaveLength(2);
  alice.context.clock.advance(1_000);
  await settled();
  expect(alice.context.open('sync')).toHaveLength(3);
});

test('ids that are names of JavaScript properties are plain ids', async () => {
  const alice = new Returning();
  const done = alice.resync.run();
  await alice.answer({ gained: [conversation({ id: 'constructor', head: { seq: 1, rev: 1 } })] });
  await done;
  expect(alice.feed.at('constructor')).toMatchObject({ seq: 1, rev: 1 });
});

test('invalid read markers are ignored', async () => {
  const alice = new Returning();
  const done = alice.resync.run();
  await alice.answer({ reads: [null, 1, { conversationId: 'known' }] as never });
  await expect(done).resolves.toBeUndefined();
});

describe('an answer that names further pages of heads', () => {
  const sent = (alice: Returning): unknown[] => alice.context.open('sync').map(({ payload }) => payload);
  const page = { conversations: [], gained: [], lost: [], reads: [] };
  /** Answers a request after the chunk for pages has loaded. */
  const answerNext = async (alice: Returning, result: Partial<SyncResult>): Promise<void> => {
    const before = sent(alice).length;
    await alice.answer(result);
    await eventually(() => expect(sent(alice).length).toBeGreaterThan(before));
  };

  test('is completed before the resync ends, and only what changed is requested', async () => {
    const alice = new Returning();
    for (const id of ['same', 'flagged', 'brought']) alice.feed.follow(id, { seq: 1, rev: 1 });
    const done = alice.resync.run();
    const head = { seq: 2, rev: 2 };
    const brought = conversation({ id: 'brought', head });
    const changes = { changes: [], conversation: brought, head, hasMore: false, tooLong: false };
    await answerNext(alice, { next: '', conversations: [{ conversationId: 'brought', ...changes }] });
    await alice.answer({
      ...page,
      heads: { brought: head, flagged: { seq: 1, rev: 1 } },
      stale: ['flagged'],
      next: 'f',
    });
    expect(sent(alice).at(-1)).toEqual({ cursors: {}, inboxRev: 3, after: 'f' });
    const joined = { new: { seq: 0, rev: 1 } };
    await alice.answer({
      ...page,
      heads: { known: head, new: head, old: head, same: { seq: 1, rev: 1 } },
      joined,
      stale: [],
    });
    await done;
    expect(sent(alice)).toHaveLength(4);
    expect(sent(alice).slice(1)).toEqual([
      { cursors: {}, inboxRev: 3, after: '' },
      { cursors: {}, inboxRev: 3, after: 'f' },
      { cursors: { flagged: 1, known: 1, new: 1 }, inboxRev: 3, rest: true },
    ]);
    expect(alice.feed.at('old')).toMatchObject(head);
    expect(alice.resync.isInBacklog('new')).toBe(true);
  });

  test('of a full sync has every followed conversation requested', async () => {
    const alice = new Returning();
    const done = alice.resync.run();
    await answerNext(alice, { next: '' });
    await alice.answer({ ...page, heads: { known: { seq: 1, rev: 1 } } });
    await done;
    expect(sent(alice).at(-1)).toEqual({ cursors: { known: 1 }, inboxRev: 3, rest: true });
  });

  test('loses the followed conversations that are on no page, once', async () => {
    const alice = new Returning();
    for (const id of ['left', 'told', 'kept', 'brought']) alice.feed.follow(id, { seq: 1, rev: 1 });
    const done = alice.resync.run();
    const head = { seq: 1, rev: 1 };
    const brought = conversation({ id: 'brought', head });
    const changes = { changes: [], conversation: brought, head, hasMore: false, tooLong: false };
    await answerNext(alice, { next: '', lost: ['told'], conversations: [{ conversationId: 'brought', ...changes }] });
    await answerNext(alice, { ...page, heads: { known: head }, next: 'known' });
    expect(alice.told).toEqual([]);
    await alice.answer({ ...page, heads: { kept: head } });
    await done;
    expect(alice.told).toEqual(['lost told', 'lost left']);
  });

  test('ends at a page without heads, which loses nothing', async () => {
    const alice = new Returning();
    const done = alice.resync.run();
    await answerNext(alice, { next: '' });
    await alice.answer({ ...page, next: 'endless' });
    await expect(done).resolves.toBeUndefined();
    expect(alice.told).toEqual([]);
  });
});

describe('a user who is added to a conversation again while the response to `sync` is on its way, which says that it was lost', () => {
  const head = { seq: 1, rev: 2 };
  const again = conversation({ head });
  const joined = { [conversationId]: head };

  test('receives each later message once, also after the next resync', async () => {
    const alice = new Returning();
    const done = alice.resync.run();
    alice.resync.entered(again);
    alice.push(3);
    await alice.answer({ lost: [conversationId] });
    await done;
    expect([alice.told, alice.feed.at(conversationId)?.rev]).toEqual([['created 3'], 3]);
    alice.resync.connectionLost();
    alice.feed.connectionLost();
    const next = alice.resync.run();
    await alice.answer({ ...alice.batch(3), gained: [again], joined });
    await next;
    expect(alice.told).toEqual(['created 3']);
  });

  test('stays in it, and does not receive what was sent meanwhile as new', async () => {
    const alice = new Returning();
    alice.feed.follow(conversationId, { seq: 0, rev: 0 });
    const done = alice.resync.run();
    alice.resync.entered(again);
    alice.push(3);
    await alice.answer({ lost: [conversationId] });
    await done;
    expect(alice.told).toEqual(['reload', 'created 3']);
  });
});

describe('a user who is removed from a conversation while a response is on its way that was read before', () => {
  const head = { seq: 4, rev: 4 };
  const joined = { [conversationId]: { seq: 0, rev: 0 } };
  test.each<[title: string, result: Partial<SyncResult>]>([
    ['as a new one', { gained: [conversation({ head })], joined }],
    ['by its head', { heads: { [conversationId]: head }, joined }],
  ])('does not enter it again: %s', async (_title, result) => {
    const alice = new Returning();
    const done = alice.resync.run();
    alice.resync.left(conversationId);
    await alice.answer(result);
    await done;
    expect([alice.told, alice.feed.at(conversationId)]).toEqual([[], undefined]);
    expect(alice.context.open('sync')).toHaveLength(1);
  });

  test('does not enter it again with the rest of the response', async () => {
    const alice = new Returning();
    const done = alice.resync.run();
    await alice.answer({ heads: { [conversationId]: head }, joined });
    await done;
    alice.resync.left(conversationId);
    await alice.answer(alice.batch(4));
    expect([alice.told, alice.feed.at(conversationId)]).toEqual([[], undefined]);
    // The next connection continues after it.
    expect(alice.resync.inboxRev).toBe(5);
  });

  test('does not follow it from a message that arrived before they left', async () => {
    const alice = new Returning();
    const done = alice.resync.run();
    await alice.answer({ heads: { [conversationId]: head }, joined });
    await done;
    alice.push(5);
    alice.resync.left(conversationId);
    await alice.answer(alice.batch(5));
    expect([alice.told, alice.feed.at(conversationId)]).toEqual([[], undefined]);
  });

  test('enters it if they are added to it after that', async () => {
    const alice = new Returning();
    const done = alice.resync.run();
    alice.resync.left(conversationId);
    alice.resync.entered(conversation({ head }));
    await alice.answer({ gained: [conversation({ head })], joined: { [conversationId]: head } });
    await done;
    expect(alice.feed.at(conversationId)).toMatchObject(head);
  });
});
