import { existsSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { ensureCommunicationTables } from '../../../src/server/store/migrate.ts';

// A process of its own that prepares a database as soon as the file of the starting shot is there.
const [path = '', shot = ''] = process.argv.slice(2);
const db = new DatabaseSync(path);
console.log('waiting');
while (!existsSync(shot));
await ensureCommunicationTables(db);
console.log(`ready ${JSON.stringify(db.prepare('SELECT version FROM comm_migrations ORDER BY version').all())}`);
db.close();
