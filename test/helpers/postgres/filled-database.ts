import { DatabaseSync } from 'node:sqlite';
import { seededRandom } from '../../../src/lib/seeded-random.ts';
import { ensureCommunicationTables } from '../../../src/server/store/engine/migrate.ts';
import { fc } from '../property.ts';
import { makeLumenDatabase } from '../server/lumen-database.ts';
import { conversationRows, insertConversation } from '../server/random-rows.ts';

/** Texts that Postgres can't store, or reads as something else in another place. */
export const HOSTILE_TEXTS = [
  'a\0b',
  '\0',
  '\u{ffff}',
  '\u{ffff}0',
  '\u{ffff}1\0',
  String.raw`\u0000`,
  String.raw`"\ud800"`,
  '\'"\\$1?{},NULL',
  'NULL',
  '',
  '\u{10ffff}é',
  '\r\n\t',
];

/**
 * Creates a SQLite database that was taken over from LumenJS, with rows in every table: those of conversations at random, the
 * others with hostile texts, whole numbers of 64 bits and blobs.
 */
export async function fillDatabase(path: string, seed: number, messages = 0): Promise<void> {
  const db = new DatabaseSync(path, { enableForeignKeyConstraints: false });
  makeLumenDatabase(db);
  await ensureCommunicationTables(db);
  db.exec('PRAGMA foreign_keys = OFF; BEGIN');
  for (const [at, rows] of fc.sample(conversationRows, { seed, numRuns: 5 }).entries()) {
    insertConversation(db, `random "${at}"`, rows);
  }
  const insert = db.prepare("INSERT INTO messages (conversation_id, sender_id, content) VALUES ('crowd', 'ada', ?)");
  for (let at = 0; at < messages; at += 1) insert.run(`word${at} ${HOSTILE_TEXTS[at % HOSTILE_TEXTS.length]}`);
  // An id that was used by a message that is deleted, with all that refers to it.
  db.exec("INSERT INTO messages (id, conversation_id, sender_id, content) VALUES (900000, 'crowd', 'ada', 'gone')");
  db.exec('DELETE FROM messages WHERE id = 900000');
  fillEmptyTables(db, seed);
  // Broken texts, as another program may write them. The server reads replacement characters.
  db.exec("UPDATE messages SET content = CAST(x'61eda08062ff' AS TEXT) WHERE id = 5");
  db.exec('COMMIT');
  db.close();
}

/** Inserts rows with values of each column's type into every table that has none. */
function fillEmptyTables(db: DatabaseSync, seed: number): void {
  const random = seededRandom(seed);
  const integers = [0n, -1n, 2n ** 53n + 1n, 2n ** 63n - 1n, -(2n ** 63n)];
  const tables = db
    .prepare(
      "SELECT name FROM pragma_table_list WHERE type = 'table' AND schema = 'main' AND name LIKE '%\\_%' ESCAPE '\\'",
    )
    .all()
    .map(({ name }) => String(name));
  for (const table of tables) {
    if (/^sqlite_|^comm_(?:migrations|search_|file_secret)/.test(table)) continue;
    const columns = db.prepare(`SELECT name, type, pk FROM pragma_table_info('${table}')`).all();
    const [count] = db.prepare(`SELECT count(*) AS n FROM ${table}`).all();
    if (count?.['n'] !== 0) continue;
    const places = columns.map(() => '?').join(', ');
    const insert = db.prepare(`INSERT INTO ${table} VALUES (${places})`);
    for (let at = 1; at <= 5; at += 1) {
      const values = columns.map(({ type, pk }) => {
        if (type === 'BLOB') return new Uint8Array([0, 255, at]);
        if (type === 'INTEGER') return Number(pk) > 0 ? BigInt(at) : random.pick(integers);
        return `${random.pick(HOSTILE_TEXTS)}${at}`;
      });
      insert.run(...values);
    }
  }
}
