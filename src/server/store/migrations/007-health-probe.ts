import { script, type Work } from '../engine/work.ts';

/** Adds the table that the health check writes to after an outage. It is empty otherwise. */
export function* healthProbe(): Work<void> {
  yield script('CREATE TABLE comm_probe (id INTEGER PRIMARY KEY, filler BLOB NOT NULL)');
}
