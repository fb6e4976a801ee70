import type { DatabaseSync } from 'node:sqlite';

/** Tells the text and the parameters of every statement that runs on `db`, each time it does. */
export function watchStatements(db: DatabaseSync, ran: (sql: string, parameters: readonly unknown[]) => void): void {
  const prepare = db.prepare.bind(db);
  db.prepare = (sql) => {
    const statement = prepare(sql);
    for (const name of ['run', 'all'] as const) {
      const original = statement[name].bind(statement) as (...values: unknown[]) => never;
      statement[name] = (...values: unknown[]) => {
        ran(sql, values);
        return original(...values);
      };
    }
    return statement;
  };
}
