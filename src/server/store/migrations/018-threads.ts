import { script, type Work } from '../engine/work.ts';
import { addColumns } from './columns.ts';

/** Adds threads, the positions of the main timeline, the users who follow a thread, and mentions. */
export function* threads(): Work<void> {
  yield* addColumns('conversations', { side_seq: 'INTEGER NOT NULL DEFAULT 0', side_start: 'INTEGER' });
  yield* addColumns('messages', {
    thread_id: 'TEXT',
    side: 'INTEGER NOT NULL DEFAULT 0',
    side_seq: 'INTEGER NOT NULL DEFAULT 0',
    thread_seq: 'INTEGER',
    thread: 'TEXT',
    mentions: 'TEXT',
  });
  yield script(TABLES);
  yield script(INDEXES);
  yield script(TRIGGER);
}

const TABLES = `
CREATE TABLE comm_threads (
  root_id INTEGER PRIMARY KEY,
  conversation_id TEXT NOT NULL,
  total INTEGER NOT NULL,
  live INTEGER NOT NULL,
  last_seq INTEGER NOT NULL,
  FOREIGN KEY (root_id) REFERENCES messages(id) ON DELETE CASCADE
);
CREATE TABLE comm_thread_follows (
  user_id TEXT NOT NULL,
  conversation_id TEXT NOT NULL,
  root_id INTEGER NOT NULL,
  read_seq INTEGER NOT NULL,
  PRIMARY KEY (user_id, conversation_id, root_id)
) WITHOUT ROWID;
CREATE TABLE comm_mentions (
  user_id TEXT NOT NULL,
  conversation_id TEXT NOT NULL,
  root_id INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  PRIMARY KEY (user_id, conversation_id, root_id, seq)
) WITHOUT ROWID;
`;

/**
 * The index of the main timeline begins after the first reply of a conversation that is shown in its thread only: before it,
 * every message is in the main timeline. So a conversation without threads has no entry in these indexes.
 */
const INDEXES = `
CREATE INDEX comm_threads_active ON comm_threads(conversation_id, last_seq);
CREATE INDEX comm_messages_main ON messages(conversation_id, seq) WHERE side = 0 AND side_seq > 0;
CREATE INDEX comm_messages_thread ON messages(thread_id, seq) WHERE thread_id IS NOT NULL;
CREATE INDEX comm_messages_thread_live ON messages(thread_id, seq, sender_id)
  WHERE thread_id IS NOT NULL AND deleted_at IS NULL;
DROP INDEX comm_messages_deleted;
CREATE INDEX comm_messages_deleted ON messages(conversation_id, seq, sender_id, side) WHERE deleted_at IS NOT NULL;
`;

/** As in the first migration, with the position in the main timeline. */
const TRIGGER = `
DROP TRIGGER comm_message_placed;
CREATE TRIGGER comm_message_placed AFTER INSERT ON messages WHEN NEW.seq IS NULL BEGIN
  UPDATE conversations SET seq = seq + 1, rev = rev + 1 WHERE id = NEW.conversation_id;
  UPDATE messages SET
    seq = (SELECT seq FROM conversations WHERE id = NEW.conversation_id),
    rev = (SELECT rev FROM conversations WHERE id = NEW.conversation_id),
    side_seq = coalesce((SELECT side_seq FROM conversations WHERE id = NEW.conversation_id), 0),
    sender_seq = 1 + coalesce((
      SELECT m.sender_seq FROM messages m
      WHERE m.conversation_id = NEW.conversation_id AND m.sender_id = NEW.sender_id AND m.seq IS NOT NULL
      ORDER BY m.seq DESC LIMIT 1
    ), 0)
  WHERE id = NEW.id;
END;
`;
