import { describe, expect, test } from 'vitest';
import type { Conversation } from '../../../../src/protocol/conversations.ts';
import type { Message } from '../../../../src/protocol/messages.ts';
import {
  outdatedBy,
  EMPTY_INBOX,
  reduceInbox,
  type InboxState,
  type InboxEvent,
} from '../../../../src/client/conversations/inbox-reducer.ts';
import { buildConversation, buildMessage, buildParticipant } from '../../../../src/testing/builders.ts';

/** `ann` looks at her list; `bob` writes. */
const message = (seq: number, fields: Partial<Message> = {}): Message =>
  buildMessage({ seq, senderId: 'bob', ...fields });

function read(unreadCount: number, head: { seq: number; rev: number }, lastReadSeq = 0): Conversation {
  return buildConversation({
    unreadCount,
    head,
    participants: [buildParticipant('ann', { lastReadSeq }), 'bob'],
    ...(head.seq > 0 && { lastMessage: message(head.seq) }),
  });
}

const created = (each: Message): InboxEvent => ({
  kind: 'created',
  conversationId: each.conversationId,
  message: each,
  rev: each.rev,
});
const updated = (each: Message): InboxEvent => ({
  kind: 'updated',
  conversationId: each.conversationId,
  message: each,
  rev: each.rev,
});
const listed = (conversation: ReturnType<typeof read>): InboxEvent => ({
  kind: 'listed',
  conversations: [conversation],
  first: true,
  hasMore: false,
});
const counted = (unreadCount: number, seq: number): InboxEvent => ({
  kind: 'conversation',
  conversationId: 'conversation-1',
  update: { id: 'conversation-1', unreadCount, head: { seq, rev: seq } },
});
const gone = { deletedAt: 'now', content: '' };

function run(...events: readonly InboxEvent[]): InboxState {
  return events.reduce(reduceInbox, { ...EMPTY_INBOX, ownId: 'ann' });
}

describe('the unread count', () => {
  const start = listed(read(2, { seq: 2, rev: 2 }));
  test.each<[title: string, events: InboxEvent[], unread: number]>([
    ['increments with each message of another user', [start, created(message(3)), created(message(4))], 4],
    ['ignores own messages', [start, created(message(3, { senderId: 'ann' }))], 2],
    ['ignores a repeated message', [start, created(message(3)), created(message(3))], 3],
    ['ignores a message that the list has counted', [start, created(message(2))], 2],
    ['decrements when an unread message is deleted', [start, updated(message(2, { rev: 3, ...gone }))], 1],
    [
      'stays the same when an own message is deleted',
      [start, created(message(3, { senderId: 'ann' })), updated(message(3, { senderId: 'ann', rev: 4, ...gone }))],
      2,
    ],
    [
      'stays the same when a read message is deleted',
      [listed(read(1, { seq: 3, rev: 3 }, 2)), updated(message(2, { rev: 4, ...gone }))],
      1,
    ],
    [
      'ignores a message that was sent and deleted while disconnected',
      [start, updated(message(3, { rev: 4, ...gone }))],
      2,
    ],
    [
      'counts an edited message that arrives after later ones',
      [start, created(message(4)), created(message(3, { rev: 5 }))],
      4,
    ],
    ['is not replaced by a list that is older than a message', [start, created(message(3)), start], 3],
    [
      'is replaced by a list that contains later messages',
      [start, listed(read(5, { seq: 5, rev: 5 })), created(message(4))],
      5,
    ],
    ['is the count of the server after the user has read up to the middle', [start, counted(1, 2)], 1],
    [
      'ignores messages that the count of the server contains',
      [start, counted(3, 4), created(message(3)), created(message(4))],
      3,
    ],
    ['is not replaced by a count that is older than a message', [start, created(message(3)), counted(1, 2)], 3],
  ])('%s', (_title, events, unread) => {
    expect(run(...events).conversations[0]?.unreadCount).toBe(unread);
  });

  test('a list read before the own receipt moved requires another request', () => {
    const inbox = run(listed(read(0, { seq: 2, rev: 2 }, 2)));
    expect(outdatedBy(inbox, listed(read(2, { seq: 2, rev: 2 }, 0)))).toEqual(['conversation-1']);
    expect(outdatedBy(inbox, listed(read(0, { seq: 2, rev: 2 }, 2)))).toEqual([]);
  });
});

test('a count that is older than applied messages requires another request', () => {
  const inbox = run(listed(read(2, { seq: 2, rev: 2 })), created(message(3)));
  expect(outdatedBy(inbox, counted(1, 2))).toEqual(['conversation-1']);
  expect(outdatedBy(inbox, counted(1, 3))).toEqual([]);
});

test('a change after missing revisions requires a request, unless it contains the whole conversation', () => {
  const inbox = run(listed(read(2, { seq: 2, rev: 2 })));
  expect(outdatedBy(inbox, created(message(3)))).toEqual([]);
  expect(outdatedBy(inbox, created(message(4)))).toEqual(['conversation-1']);
  const update = { id: 'conversation-1', name: 'name', head: { seq: 2, rev: 5 } };
  const told = { kind: 'conversation', conversationId: 'conversation-1', update, rev: 5 } as const;
  expect(outdatedBy(inbox, told)).toEqual(['conversation-1']);
  expect(outdatedBy(inbox, { ...told, update: { ...update, unreadCount: 2 } })).toEqual([]);
});

test('a message that was counted before it arrived still becomes the last message', () => {
  const inbox = run(listed(read(0, { seq: 1, rev: 1 })), counted(1, 2), created(message(2)));
  expect(inbox.conversations[0]).toMatchObject({ unreadCount: 1, lastMessage: { id: '2' } });
});

test('an earlier message that arrives late does not replace the last message', () => {
  const inbox = run(listed(read(0, { seq: 1, rev: 1 })), created(message(3)), created(message(2, { rev: 4 })));
  expect(inbox.conversations[0]?.lastMessage?.id).toBe('3');
  const edited = reduceInbox(inbox, updated(message(3, { rev: 6, content: 'new' })));
  const stale = reduceInbox(edited, updated(message(3, { rev: 5, content: 'old' })));
  expect(stale.conversations[0]?.lastMessage?.content).toBe('new');
});

test('conversations of the same millisecond are ordered by id, as the server does', () => {
  const conversations = ['b', 'c', 'a'].map((id) => buildConversation({ id }));
  const inbox = run({ kind: 'listed', conversations, first: true, hasMore: false });
  expect(inbox.conversations.map(({ id }) => id)).toEqual(['a', 'b', 'c']);
});

test('a snapshot that is older than a receipt does not revert the receipt', () => {
  const newer = listed(read(0, { seq: 2, rev: 2 }, 2));
  const older = listed(read(2, { seq: 2, rev: 2 }, 0));
  const [conversation] = run(newer, older).conversations;
  expect(conversation?.participants.find(({ userId }) => userId === 'ann')?.lastReadSeq).toBe(2);
});
