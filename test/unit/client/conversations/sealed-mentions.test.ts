import { expect, test } from 'vitest';
import {
  EMPTY_INBOX,
  reduceInbox,
  type InboxEvent,
  type InboxState,
} from '../../../../src/client/conversations/inbox-reducer.ts';
import type { Conversation } from '../../../../src/protocol/conversations.ts';
import type { Message } from '../../../../src/protocol/messages.ts';
import { conversation, deepFreeze, message } from '../../../helpers/client/messages.ts';

const id = 'conversation';
const at = (seq: number, values: Partial<Conversation> = {}): Conversation =>
  conversation({
    head: { seq, rev: seq },
    unreadMentions: 0,
    unreadThreads: 0,
    followedThreads: [],
    readSeq: 1,
    ...values,
  });
const known = (row: Conversation, asked = false): InboxEvent => ({ kind: 'known', conversation: row, asked });
const sent = (seq: number, values: Partial<Message> = {}): InboxEvent => {
  const sealed = message(seq, { encrypted: true, mentions: ['alice'], ...values });
  return { kind: 'created', conversationId: id, message: sealed, rev: seq };
};
const counted = (readSeq: number, seq: number, unreadMentions = 0): InboxEvent => ({
  kind: 'conversation',
  conversationId: id,
  update: { id, unreadMentions, readSeq, head: { seq, rev: seq } },
});

/** The unread mentions after each event. */
function counts(...events: InboxEvent[]): unknown[] {
  let inbox: InboxState = { ...EMPTY_INBOX, ownId: 'alice' };
  return deepFreeze(events).map((event) => {
    inbox = reduceInbox(inbox, event);
    return inbox.conversations[0]?.unreadMentions;
  });
}

test.each<[title: string, events: InboxEvent[], expected: unknown[]]>([
  ['are counted once', [known(at(1)), sent(2), sent(2), sent(3)], [0, 1, 1, 2]],
  ['are counted where a row came before the message', [known(at(2)), sent(2)], [0, 1]],
  ['are added to the count of a row', [known(at(1)), sent(2), known(at(3, { unreadMentions: 1 }), true)], [0, 1, 2]],
  [
    'are added to the count of a list',
    [known(at(1)), sent(2), { kind: 'listed', conversations: [at(2)], first: true, hasMore: false }],
    [0, 1, 1],
  ],
  [
    'are added to a pushed count until they are read',
    [known(at(1)), sent(2), sent(3), counted(2, 3), counted(3, 3)],
    [0, 1, 2, 1, 0],
  ],
  ['stay if the row is older', [known(at(1)), sent(2), known(at(1, { flagsRev: 9 }))], [0, 1, 1]],
  [
    'stay with another change of the conversation',
    [known(at(1)), sent(2), known({ ...at(2), unreadMentions: undefined })],
    [0, 1, 1],
  ],
  [
    'end when the message is deleted',
    [
      known(at(1)),
      sent(2),
      { kind: 'updated', conversationId: id, message: message(2, { rev: 3, deletedAt: 'now' }), rev: 3 },
      known(at(3)),
    ],
    [0, 1, 0, 0],
  ],
  [
    'end when the user leaves',
    [known(at(1)), sent(2), { kind: 'left', conversationId: id }, known(at(2))],
    [0, 1, undefined, 0],
  ],
  [
    'end when another user signs in',
    [known(at(1)), sent(2), { kind: 'listed', conversations: [], first: true, hasMore: false }, known(at(2))],
    [0, 1, undefined, 0],
  ],
  ['of other users are not counted', [known(at(1)), sent(2, { mentions: ['cleo'] })], [0, 0]],
  ['in own messages are not counted', [known(at(1)), sent(2, { senderId: 'alice' })], [0, 0]],
  ['in read messages are not counted', [known(at(2, { readSeq: 2 })), sent(2)], [0, 0]],
  [
    'that the server sees are counted as before',
    [known(at(1)), sent(2, { encrypted: undefined }), known(at(2, { unreadMentions: 1 }))],
    [0, 1, 1],
  ],
  [
    'in a thread are unread as long as the thread',
    [
      known(at(1)),
      sent(2, { threadId: '1' }),
      known(at(2, { unreadThreads: 1, followedThreads: [{ id: '1', unread: true }] }), true),
      known(at(2, { followedThreads: [{ id: '1', unread: false }] }), true),
    ],
    [0, 1, 1, 0],
  ],
])('encrypted mentions %s', (_title, events, expected) => {
  expect(counts(...events)).toEqual(expected);
});
