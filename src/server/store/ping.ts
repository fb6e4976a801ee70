import { run, type Work } from './work.ts';

/** The least that a database which answers can do. */
export function* ping(): Work<void> {
  yield* run({ sql: 'SELECT 1', parameters: [], kind: 'rows', writes: false });
}
