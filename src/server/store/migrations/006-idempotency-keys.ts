import { script, type Work } from '../engine/work.ts';

/** Adds the idempotency keys of message changes, so that a repeated change isn't applied over later ones. */
export function* idempotencyKeys(): Work<void> {
  yield script(TABLE);
}

/** `place` counts per user, so that a user's oldest keys are found without counting rows. */
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
