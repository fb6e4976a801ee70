import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, expect, test } from 'vitest';
import { findIdempotencyKey } from '../../../src/server/store/queries/idempotency-keys.ts';
import { databaseOf } from '../../../src/server/store/engine/database-source.ts';
import { ensureCommunicationTables, migrate } from '../../../src/server/store/engine/migrate.ts';
import { MIGRATIONS, type Migration } from '../../../src/server/store/migrations/index.ts';
import { publishedKeys, takeOneTimePreKey } from '../../../src/server/store/queries/keys.ts';
import { run, script } from '../../../src/server/store/engine/work.ts';
import { startChild } from '../../helpers/child-process.ts';
import { DATABASES } from '../../helpers/server/databases.ts';
import { makeLumenDatabase } from '../../helpers/server/lumen-database.ts';
import { temporaryDirectory } from '../../helpers/temporary-directory.ts';

const versions = (db: DatabaseSync) =>
  db
    .prepare('SELECT version FROM comm_migrations ORDER BY version')
    .all()
    .map((row) => row['version']);

/** The columns of messages that later migrations add. */
const ADDED = {
  link_preview: null,
  reaction_envelopes: null,
  thread_id: null,
  side: 0,
  side_seq: 0,
  thread_seq: null,
  thread: null,
  mentions: null,
  metadata: null,
  pinned_by: null,
  pinned_at: null,
  pinned_rev: null,
  deleted_by: null,
};

