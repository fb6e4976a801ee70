import type { BetterSqliteFiles } from './better-sqlite.ts';
import type { ClaimMode } from './process-claim.ts';
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

/** A part of a transaction that writes. */
export interface WritePart {
  /** What it changes, such as the id of a conversation; `undefined` if it may change everything. */
  readonly keys: readonly string[] | undefined;
  /** Called again if the transaction is repeated. */
  readonly work: () => Work<void>;
}

/** A database of the server. */
export interface Database {
  readonly dialect: 'sqlite' | 'postgres';
  /** Number of calls of {@link write} that can run at the same time. */
  readonly writers: number;
  /** Runs `work` without a transaction of its own. Transactions that write don't interleave. */
  run<T>(work: () => Work<T>): T | Promise<T>;
  /**
   * Runs the parts in one transaction and commits it. Parts that have no key in common may run at the same time, the others run in
   * order.
   *
   * @throws the first failure; then nothing is changed, unless the outcome of the commit is unknown
   */
  write(parts: readonly WritePart[]): Promise<void>;
  /**
   * Runs `work` on one snapshot.
   *
   * @param failure - maps an error to the rejection
   */
  read<T>(work: () => Work<T>, failure?: (error: unknown) => unknown): Promise<T>;
  /** Returns what a thread needs to open the database too; `undefined` if none may. */
  shared(): Promise<SharedDatabase | undefined>;
  /**
   * Claims the database for this process, or for it and others that reach it; absent if the database isn't shared.
   *
   * @throws CommError `UNSUPPORTED` if another process has claimed it
   */
  claim?(mode: ClaimMode): Promise<void>;
  /** Returns whether this process leads those with a claim; absent if there is only one. */
  lead?(): Promise<boolean>;
  /** Ends the claim of this process. */
  unclaim?(): Promise<void>;
  /** Takes a connection for a long read; absent if the database has no connections but its own. */
  session?(): Promise<ReadSession>;
}
