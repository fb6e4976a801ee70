import { expect, test } from 'vitest';
import { InboxState } from '../../../../src/client/conversations/inbox-state.ts';
import { CommError } from '../../../../src/protocol/errors.ts';
import { fakeContext } from '../../../helpers/client/context.ts';
import { conversation, message } from '../../../helpers/client/messages.ts';

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('a conversation that has to be read again, and can’t be for now, is asked for until it can', async () => {
  const context = fakeContext();
  let failures = 2;
  let asked = 0;
  const inbox = new InboxState(context, {
    list: async () => [conversation({ head: { seq: 2, rev: 2 }, unreadCount: 2 })],
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
    context.clock.advance(2_000);
  }
  await settled();
  expect([asked, inbox.find('conversation')?.unreadCount]).toEqual([3, 5]);
  expect(context.reported).toEqual([]);
});

test('nothing is asked again without a line, and all of it with the next one', async () => {
  const context = fakeContext();
  let asked = 0;
  const inbox = new InboxState(context, {
    list: async () => [conversation({ head: { seq: 2, rev: 2 } })],
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
  inbox.lineLost();
  expect([asked, context.clock.pending]).toEqual([1, 0]);
  context.line = 'up';
  inbox.reload();
  await settled();
  expect(asked).toBe(2);
});
