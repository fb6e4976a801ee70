import type { Worker } from 'node:worker_threads';
import type { ReadSession, SharedDatabase } from './database.ts';
import type { Statement } from './work.ts';

/**
 * Code of the worker: opens the database and runs one statement per message. It is a string, because bundlers
 * that inline this package could not find it in a file. Messages: `{ sql, parameters, kind, begins }` in, `{ rows }` or
 * `{ error }` out, and `null` in, which ends the transaction and isn't answered.
 */
const SOURCE = `
const { parentPort, workerData } = require('node:worker_threads');
process.removeAllListeners('warning');
const { path, betterSqlite, readOnly } = workerData;
const open = () => {
  if (betterSqlite === undefined) return new (require('node:sqlite').DatabaseSync)(path, { readOnly });
  return new (require(betterSqlite.module))(path, { readonly: readOnly, nativeBinding: betterSqlite.addon });
};
const db = open();
db.exec('PRAGMA busy_timeout = 5000; PRAGMA synchronous = NORMAL');
const statements = new Map();
// Not every supported version of Node can be asked for it.
let inTransaction = false;
parentPort.on('message', (message) => {
  if (message === null) {
    if (inTransaction) {
      inTransaction = false;
      // After some errors SQLite has ended the transaction itself.
      try { db.exec('COMMIT'); } catch {}
    }
    return;
  }
  const { sql, parameters, kind, begins } = message;
  try {
    if (kind === 'script') throw new Error('A thread runs no scripts');
    if (begins) {
      db.exec('BEGIN');
      inTransaction = true;
    }
    let statement = statements.get(sql);
    if (statement === undefined) statements.set(sql, (statement = db.prepare(sql)));
    let rows = kind === 'run' ? (statement.run(...parameters), []) : statement.all(...parameters);
    if (kind === 'arrays') rows = rows.map((row) => Object.values(row));
    parentPort.postMessage({ rows });
  } catch (error) {
    parentPort.postMessage({ error: { message: error.message, errcode: error.errcode, code: error.code } });
  }
});
parentPort.postMessage({ rows: [] });
`;

type Answer = { readonly rows: readonly unknown[] } | { readonly error: ThreadError };

/** `node:sqlite` has the code of SQLite as the number `errcode`, better-sqlite3 as the string `code`. */
interface ThreadError {
  readonly message: string;
  readonly errcode?: number;
  readonly code?: string;
}

interface Waiting {
  resolve(rows: readonly unknown[]): void;
  reject(error: unknown): void;
}

/** A worker thread with a connection of its own. Runs one statement at a time. */
export class DatabaseThread implements ReadSession {
  readonly #worker: Worker;
  readonly #exited: Promise<void>;
  #waiting: Waiting | undefined;
  #failure: Error | undefined;

  private constructor(worker: Worker) {
    this.#worker = worker;
    // Only a running statement keeps the process of an app running.
    worker.unref();
    worker.on('message', (answer: Answer) => this.#answered(answer));
    worker.on('error', (error: Error) => this.#failed(error));
    this.#exited = new Promise((resolve) => {
      worker.once('exit', () => {
        this.#failed(new Error('The database thread has exited'));
        resolve();
      });
    });
  }

  /** Starts a thread. Rejects if it can't open the database. */
  static async start(database: SharedDatabase, { readOnly }: { readOnly: boolean }): Promise<DatabaseThread> {
    // Loaded on demand: an app with a database in memory needs no threads.
    const { Worker: Thread } = await import('node:worker_threads');
    const thread = new DatabaseThread(new Thread(SOURCE, { eval: true, workerData: { ...database, readOnly } }));
    await new Promise<readonly unknown[]>((resolve, reject) => thread.#wait({ resolve, reject }));
    return thread;
  }

  execute({ sql, parameters, kind }: Statement, begins: boolean): Promise<readonly unknown[]> {
    return new Promise((resolve, reject) => {
      if (this.#wait({ resolve, reject })) {
        this.#worker.postMessage({ sql, parameters, kind, begins });
      }
    });
  }

  end(): void {
    if (this.#failure === undefined) this.#worker.postMessage(null);
  }

  /**
   * Rejects the running statement and ends the thread. SQLite can't be interrupted, so the thread exits when the statement
   * has ended.
   *
   * @returns when the thread has exited
   */
  stop(): Promise<void> {
    this.#failed(new Error('The database thread was stopped'));
    this.#worker.unref();
    void this.#worker.terminate();
    return this.#exited;
  }

  #wait(waiting: Waiting): boolean {
    if (this.#failure !== undefined) {
      waiting.reject(this.#failure);
      return false;
    }
    this.#waiting = waiting;
    this.#worker.ref();
    return true;
  }

  #answered(answer: Answer): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    this.#worker.unref();
    if ('rows' in answer) waiting?.resolve(answer.rows);
    else {
      const { message, ...codes } = answer.error;
      waiting?.reject(Object.assign(new Error(message), codes));
    }
  }

  #failed(error: Error): void {
    this.#failure ??= error;
    this.#waiting?.reject(this.#failure);
    this.#waiting = undefined;
  }
}
