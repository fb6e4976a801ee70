/** Structured fields of a log entry: ids, names, codes and numbers. Never message texts, tokens or keys. */
export type LogFields = Readonly<Record<string, string | number | boolean | undefined>>;

/** Receives diagnostics. `console` is a logger. */
export interface Logger {
  /** Details for debugging. */
  debug(message: string, fields?: LogFields): void;
  /** Normal operation. */
  info(message: string, fields?: LogFields): void;
  /** A failure that was handled. */
  warn(message: string, fields?: LogFields): void;
  /** A failure that needs attention. */
  error(message: string, fields?: LogFields): void;
}

const ignore = (): void => undefined;
/** Discards all entries. */
export const silentLogger: Logger = { debug: ignore, info: ignore, warn: ignore, error: ignore };

/** Returns what may be logged of an error: its name and code. Messages of foreign errors can quote user content. */
export function errorFields(error: unknown): LogFields {
  if (!(error instanceof Error)) return { error: typeof error };
  const code = 'code' in error && typeof error.code === 'string' ? error.code : undefined;
  return { error: error.name, code };
}
