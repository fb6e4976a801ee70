import { describe, expect, test } from 'vitest';
import { interpretPush } from '../../../../src/client/sync/interpret-push.ts';
import { parsePush } from '../../../../src/transport/parse-push.ts';
import { baseMessage, conversation, message } from '../../../helpers/client/messages.ts';

const loaded = baseMessage(7, { content: 'old' });
const secret = { ...baseMessage(9, { content: 'decrypted' }), encrypted: true };
const around = { find: (id: string) => [loaded, secret].find((each) => each.id === id), now: () => 'now' };
const here = { conversationId: 'conversation' };
const read = { userId: 'bob', readAt: '2026-01-01T00:00:00.000Z' };

function change(of: object): object {
  return { what: 'change', change: of };
}

describe('the meaning of', () => {
  test.each<[title: string, event: string, data: unknown, meaning: object | undefined]>([
    ['a new message', 'message:new', message(3), change({ kind: 'created', ...here, message: message(3), rev: 3 })],
    ['a forwarded message', 'message:forwarded', message(3), { what: 'forwarded', message: message(3) }],
    [
      'an update by our server',
      'message:updated',
      message(3),
      change({ kind: 'updated', ...here, message: message(3), rev: 3 }),
    ],
    [
      "a base server's update of a message that is loaded",
      'message:updated',
      { messageId: '7', content: 'new', updatedAt: '2026-01-01 00:00:00' },
      change({
        kind: 'updated',
        ...here,
        message: { ...loaded, content: 'new', updatedAt: '2026-01-01T00:00:00.000Z' },
      }),
    ],
    [
      "a base server's update of an encrypted message, which must not replace its text",
      'message:updated',
      { messageId: '9', content: 'new' },
      undefined,
    ],
    [
      "a base server's update of a message that is not loaded",
      'message:updated',
      { messageId: '8', content: 'new' },
      undefined,
    ],
    [
      'a deletion by our server, whose tombstone is an update',
      'message:deleted',
      { ...here, messageId: '7', rev: 5 },
      undefined,
    ],
    [
      "a base server's deletion",
      'message:deleted',
      { ...here, messageId: '7', deletedBy: 'bob' },
      change({ kind: 'deleted', ...here, messageId: '7', deletedBy: 'bob', deletedAt: 'now' }),
    ],
    [
      "a base server's reactions without a conversation",
      'message:reaction-update',
      { messageId: '7', reactions: [{ emoji: '+', users: ['bob'] }] },
      change({ kind: 'reactions', ...here, messageId: '7', reactions: [{ emoji: '+', count: 1, users: ['bob'] }] }),
    ],
    ['reactions without a conversation', 'message:reaction-update', { messageId: '8', reactions: [] }, undefined],
    [
      'a status',
      'message:status',
      { ...here, messageId: '7', status: 'read', seq: 5 },
      { what: 'mark', mark: { kind: 'status', ...here, messageId: '7', status: 'read', seq: 5 } },
    ],
    [
      'a status without a conversation',
      'message:status',
      { messageId: '8', status: 'delivered' },
      { what: 'mark', mark: { kind: 'status', conversationId: '', messageId: '8', status: 'delivered' } },
    ],
    ['an invalid status', 'message:status', { messageId: '7', status: 'failed' }, undefined],
    [
      'a receipt',
      'read-receipt:update',
      { ...here, messageId: '7', readBy: read, seq: 5 },
      { what: 'mark', mark: { kind: 'read', ...here, messageId: '7', ...read, seq: 5 } },
    ],
    ['a receipt without a user', 'read-receipt:update', { ...here, messageId: '7' }, undefined],
    ['a new conversation', 'conversation:new', conversation(), { what: 'conversation', conversation: conversation() }],
    [
      'an update with some fields of a conversation',
      'conversation:updated',
      { id: 'c', archived: 1 },
      change({ kind: 'conversation', conversationId: 'c', update: { id: 'c', archived: true } }),
    ],
    [
      'an update with a whole conversation',
      'conversation:updated',
      conversation({ name: 'New', head: { seq: 1, rev: 2 } }),
      change({
        kind: 'conversation',
        ...here,
        update: conversation({ name: 'New', head: { seq: 1, rev: 2 } }),
        rev: 2,
      }),
    ],
    ['leaving', 'conversation:left', { ...here, userId: 'bob' }, { what: 'left', ...here, userId: 'bob' }],
    [
      'typing',
      'typing:update',
      { ...here, userId: 'bob', isTyping: true, more: 1 },
      { what: 'typing', update: { ...here, userId: 'bob', isTyping: true } },
    ],
    ['typing without a user', 'typing:update', { ...here, isTyping: true }, undefined],
    [
      'presence',
      'presence:changed',
      { userId: 'bob', status: 'busy', lastSeen: '2026-01-01 00:00:00' },
      {
        what: 'presence',
        update: { userId: 'bob', status: 'busy', lastSeen: '2026-01-01T00:00:00.000Z' },
      },
    ],
    ['an unknown presence', 'presence:changed', { userId: 'bob', status: 'asleep' }, undefined],
    ['a push about calls', 'call:incoming', { id: 'x' }, { what: 'event', event: 'call:incoming', data: { id: 'x' } }],
    ['a payload that is no object', 'message:new', [message(3)], undefined],
  ])('%s', (_title, event, data, expected) => {
    const push = parsePush({ event, data });
    expect(push && interpretPush(push, around)).toEqual(expected);
  });
});
