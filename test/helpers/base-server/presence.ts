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

/** Only forgets the timer: a base server tells nobody that typing ended with the message. */
export function stopTyping({ shared, userId }: Connection, conversationId: string): boolean {
  const cancel = shared.typing.get(typingKey(conversationId, userId));
  cancel?.();
  return shared.typing.delete(typingKey(conversationId, userId));
}

/** Tells everybody in the rooms that the user has joined, by any socket. */
export function tellPresence(connection: Connection, status: string): void {
  const { shared, userId } = connection;
  const lastSeen = shared.data.now();
  shared.presence.set(userId, { status, lastSeen });
  for (const conversationId of shared.joined.get(userId) ?? []) {
    connection.toRoom(conversationId, 'presence:changed', { userId, status, lastSeen });
  }
}

/** What happens when a socket has gone; with a user's last one they leave everything. */
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
  tellPresence(connection, 'offline');
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
    if (ids !== undefined) tellPresence(connection, ids.status);
  },
};
