/** Key of the rows of a conversation: its counters, members and messages, and what belongs to these. */
export function conversationKey(conversationId: string): string {
  return `c:${conversationId}`;
}

/** Key of the rows of a user: the revision of the inbox, presence, client ids. */
export function userKey(userId: string): string {
  return `u:${userId}`;
}
