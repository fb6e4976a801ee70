import { script, type Work } from '../engine/work.ts';
import { addColumns } from './columns.ts';

/** Adds what several processes need to hold calls together. */
export function* sharedCalls(): Work<void> {
  yield* addColumns('comm_calls', {
    conversation_id: 'TEXT',
    running: 'INTEGER NOT NULL DEFAULT 0',
    due_at: 'INTEGER',
    logged: 'INTEGER NOT NULL DEFAULT 0',
  });
  yield script(TABLES);
}

const TABLES = `
CREATE INDEX comm_calls_conversation ON comm_calls(conversation_id);
CREATE INDEX comm_calls_due ON comm_calls(due_at) WHERE due_at IS NOT NULL;
CREATE TABLE comm_call_users (
  call_id TEXT NOT NULL,
  user_id TEXT NOT NULL,
  process_id TEXT,
  PRIMARY KEY (call_id, user_id)
) WITHOUT ROWID;
CREATE INDEX comm_call_users_user ON comm_call_users(user_id);
CREATE INDEX comm_call_users_process ON comm_call_users(process_id) WHERE process_id IS NOT NULL;
CREATE TABLE comm_call_requests (
  user_id TEXT NOT NULL,
  client_id TEXT NOT NULL,
  call_id TEXT NOT NULL,
  PRIMARY KEY (user_id, client_id)
) WITHOUT ROWID;
CREATE INDEX comm_call_requests_call ON comm_call_requests(call_id);
CREATE TABLE comm_call_signals (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  call_id TEXT NOT NULL,
  user_id TEXT NOT NULL,
  push TEXT NOT NULL
);
CREATE INDEX comm_call_signals_user ON comm_call_signals(call_id, user_id);
CREATE TABLE comm_call_processes (
  id TEXT PRIMARY KEY,
  seen_at INTEGER NOT NULL
) WITHOUT ROWID;
`;
