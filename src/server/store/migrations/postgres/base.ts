import { script, type Work } from '../../engine/work.ts';
import { BASE_INDEXES, BASE_TABLES } from './tables.ts';
import { BASE_TRIGGERS } from './triggers.ts';

/** The version of the schema that {@link base} creates: that of the migrations for SQLite up to this one. */
export const BASE_VERSION = 23;

/** Creates the schema. */
export function* base(): Work<void> {
  yield script(BASE_TABLES);
  yield script(BASE_INDEXES);
  yield script(BASE_ROWS);
  yield script(BASE_TRIGGERS);
}

const BASE_ROWS = `
INSERT INTO comm_search_state (id, indexed_to) VALUES (1, 0);
INSERT INTO comm_file_secret (id, secret)
  VALUES (1, replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', ''));
`;
