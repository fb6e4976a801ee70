import { sql, type RawBuilder } from 'kysely';
import { statement, type Params } from '../../engine/statement.ts';
import { all, first, run, type Work } from '../../engine/work.ts';

/** Rows of a table that are looked at in one turn of the event loop. A row takes about a microsecond, one that is read ten. */
const WINDOW = 1_000;

/** A position in a table. */
export type ScanKey = string | number;

/**
 * Rows of a user in a table, in the order of a key. Most tables have no index by user, and need none for anything else: they
 * are read in windows, so that no turn of the event loop is long however many rows the table has.
 */
export interface UserRows {
  readonly table: string;
  /** Column with the user's id by which an index finds the rows. Without one the table is read from its start to its end. */
  readonly owner?: string | undefined;
  /** Column by whose order the table is read. Rows may share a key. */
  readonly key: string;
  /** Where the key begins: before every key. */
  readonly start: ScanKey;
  /** SQL of the rows of the user `?`. @defaultValue all rows of the `owner` */
  readonly where?: string | undefined;
  /** SQL of what is read. */
  readonly columns: string;
  /** Rows in a window. @defaultValue {@link WINDOW} */
  readonly window?: number | undefined;
}

/** One step through a table. `next` is undefined at its end. */
export interface ScanStep {
  readonly rows: readonly Record<string, unknown>[];
  readonly next: ScanKey | undefined;
}

/** Creates the function that reads one window of a table after a key. */
export function scanner(of: UserRows): (userId: string, after: ScanKey) => Work<ScanStep> {
  const [table, key] = [sql.raw(of.table), sql.raw(of.key)];
  const window = of.window ?? WINDOW;
  const selectEnd = statement(
    (p: Params<{ userId: string; after: ScanKey }>) => sql<{ last: ScanKey | null; found: number }>`
      select max(k) as last, count(*) as found from (
        select ${key} as k from ${table} where ${owned(of, p.userId)} and ${key} > ${p.after}
        order by ${key} limit ${sql.lit(window)}
      )`,
  );
  const selectRows = statement(
    (p: Params<{ userId: string; after: ScanKey; last: ScanKey }>) => sql<Record<string, unknown>>`
      select ${sql.raw(of.columns)} from ${table}
      where ${key} > ${p.after} and ${key} <= ${p.last} and ${matching(of, p.userId)} order by ${key}`,
  );
  return function* (userId, after) {
    const end = yield* first(selectEnd({ userId, after }));
    const last = end?.last ?? undefined;
    if (end === undefined || last === undefined) return { rows: [], next: undefined };
    const rows = yield* all(selectRows({ userId, after, last }));
    return { rows, next: end.found < window ? undefined : last };
  };
}

/** Creates the function that deletes the user's rows in one window of a table after a key. @returns where to continue */
export function deleter(of: Omit<UserRows, 'columns'>): (userId: string, after: ScanKey) => Work<ScanKey | undefined> {
  const [table, key] = [sql.raw(of.table), sql.raw(of.key)];
  const scan = scanner({ ...of, columns: `${of.key} as "key"` });
  const remove = statement(
    (p: Params<{ userId: string; from: ScanKey; to: ScanKey }>) => sql<never>`
      delete from ${table} where ${key} >= ${p.from} and ${key} <= ${p.to} and ${matching(of, p.userId)}`,
  );
  return function* (userId, after) {
    const { rows, next } = yield* scan(userId, after);
    const [from, to] = [rows[0]?.['key'], rows.at(-1)?.['key']];
    if (isKey(from) && isKey(to)) yield* run(remove({ userId, from, to }));
    return next;
  };
}

type UserId = Params<{ userId: string }>['userId'];

function owned({ owner }: Pick<UserRows, 'owner'>, userId: UserId): RawBuilder<boolean> {
  return owner === undefined ? sql<boolean>`true` : sql<boolean>`${sql.raw(owner)} = ${userId}`;
}

/** Replaces each `?` of the condition by the user's id. */
function matching({ owner, where }: Pick<UserRows, 'owner' | 'where'>, userId: UserId): RawBuilder<boolean> {
  const parts = (where ?? 'true').split('?').map((part) => sql.raw(part));
  return sql<boolean>`(${owned({ owner }, userId)} and (${sql.join(parts, userId)}))`;
}

function isKey(value: unknown): value is ScanKey {
  return typeof value === 'string' || typeof value === 'number';
}
