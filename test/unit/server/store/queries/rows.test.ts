import { describe, expect, test } from 'vitest';
import {
  isoTime,
  toMessage,
  toParticipant,
  rowIdOf,
  type MessageRow,
} from '../../../../../src/server/store/queries/rows.ts';

const row: MessageRow = {
  id: 7,
  conversation_id: 'c',
  sender_id: 'ada',
  content: 'hi',
  type: 'text',
  reply_to: null,
  attachment: null,
  encrypted: 0,
  created_at: '2024-01-02 03:04:05',
  updated_at: null,
  seq: 1,
  rev: 2,
  client_id: null,
  public_id: null,
  deleted_at: null,
  forwarded_from_conversation_id: null,
  forwarded_from_message_id: null,
  link_preview: null,
  reaction_envelopes: null,
  thread_id: null,
  side: 0,
  side_seq: 0,
  thread_seq: null,
  thread: null,
  mentions: null,
  metadata: null,
  pinned_by: null,
  pinned_at: null,
  deleted_by: null,
};
const context = { status: 'sent' as const, readBy: [], reactions: [] };
const message = (changes: Partial<MessageRow> = {}) => toMessage({ ...row, ...changes }, context);

describe('toMessage', () => {
  test('maps all fields and omits empty ones', () => {
    expect(message()).toEqual({
      id: '7',
      conversationId: 'c',
      senderId: 'ada',
      content: 'hi',
      type: 'text',
      createdAt: '2024-01-02T03:04:05.000Z',
      status: 'sent',
      readBy: [],
      seq: 1,
      rev: 2,
    });
  });

  test.each([
    ['no JSON', '{'],
    ['no object', '7'],
    ['a link that runs code', '{"url":"javascript:alert(1)","mimeType":"a/b","fileName":"f","fileSize":1}'],
    ['a missing name', '{"url":"/f","mimeType":"a/b","fileSize":1}'],
  ])('omits an attachment that is %s', (_title, attachment) => {
    expect(message({ attachment })).not.toHaveProperty('attachment');
  });

  test('keeps encrypted content that is no envelope', () => {
    expect(message({ encrypted: 1, content: 'opaque' })).toMatchObject({ encrypted: true, content: 'opaque' });
    expect(message({ encrypted: 1, content: 'opaque' })).not.toHaveProperty('envelope');
  });

  test('returns no content of a tombstone', () => {
    const attachment = '{"url":"/f","mimeType":"a/b","fileName":"f","fileSize":1}';
    const tombstone = message({ deleted_at: '2024-01-02 03:04:06', content: 'left over', attachment });
    expect(tombstone).toMatchObject({ content: '', deletedAt: '2024-01-02T03:04:06.000Z' });
    expect(tombstone).not.toHaveProperty('attachment');
  });

  test('maps an unknown type to text', () => {
    expect(message({ type: 'poll' }).type).toBe('text');
  });
});

test('maps an unknown role to member', () => {
  const participant = {
    conversation_id: 'c',
    user_id: 'ada',
    role: 'emperor',
    joined_at: '2024-01-02 03:04:05',
    last_read_seq: 0,
    last_read_at: null,
    last_delivered_seq: 0,
    display_name: null,
    avatar_url: null,
  };
  expect(toParticipant(participant).role).toBe('member');
});

test.each([
  ['7', 7],
  ['0', undefined],
  ['07', undefined],
  ['-7', undefined],
  ['7.0', undefined],
  ['1e3', undefined],
  [' 7', undefined],
  ['9'.repeat(16), undefined],
  ['call-7', undefined],
])('rowIdOf(%j) is %j', (id, expected) => {
  expect(rowIdOf(id)).toBe(expected);
});

test('isoTime returns ISO 8601 times unchanged', () => {
  expect(isoTime('2024-01-02T03:04:05.678Z')).toBe('2024-01-02T03:04:05.678Z');
});
