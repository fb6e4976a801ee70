import { script, type Work } from '../work.ts';

/** Which changes were applied, so that one whose answer got lost isn't applied again over what came after it. */
export function* applied(): Work<void> {
  yield script(TABLE);
}

/** `place` counts per user: so the oldest of somebody who changes without end are found without counting. */
const TABLE = `
CREATE TABLE comm_applied (
  user_id TEXT NOT NULL,
  client_id TEXT NOT NULL,
  message_id INTEGER NOT NULL,
  place INTEGER NOT NULL,
  applied_at TEXT NOT NULL,
  PRIMARY KEY (user_id, client_id)
) WITHOUT ROWID;
CREATE UNIQUE INDEX comm_applied_place ON comm_applied(user_id, place);
CREATE INDEX comm_applied_age ON comm_applied(applied_at);
`;
