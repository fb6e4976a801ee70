import { strings, type Connection, type Handler } from './connection.ts';
import type { MessageRow, NewMessage } from './data.ts';
import { stopTyping } from './presence.ts';

/** Converts a row to the pushed message: with a string id and the status `sent`. */
function pushed(row: MessageRow, message: NewMessage, envelope: unknown): object {
  return {
    id: String(row.id),
    conversationId: row.conversation_id,
    senderId: row.sender_id,
    content: row.content,
    type: row.type,
    createdAt: row.created_at,
    replyTo: message.replyTo,
    attachment: message.attachment,
    status: 'sent',
    readBy: [],
    encrypted: message.encrypted,
    envelope,
  };
}

const send: Handler = (connection, payload) => {
  const { shared, userId } = connection;
  const ids = strings(payload, 'conversationId', 'content', 'type');
  if (ids === undefined) return;
  const { conversationId, content } = ids;
  const refusal = refusalOf(connection, conversationId, content);
  if (refusal !== undefined) return connection.push('message:error', refusal);
  const encrypted = payload['encrypted'] === true;
  const envelope = payload['envelope'];
  const message: NewMessage = {
    conversationId,
    senderId: userId,
    content: encrypted && envelope !== undefined ? JSON.stringify(envelope) : content,
    type: ids.type,
    replyTo: typeof payload['replyTo'] === 'string' ? payload['replyTo'] : undefined,
    attachment: payload['attachment'],
    encrypted,
  };
  const row = shared.data.addMessage(message);
  stopTyping(connection, conversationId);
  const messageId = String(row.id);
  connection.push('message:status', { messageId, status: 'sent' });
  connection.toRoom(conversationId, 'message:new', pushed(row, message, envelope));
  const reached = Array.from(shared.joined).some(
    ([other, rooms]) => other !== userId && rooms.has(conversationId) && shared.sockets.has(other),
  );
  if (!reached) return;
  row.status = 'delivered';
  connection.push('message:status', { messageId, status: 'delivered' });
};

function refusalOf(connection: Connection, conversationId: string, content: string): object | undefined {
  const { data, refusals, maxMessageLength } = connection.shared;
  if (!data.isParticipant(conversationId, connection.userId)) {
    return { code: 'FORBIDDEN', message: 'Not a participant of this conversation' };
  }
  if (content.length > maxMessageLength) {
    return { code: 'MESSAGE_TOO_LONG', message: `Longer than ${String(maxMessageLength)} characters` };
  }
  return refusals.shift();
}

const read: Handler = (connection, payload) => {
  const { shared, userId } = connection;
  const ids = strings(payload, 'conversationId', 'messageId');
  if (ids === undefined) return;
  const { conversationId, messageId } = ids;
  shared.data.markRead(messageId, userId);
  const readBy = { userId, readAt: shared.data.now() };
  connection.toRoom(conversationId, 'read-receipt:update', { conversationId, messageId, readBy });
  const status = { messageId, status: 'read' };
  if (shared.readStatus === 'room') connection.toRoom(conversationId, 'message:status', status);
  else connection.push('message:status', status);
};

const react: Handler = (connection, payload) => {
  const ids = strings(payload, 'conversationId', 'messageId', 'emoji');
  if (ids === undefined) return;
  const { conversationId, messageId, emoji } = ids;
  const reactions = connection.shared.data.toggleReaction(messageId, connection.userId, emoji);
  connection.toRoom(conversationId, 'message:reaction-update', { messageId, reactions });
};

const edit: Handler = (connection, payload) => {
  const { shared, userId } = connection;
  const ids = strings(payload, 'conversationId', 'messageId', 'content');
  const row = ids && shared.data.message(ids.messageId);
  if (ids === undefined || row?.sender_id !== userId) return;
  const updatedAt = shared.data.now();
  Object.assign(row, { content: ids.content, updated_at: updatedAt });
  const { conversationId, messageId, content } = ids;
  connection.toRoom(conversationId, 'message:updated', { messageId, content, updatedAt, editedBy: userId });
};

const remove: Handler = (connection, payload) => {
  const { shared, userId } = connection;
  const ids = strings(payload, 'conversationId', 'messageId');
  const row = ids && shared.data.message(ids.messageId);
  if (ids === undefined || row?.sender_id !== userId) return;
  Object.assign(row, { content: '', type: 'system', updated_at: shared.data.now() });
  connection.toRoom(ids.conversationId, 'message:deleted', { ...ids, deletedBy: userId });
};

const forward: Handler = (connection, payload) => {
  const { shared, userId } = connection;
  const ids = strings(payload, 'messageId', 'fromConversationId', 'toConversationId');
  const original = ids && shared.data.message(ids.messageId);
  if (ids === undefined || original === undefined) return;
  const forwardedFrom = { conversationId: ids.fromConversationId, messageId: ids.messageId };
  const row = shared.data.addMessage({
    conversationId: ids.toConversationId,
    senderId: userId,
    content: original.content,
    type: original.type,
    encrypted: original.encrypted === 1,
    forwardedFrom,
  });
  connection.toRoom(ids.toConversationId, 'message:forwarded', {
    id: String(row.id),
    conversationId: row.conversation_id,
    senderId: userId,
    content: row.content,
    type: row.type,
    createdAt: row.created_at,
    status: 'sent',
    readBy: [],
    encrypted: row.encrypted === 1,
    forwardedFrom,
  });
};

export const messageHandlers: Readonly<Record<string, Handler>> = {
  'message:send': send,
  'message:read': read,
  'message:react': react,
  'message:edit': edit,
  'message:delete': remove,
  'message:forward': forward,
};
