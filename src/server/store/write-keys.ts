/** Key of the rows of a conversation: its counters, members and messages, and what belongs to these. */
export function conversationKey(conversationId: string): string {
  return `c:${conversationId}`;
}

/** Key of the rows of a user: the revision of the inbox, presence, client ids. */
export function userKey(userId: string): string {
  return `u:${userId}`;
}

/** Options of a write of calls. All have one key: whether a user may take part in a call depends on the user's other calls. */
export const CALLS_WRITE = { keys: (): readonly string[] => ['calls'] };
