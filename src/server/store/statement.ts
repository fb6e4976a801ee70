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
import type { Tables } from './schema.ts';
import type { SqlValue, Statement } from './work.ts';

/**
 * The typed query builder. It only compiles: statements are compiled once, when their module is loaded, and run by
 * {@link Database} with other parameters each time.
 */
export const query = new Kysely<Tables>({
  dialect: {
    createAdapter: () => new SqliteAdapter(),
    createDriver: () => new DummyDriver(),
    createIntrospector: (db) => new SqliteIntrospector(db),
    createQueryCompiler: () => new SqliteQueryCompiler(),
  },
});

/** The named parameters of a statement as they stand in its query. */
export type Params<P> = { readonly [K in keyof P]: RawBuilder<P[K]> };

class Placeholder {
  readonly name: string;

  constructor(name: string) {
    this.name = name;
  }
}

/**
 * Compiles a query once. Every use of `p.name` in it is a bound parameter; the returned function fills them in.
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
  const shape = { sql: compiled.sql, ...kindOf(compiled.sql) };
  return (params) => {
    const values = params as Record<string, SqlValue>;
    return {
      ...shape,
      parameters: slots.map((slot) => (slot instanceof Placeholder ? (values[slot.name] ?? null) : slot)),
    };
  };
}

function kindOf(text: string): Pick<Statement, 'kind' | 'writes'> {
  const reads = /^\s*(?:select|with|values|pragma|explain)\b/i.test(text);
  return { kind: reads || /\breturning\b/i.test(text) ? 'rows' : 'run', writes: !reads };
}

/** A list as one parameter, so that the text of a statement doesn't depend on its length: `in ${listed(p.ids)}`. */
export function listed<T = string>(json: RawBuilder<string>): RawBuilder<T> {
  return sql<T>`(select value from json_each(${json}))`;
}
