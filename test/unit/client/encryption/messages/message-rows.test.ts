import { expect, test } from 'vitest';
import { findMessageRows, replaceRows } from '../../../../../src/client/encryption/messages/message-rows.ts';
import type { Message } from '../../../../../src/protocol/messages.ts';
import { keepDecrypted, parseConversation, parseMessage } from '../../../../../src/transport/parse-rows.ts';

const row = (id: string, more: object = {}) => ({ id, conversationId: 'c', senderId: 'bob', content: '', ...more });
const opened = (id: string): Message =>
  keepDecrypted({
    id,
    conversationId: 'c',
    senderId: 'bob',
    content: `text ${id}`,
    type: 'text',
    createdAt: '',
    status: 'sent',
    readBy: [],
    encrypted: true,
  });

test('the rows of messages are found in all fields that contain messages', () => {
  const answer = {
    conversations: [{ changes: [row('1', { encrypted: true }), row('2')], conversation: { id: 'c' } }],
    gained: [{ id: 'd', lastMessage: row('3', { encrypted: 1 }) }],
    reads: [row('4', { encrypted: true })],
  };
  expect(findMessageRows(answer).map((each) => (each as { id: string }).id)).toEqual(['1', '2', '3']);
  expect(
    findMessageRows([
      row('5', { encrypted: true }),
      { id: '6', encrypted: 'yes' },
      { id: '7', content: 'x', sender_id: 1 },
    ]),
  ).toHaveLength(2);
  for (const nothing of [null, undefined, 1, 'x', [], {}]) expect(findMessageRows(nothing)).toEqual([]);
});

test('rows are replaced by messages without modifying the answer', () => {
  const encrypted = row('1', { encrypted: true });
  const answer = { conversation: { id: 'c', participants: [], lastMessage: encrypted }, head: { seq: 1, rev: 1 } };
  const before = structuredClone(answer);
  const result = replaceRows(answer, new Map([[encrypted, opened('1')]])) as typeof answer;
  expect(answer).toEqual(before);
  expect(result.head).toBe(answer.head);
  expect(parseConversation(result.conversation)?.lastMessage?.content).toBe('text 1');
});

test('the server’s readable content of an encrypted message is ignored', () => {
  const claimed = { ...opened('1'), content: 'the server says so' };
  expect(parseMessage(claimed)?.content).toBe('');
  expect(parseMessage(JSON.parse(JSON.stringify(opened('1'))))?.content).toBe('');
  const message = opened('1');
  expect(parseMessage(message)).toBe(message);
});
