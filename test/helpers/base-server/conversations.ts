import { strings, type Connection, type Handler } from './connection.ts';

const create: Handler = (connection, payload) => {
  const { shared, userId } = connection;
  const { type, name, participantIds } = payload;
  if (typeof type !== 'string' || !Array.isArray(participantIds)) return;
  const members = [userId, ...participantIds.filter((id): id is string => typeof id === 'string' && id !== userId)];
  const row = shared.data.addConversation(type, typeof name === 'string' ? name : undefined, members);
  const conversation = {
    id: row.id,
    type,
    name,
    participants: shared.data.participantsOf(row.id).map((participant) => ({
      userId: participant.user_id,
      displayName: '',
      role: participant.role,
      joinedAt: participant.joined_at,
      presence: shared.presence.get(participant.user_id)?.status ?? 'offline',
    })),
    createdAt: row.created_at,
    updatedAt: row.updated_at,
    unreadCount: 0,
  };
  // The creator's socket is in the room, but is not recorded as joined.
  connection.join(row.id);
  connection.push('conversation:new', conversation);
  for (const member of members.slice(1)) connection.toUser(member, 'conversation:new', conversation);
};

const join: Handler = (connection, payload) => {
  const { shared, userId } = connection;
  const ids = strings(payload, 'conversationId');
  if (ids === undefined || !allowed(connection, ids.conversationId)) return;
  connection.join(ids.conversationId);
  shared.joined.set(userId, (shared.joined.get(userId) ?? new Set()).add(ids.conversationId));
};

const leave: Handler = (connection, payload) => {
  const ids = strings(payload, 'conversationId');
  if (ids === undefined) return;
  connection.leave(ids.conversationId);
  connection.shared.joined.get(connection.userId)?.delete(ids.conversationId);
};

function allowed(connection: Connection, conversationId: string): boolean {
  if (connection.shared.data.isParticipant(conversationId, connection.userId)) return true;
  connection.push('error', { code: 'FORBIDDEN', message: 'Not a participant of this conversation' });
  return false;
}

const archive: Handler = (connection, payload) => {
  const ids = strings(payload, 'conversationId');
  if (ids === undefined || !allowed(connection, ids.conversationId)) return;
  const archived = payload['archived'] === true;
  const row = connection.shared.data.conversations.find(({ id }) => id === ids.conversationId);
  if (row !== undefined) row.archived = archived ? 1 : 0;
  connection.toRoom(ids.conversationId, 'conversation:updated', { id: ids.conversationId, archived });
};

/** Pushed to the requesting socket only, and not visible over REST. */
function flag(name: 'muted' | 'pinned'): Handler {
  return (connection, payload) => {
    const ids = strings(payload, 'conversationId');
    if (ids === undefined) return;
    connection.push('conversation:updated', { id: ids.conversationId, [name]: payload[name] === true });
  };
}

export const conversationHandlers: Readonly<Record<string, Handler>> = {
  'conversation:create': create,
  'conversation:join': join,
  'conversation:leave': leave,
  'conversation:archive': archive,
  'conversation:mute': flag('muted'),
  'conversation:pin': flag('pinned'),
};
