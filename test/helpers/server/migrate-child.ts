import { existsSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { ensureCommunicationTables } from '../../../src/server/store/engine/migrate.ts';

// A process of its own that prepares a database as soon as the file of the starting shot is there.
const [path = '', shot = ''] = process.argv.slice(2);
const db = new DatabaseSync(path);
process.stdout.write('waiting\n');
const neverNotified = new Int32Array(new SharedArrayBuffer(4));
while (!existsSync(shot)) Atomics.wait(neverNotified, 0, 0, 1);
await ensureCommunicationTables(db);
const versions = db.prepare('SELECT version FROM comm_migrations ORDER BY version').all();
process.stdout.write(`ready ${JSON.stringify(versions)}\n`);
db.close();
