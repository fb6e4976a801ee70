import { expect, test } from 'vitest';
import type { Message, SendMessage } from '../../../../src/protocol/messages.ts';
import { briefly } from '../../../../src/server/handlers/brief-message.ts';

const request: SendMessage = { conversationId: 'c', content: 'hello', type: 'text', clientId: 'own', replyTo: '3' };
const message: Message = {
  id: '7',
  conversationId: 'c',
  senderId: 'ada',
  content: 'hello',
  type: 'text',
  createdAt: '2026-01-01T00:00:00.000Z',
  status: 'sent',
  readBy: [],
  seq: 4,
  rev: 5,
  clientId: 'own',
  replyTo: '3',
};

test('a message that is stored as its request has it is answered with what it has besides', () => {
  const brief = { id: '7', createdAt: message.createdAt, seq: 4, rev: 5 };
  expect(briefly(message, request)).toEqual(brief);
  expect(briefly(message, { ...request, afterClientId: 'before' })).toEqual(brief);
});

test.each<[title: string, message: Partial<Message>, request?: Partial<SendMessage>]>([
  ['another content', { content: 'bye' }],
  ['another type', { type: 'image' }],
  ['another id of the message that is replied to', { replyTo: '4' }],
  ['metadata of a hook', { metadata: {} }],
  ['metadata that a hook removed', {}, { metadata: {} }],
  ['equal metadata', { metadata: {} }, { metadata: {} }],
  ['a preview that was removed', {}, { linkPreview: { url: 'https://example.org/', domain: 'example.org' } }],
  ['a deletion', { deletedAt: message.createdAt }],
  ['a time of its edit', { updatedAt: message.createdAt }],
  ['another status', { status: 'read' }],
  ['a reader', { readBy: [{ userId: 'bob', readAt: message.createdAt }] }],
  ['a place in the main timeline', { timelineSeq: 2 }],
  ['a thread', { threadId: '3' }, { threadId: '3' }],
])('a message with %s is answered as it is', (_title, differs, asks = {}) => {
  const changed = { ...message, ...differs };
  expect(briefly(changed, { ...request, ...asks })).toBe(changed);
});
