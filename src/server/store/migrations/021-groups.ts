import { script, type Work } from '../engine/work.ts';
import { addColumns } from './columns.ts';

/** Adds the settings of groups and the users who are banned from them. */
export function* groups(): Work<void> {
  yield* addColumns('conversations', {
    description: 'TEXT',
    avatar_url: 'TEXT',
    metadata: 'TEXT',
    visibility: "TEXT NOT NULL DEFAULT 'private'",
    frozen: 'INTEGER NOT NULL DEFAULT 0',
    slow_mode_seconds: 'INTEGER NOT NULL DEFAULT 0',
  });
  yield script(TABLES);
  yield script(TRIGGERS);
}

/** The index of public groups contains what a search reads, so that no other group and no row is visited. */
const TABLES = `
CREATE INDEX comm_conversations_public ON conversations(id, name) WHERE visibility = 'public' AND type = 'group';

CREATE TABLE comm_bans (
  conversation_id TEXT NOT NULL,
  user_id TEXT NOT NULL,
  banned_by TEXT NOT NULL,
  banned_at TEXT NOT NULL,
  reason TEXT,
  PRIMARY KEY (conversation_id, user_id),
  FOREIGN KEY (conversation_id) REFERENCES conversations(id) ON DELETE CASCADE
) WITHOUT ROWID;
CREATE INDEX comm_bans_user ON comm_bans(user_id);
`;

/** For settings that an app's own SQL writes. The server's own writes advance `rev`. */
const TRIGGERS = `
CREATE TRIGGER comm_conversation_configured
AFTER UPDATE OF description, avatar_url, metadata, visibility, frozen, slow_mode_seconds ON conversations
WHEN NEW.rev IS OLD.rev BEGIN
  UPDATE conversations SET rev = rev + 1 WHERE id = NEW.id;
END;
`;
