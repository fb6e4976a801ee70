import { script, type Work } from '../work.ts';

/** Where a database that took no writes is asked whether it does again. Empty but for that moment. */
export function* probe(): Work<void> {
  yield script('CREATE TABLE comm_probe (id INTEGER PRIMARY KEY, filler BLOB NOT NULL)');
}
