/** Parsers of the values in rows. */
export interface RowTypes {
  /** Returns the parser of a type. */
  getTypeParser(type: number): (text: string) => unknown;
}
/** Common part of the pools of `pg` that the server uses. */
export interface PostgresPool {
  /** Takes a connection. */
  connect(): Promise<PostgresClient>;
  /** Number of connections; only pools have it. */
  readonly totalCount: number;
  /** Options of the pool. */
  readonly options?: {
    /** Most connections. */
    readonly max?: number | undefined;
  };
  /** Listens for errors of idle connections. */
  on(event: 'error', listener: (error: Error) => void): unknown;
  /** Listens for new connections, before they are given to those who wait for them. */
  on(event: 'connect', listener: (client: PostgresClient) => void): unknown;
}
/** A connection of a {@link PostgresPool}. */
export interface PostgresClient {
  /** Whether queries are sent without waiting for the answers to earlier ones: the option `pipeline` of the pool. */
  readonly pipeline?: boolean;
  /** Process of the server that serves the connection. */
  readonly processID?: number | null;
  /** Runs a query. */
  query(query: PostgresQuery): Promise<PostgresResult>;
  /** Returns the connection to the pool, or closes it. */
  release(destroy?: boolean): void;
  /** Listens for the loss of the connection. */
  on(event: 'error', listener: (error: Error) => void): unknown;
  /** Stops listening. */
  off(event: 'error', listener: (error: Error) => void): unknown;
}
/** A query of `pg`. */
export interface PostgresQuery {
  readonly text: string;
  /** Parameters. */
  readonly values?: unknown[];
  /** Name of the prepared statement of the connection. */
  readonly name?: string;
  /** Rows as arrays. */
  readonly rowMode?: 'array';
  /** Parsers of values, by the number of their type. */
  readonly types?: RowTypes;
  /** Time in ms after which the answer is no longer waited for, and the connection is closed. */
  readonly query_timeout?: number;
}
/** The answer to a query. */
export interface PostgresResult {
  readonly rows: readonly unknown[];
  /** The command that was executed, such as `COMMIT`. */
  readonly command?: string;
}

/** A pool that the server opened and must close. */
export interface OwnedPool extends PostgresPool {
  /** Closes the connections. */
  end(): Promise<void>;
}

/**
 * Keeps the loss of a connection from ending the process: without a listener, an `error` is thrown. The next query on the connection
 * reports the loss. A connection may be lost in the same packet that opens it, before the one who waits for it can listen.
 */
export function outlivesConnections<T extends PostgresPool>(pool: T): T {
  const ignore = (): void => undefined;
  pool.on('error', ignore);
  pool.on('connect', (client) => void client.on('error', ignore));
  return pool;
}

/** Returns whether a database is a pool of `pg`. */
export function isPostgresPool(value: unknown): value is PostgresPool {
  if (typeof value !== 'object' || value === null) return false;
  return typeof Reflect.get(value, 'connect') === 'function' && typeof Reflect.get(value, 'totalCount') === 'number';
}
