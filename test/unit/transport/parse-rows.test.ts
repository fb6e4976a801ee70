import * as v from 'valibot';
import { describe, expect, test } from 'vitest';
import { conversationSchema, changesSchema } from '../../../src/protocol/conversations.ts';
import { messageSchema } from '../../../src/protocol/messages.ts';
import {
  parseChanges,
  parseConversation,
  parseHead,
  parseId,
  parseMessage,
  parseMessages,
  parseReactions,
  parseTime,
} from '../../../src/transport/parse-rows.ts';
import { conversation, deepFreeze, message } from '../../helpers/client/messages.ts';
import { fc } from '../../helpers/property.ts';

const at = '2026-01-02T03:04:05.678Z';

describe('messages in the format of the protocol', () => {
  test('all fields are preserved', () => {
    const full = message(3, {
      updatedAt: at,
      replyTo: '1',
      attachment: { url: '/a', mimeType: 'image/png', fileName: 'a', fileSize: 1 },
      status: 'read',
      readBy: [{ userId: 'carol', readAt: at }],
      clientId: 'client',
      reactions: [{ emoji: '+', count: 2, users: ['a', 'b'] }],
      forwardedFrom: { conversationId: 'other', messageId: '9' },
      deletedAt: at,
    });
    expect(parseMessage(full)).toEqual(full);
  });

  test('an encrypted message has an envelope and no content', () => {
    const envelope = {
      senderId: 'a',
      recipientId: 'b',
      sessionId: 's',
      ciphertext: 'x',
      messageType: 'message',
      senderIdentityKey: 'k',
    };
    expect(parseMessage({ ...message(1), content: '', encrypted: true, envelope })).toMatchObject({
      content: '',
      encrypted: true,
      envelope,
    });
  });
});

describe('rows of a LumenJS database', () => {
  const row = {
    id: 7,
    conversation_id: 'c',
    sender_id: 'bob',
    content: 'Hello',
    type: 'text',
    reply_to: 5,
    attachment: '{"url":"/a","mimeType":"image/png","fileName":"a","fileSize":1}',
    status: 'delivered',
    encrypted: 0,
    created_at: '2026-01-02 03:04:05',
    updated_at: null,
  };

  test('are converted to the types of the protocol', () => {
    expect(parseMessage(row)).toEqual({
      id: '7',
      conversationId: 'c',
      senderId: 'bob',
      content: 'Hello',
      type: 'text',
      replyTo: '5',
      attachment: { url: '/a', mimeType: 'image/png', fileName: 'a', fileSize: 1 },
      status: 'delivered',
      createdAt: '2026-01-02T03:04:05.000Z',
      readBy: [],
    });
  });

  test('the envelope of an encrypted message is parsed from its content', () => {
    const read = parseMessage({ ...row, encrypted: 1, content: '{"ciphertext":"x"}' });
    expect(read).toMatchObject({ content: '', encrypted: true, envelope: { ciphertext: 'x' } });
  });

  test.each([
    ['invalid JSON', '{'],
    ['JSON of another type', '[1]'],
    ['nothing', null],
  ])('an attachment that is %s is absent', (_title, attachment) => {
    expect(parseMessage({ ...row, attachment })).not.toHaveProperty('attachment');
  });

  test('an empty system message is a deleted message', () => {
    expect(parseMessage({ ...row, type: 'system', content: '', updated_at: at })).toMatchObject({ deletedAt: at });
    expect(parseMessage({ ...row, type: 'system', content: '', seq: 3 })).not.toHaveProperty('deletedAt');
  });

  test('conversations are converted too', () => {
    const read = parseConversation({
      id: 'c',
      type: 'direct',
      name: null,
      archived: 1,
      created_at: at,
      updated_at: '2026-01-02 03:04:05',
      unread_count: 3,
    });
    expect(read).toEqual({
      id: 'c',
      type: 'direct',
      participants: [],
      archived: true,
      createdAt: at,
      updatedAt: '2026-01-02T03:04:05.000Z',
      unreadCount: 3,
    });
  });
});

test('an id is a non-empty string or an integer', () => {
  expect(['a', '', 7, 0, 1.5, Number.NaN, null, undefined, {}, true].map(parseId)).toEqual([
    'a',
    undefined,
    '7',
    '0',
    ...Array.from({ length: 6 }, () => undefined),
  ]);
});

test('a time without a zone is UTC', () => {
  expect(['2026-01-02 03:04:05', at, '', null, 5].map(parseTime)).toEqual([
    '2026-01-02T03:04:05.000Z',
    at,
    undefined,
    undefined,
    undefined,
  ]);
});

test('the display name of a participant defaults to the user id', () => {
  const read = parseConversation({
    ...conversation(),
    participants: [{ userId: 'bob', displayName: '' }, { unknown: 1 }, null],
  });
  expect(read?.participants).toEqual([{ userId: 'bob', displayName: 'bob', joinedAt: '', presence: 'offline' }]);
});

test('a missing count of reactions is the number of users', () => {
  expect(parseReactions([{ emoji: '+', users: ['a', 1, 'b'] }, { users: [] }, null])).toEqual([
    { emoji: '+', count: 2, users: ['a', 'b'] },
  ]);
});

test('a malformed row is skipped', () => {
  expect(parseMessages([message(1), null, { id: 2 }, message(3)])?.map(({ id }) => id)).toEqual(['1', '3']);
  expect(parseMessages({})).toBeUndefined();
});

test('changes without a conversation or a head are malformed', () => {
  const changes = {
    changes: [message(1)],
    conversation: conversation(),
    head: { seq: 1, rev: 1 },
    hasMore: true,
    tooLong: false,
  };
  expect(parseChanges(changes)).toEqual(changes);
  for (const name of ['changes', 'conversation', 'head'])
    expect(parseChanges({ ...changes, [name]: null })).toBeUndefined();
});

describe('hostile values', () => {
  const names = [
    'id',
    'conversationId',
    'conversation_id',
    'senderId',
    'content',
    'type',
    'createdAt',
    'status',
    'readBy',
    'attachment',
    'encrypted',
    'envelope',
    'reactions',
    'seq',
    'rev',
    'forwardedFrom',
    'participants',
    'lastMessage',
    'head',
    'unreadCount',
    'changes',
    'conversation',
    'hasMore',
    'tooLong',
    'userId',
    'users',
    'emoji',
  ];
  const object = fc.dictionary(
    fc.constantFrom(...names),
    fc.oneof(fc.anything(), fc.string(), fc.nat(), fc.array(fc.dictionary(fc.constantFrom(...names), fc.anything()))),
  );
  const hostile = fc.oneof(
    fc.anything({ withNullPrototype: true, withBigInt: true, withMap: true, withSet: true }),
    object,
  );

  test('never throw, and parsed values match the schemas of the protocol', () => {
    fc.assert(
      fc.property(hostile, (value) => {
        deepFreeze(value);
        const read = parseMessage(value);
        const known = parseConversation(value);
        const changes = parseChanges(value);
        parseHead(value);
        parseReactions(value);
        // Attachments and envelopes are not parsed here; their users validate them.
        const fits = [
          read === undefined || v.is(messageSchema, { ...read, attachment: undefined, envelope: undefined }),
          known === undefined || v.is(conversationSchema, { ...known, lastMessage: undefined }),
          changes === undefined || v.is(changesSchema, { ...changes, changes: [], conversation: conversation() }),
        ];
        expect(fits).toEqual([true, true, true]);
      }),
      { numRuns: 2_000 },
    );
  });
});
