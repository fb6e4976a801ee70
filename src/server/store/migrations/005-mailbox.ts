import { script, type Work } from '../engine/work.ts';
import { addColumns } from './columns.ts';

/** Adds the mailbox and the record of one-time prekeys that were handed out. */
export function* mailbox(): Work<void> {
  yield* addColumns('encryption_keys', { mailbox: 'INTEGER NOT NULL DEFAULT 0' });
  yield script(TABLES);
}

/**
 * AUTOINCREMENT never reuses an id, so a late acknowledgement can't refer to another envelope. The indexes cover their
 * queries, because envelopes are large and should be read only for delivery.
 */
const TABLES = `
CREATE TABLE comm_mailbox (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  recipient_id TEXT NOT NULL,
  sender_id TEXT NOT NULL,
  digest TEXT NOT NULL,
  size INTEGER NOT NULL,
  stored_at TEXT NOT NULL,
  envelope TEXT NOT NULL
);
CREATE INDEX comm_mailbox_order ON comm_mailbox(recipient_id, id, size);
CREATE UNIQUE INDEX comm_mailbox_once ON comm_mailbox(recipient_id, sender_id, digest, size);
CREATE INDEX comm_mailbox_age ON comm_mailbox(stored_at);

CREATE TABLE comm_taken_prekeys (
  user_id TEXT NOT NULL,
  key_id INTEGER NOT NULL,
  public_key TEXT NOT NULL,
  PRIMARY KEY (user_id, key_id, public_key)
) WITHOUT ROWID;
`;
