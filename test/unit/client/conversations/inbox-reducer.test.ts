import { describe, expect, test } from 'vitest';
import {
  EMPTY_INBOX,
  findConversation,
  reduceInbox,
  type InboxState,
  type InboxEvent,
} from '../../../../src/client/conversations/inbox-reducer.ts';
import type { Conversation, Participant } from '../../../../src/protocol/conversations.ts';
import type { Message } from '../../../../src/protocol/messages.ts';
import { baseMessage, conversation, deepFreeze, message, timeOf } from '../../../helpers/client/messages.ts';

const START: InboxState = { ...EMPTY_INBOX, ownId: 'alice' };

function run(inbox: InboxState, ...events: readonly InboxEvent[]): InboxState {
  return events.reduce((state, event) => reduceInbox(deepFreeze(state), deepFreeze(event)), inbox);
}
function participant(userId: string, lastReadSeq = 0): Participant {
  return { userId, displayName: userId, joinedAt: timeOf(0), presence: 'offline', lastReadSeq };
}
/** A conversation of alice and bob whose last message is `seq`. */
function at(seq: number, values: Partial<Conversation> = {}): Conversation {
  return conversation({
    participants: [participant('alice'), participant('bob')],
    updatedAt: timeOf(seq),
    head: { seq, rev: seq },
    ...(seq > 0 && { lastMessage: message(seq) }),
    ...values,
  });
}
function created(each: Message): InboxEvent {
  return { kind: 'created', conversationId: each.conversationId, message: each, rev: each.rev };
}
function updated(each: Message): InboxEvent {
  return { kind: 'updated', conversationId: each.conversationId, message: each, rev: each.rev };
}
function known(each: Conversation): InboxEvent {
  return { kind: 'known', conversation: each };
}
const one = (inbox: InboxState): Conversation =>
  findConversation(inbox, 'conversation') ?? expect.unreachable('not there');
const ids = (inbox: InboxState): string => inbox.conversations.map(({ id }) => id).join(' ');
const here = { conversationId: 'conversation' };

describe('the list', () => {
  const a = conversation({ id: 'a', updatedAt: timeOf(1) });
  const b = conversation({ id: 'b', updatedAt: timeOf(2) });
  const c = conversation({ id: 'c', updatedAt: timeOf(3) });

  test('is ordered by activity, newest first', () => {
    expect(ids(run(START, { kind: 'listed', conversations: [a, c, b], first: true, hasMore: false }))).toBe('c b a');
    expect(ids(run(START, known(a), known(b), known(c)))).toBe('c b a');
  });

  test('a second page is added to the first', () => {
    const inbox = run(
      START,
      { kind: 'listed', conversations: [c], first: true, hasMore: true },
      { kind: 'listed', conversations: [b, a], first: false, hasMore: false },
    );
    expect(ids(inbox)).toBe('c b a');
    expect(inbox.hasMore).toBe(false);
  });

  test('conversations missing from the whole list are removed, those beyond the first page stay', () => {
    const all = run(START, { kind: 'listed', conversations: [c, b, a], first: true, hasMore: false });
    expect(ids(run(all, { kind: 'listed', conversations: [c, a], first: true, hasMore: false }))).toBe('c a');
    expect(ids(run(all, { kind: 'listed', conversations: [c], first: true, hasMore: true }))).toBe('c b a');
    expect(ids(run(all, { kind: 'listed', conversations: [c, a], first: true, hasMore: true }))).toBe('c a');
  });

  test('a conversation that was left is removed', () => {
    expect(ids(run(START, known(a), known(b), { kind: 'left', conversationId: 'a' }))).toBe('b');
  });

  test('a new message moves its conversation to the top', () => {
    const inbox = run(START, known(a), known(c), created(message(9, { conversationId: 'a' })));
    expect(ids(inbox)).toBe('a c');
  });
});

