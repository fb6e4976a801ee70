import { connectionOf, sqlitePort, type DatabaseSource, type SqlitePort } from './sqlite-port.ts';
import { drive, transaction, type Work } from './work.ts';

/**
 * One SQLite connection. Whatever the driver, one transaction never sees into another: on a synchronous driver because
 * it runs from BEGIN to COMMIT without a pause, on an asynchronous one because the next waits for its end.
 */
export class Database {
  readonly #port: SqlitePort;
  #tail: Promise<unknown> = Promise.resolve();

  constructor(source: DatabaseSource) {
    this.#port = sqlitePort(source);
  }

  /** Runs `work` as it is, without a transaction of its own and with nothing else in between. */
  run<T>(work: () => Work<T>): T | Promise<T> {
    const port = this.#port;
    if (port.synchronous) return drive(work(), port.execute);
    const result = this.#tail.then(() => drive(work(), port.execute));
    this.#tail = result.catch(() => undefined);
    return result;
  }

  /**
   * Runs `work` on one snapshot.
   *
   * @param failure - what it rejects with in place of an error
   */
  async read<T>(work: () => Work<T>, failure: (error: unknown) => unknown = (error) => error): Promise<T> {
    try {
      return await this.run(() => transaction('read', work));
    } catch (error) {
      throw failure(error);
    }
  }
}

const databases = new WeakMap<object, Database>();

/** The one {@link Database} of a connection: several would not know of each other's transactions. */
export function databaseOf(source: DatabaseSource): Database {
  const connection = connectionOf(source);
  let database = databases.get(connection);
  if (database === undefined) databases.set(connection, (database = new Database(connection)));
  return database;
}
