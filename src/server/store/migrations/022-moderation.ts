import { script, type Work } from '../engine/work.ts';
import { addColumns } from './columns.ts';

/** Adds the data of the app, pins and the user who deleted a message, and the reports about messages. */
export function* moderation(): Work<void> {
  yield* addColumns('messages', {
    metadata: 'TEXT',
    pinned_by: 'TEXT',
    pinned_at: 'TEXT',
    pinned_rev: 'INTEGER',
    deleted_by: 'TEXT',
  });
  yield script(PINS);
  yield script(REPORTS);
}

/** A partial index, which costs nothing for messages that aren't pinned. */
const PINS = `
CREATE INDEX comm_messages_pinned ON messages(conversation_id, pinned_rev) WHERE pinned_rev IS NOT NULL;
`;

/** Without foreign keys: a report stays when its message or conversation is deleted. */
const REPORTS = `
CREATE TABLE comm_reports (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  conversation_id TEXT NOT NULL,
  message_id TEXT NOT NULL,
  sender_id TEXT NOT NULL,
  reporter_id TEXT NOT NULL,
  reason TEXT NOT NULL,
  comment TEXT,
  message TEXT NOT NULL,
  content TEXT,
  created_at TEXT NOT NULL,
  resolved_at TEXT,
  resolved_by TEXT,
  resolution TEXT
);
CREATE UNIQUE INDEX comm_reports_once ON comm_reports(reporter_id, message_id);
CREATE INDEX comm_reports_open ON comm_reports(id) WHERE resolved_at IS NULL;
CREATE INDEX comm_reports_sender ON comm_reports(sender_id);
`;