describe('a new message', () => {
  test.each<[title: string, from: Conversation, events: InboxEvent[], last: string | undefined, unread: number]>([
    ['becomes the last message and is unread', at(2), [created(message(3))], '3', 1],
    ['is counted once if it is repeated', at(2), [created(message(3)), created(message(3))], '3', 1],
    ['is not unread if it is an own message', at(2), [created(message(3, { senderId: 'alice' }))], '3', 0],
    [
      'is not counted again if the loaded conversation contains it',
      at(3, { unreadCount: 1 }),
      [created(message(3))],
      '3',
      1,
    ],
    [
      'is counted and does not become the last message if it arrives after a later one',
      at(2),
      [created(message(4, { rev: 3 })), created(message(3, { rev: 4 }))],
      '4',
      2,
    ],
    [
      'is not unread if the user has read it',
      at(2, { participants: [participant('alice', 3), participant('bob')] }),
      [created(message(3))],
      '3',
      0,
    ],
    [
      'is no longer unread once it is deleted',
      at(2),
      [created(message(3)), updated(message(3, { rev: 4, deletedAt: 'now', content: '' }))],
      '3',
      0,
    ],
    [
      'leaves the count unchanged if it is deleted after it was read',
      at(3, { unreadCount: 0, participants: [participant('alice', 3), participant('bob')] }),
      [updated(message(3, { rev: 4, deletedAt: 'now', content: '' }))],
      '3',
      0,
    ],
    [
      'of a base server is counted once',
      at(0, { head: undefined }),
      [created(baseMessage(5)), created(baseMessage(5))],
      '5',
      1,
    ],
  ])('%s', (_title, from, events, last, unread) => {
    const inbox = run(START, known(from), ...events);
    expect([one(inbox).lastMessage?.id, one(inbox).unreadCount]).toEqual([last, unread]);
  });

  test('in a conversation that is not loaded changes nothing', () => {
    expect(run(START, created(message(1)))).toBe(START);
  });

  test('is edited, reacted to and deleted if it is the last one', () => {
    const edited = run(START, known(at(3)), updated(message(3, { rev: 4, content: 'edited' })));
    expect(one(edited).lastMessage?.content).toBe('edited');
    const reactions = [{ emoji: '+', count: 1, users: ['bob'] }];
    expect(
      one(run(edited, { kind: 'reactions', ...here, messageId: '3', reactions, seq: 3, rev: 5 })).lastMessage
        ?.reactions,
    ).toEqual(reactions);
    expect(one(run(edited, updated(message(2, { rev: 5, content: 'another' })))).lastMessage?.content).toBe('edited');
    const attachment = { url: '/files/1', fileName: 'secret plan.pdf', mimeType: 'application/pdf', fileSize: 1 };
    const last = message(3, { attachment, metadata: { a: 1 } });
    const deleted = run(START, known(at(3, { head: undefined, lastMessage: last })), {
      kind: 'deleted',
      ...here,
      messageId: '3',
      deletedBy: 'bob',
      deletedAt: 'now',
    });
    expect(one(deleted).lastMessage).toMatchObject({ content: '', deletedAt: 'now' });
    expect(JSON.stringify(deleted)).not.toMatch(/secret plan|metadata/);
  });

  test('an older state of it changes nothing', () => {
    const inbox = run(START, known(at(3)), updated(message(3, { rev: 4, content: 'edited' })));
    expect(one(run(inbox, updated(message(3, { rev: 2, content: 'older' })))).lastMessage?.content).toBe('edited');
  });
});

describe('receipts', () => {
  test('reading to the end sets the own unread count to 0', () => {
    const inbox = run(START, known(at(3, { unreadCount: 3 })));
    const mark = (userId: string, seq: number): InboxEvent => ({
      kind: 'read',
      ...here,
      userId,
      readAt: 'now',
      messageId: '',
      seq,
    });
    expect(one(run(inbox, mark('alice', 3))).unreadCount).toBe(0);
    expect(one(run(inbox, mark('alice', 2))).unreadCount).toBe(3);
    expect(one(run(inbox, mark('bob', 3))).unreadCount).toBe(3);
    expect(one(run(inbox, mark('bob', 3))).participants[1]).toMatchObject({ lastReadSeq: 3, lastReadAt: 'now' });
    const read = run(inbox, mark('bob', 3));
    expect(run(read, mark('bob', 2))).toBe(read);
  });

  test('a base server names the message', () => {
    const inbox = run(START, known(conversation({ lastMessage: baseMessage(3), unreadCount: 3 })));
    expect(one(run(inbox, { kind: 'read', ...here, userId: 'alice', readAt: '', messageId: '3' })).unreadCount).toBe(0);
    expect(one(run(inbox, { kind: 'read', ...here, userId: 'alice', readAt: '', messageId: '2' })).unreadCount).toBe(3);
  });

  test('a status that covers the last message advances it and never decreases', () => {
    const own = at(3, { lastMessage: message(3, { senderId: 'alice' }) });
    const mark = (status: 'delivered' | 'read', seq: number | undefined, messageId = ''): InboxEvent => ({
      kind: 'status',
      ...here,
      messageId,
      status,
      seq,
    });
    const inbox = run(START, known(own));
    expect(one(run(inbox, mark('delivered', 3))).lastMessage?.status).toBe('delivered');
    expect(run(inbox, mark('delivered', 2))).toBe(inbox);
    expect(one(run(inbox, mark('read', 3), mark('delivered', 3))).lastMessage?.status).toBe('read');
    const theirs = run(START, known(at(3)));
    expect(run(theirs, mark('read', 3))).toBe(theirs);
  });

  test('a base server’s receipt of another message does not apply to the last one', () => {
    const inbox = run(START, known(conversation({ lastMessage: baseMessage(3, { senderId: 'alice' }) })));
    expect(run(inbox, { kind: 'status', ...here, messageId: '2', status: 'read' })).toBe(inbox);
    expect(one(run(inbox, { kind: 'status', ...here, messageId: '3', status: 'read' })).lastMessage?.status).toBe(
      'read',
    );
  });
});

