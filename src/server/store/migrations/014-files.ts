import { script, type Work } from '../engine/work.ts';

/** Adds the uploaded files, the messages that refer to them, and the secret that signs their URLs. */
export function* files(): Work<void> {
  yield script(TABLES);
  yield script(TRIGGERS);
}

const TABLES = `
CREATE TABLE comm_files (
  id TEXT PRIMARY KEY,
  conversation_id TEXT NOT NULL,
  uploader_id TEXT NOT NULL,
  file_name TEXT NOT NULL,
  mime_type TEXT NOT NULL,
  size INTEGER NOT NULL,
  key_digest TEXT NOT NULL,
  state TEXT NOT NULL,
  created_at TEXT NOT NULL,
  expires_at TEXT
);
CREATE INDEX comm_files_uploads ON comm_files(uploader_id) WHERE state = 'uploading';
CREATE INDEX comm_files_expiry ON comm_files(expires_at) WHERE expires_at IS NOT NULL;

CREATE TABLE comm_file_references (
  file_id TEXT NOT NULL,
  message_id INTEGER NOT NULL,
  PRIMARY KEY (file_id, message_id),
  FOREIGN KEY (message_id) REFERENCES messages(id) ON DELETE CASCADE
) WITHOUT ROWID;
CREATE INDEX comm_file_references_message ON comm_file_references(message_id);

CREATE TABLE comm_file_secret (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  secret TEXT NOT NULL
);
INSERT INTO comm_file_secret (id, secret) VALUES (1, lower(hex(randomblob(32))));
`;

/**
 * A file follows the messages that refer to it, whichever code deletes them: this server, LumenJS or a cascade. An empty
 * time of expiry is before every other.
 */
const TRIGGERS = `
CREATE TRIGGER comm_file_message_deleted AFTER UPDATE OF deleted_at ON messages
WHEN NEW.deleted_at IS NOT NULL AND OLD.deleted_at IS NULL
BEGIN
  DELETE FROM comm_file_references WHERE message_id = NEW.id;
END;
CREATE TRIGGER comm_file_unreferenced AFTER DELETE ON comm_file_references
WHEN NOT EXISTS (SELECT 1 FROM comm_file_references WHERE file_id = OLD.file_id)
BEGIN
  UPDATE comm_files SET state = 'removing', expires_at = '' WHERE id = OLD.file_id;
END;
`;
