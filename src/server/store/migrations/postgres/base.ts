import { script, type Work } from '../../engine/work.ts';
import { addForeignKey, adoptTable, dropForeignKeys, takeOver, typesOf } from './adopt.ts';
import { BASE_INDEXES, BASE_TABLES } from './tables.ts';
import { BASE_TRIGGERS } from './triggers.ts';

/** The version of the schema that {@link base} creates: that of the migrations for SQLite up to this one. */
export const BASE_VERSION = 23;

/** Creates the schema. Tables of a LumenJS app are taken over with their rows. */
export function* base(): Work<void> {
  const adopted = new Map<string, string>();
  const missing: string[] = [];
  const tables = BASE_TABLES.split(/(?<=^\);\n)/m);
  for (const definition of tables) {
    const [, name = ''] = /CREATE TABLE (\w+)/.exec(definition) ?? [];
    const columns = yield* typesOf(name);
    if (columns.size === 0) missing.push(definition);
    else adopted.set(name, definition);
  }
  for (const name of adopted.keys()) yield* dropForeignKeys(name);
  for (const [name, definition] of adopted) yield* adoptTable({ name, columns: yield* typesOf(name) }, definition);
  // After the others, because their foreign keys require the types of the columns that they refer to.
  for (const definition of missing) yield script(definition);
  for (const [name, definition] of adopted) {
    const key = addForeignKey(name, definition);
    if (key !== undefined) yield key;
  }
  yield script(BASE_INDEXES);
  yield script(BASE_ROWS);
  if (adopted.size > 0) yield* takeOver();
  yield script(BASE_TRIGGERS);
}

/** Generates the secret that signs the URLs of files. */
export const NEW_FILE_SECRET = `INSERT INTO comm_file_secret (id, secret)
  VALUES (1, replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', ''))`;

const BASE_ROWS = `
INSERT INTO comm_search_state (id, indexed_to) VALUES (1, 0);
${NEW_FILE_SECRET};
`;
