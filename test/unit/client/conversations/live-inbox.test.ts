import { expect, test } from 'vitest';
import { LiveInbox } from '../../../../src/client/conversations/live-inbox.ts';
import type { Conversation, Participant } from '../../../../src/protocol/conversations.ts';
import { CommError } from '../../../../src/protocol/errors.ts';
import type { User } from '../../../../src/protocol/users.ts';
import { deferred, type Deferred } from '../../../../src/lib/deferred.ts';
import { fakeContext } from '../../../helpers/client/context.ts';
import { conversation, message } from '../../../helpers/client/messages.ts';

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('an outdated conversation is requested until a request succeeds', async () => {
  const context = fakeContext();
  let failures = 2;
  let asked = 0;
  const inbox = new LiveInbox(context, {
    page: async () => ({ conversations: [conversation({ head: { seq: 2, rev: 2 }, unreadCount: 2 })], hasMore: false }),
    get: async () => {
      asked += 1;
      if (failures-- > 0) throw new CommError('UNAVAILABLE', 'Not now', { retryAfterMs: 0 });
      return conversation({ head: { seq: 5, rev: 5 }, unreadCount: 5 });
    },
  });
  inbox.show(() => undefined);
  await settled();
  inbox.apply({ kind: 'created', conversationId: 'conversation', message: message(5), rev: 5 });
  for (const times of [1, 2, 3]) {
    await settled();
    expect(asked).toBe(times);
    context.clock.advance(4_000);
  }
  await settled();
  expect([asked, inbox.find('conversation')?.unreadCount]).toEqual([3, 5]);
  expect(context.reported).toEqual([]);
});

test('nothing is retried while disconnected, and everything after reconnecting', async () => {
  const context = fakeContext();
  let asked = 0;
  const inbox = new LiveInbox(context, {
    page: async () => ({ conversations: [conversation({ head: { seq: 2, rev: 2 } })], hasMore: false }),
    get: async () => {
      asked += 1;
      throw new CommError('DISCONNECTED', 'The line is down');
    },
  });
  inbox.show(() => undefined);
  await settled();
  context.line = 'down';
  inbox.apply({ kind: 'created', conversationId: 'conversation', message: message(5), rev: 5 });
  await settled();
  inbox.connectionLost();
  expect([asked, context.clock.pending]).toEqual([1, 0]);
  context.line = 'up';
  inbox.reload();
  await settled();
  expect(asked).toBe(2);
});

test('a conversation that becomes outdated again while it is requested is requested again', async () => {
  const reads: Deferred<Conversation>[] = [];
  const inbox = new LiveInbox(fakeContext(), {
    page: async () => ({
      conversations: [conversation({ head: { seq: 4, rev: 4 }, readSeq: 0, unreadMentions: 2 })],
      hasMore: false,
    }),
    get: () => {
      const read = deferred<Conversation>();
      reads.push(read);
      return read.promise;
    },
  });
  const remove = (seq: number, rev: number): void => {
    const deleted = { ...message(seq), rev, content: '', deletedAt: '2025-01-02T00:00:00.000Z', senderId: 'bob' };
    inbox.apply({ kind: 'updated', conversationId: 'conversation', message: deleted, rev });
  };
  inbox.show(() => undefined);
  await settled();
  remove(2, 5);
  expect(reads).toHaveLength(1);
  // The server has read the conversation before.
  remove(3, 6);
  reads[0]?.resolve(conversation({ head: { seq: 4, rev: 5 }, readSeq: 0, unreadMentions: 1 }));
  await settled();
  expect(reads).toHaveLength(2);
  reads[1]?.resolve(conversation({ head: { seq: 4, rev: 6 }, readSeq: 0, unreadMentions: 0 }));
  await settled();
  expect(inbox.find('conversation')).toMatchObject({ unreadMentions: 0, head: { rev: 6 } });
  expect(reads).toHaveLength(2);
});

test('a conversation that was read before a profile changed does not bring the old name back', async () => {
  const before = conversation({ participants: [participant('bob', 'Bob')] });
  const inbox = new LiveInbox(fakeContext(), {
    page: async () => ({ conversations: [before], hasMore: false }),
    get: async () => before,
  });
  const nameOfBob = (): string | undefined => inbox.find('conversation')?.participants[0]?.displayName;
  inbox.show(() => undefined);
  await settled();
  inbox.apply({ kind: 'profile', user: profile('bob', 'Robert') });
  inbox.apply({ kind: 'known', conversation: before });
  expect(nameOfBob()).toBe('Robert');
  inbox.apply({ kind: 'conversation', conversationId: 'conversation', update: before });
  expect(nameOfBob()).toBe('Robert');
});

test('an event that arrives while a request is pending is applied again after its answer', async () => {
  const held = conversation({ head: { seq: 3, rev: 3 }, readSeq: 2 });
  const inbox = new LiveInbox(fakeContext(), {
    page: async () => ({ conversations: [held], hasMore: false }),
    get: async () => held,
  });
  const position = (): number | undefined => inbox.find('conversation')?.readSeq;
  inbox.show(() => undefined);
  await settled();
  const markedUnread = { id: 'conversation', readSeq: 1, head: { seq: 3, rev: 3 } };
  for (const read of [
    () => ({ kind: 'known', conversation: held }) as const,
    () => {
      inbox.apply({ kind: 'conversation', conversationId: 'conversation', update: held });
      return undefined;
    },
  ]) {
    inbox.apply({ kind: 'known', conversation: held });
    const answer = deferred<undefined>();
    const request = inbox.request(answer.promise, read);
    inbox.apply({ kind: 'conversation', conversationId: 'conversation', update: markedUnread });
    answer.resolve(undefined);
    await request;
    expect(position()).toBe(1);
  }
});

test('after the connection was lost, or a user had left, names are those read from the server', async () => {
  const named = (displayName: string): Conversation =>
    conversation({ participants: [participant('bob', displayName)] });
  const inbox = new LiveInbox(fakeContext(), {
    page: async () => ({ conversations: [named('Bob')], hasMore: false }),
    get: async () => named('Bob'),
  });
  const nameOfBob = (): string | undefined => inbox.find('conversation')?.participants[0]?.displayName;
  inbox.show(() => undefined);
  await settled();
  inbox.apply({ kind: 'profile', user: profile('bob', 'Robert') });
  inbox.connectionLost();
  inbox.apply({ kind: 'known', conversation: named('Bobby') });
  expect(nameOfBob()).toBe('Bobby');
  inbox.apply({ kind: 'profile', user: profile('bob', 'Robert') });
  inbox.apply({ kind: 'left', conversationId: 'conversation' });
  inbox.apply({ kind: 'known', conversation: named('Rob') });
  expect(nameOfBob()).toBe('Rob');
});

function participant(userId: string, displayName: string): Participant {
  return { userId, displayName, joinedAt: '2026-01-01T00:00:00.000Z' } as Participant;
}

function profile(id: string, displayName: string): User {
  return { id, displayName, updatedAt: '2026-01-01T00:00:00.000Z' };
}
