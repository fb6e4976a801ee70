/** Fields are ids, names, codes and numbers: never message texts, tokens or keys. */
export type LogFields = Readonly<Record<string, string | number | boolean | undefined>>;

/** Where diagnostics go; `console` is one. */
export interface Logger {
  /** What only somebody who looks for a fault wants to know. */
  debug(message: string, fields?: LogFields): void;
  /** What happened as it should. */
  info(message: string, fields?: LogFields): void;
  /** What went wrong and was dealt with. */
  warn(message: string, fields?: LogFields): void;
  /** What went wrong and has to be looked at. */
  error(message: string, fields?: LogFields): void;
}

const ignore = (): void => undefined;
export const silentLogger: Logger = { debug: ignore, info: ignore, warn: ignore, error: ignore };

/** What may be logged of an error: its kind. Messages of foreign errors can quote the content they failed on. */
export function errorFields(error: unknown): LogFields {
  if (!(error instanceof Error)) return { error: typeof error };
  const code = 'code' in error && typeof error.code === 'string' ? error.code : undefined;
  return { error: error.name, code };
}
