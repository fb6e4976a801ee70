import { expect, test } from 'vitest';
import { encryptedIn, replacedIn } from '../../../../src/client/encryption/rows.ts';
import type { Message } from '../../../../src/protocol/messages.ts';
import { keepDecrypted, readConversation, readMessage } from '../../../../src/transport/rows.ts';

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

test('encrypted rows are found in every place that has messages, in both shapes, and nowhere else', () => {
  const answer = {
    conversations: [{ changes: [row('1', { encrypted: true }), row('2')], conversation: { id: 'c' } }],
    gained: [{ id: 'd', lastMessage: row('3', { encrypted: 1 }) }],
    reads: [row('4', { encrypted: true })],
  };
  expect(encryptedIn(answer).map((each) => (each as { id: string }).id)).toEqual(['1', '3']);
  expect(encryptedIn([row('5', { encrypted: true }), row('6', { encrypted: 'yes' })])).toHaveLength(1);
  for (const nothing of [null, undefined, 1, 'x', [], {}]) expect(encryptedIn(nothing)).toEqual([]);
});

test('messages take the place of their rows, and what came is left as it was', () => {
  const encrypted = row('1', { encrypted: true });
  const answer = { conversation: { id: 'c', participants: [], lastMessage: encrypted }, head: { seq: 1, rev: 1 } };
  const before = structuredClone(answer);
  const result = replacedIn(answer, new Map([[encrypted, opened('1')]])) as typeof answer;
  expect(answer).toEqual(before);
  expect(result.head).toBe(answer.head);
  expect(readConversation(result.conversation)?.lastMessage?.content).toBe('text 1');
});

test('what a server says beside an envelope is never taken for what was in it', () => {
  const claimed = { ...opened('1'), content: 'the server says so' };
  expect(readMessage(claimed)?.content).toBe('');
  expect(readMessage(JSON.parse(JSON.stringify(opened('1'))))?.content).toBe('');
  const message = opened('1');
  expect(readMessage(message)).toBe(message);
});
