import { randomUUID } from 'node:crypto';
import { systemClock, type Clock } from '../lib/clock.ts';
import type { Logger } from '../lib/logger.ts';
import { systemRandom } from '../lib/random.ts';
import { CommError } from '../protocol/errors.ts';
import { consoleLogger } from './console-logger.ts';
import type { Bus } from './cluster/bus.ts';
import { isRedisUrl } from './cluster/redis-connection.ts';
import type { Ephemera } from './cluster/ephemera.ts';
import { RedisBus } from './cluster/redis-bus.ts';
import { RedisEphemera } from './cluster/redis-ephemera.ts';

/** Options of {@link openRedis}. */
export interface OpenRedisOptions {
  /** Begins the names of all channels and keys, so that several chats can share a Redis. @defaultValue `lumen-comm:` */
  prefix?: string | undefined;
  /** Receives warnings, such as that of a lost connection. @defaultValue the console */
  logger?: Logger | undefined;
  /** Source of time and timers; tests inject their own. */
  clock?: Clock | undefined;
}

/** What the processes of one database share through Redis: pass it to each handler and route of the process. */
export interface SharedRedis extends AsyncDisposable {
  /** Wakes up the other processes. */
  readonly bus: Bus;
  /** What they share and don't store, such as presence. */
  readonly ephemera: Ephemera;
  /** Ends the connections. Close the server first. */
  close(): Promise<void>;
  /** Same as {@link SharedRedis.close}. */
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Connects to Redis, and again whenever a connection is lost, so that several processes can serve one database:
 *
 * ```ts
 * const { bus, ephemera } = await openRedis('redis://127.0.0.1:6379');
 * attachCommunication(io, { db: pool, bus, ephemera });
 * ```
 *
 * @param url - of Redis 7 or later, `redis://…` or, with TLS, `rediss://…`
 * @throws CommError `UNAVAILABLE` if Redis can't be reached or used; TypeError for another URL
 */
export async function openRedis(url: string, options: OpenRedisOptions = {}): Promise<SharedRedis> {
  if (!isRedisUrl(url)) throw new TypeError('redis must be a URL that starts with redis:// or rediss://');
  const { prefix, clock = systemClock, logger = consoleLogger } = options;
  const processId = randomUUID();
  const bus = new RedisBus({ url, prefix, processId, random: systemRandom, clock, logger });
  try {
    await bus.open('once');
  } catch (error) {
    await bus.close();
    throw explained(error, url);
  }
  const killed = (): void => bus.lostByOthers();
  const ephemera = new RedisEphemera({ redis: bus, prefix, processId, clock, logger, killed });
  const close = async (): Promise<void> => {
    await ephemera.close();
    await bus.close();
  };
  return { bus, ephemera, close, [Symbol.asyncDispose]: close };
}

function explained(error: unknown, url: string): CommError {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : undefined;
  const { message } = cause instanceof Error ? cause : { message: 'unknown failure' };
  const fix = /^(?:NOAUTH|WRONGPASS|NOPERM)|AUTH/.test(message)
    ? 'Pass user and password in the URL, redis://user:password@host:port.'
    : /unknown command|NOPROTO|HELLO/i.test(message)
      ? 'Use Redis 7 or later, or Valkey.'
      : 'Start Redis, or correct the address.';
  const { host } = new URL(url);
  return new CommError('UNAVAILABLE', `Redis at ${host} can't be used: ${code ?? message}`, { fix, cause });
}
