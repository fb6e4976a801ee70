import type { BetterSqliteFiles } from './better-sqlite.ts';
import type { Statement, Work } from './work.ts';

/** A database that a thread may open too. */
export interface SharedDatabase {
  /** Path of the file. */
  readonly path: string;
  /** The copy of better-sqlite3 that has opened it; `undefined` if `node:sqlite` has. */
  readonly betterSqlite: BetterSqliteFiles | undefined;
}

/** A connection or a thread that serves one long read. */
export interface ReadSession {
  /**
   * Runs a statement and returns its rows.
   *
   * @param begins - begins a transaction first, so that the statements up to {@link end} see one snapshot
   */
  execute(statement: Statement, begins: boolean): Promise<readonly unknown[]>;
  /** Ends the transaction. Nothing waits for it. */
  end(): void;
  /** Rejects the running statement, if there is one, and gives the connection up. */
  stop(): Promise<void>;
}

/** A database of the server. */
export interface Database {
  readonly dialect: 'sqlite' | 'postgres';
  /** Runs `work` without a transaction of its own. Transactions that write don't interleave. */
  run<T>(work: () => Work<T>): T | Promise<T>;
  /**
   * Runs `work` on one snapshot.
   *
   * @param failure - maps an error to the rejection
   */
  read<T>(work: () => Work<T>, failure?: (error: unknown) => unknown): Promise<T>;
  /** Returns what a thread needs to open the database too; `undefined` if none may. */
  shared(): Promise<SharedDatabase | undefined>;
  /**
   * Claims the database for this process; absent if any number of processes may use it.
   *
   * @throws CommError `UNSUPPORTED` if another process has claimed it
   */
  claim?(): Promise<void>;
  /** Ends the claim of this process. */
  unclaim?(): Promise<void>;
  /** Takes a connection for a long read; absent if the database has no connections but its own. */
  session?(): Promise<ReadSession>;
}
