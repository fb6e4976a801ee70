import { script, type Work } from '../engine/work.ts';
import { columnsOf } from './columns.ts';

/** Adds reactions with a unique key. A table that an app created for LumenJS is rebuilt with its rows. */
export function* reactions(): Work<void> {
  const present = yield* columnsOf('message_reactions');
  if (present.size > 0) yield script('ALTER TABLE message_reactions RENAME TO comm_old_reactions');
  yield script(TABLE);
  if (present.size > 0) yield script(TAKE_OVER);
}

/** Has a rowid, which preserves the order of the reactions. */
const TABLE = `
CREATE TABLE message_reactions (
  message_id INTEGER NOT NULL,
  user_id TEXT NOT NULL,
  emoji TEXT NOT NULL,
  created_at TEXT NOT NULL DEFAULT (datetime('now')),
  PRIMARY KEY (message_id, user_id, emoji),
  FOREIGN KEY (message_id) REFERENCES messages(id) ON DELETE CASCADE
);
`;

const TAKE_OVER = `
INSERT OR IGNORE INTO message_reactions (message_id, user_id, emoji)
  SELECT m.id, o.user_id, o.emoji FROM comm_old_reactions o JOIN messages m ON m.id = CAST(o.message_id AS INTEGER)
  WHERE o.user_id IS NOT NULL AND o.emoji IS NOT NULL;
DROP TABLE comm_old_reactions;
`;
