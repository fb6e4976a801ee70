import { describe, expect, test } from 'vitest';
import { interpret, type Meaning } from '../../../src/client/interpret.ts';
import { Peer } from '../../../src/client/peer.ts';
import { baseMessage, conversation, message } from '../../helpers/client/messages.ts';

const held = baseMessage(7, { content: 'old' });
const secret = { ...baseMessage(9, { content: 'decrypted' }), encrypted: true };
const around = { find: (id: string) => [held, secret].find((each) => each.id === id), now: () => 'now' };
const here = { conversationId: 'conversation' };
const read = { userId: 'bob', readAt: '2026-01-01T00:00:00.000Z' };

function change(of: object): object {
  return { what: 'change', change: of };
}

describe('what a push means', () => {
  test.each<[title: string, event: string, data: unknown, meaning: object | undefined]>([
    ['a new message', 'message:new', message(3), change({ kind: 'created', ...here, message: message(3), rev: 3 })],
    ['a forwarded one', 'message:forwarded', message(3), { what: 'forwarded', message: message(3) }],
    [
      'an update of ours',
      'message:updated',
      message(3),
      change({ kind: 'updated', ...here, message: message(3), rev: 3 }),
    ],
    [
      "a base server's update of a message that is held",
      'message:updated',
      { messageId: '7', content: 'new', updatedAt: '2026-01-01 00:00:00' },
      change({ kind: 'updated', ...here, message: { ...held, content: 'new', updatedAt: '2026-01-01T00:00:00.000Z' } }),
    ],
    [
      'and of one that is encrypted: no sender says so',
      'message:updated',
      { messageId: '9', content: 'new' },
      undefined,
    ],
    ['and of one that is not', 'message:updated', { messageId: '8', content: 'new' }, undefined],
    [
      'our deletion, whose tombstone comes as an update',
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
      "a base server's reactions, which name no conversation",
      'message:reaction-update',
      { messageId: '7', reactions: [{ emoji: '+', users: ['bob'] }] },
      change({ kind: 'reactions', ...here, messageId: '7', reactions: [{ emoji: '+', count: 1, users: ['bob'] }] }),
    ],
    ['reactions to nobody knows what', 'message:reaction-update', { messageId: '8', reactions: [] }, undefined],
    [
      'a status',
      'message:status',
      { ...here, messageId: '7', status: 'read', seq: 5 },
      { what: 'mark', mark: { kind: 'status', ...here, messageId: '7', status: 'read', seq: 5 } },
    ],
    [
      'a status of a message somewhere',
      'message:status',
      { messageId: '8', status: 'delivered' },
      { what: 'mark', mark: { kind: 'status', conversationId: '', messageId: '8', status: 'delivered' } },
    ],
    ['a status that no server gives', 'message:status', { messageId: '7', status: 'failed' }, undefined],
    [
      'a receipt',
      'read-receipt:update',
      { ...here, messageId: '7', readBy: read, seq: 5 },
      { what: 'mark', mark: { kind: 'read', ...here, messageId: '7', ...read, seq: 5 } },
    ],
    ['a receipt of nobody', 'read-receipt:update', { ...here, messageId: '7' }, undefined],
    ['a new conversation', 'conversation:new', conversation(), { what: 'conversation', conversation: conversation() }],
    [
      'a part of a conversation',
      'conversation:updated',
      { id: 'c', archived: 1 },
      change({ kind: 'conversation', conversationId: 'c', update: { id: 'c', archived: true } }),
    ],
    [
      'a whole one',
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
      { what: 'event', event: 'typing:update', data: { ...here, userId: 'bob', isTyping: true } },
    ],
    ['typing of nobody', 'typing:update', { ...here, isTyping: true }, undefined],
    [
      'presence',
      'presence:changed',
      { userId: 'bob', status: 'busy', lastSeen: '2026-01-01 00:00:00' },
      {
        what: 'event',
        event: 'presence:changed',
        data: { userId: 'bob', status: 'busy', lastSeen: '2026-01-01T00:00:00.000Z' },
      },
    ],
    ['a presence that there is not', 'presence:changed', { userId: 'bob', status: 'asleep' }, undefined],
    ['what is the client’s own', 'status', { status: 'connected' }, undefined],
    ['what is passed on', 'call:incoming', { id: 'x' }, { what: 'event', event: 'call:incoming', data: { id: 'x' } }],
    ['no object', 'message:new', [message(3)], undefined],
  ])('%s', (_title, event, data, expected) => {
    const meaning: Meaning | undefined = interpret(event, data, around);
    expect(meaning).toEqual(expected);
  });
});

describe('who is at the other end', () => {
  const hello = {
    protocol: 1,
    userId: 'alice',
    caps: ['ack', 'rev', 'future'],
    serverTime: '',
    limits: { typingTimeoutMs: 700, pageSize: -1 },
  };

  test('has said what it can, as far as we can it as well', () => {
    const peer = new Peer('from the options');
    expect(peer.userId).toBe('from the options');
    peer.greeted(hello);
    expect(peer.userId).toBe('alice');
    expect([peer.has('ack'), peer.has('rev'), peer.has('client-id')]).toEqual([true, true, false]);
    expect(peer.typingTimeoutMs).toBe(700);
    expect(peer.guarantees).toEqual({ acknowledged: true, exactlyOnce: false, gapFree: true, editsOnResume: true });
    expect(Object.isFrozen(peer.guarantees)).toBe(true);
  });

  test.each([
    ['says nothing', undefined],
    ['says no name', { ...hello, userId: 5 }],
    ['says nonsense', 'hello'],
    ['can nothing', { ...hello, caps: 'all' }],
  ])('is a base server when it %s', (_title, said) => {
    const peer = new Peer('alice');
    peer.greeted(hello);
    peer.greeted(said);
    expect(peer.guarantees).toEqual({ acknowledged: false, exactlyOnce: false, gapFree: false, editsOnResume: false });
    expect(peer.userId).toBe('alice');
  });
});
