import type { LogFields, Logger } from '../lib/logger.ts';

/** Writes warnings and errors to the standard error stream, one line each. Discards debug and info entries. */
export const consoleLogger: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: (message, fields) => write('warning', message, fields),
  error: (message, fields) => write('error', message, fields),
};

function write(level: string, message: string, fields: LogFields = {}): void {
  const details = Object.entries(fields)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => ` ${name}=${JSON.stringify(value)}`);
  process.stderr.write(`lumen-comm ${level}: ${message}${details.join('')}\n`);
}
