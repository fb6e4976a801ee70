import { describe, expect, test } from 'vitest';
import {
  isSideReply,
  mayChangeUnread,
  withReply,
  withRoot,
} from '../../../../src/client/conversations/unread-reducer.ts';
import type { Conversation } from '../../../../src/protocol/conversations.ts';
import type { Message } from '../../../../src/protocol/messages.ts';
import { conversation, deepFreeze, message } from '../../../helpers/client/messages.ts';

const NOTHING = { unreadMentions: 0, unreadThreads: 0, followedThreads: [], readSeq: 0 };
const held = (values: Partial<Conversation> = {}): Conversation => deepFreeze(conversation({ ...NOTHING, ...values }));
const reply = (values: Partial<Message> = {}): Message => message(5, { threadId: '1', ...values });
const counts = ({ unreadMentions, unreadThreads, followedThreads }: Conversation): unknown => [
  unreadMentions,
  unreadThreads,
  followedThreads?.map(({ id, unread }) => `${id}${unread ? '!' : ''}`).join(' '),
];
const READ = { followedThreads: [{ id: '1', unread: false }] };
const UNREAD = { unreadThreads: 1, followedThreads: [{ id: '1', unread: true }] };

describe('a new message', () => {
  test.each<[title: string, before: Partial<Conversation>, message: Message, isUnread: boolean, after: unknown]>([
    ['of the main timeline', {}, message(5), true, [0, 0, '']],
    ['that mentions the user', {}, message(5, { mentions: ['alice'] }), true, [1, 0, '']],
    ['that mentions the user and is read', {}, message(5, { mentions: ['alice'] }), false, [0, 0, '']],
    ['that mentions another user', {}, message(5, { mentions: ['cleo'] }), true, [0, 0, '']],
    ['in a thread that the user does not follow', {}, reply(), true, [0, 0, '']],
    ['in a thread that the user follows', READ, reply(), true, [0, 1, '1!']],
    ['in a thread that is unread', UNREAD, reply(), true, [0, 1, '1!']],
    ['in a thread, which mentions the user', {}, reply({ mentions: ['alice'] }), true, [1, 1, '1!']],
    ['of the user in a thread', {}, reply({ senderId: 'alice' }), false, [0, 0, '1']],
    ['of the user in a thread that is unread', UNREAD, reply({ senderId: 'alice' }), false, [0, 1, '1!']],
  ])('%s', (_title, before, sent, isUnread, after) => {
    expect(counts(withReply(held(before), sent, { isUnread, ownId: 'alice' }))).toEqual(after);
  });

  test('changes nothing where the server has no threads', () => {
    const before = deepFreeze(conversation({}));
    expect(withReply(before, reply({ mentions: ['alice'] }), { isUnread: true, ownId: 'alice' })).toBe(before);
  });
});

describe('a root', () => {
  const thread = { replyCount: 1, lastReplyAt: '', participantIds: ['bob'] };
  test.each<[title: string, root: Message, after: unknown]>([
    ['without a thread', message(1, { senderId: 'alice' }), [0, 0, '']],
    ['of the user', message(1, { senderId: 'alice', thread }), [0, 0, '1']],
    ['that mentions the user', message(1, { mentions: ['alice'], thread }), [0, 0, '1']],
    ['to which the user replied', message(1, { thread: { ...thread, participantIds: ['alice'] } }), [0, 0, '1']],
    ['of others', message(1, { thread }), [0, 0, '']],
  ])('%s', (_title, root, after) => {
    expect(counts(withRoot(held(), root, 'alice'))).toEqual(after);
  });
});

test.each<[title: string, before: Partial<Conversation>, deleted: Message, isUncertain: boolean]>([
  ['a message without unread mentions', {}, message(5), false],
  ['an unread message with unread mentions', { unreadMentions: 1 }, message(5), true],
  ['a message that was read', { unreadMentions: 1, readSeq: 5 }, message(5), false],
  ['the first unread message', { firstUnreadId: message(5).id }, message(5), true],
  ['an unread message after the first', { firstUnreadId: message(4).id }, message(5), false],
  ['a reply in an unread thread', UNREAD, reply(), true],
  ['a reply in a thread that was read', READ, reply(), false],
])('deleting %s leaves the counts uncertain, or not', (_title, before, deleted, isUncertain) => {
  expect(mayChangeUnread(held(before), deleted)).toBe(isUncertain);
});

test('a reply is beside the main timeline unless it is sent to it too', () => {
  expect([message(1), reply(), reply({ alsoInConversation: true })].map(isSideReply)).toEqual([false, true, false]);
});