describe('a conversation that was read from the server', () => {
  test('replaces the held state', () => {
    const inbox = run(START, known(at(3)), known(at(5, { name: 'New', unreadCount: 2 })));
    expect(one(inbox)).toMatchObject({ name: 'New', unreadCount: 2, lastMessage: { id: '5' } });
    expect(inbox.conversations).toHaveLength(1);
  });

  test('does not undo later pushes', () => {
    const inbox = run(START, known(at(3)), created(message(4)), known(at(3)));
    expect(one(inbox)).toMatchObject({ unreadCount: 1, lastMessage: { id: '4' } });
  });

  test.each<[title: string, late: InboxEvent]>([
    ['the conversation', known(at(3, { muted: true, flagsRev: 1 }))],
    ['the conversation, with a later message', known(at(5, { muted: true, flagsRev: 1 }))],
    ['the list', { kind: 'listed', conversations: [at(3, { muted: true, flagsRev: 1 })], first: true, hasMore: false }],
    [
      'the flags of a sync',
      { kind: 'conversation', ...here, update: { id: 'conversation', muted: true, flagsRev: 1 } },
    ],
  ])('does not undo a flag that was pushed since the load: %s', (_title, late) => {
    const pushed: InboxEvent = {
      kind: 'conversation',
      ...here,
      update: { id: 'conversation', muted: false, flagsRev: 2 },
    };
    const inbox = run(START, known(at(3, { muted: true, flagsRev: 1 })), pushed);
    expect(one(run(inbox, late))).toMatchObject({ muted: false, flagsRev: 2 });
  });

  test('pushes of flags that arrive in another order lead to the same state', () => {
    const flags = { archived: false, muted: false, pinned: false };
    const update = (state: Partial<typeof flags>, flagsRev: number): InboxEvent => ({
      kind: 'conversation',
      ...here,
      update: { id: 'conversation', ...flags, ...state, flagsRev },
    });
    const inbox = run(START, known(at(3, { ...flags, muted: true, flagsRev: 1 })));
    const [muted, pinned] = [update({ muted: false }, 2), update({ muted: false, pinned: true }, 3)];
    const expected = { ...flags, pinned: true, flagsRev: 3 };
    expect(one(run(inbox, muted, pinned))).toMatchObject(expected);
    expect(one(run(inbox, pinned, muted))).toMatchObject(expected);
  });

  test('updates later flags although a later message is known', () => {
    const inbox = run(START, known(at(4, { muted: true, pinned: true, flagsRev: 1 })));
    expect(one(run(inbox, known(at(3, { muted: false, pinned: true, flagsRev: 2 }))))).toMatchObject({
      muted: false,
      pinned: true,
      flagsRev: 2,
      head: { rev: 4 },
    });
    expect(one(run(inbox, known(at(3, { muted: true, pinned: true, flagsRev: 1 }))))).toBe(one(inbox));
  });

  test('changes only the fields it contains', () => {
    const inbox = run(START, known(at(3)));
    const update: InboxEvent = { kind: 'conversation', ...here, update: { id: 'conversation', muted: true } };
    expect(one(run(inbox, update))).toMatchObject({ muted: true, lastMessage: { id: '3' } });
    const muted = run(inbox, update);
    expect(run(muted, update)).toBe(muted);
  });
});

describe('a list of participants that is shorter than the held one', () => {
  const held = at(1, {
    participants: [participant('alice', 1), participant('bob', 1), participant('cleo')],
    memberCount: 300,
    membersRev: 7,
  });
  const read = (membersRev: number): InboxState =>
    run(START, known(held), known(at(2, { participants: [participant('alice', 2)], memberCount: 300, membersRev })));

  test('of the same revision updates the held participants', () => {
    expect(one(read(7)).participants.map(({ userId, lastReadSeq }) => [userId, lastReadSeq])).toEqual([
      ['alice', 2],
      ['bob', 1],
      ['cleo', 0],
    ]);
  });

  test('of another revision replaces them', () => {
    expect(one(read(8)).participants.map(({ userId }) => userId)).toEqual(['alice']);
  });
});
