import { expect, test } from 'vitest';
import { LiveInbox } from '../../../../src/client/conversations/live-inbox.ts';
import { CommError } from '../../../../src/protocol/errors.ts';
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
