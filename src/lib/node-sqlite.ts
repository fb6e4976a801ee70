type Sqlite = typeof import('node:sqlite');

/**
 * Loads `node:sqlite`. Returns `undefined` on runtimes that don't have it, such as Node before 22.13, so that modules which
 * call this can be imported anywhere. Node 22 emits an `ExperimentalWarning` when the module is loaded; this function
 * suppresses it.
 */
export function loadSqlite(): Sqlite | undefined {
  const emitWarning: (warning: string | Error, ...rest: never[]) => void = Reflect.get(process, 'emitWarning');
  process.emitWarning = (warning: string | Error, ...rest: never[]) => {
    if (!String(warning).startsWith('SQLite is an experimental')) emitWarning.call(process, warning, ...rest);
  };
  try {
    return process.getBuiltinModule('node:sqlite') as Sqlite | undefined;
  } finally {
    process.emitWarning = emitWarning;
  }
}
