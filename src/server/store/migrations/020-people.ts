import { script, type Work } from '../engine/work.ts';

/** Adds profiles, the words by which they are found, and blocks. */
export function* people(): Work<void> {
  yield script(TABLES);
}

/**
 * `comm_profiles` has the profile as it is shown, and the fields of each source as JSON in `sources`. Both directions of a
 * block are looked up, so each has an index.
 */
const TABLES = `
CREATE TABLE comm_profiles (
  user_id TEXT PRIMARY KEY,
  display_name TEXT,
  avatar_url TEXT,
  metadata TEXT,
  updated_at TEXT NOT NULL,
  sources TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE comm_profile_words (
  word TEXT NOT NULL,
  user_id TEXT NOT NULL,
  PRIMARY KEY (word, user_id)
) WITHOUT ROWID;
CREATE INDEX comm_profile_words_user ON comm_profile_words (user_id, word);
CREATE TABLE comm_blocks (
  blocker_id TEXT NOT NULL,
  blocked_id TEXT NOT NULL,
  created_at TEXT NOT NULL,
  PRIMARY KEY (blocker_id, blocked_id)
) WITHOUT ROWID;
CREATE INDEX comm_blocks_blocked ON comm_blocks (blocked_id, blocker_id);
`;
