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
  /** Listens for errors of idle connections. */
  on(event: 'error', listener: (error: Error) => void): unknown;
}
/** A connection of a {@link PostgresPool}. */
export interface PostgresClient {
  /** Runs a query. */
  query(query: PostgresQuery): Promise<{ readonly rows: readonly unknown[] }>;
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
}

/** A pool that the server opened and must close. */
export interface OwnedPool extends PostgresPool {
  /** Closes the connections. */
  end(): Promise<void>;
}

/** Returns whether a database is a pool of `pg`. */
export function isPostgresPool(value: unknown): value is PostgresPool {
  if (typeof value !== 'object' || value === null) return false;
  return typeof Reflect.get(value, 'connect') === 'function' && typeof Reflect.get(value, 'totalCount') === 'number';
}