describe('migrations', () => {
  test('are numbered from one without gaps', () => {
    expect(MIGRATIONS.map(({ version }) => version)).toEqual(MIGRATIONS.map((_, index) => index + 1));
  });

  test.each(Object.entries(DATABASES))(
    'run once on %s, also when requested repeatedly and concurrently',
    async (_name, open) => {
      await using directory = await temporaryDirectory();
      const path = join(directory.path, 'comm.sqlite');
      const { db, close } = open(path);
      await Promise.all([ensureCommunicationTables(db), ensureCommunicationTables(db)]);
      await ensureCommunicationTables(db);
      close();
      const reader = new DatabaseSync(path);
      expect(versions(reader)).toEqual(MIGRATIONS.map(({ version }) => version));
      expect(reader.prepare('PRAGMA journal_mode').get()).toMatchObject({ journal_mode: 'wal' });
      reader.close();
    },
  );

  test('keep the data when they run again', async () => {
    const db = new DatabaseSync(':memory:');
    makeLumenDatabase(db);
    await ensureCommunicationTables(db);
    const before = db.prepare('SELECT * FROM messages').all();
    await ensureCommunicationTables(db);
    expect(db.prepare('SELECT * FROM messages').all()).toEqual(before);
    db.close();
  });

  test('the mailbox migration keeps published keys', async () => {
    const db = new DatabaseSync(':memory:');
    makeLumenDatabase(db);
    await databaseOf(db).run(() => migrate(MIGRATIONS.slice(0, 4)));
    db.exec(`
      INSERT INTO encryption_keys (user_id, identity_key, signed_pre_key_id, signed_pre_key, signed_pre_key_signature)
        VALUES ('ada', 'identity', 1, 'signed', 'signature');
      INSERT INTO encryption_prekeys VALUES ('ada', 1, 'one'), ('ada', 2, 'two')`);
    await ensureCommunicationTables(db);
    expect(await databaseOf(db).run(() => publishedKeys('ada'))).toMatchObject({
      identityKey: 'identity',
      mailbox: false,
    });
    const preKey = { keyId: 1, publicKey: 'one' };
    expect(await databaseOf(db).run(() => takeOneTimePreKey('ada'))).toEqual({
      preKey,
      stock: { left: 1, reserve: 0 },
    });
    // As LumenJS writes it, which knows nothing of our columns.
    db.exec(`INSERT OR REPLACE INTO encryption_keys
      (user_id, identity_key, signed_pre_key_id, signed_pre_key, signed_pre_key_signature)
      VALUES ('ada', 'another', 1, 'signed', 'signature')`);
    expect(await databaseOf(db).run(() => publishedKeys('ada'))).toMatchObject({
      identityKey: 'another',
      mailbox: false,
    });
    db.close();
  });

  test('the migrations of idempotency keys and health probe keep messages', async () => {
    const db = new DatabaseSync(':memory:');
    makeLumenDatabase(db);
    await databaseOf(db).run(() => migrate(MIGRATIONS.slice(0, 5)));
    const before = db.prepare('SELECT * FROM messages').all();
    expect(before).not.toEqual([]);
    await ensureCommunicationTables(db);
    expect(db.prepare('SELECT * FROM messages').all()).toEqual(before.map((row) => ({ ...row, ...ADDED })));
    expect(await databaseOf(db).run(() => findIdempotencyKey('ada', 'c-1'))).toBeUndefined();
    db.close();
  });

  test('each migration runs once when several processes start together on an old database', async () => {
    await using directory = await temporaryDirectory();
    const path = join(directory.path, 'comm.sqlite');
    const old = new DatabaseSync(path);
    makeLumenDatabase(old);
    old.close();
    const shot = join(directory.path, 'shot');
    const children = Array.from({ length: 3 }, () => startChild('server/migrate-child.ts', [path, shot]));
    try {
      await Promise.all(children.map((child) => child.until((lines) => lines.includes('waiting'))));
      await writeFile(shot, '');
      await Promise.all(children.map((child) => child.until((lines) => lines.length === 2)));
      const ready = `ready ${JSON.stringify(MIGRATIONS.map(({ version }) => ({ version })))}`;
      expect(children.map(({ lines }) => lines[1])).toEqual(children.map(() => ready));
      await Promise.all(children.map(({ ended }) => ended));
    } finally {
      await Promise.all(children.map((child) => child.kill('SIGKILL')));
    }
    const reader = new DatabaseSync(path);
    expect(reader.prepare('SELECT max(seq) AS seq, count(*) AS n FROM messages').get()).toMatchObject({ seq: 6, n: 8 });
    reader.close();
  });

  test('a failed migration is rolled back and retried at the next start', async () => {
    const db = new DatabaseSync(':memory:');
    const broken: Migration = {
      version: (MIGRATIONS.at(-1)?.version ?? 0) + 1,
      name: 'broken',
      *up() {
        yield script('CREATE TABLE half (id INTEGER)');
        yield script('SELECT * FROM nothing_of_that_name');
      },
    };
    expect(() => databaseOf(db).run(() => migrate([...MIGRATIONS, broken]))).toThrow(/nothing_of_that_name/);
    expect(versions(db)).toEqual(MIGRATIONS.map(({ version }) => version));
    expect(db.prepare("SELECT 1 FROM sqlite_master WHERE name = 'half'").get()).toBeUndefined();
    const mended: Migration = { ...broken, up: () => run(script('CREATE TABLE half (id INTEGER)')) };
    await databaseOf(db).run(() => migrate([...MIGRATIONS, mended]));
    expect(versions(db)).toHaveLength(MIGRATIONS.length + 1);
    db.close();
  });

  test('a database of a newer version is rejected and left unchanged', async () => {
    const db = new DatabaseSync(':memory:');
    await ensureCommunicationTables(db);
    db.exec("INSERT INTO comm_migrations (version, name) VALUES (99, 'future'); DROP TABLE read_receipts");
    await expect(ensureCommunicationTables(db)).rejects.toMatchObject({
      code: 'UNSUPPORTED',
      message: expect.stringContaining('version 99') as string,
      fix: expect.stringContaining('Use the version of lumen-comm-server') as string,
    });
    expect(db.prepare("SELECT 1 FROM sqlite_master WHERE name = 'read_receipts'").get()).toBeUndefined();
    db.close();
  });

  test("an object that isn't a database is a TypeError", async () => {
    await expect(ensureCommunicationTables({} as never)).rejects.toThrow(TypeError);
  });
});
