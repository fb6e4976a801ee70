import type { DatabaseSync } from 'node:sqlite';

/** Adds groups `many-0000` and so on with these members, each with one message of the first member, the last one newest. */
export function addConversations(db: DatabaseSync, count: number, members: readonly string[]): string[] {
  const conversations = db.prepare("INSERT INTO conversations (id, type, updated_at) VALUES (?, 'group', ?)");
  const participants = db.prepare('INSERT INTO conversation_participants (conversation_id, user_id) VALUES (?, ?)');
  const messages = db.prepare("INSERT INTO messages (conversation_id, sender_id, content) VALUES (?, ?, 'hi')");
  const ids = Array.from({ length: count }, (_, at) => `many-${String(at).padStart(4, '0')}`);
  db.exec('BEGIN');
  for (const [at, id] of ids.entries()) {
    conversations.run(id, new Date(1_600_000_000_000 + at * 1_000).toISOString());
    for (const userId of members) participants.run(id, userId);
    messages.run(id, members[0] ?? '');
  }
  db.exec('COMMIT');
  return ids;
}
