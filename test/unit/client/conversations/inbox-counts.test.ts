import { describe, expect, test } from 'vitest';
import type { Conversation } from '../../../../src/protocol/conversations.ts';
import type { Message } from '../../../../src/protocol/messages.ts';
import {
  doubtedBy,
  EMPTY_INBOX,
  reduceInbox,
  type Inbox,
  type InboxEvent,
} from '../../../../src/client/conversations/inbox.ts';
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

function run(...events: readonly InboxEvent[]): Inbox {
  return events.reduce(reduceInbox, { ...EMPTY_INBOX, ownId: 'ann' });
}

describe('what is unread', () => {
  const start = listed(read(2, { seq: 2, rev: 2 }));
  test.each<[title: string, events: InboxEvent[], unread: number]>([
    ['is one more with each message of others', [start, created(message(3)), created(message(4))], 4],
    ['doesn’t count one’s own', [start, created(message(3, { senderId: 'ann' }))], 2],
    ['doesn’t count a message twice', [start, created(message(3)), created(message(3))], 3],
    ['doesn’t count again what the list has counted', [start, created(message(2))], 2],
    ['is one less when an unread message is deleted', [start, updated(message(2, { rev: 3, ...gone }))], 1],
    [
      'is the same when one’s own is deleted',
      [start, created(message(3, { senderId: 'ann' })), updated(message(3, { senderId: 'ann', rev: 4, ...gone }))],
      2,
    ],
    [
      'is the same when a read message is deleted',
      [listed(read(1, { seq: 3, rev: 3 }, 2)), updated(message(2, { rev: 4, ...gone }))],
      1,
    ],
    ['never had what came and went while one was away', [start, updated(message(3, { rev: 4, ...gone }))], 2],
    [
      'counts an edited message that comes behind later ones',
      [start, created(message(4)), created(message(3, { rev: 5 }))],
      4,
    ],
    ['isn’t taken from a list that was overtaken by a message', [start, created(message(3)), start], 3],
    [
      'is taken from a list that has overtaken what is to come',
      [start, listed(read(5, { seq: 5, rev: 5 })), created(message(4))],
      5,
    ],
    ['is what the server says after reading in the middle', [start, counted(1, 2)], 1],
    [
      'doesn’t count again what the server had counted when it came',
      [start, counted(3, 4), created(message(3)), created(message(4))],
      3,
    ],
    ['isn’t what the server said before messages that are here', [start, created(message(3)), counted(1, 2)], 3],
  ])('%s', (_title, events, unread) => {
    expect(run(...events).conversations[0]?.unreadCount).toBe(unread);
  });

  test('of a list that was read before the own mark moved has to be asked for anew', () => {
    const inbox = run(listed(read(0, { seq: 2, rev: 2 }, 2)));
    expect(doubtedBy(inbox, listed(read(2, { seq: 2, rev: 2 }, 0)))).toEqual(['conversation-1']);
    expect(doubtedBy(inbox, listed(read(0, { seq: 2, rev: 2 }, 2)))).toEqual([]);
  });
});

test('a count that messages have overtaken has to be asked for anew', () => {
  const inbox = run(listed(read(2, { seq: 2, rev: 2 })), created(message(3)));
  expect(doubtedBy(inbox, counted(1, 2))).toEqual(['conversation-1']);
  expect(doubtedBy(inbox, counted(1, 3))).toEqual([]);
});

test('a change that doesn’t follow on what is held has to be asked for, unless it is all there is to know', () => {
  const inbox = run(listed(read(2, { seq: 2, rev: 2 })));
  expect(doubtedBy(inbox, created(message(3)))).toEqual([]);
  expect(doubtedBy(inbox, created(message(4)))).toEqual(['conversation-1']);
  const update = { id: 'conversation-1', name: 'name', head: { seq: 2, rev: 5 } };
  const told = { kind: 'conversation', conversationId: 'conversation-1', update, rev: 5 } as const;
  expect(doubtedBy(inbox, told)).toEqual(['conversation-1']);
  expect(doubtedBy(inbox, { ...told, update: { ...update, unreadCount: 2 } })).toEqual([]);
});

test('a message that was counted before it came is the last one all the same', () => {
  const inbox = run(listed(read(0, { seq: 1, rev: 1 })), counted(1, 2), created(message(2)));
  expect(inbox.conversations[0]).toMatchObject({ unreadCount: 1, lastMessage: { id: '2' } });
});

test('the last message stays the last when an earlier one comes late, and is replaced by its later states only', () => {
  const inbox = run(listed(read(0, { seq: 1, rev: 1 })), created(message(3)), created(message(2, { rev: 4 })));
  expect(inbox.conversations[0]?.lastMessage?.id).toBe('3');
  const edited = reduceInbox(inbox, updated(message(3, { rev: 6, content: 'new' })));
  const stale = reduceInbox(edited, updated(message(3, { rev: 5, content: 'old' })));
  expect(stale.conversations[0]?.lastMessage?.content).toBe('new');
});

test('conversations of the same millisecond stand as the server lists them: by id', () => {
  const conversations = ['b', 'c', 'a'].map((id) => buildConversation({ id }));
  const inbox = run({ kind: 'listed', conversations, first: true, hasMore: false });
  expect(inbox.conversations.map(({ id }) => id)).toEqual(['a', 'b', 'c']);
});

test('a snapshot that is older than a mark doesn’t move the mark back', () => {
  const newer = listed(read(0, { seq: 2, rev: 2 }, 2));
  const older = listed(read(2, { seq: 2, rev: 2 }, 0));
  const [conversation] = run(newer, older).conversations;
  expect(conversation?.participants.find(({ userId }) => userId === 'ann')?.lastReadSeq).toBe(2);
});
