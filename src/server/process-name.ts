import { hostname } from 'node:os';
import type { LogFields, Logger } from '../lib/logger.ts';

/** Returns the default name of a process that shares its database with others. */
export function defaultProcessName(): string {
  return `${hostname()}-${process.pid}`;
}

/**
 * Returns a logger whose entries contain the name of the process.
 *
 * @param target - returns where entries are passed on to
 * @param name - `undefined` leaves entries unchanged
 */
export function namedLogger(target: () => Logger, name: string | undefined): Logger {
  const named = (fields: LogFields | undefined): LogFields | undefined =>
    name === undefined ? fields : { process: name, ...fields };
  return {
    debug: (message, fields) => target().debug(message, named(fields)),
    info: (message, fields) => target().info(message, named(fields)),
    warn: (message, fields) => target().warn(message, named(fields)),
    error: (message, fields) => target().error(message, named(fields)),
  };
}
