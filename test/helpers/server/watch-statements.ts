import type { DatabaseSync } from 'node:sqlite';

/** Tells the text of every statement that runs on `db`, each time it does. */
export function watchStatements(db: DatabaseSync, ran: (sql: string) => void): void {
  const prepare = db.prepare.bind(db);
  db.prepare = (sql) => {
    const statement = prepare(sql);
    for (const name of ['run', 'all'] as const) {
      const original = statement[name].bind(statement) as (...values: unknown[]) => never;
      statement[name] = (...values: unknown[]) => {
        ran(sql);
        return original(...values);
      };
    }
    return statement;
  };
}
