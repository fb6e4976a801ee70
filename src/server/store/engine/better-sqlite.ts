/** The files of a copy of better-sqlite3. */
export interface BetterSqliteFiles {
  /** The CommonJS module. */
  readonly module: string;
  /** The native addon, which contains SQLite. */
  readonly addon: string;
}

const ADDON = /better[-_]sqlite3.*\.node$/;

/**
 * Returns the files of the copy of better-sqlite3 that has opened a database, so that a thread can open it with the same
 * copy of SQLite: two copies in one process would lose each other's locks (https://sqlite.org/howtocorrupt.html, "Multiple
 * copies of SQLite linked into the same application"). Returns `undefined` for other databases, if the process has loaded
 * several copies, and if a bundle contains the module.
 */
export function betterSqliteFiles(database: object): BetterSqliteFiles | undefined {
  const { createRequire } = process.getBuiltinModule('node:module');
  const loaded = Object.entries(createRequire(process.execPath).cache);
  const addons = loaded.filter(([file]) => ADDON.test(file));
  const [addon] = addons;
  const module = loaded.find(([, each]) => each !== undefined && each.exports === database.constructor);
  if (module === undefined || addon === undefined || addons.length > 1) return undefined;
  return { module: module[0], addon: addon[0] };
}
