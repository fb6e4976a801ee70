import { script, type Work } from '../engine/work.ts';

/** Adds the calls that have not ended, so that a process that starts again takes them up. */
export function* calls(): Work<void> {
  yield script(TABLE);
}

const TABLE = `
CREATE TABLE comm_calls (
  id TEXT PRIMARY KEY,
  state TEXT NOT NULL,
  version INTEGER NOT NULL,
  seen_at TEXT NOT NULL
) WITHOUT ROWID;
`;
