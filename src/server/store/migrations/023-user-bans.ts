import { script, type Work } from '../engine/work.ts';

/** Adds the users who are banned from the whole server. */
export function* userBans(): Work<void> {
  yield script(TABLE);
}

const TABLE = `
CREATE TABLE comm_user_bans (
  user_id TEXT PRIMARY KEY,
  banned_at TEXT NOT NULL,
  reason TEXT
) WITHOUT ROWID;
`;
