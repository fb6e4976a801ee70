import type { LogFields, Logger } from '../lib/logger.ts';

/** Warnings and errors, one line each, on the standard error stream. */
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
