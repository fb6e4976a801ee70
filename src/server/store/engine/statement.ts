import {
  DummyDriver,
  Kysely,
  type Compilable,
  type CompiledQuery,
  type RawBuilder,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
  sql,
} from 'kysely';
import type { Tables } from '../schema.ts';
import type { SqlValue, Statement } from './work.ts';

/**
 * Typed query builder. It only compiles: each statement is compiled once, when its module is loaded, and run by {@link
 * Database} with different parameters.
 */
export const query = new Kysely<Tables>({
  dialect: {
    createAdapter: () => new SqliteAdapter(),
    createDriver: () => new DummyDriver(),
    createIntrospector: (db) => new SqliteIntrospector(db),
    createQueryCompiler: () => new SqliteQueryCompiler(),
  },
});

/** SQL of every statement. Exported for tests. */
export const compiledStatements = new Set<string>();

/** Named parameters of a statement, as placeholders in its query. */
export type Params<P> = { readonly [K in keyof P]: RawBuilder<P[K]> };

class Placeholder {
  readonly name: string;

  constructor(name: string) {
    this.name = name;
  }
}

/**
 * Compiles a query once. Every use of `p.name` becomes a bound parameter. The returned function fills in the values.
 *
 * ```ts
 * const roleOf = statement((p: Params<{ userId: string }>) => query.selectFrom('…').where('user_id', '=', p.userId));
 * const row = yield* first(roleOf({ userId }));
 * ```
 */
export function statement<P extends object, Row>(
  build: (p: Params<P>) => Compilable<Row> | RawBuilder<Row>,
): (params: P) => Statement<Row> {
  const placeholders = new Proxy({} as Params<P>, {
    get: (_, name) => sql`${new Placeholder(String(name))}`,
  });
  const built = build(placeholders);
  const compiled: CompiledQuery<Row> = 'isRawBuilder' in built ? built.compile(query) : built.compile();
  const slots = compiled.parameters as readonly (Placeholder | SqlValue)[];
  const text = withoutPeeking(compiled.sql);
  compiledStatements.add(text);
  const shape = { sql: text, ...kindOf(text) };
  return (params) => {
    const values = params as Record<string, SqlValue>;
    return {
      ...shape,
      parameters: slots.map((slot) => (slot instanceof Placeholder ? (values[slot.name] ?? null) : slot)),
    };
  };
}

/** Compiles a query whose rows are returned as arrays; see {@link statement}. The names of its columns must differ. */
export function arrayStatement<P extends object, Row extends readonly unknown[]>(
  build: (p: Params<P>) => RawBuilder<Row>,
): (params: P) => Statement<Row> {
  const compiled = statement(build);
  return (params) => ({ ...compiled(params), kind: 'arrays' });
}

/**
 * Numbers of rows of the statements that an insertion consists of, largest first. A row of a long statement costs half of one
 * that has a statement of its own, and also less than one that SQLite reads from a list written as JSON.
 */
const ROWS_PER_STATEMENT = [32, 8, 2, 1] as const;

/**
 * Compiles the insertion of any number of rows: as few statements as {@link ROWS_PER_STATEMENT} allows, in the order of the
 * rows. Every row is a list of the same number of values.
 *
 * @param build - returns the query for the rows of its `VALUES`
 */
export function insertion<Row>(
  columns: number,
  build: (rows: RawBuilder<unknown>) => RawBuilder<Row>,
): (rows: readonly (readonly SqlValue[])[]) => Statement<Row>[] {
  const row = sql`(${sql.join(Array.from({ length: columns }, () => sql`${null}`))})`;
  const shapes = ROWS_PER_STATEMENT.map((count) => {
    const text = build(sql.join(Array.from({ length: count }, () => row))).compile(query).sql;
    compiledStatements.add(text);
    return { count, shape: { sql: text, ...kindOf(text) } };
  });
  return (rows) => {
    const statements: Statement<Row>[] = [];
    let at = 0;
    for (const { count, shape } of shapes) {
      for (; at + count <= rows.length; at += count) {
        statements.push({ ...shape, parameters: rows.slice(at, at + count).flat() });
      }
    }
    return statements;
  };
}

/**
 * SQLite's planner looks at the value that is bound to a limit, and compiles the statement again whenever a value is bound.
 * It doesn't look into an expression.
 */
function withoutPeeking(text: string): string {
  return text.replaceAll(/\b(limit|offset) \?/gi, '$1 ? + 0');
}

function kindOf(text: string): Pick<Statement, 'kind' | 'writes'> {
  const reads = /^\s*(?:select|with|values|pragma|explain)\b/i.test(text);
  return { kind: reads || /\breturning\b/i.test(text) ? 'rows' : 'run', writes: !reads };
}

/** SQL without parameters that only Postgres runs, such as an order that SQLite's plan has already. */
export function onlyPostgres(text: string): RawBuilder<unknown> {
  return sql.raw(`/*postgres ${text}*/`);
}

/** Passes a list as one JSON parameter, so that the SQL doesn't depend on its length: `in ${listed(p.ids)}`. */
export function listed(json: RawBuilder<string>): RawBuilder<string> {
  return sql<string>`(select value from json_each(${json}))`;
}

/** Like {@link listed}, for whole numbers. */
export function listedIds(json: RawBuilder<string>): RawBuilder<number> {
  return sql<number>`(select cast(value as bigint) from json_each(${json}))`;
}
