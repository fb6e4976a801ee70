import { DatabaseSync } from 'node:sqlite';
import BetterSqlite from 'better-sqlite3';
import type { DatabaseSource } from '../../../src/server/store/engine/database-source.ts';
import type { LumenDatabase } from '../../../src/server/store/engine/sqlite.ts';

export interface OpenDatabase {
  readonly db: DatabaseSource;
  readonly close: () => void;
}

/** Every kind of database that the server takes, by name. */
export const DATABASES: Readonly<Record<string, (path: string) => OpenDatabase>> = {
  'node:sqlite': (path) => {
    const db = new DatabaseSync(path);
    return { db, close: () => db.close() };
  },
  'node:sqlite without rows as arrays': (path) => {
    const db = new DatabaseSync(path);
    return { db: olderDatabase(db), close: () => db.close() };
  },
  'better-sqlite3': (path) => {
    const db = new BetterSqlite(path);
    return { db, close: () => void db.close() };
  },
  'an asynchronous LumenDb': (path) => {
    const db = new BetterSqlite(path);
    return { db: asyncLumenDb(db), close: () => void db.close() };
  },
};

/** The database of a Node before 22.16, whose statements return rows as objects only. */
function olderDatabase(db: DatabaseSync): DatabaseSource {
  return {
    exec: (sql) => db.exec(sql),
    prepare(sql) {
      const statement = db.prepare(sql);
      return { all: statement.all.bind(statement), run: statement.run.bind(statement) };
    },
  };
}

/** LumenJS's database object: answers later, and lets everybody else in between. */
function asyncLumenDb(db: BetterSqlite.Database): LumenDatabase {
  const later = async <T>(task: () => T): Promise<T> => {
    await new Promise<void>((resolve) => {
      setImmediate(resolve);
    });
    return task();
  };
  return {
    all: (sql, ...parameters) => later(() => db.prepare(sql).all(...parameters)),
    get: (sql, ...parameters) => later(() => db.prepare(sql).get(...parameters)),
    run: (sql, ...parameters) => later(() => db.prepare(sql).run(...parameters)),
    exec: (sql) => later(() => void db.exec(sql)),
  };
}
