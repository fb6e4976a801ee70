import { run, type Statement, type Work } from '../engine/work.ts';

const SELECT: Statement = { sql: 'SELECT 1', parameters: [], kind: 'rows', writes: false };
const FILL: Statement = {
  sql: `INSERT INTO comm_probe (id, filler) VALUES (1, ?)
    ON CONFLICT (id) DO UPDATE SET filler = excluded.filler`,
  parameters: [new Uint8Array(65_536)],
  kind: 'run',
  writes: true,
};
const EMPTY: Statement = { sql: 'DELETE FROM comm_probe', parameters: [], kind: 'run', writes: true };

/** Runs the smallest possible query. */
export function* probeRead(): Work<void> {
  yield* run(SELECT);
}

/** Writes as much as a few messages do. {@link clearProbe} removes it in a later transaction. */
export function* probeWrite(): Work<void> {
  yield* run(FILL);
}

/** Removes what {@link probeWrite} wrote. */
export function* clearProbe(): Work<void> {
  yield* run(EMPTY);
}
