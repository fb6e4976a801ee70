import { run, type Statement, type Work } from './work.ts';

const SELECT: Statement = { sql: 'SELECT 1', parameters: [], kind: 'rows', writes: false };
const FILL: Statement = {
  sql: 'INSERT OR REPLACE INTO comm_probe (id, filler) VALUES (1, zeroblob(65536))',
  parameters: [],
  kind: 'run',
  writes: true,
};
const EMPTY: Statement = { sql: 'DELETE FROM comm_probe', parameters: [], kind: 'run', writes: true };

/** The least that a database which answers can do. */
export function* ping(): Work<void> {
  yield* run(SELECT);
}

/** Takes as much room as some messages do; {@link releaseRoom}, in a transaction after it, gives it back. */
export function* takeRoom(): Work<void> {
  yield* run(FILL);
}

export function* releaseRoom(): Work<void> {
  yield* run(EMPTY);
}
