import { beforeEach, describe, expect, test } from 'vitest';
import { names, useBaseServer } from '../../helpers/base-server/fixture.ts';
import type { RawClient } from '../../helpers/raw-client.ts';

const base = useBaseServer();

describe('messages', () => {
  let conversationId: string;
  beforeEach(() => {
    conversationId = base.server.seedConversation({ participantIds: ['ann', 'bob', 'cleo'] });
  });

  test('a message is pushed to the room, and its status only to the sending socket', async () => {
    const [ann, phone, bob] = [
      await base.client('ann', conversationId),
      await base.client('ann', conversationId),
      await base.client('bob', conversationId),
    ];
    ann.emit('message:send', { conversationId, content: 'Hi', type: 'text' });
    const message = await bob.next('message:new');
    expect(message).toMatchObject({ id: '1', senderId: 'ann', content: 'Hi', status: 'sent', readBy: [] });
    await ann.next('message:status', ({ status }) => status === 'delivered');
    expect(names(ann).slice(-3)).toEqual(['message:status', 'message:new', 'message:status']);
    await phone.next('message:new');
    await phone.settled();
    expect(names(phone)).not.toContain('message:status');
  });

  test('a socket that has not joined the room receives nothing, also not its own message', async () => {
    const [ann, bob] = [await base.client('ann'), await base.client('bob')];
    ann.emit('message:send', { conversationId, content: 'Hi', type: 'text' });
    await ann.settled();
    await bob.settled();
    expect(names(ann)).toEqual(['message:status']);
    expect(names(bob)).toEqual([]);
    expect(base.server.data.messages).toHaveLength(1);
  });

  test.each([
    ['empty content', { content: '' }],
    ['a numeric conversation id', { conversationId: 7 }],
    ['no type', { type: undefined }],
  ])('a message with %s is dropped silently', async (_title, wrong) => {
    const ann = await base.client('ann', conversationId);
    ann.emit('message:send', { conversationId, content: 'Hi', type: 'text', ...wrong });
    ann.emit('message:read', { conversationId, messageId: 1 });
    ann.emit('message:send', null);
    await ann.settled();
    expect(base.server.data.messages).toEqual([]);
    expect(names(ann)).toEqual([]);
  });

  test('errors do not identify the message', async () => {
    const [ann, eve] = [await base.client('ann', conversationId), await base.client('eve', conversationId)];
    expect(await eve.next('error')).toEqual({ code: 'FORBIDDEN', message: expect.any(String) as string });
    eve.emit('message:send', { conversationId, content: 'Hi', type: 'text' });
    expect(await eve.next('message:error')).toEqual({ code: 'FORBIDDEN', message: expect.any(String) as string });
    base.server.refuseNextSend('RATE_LIMITED', 'Slower');
    ann.emit('message:send', { conversationId, content: 'refused', type: 'text' });
    ann.emit('message:send', { conversationId, content: 'x'.repeat(10_001), type: 'text' });
    ann.emit('message:send', { conversationId, content: 'taken', type: 'text' });
    expect(await ann.next('message:error')).toEqual({ code: 'RATE_LIMITED', message: 'Slower' });
    expect(await ann.next('message:error')).toMatchObject({ code: 'MESSAGE_TOO_LONG' });
    expect(await ann.next('message:new')).toMatchObject({ content: 'taken' });
    expect(base.server.data.messages).toHaveLength(1);
  });

  test('the first reader in a group makes a message read, and the room receives a receipt', async () => {
    const [ann, bob] = [await base.client('ann', conversationId), await base.client('bob', conversationId)];
    const messageId = base.server.seedMessage({ conversationId, senderId: 'ann', content: 'Hi' });
    bob.emit('message:read', { conversationId, messageId });
    expect(await ann.next('read-receipt:update')).toMatchObject({
      conversationId,
      messageId,
      readBy: { userId: 'bob' },
    });
    expect(await bob.next('message:status')).toEqual({ messageId, status: 'read' });
    await ann.settled();
    expect(names(ann)).not.toContain('message:status');
    expect(base.server.data.message(messageId)?.status).toBe('read');
  });

  test('edits push partial messages without a conversation id, deletions push it, and both are limited to own messages', async () => {
    const [ann, bob] = [await base.client('ann', conversationId), await base.client('bob', conversationId)];
    const messageId = base.server.seedMessage({ conversationId, senderId: 'ann', content: 'Hi' });
    bob.emit('message:edit', { conversationId, messageId, content: 'Bob was here' });
    bob.emit('message:delete', { conversationId, messageId });
    await bob.settled();
    ann.emit('message:edit', { conversationId, messageId, content: 'Hello' });
    expect(await bob.next('message:updated')).toEqual({
      messageId,
      content: 'Hello',
      updatedAt: '2025-01-01T00:00:00.000Z',
      editedBy: 'ann',
    });
    ann.emit('message:delete', { conversationId, messageId });
    expect(await bob.next('message:deleted')).toEqual({ messageId, conversationId, deletedBy: 'ann' });
    expect(base.server.data.message(messageId)).toMatchObject({ content: '', type: 'system' });
  });

  test('reactions are toggled', async () => {
    const [ann, bob] = [await base.client('ann', conversationId), await base.client('bob', conversationId)];
    const messageId = base.server.seedMessage({ conversationId, senderId: 'ann', content: 'Hi' });
    const react = (raw: RawClient): void => raw.emit('message:react', { conversationId, messageId, emoji: '👍' });
    react(ann);
    expect(await ann.next('message:reaction-update')).toEqual({
      messageId,
      reactions: [{ emoji: '👍', count: 1, users: ['ann'] }],
    });
    react(bob);
    expect(await ann.next('message:reaction-update')).toMatchObject({
      reactions: [{ count: 2, users: ['ann', 'bob'] }],
    });
    react(ann);
    expect(await ann.next('message:reaction-update')).toMatchObject({ reactions: [{ count: 1, users: ['bob'] }] });
  });

  test('a forwarded message is pushed as message:forwarded only', async () => {
    const other = base.server.seedConversation({ participantIds: ['ann'] });
    const messageId = base.server.seedMessage({ conversationId, senderId: 'bob', content: 'Pass it on' });
    const ann = await base.client('ann', other);
    ann.emit('message:forward', { messageId, fromConversationId: conversationId, toConversationId: other });
    expect(await ann.next('message:forwarded')).toMatchObject({
      id: '2',
      conversationId: other,
      senderId: 'ann',
      content: 'Pass it on',
      forwardedFrom: { conversationId, messageId },
    });
    await ann.settled();
    expect(names(ann)).toEqual(['message:forwarded']);
  });
});
