import { strings, type Connection, type Handler } from './connection.ts';

const TYPING_TIMEOUT_MS = 5_000;

const startTyping: Handler = (connection, payload) => {
  const { shared, userId } = connection;
  const ids = strings(payload, 'conversationId');
  if (ids === undefined) return;
  const { conversationId } = ids;
  stopTyping(connection, conversationId);
  const expire = (): void => {
    shared.typing.delete(typingKey(conversationId, userId));
    connection.toRoom(conversationId, 'typing:update', { conversationId, userId, isTyping: false });
  };
  shared.typing.set(typingKey(conversationId, userId), shared.clock.after(TYPING_TIMEOUT_MS, expire));
  connection.toOthersInRoom(conversationId, 'typing:update', { conversationId, userId, isTyping: true });
};

/** Cancels the timeout. A base server doesn't push the end of typing when the message is sent. */
export function stopTyping({ shared, userId }: Connection, conversationId: string): boolean {
  const cancel = shared.typing.get(typingKey(conversationId, userId));
  cancel?.();
  return shared.typing.delete(typingKey(conversationId, userId));
}

/** Pushes the presence to all rooms that the user has joined on any socket. */
export function pushPresence(connection: Connection, status: string): void {
  const { shared, userId } = connection;
  const lastSeen = shared.data.now();
  shared.presence.set(userId, { status, lastSeen });
  for (const conversationId of shared.joined.get(userId) ?? []) {
    connection.toRoom(conversationId, 'presence:changed', { userId, status, lastSeen });
  }
}

/** Handles a closed socket. With the user's last socket, the user leaves all rooms. */
export function disconnected(connection: Connection): void {
  const { shared, userId, socket } = connection;
  const sockets = shared.sockets.get(userId);
  sockets?.delete(socket);
  for (const conversationId of shared.joined.get(userId) ?? []) {
    if (!stopTyping(connection, conversationId)) continue;
    connection.toRoom(conversationId, 'typing:update', { conversationId, userId, isTyping: false });
  }
  if (sockets !== undefined && sockets.size > 0) return;
  shared.sockets.delete(userId);
  pushPresence(connection, 'offline');
  shared.joined.delete(userId);
}

function typingKey(conversationId: string, userId: string): string {
  return JSON.stringify([conversationId, userId]);
}

export const presenceHandlers: Readonly<Record<string, Handler>> = {
  'typing:start': startTyping,
  'typing:stop': (connection, payload) => {
    const ids = strings(payload, 'conversationId');
    if (ids === undefined) return;
    stopTyping(connection, ids.conversationId);
    const update = { ...ids, userId: connection.userId, isTyping: false };
    connection.toOthersInRoom(ids.conversationId, 'typing:update', update);
  },
  'presence:update': (connection, payload) => {
    const ids = strings(payload, 'status');
    if (ids !== undefined) pushPresence(connection, ids.status);
  },
};
