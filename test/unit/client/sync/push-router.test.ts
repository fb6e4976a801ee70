import { expect, test } from 'vitest';
import { PushRouter } from '../../../../src/client/sync/push-router.ts';
import type { SyncTarget } from '../../../../src/client/sync/sync-target.ts';
import { deferred } from '../../../../src/lib/deferred.ts';
import type { Conversation } from '../../../../src/protocol/conversations.ts';
import { memoryStorage } from '../../../../src/index.ts';
import { settle } from '../../../helpers/client/fake-socket.ts';
import { fakeContext, type FakeContext } from '../../../helpers/client/context.ts';
import { conversation, message } from '../../../helpers/client/messages.ts';

/** A push router and a log of what it applies. */
function setUp(
  storage = memoryStorage(),
  joinRoom: SyncTarget['joinRoom'] = () => Promise.resolve(undefined),
): { context: FakeContext; router: PushRouter; applied: string[] } {
  const context = fakeContext();
  const applied: string[] = [];
  const target: SyncTarget = {
    received: () => undefined,
    delivered: () => undefined,
    find: () => undefined,
    apply: (change) => applied.push('message' in change ? change.message.content : change.kind),
    applyMark: ({ kind }) => applied.push(kind),
    applyToInbox: () => undefined,
    applyTyping: ({ userId }) => applied.push(`typing ${userId}`),
    applyPresence: () => true,
    known: () => undefined,
    left: () => undefined,
    reload: () => undefined,
    resumed: () => undefined,
    store: () => Promise.resolve(),
    fetchChanges: () => new Promise(() => undefined),
    joinRoom,
    openConversations: () => [],
    userRejected: () => undefined,
    clear: () => undefined,
  };
  return { context, router: new PushRouter(context, storage, target), applied };
}

const typing = (userId: string) => ({
  event: 'typing:update',
  data: { conversationId: 'conversation', userId, isTyping: true },
});
const pushedMessage = (seq: number) => ({ event: 'message:new', data: message(seq) });

/** Answers the `sync` request: the user participates in one conversation, up to this message. */
async function answerSync(context: FakeContext, seq: number): Promise<void> {
  await settle();
  const head = { seq, rev: seq };
  context
    .open('sync')
    .at(-1)
    ?.answer.resolve({
      inboxRev: 1,
      conversations: [],
      gained: [conversation({ head })],
      heads: {},
      lost: [],
      reads: [],
    });
}

test('pushes that arrive before the position of the user is known are applied in order during the resync', async () => {
  const { context, router, applied } = setUp();
  for (const userId of ['bob', 'carol']) router.pushed(typing(userId));
  expect(applied).toEqual([]);
  const resyncing = router.resync(() => true);
  await answerSync(context, 3);
  await resyncing;
  router.pushed(typing('dave'));
  expect(applied).toEqual(['typing bob', 'typing carol', 'typing dave']);
});

test('a lost connection drops the pushes before its resync, and those of the next connection wait again', async () => {
  const { context, router, applied } = setUp();
  router.pushed(typing('lost'));
  router.connectionLost();
  router.pushed(typing('bob'));
  const resyncing = router.resync(() => true);
  await answerSync(context, 3);
  await resyncing;
  router.connectionLost();
  router.pushed(typing('carol'));
  expect(applied).toEqual(['typing bob']);
});

test('a client that crashes after its first resync counts what it misses as new in the next session', async () => {
  const storage = memoryStorage();
  const first = setUp(storage);
  const resyncing = first.router.resync(() => true);
  await answerSync(first.context, 3);
  await resyncing;
  await settle();

  const second = setUp(storage);
  void second.router.resync(() => true);
  await settle();
  expect(second.context.open('sync').at(-1)?.payload).toMatchObject({ cursors: { conversation: 3 }, inboxRev: 1 });
});

test('messages behind the position are applied once, those before it are dropped', async () => {
  const { context, router, applied } = setUp();
  const resyncing = router.resync(() => true);
  await answerSync(context, 3);
  await resyncing;
  for (const seq of [3, 4, 4]) router.pushed(pushedMessage(seq));
  expect(applied).toEqual(['message 4']);
});

test('a response to joining a room that was read before the user left does not follow the conversation again', async () => {
  const joined = deferred<Conversation>();
  const joinRoom: SyncTarget['joinRoom'] = async (_id, isCurrent) => {
    const read = await joined.promise;
    return isCurrent() ? read : undefined;
  };
  const { context, router, applied } = setUp(memoryStorage(), joinRoom);
  const resyncing = router.resync(() => true);
  await answerSync(context, 3);
  await resyncing;
  const join = router.join('conversation');
  router.pushed(pushedMessage(4));
  router.pushed({ event: 'conversation:left', data: { conversationId: 'conversation', userId: 'alice' } });
  joined.resolve(conversation({ head: { seq: 3, rev: 3 } }));
  await join;
  expect(router.feed.at('conversation')).toBeUndefined();
  router.pushed({ event: 'conversation:new', data: conversation({ head: { seq: 6, rev: 8 } }) });
  expect(router.feed.at('conversation')).toMatchObject({ seq: 6, rev: 8 });
  expect(applied).toEqual(['message 4']);
});
