import type { Clock } from '../../lib/clock.ts';

/** One connection to Redis, which ends for good when it is lost. */
export interface RedisConnection {
  /** Publishes a message (`SPUBLISH`). */
  publish(channel: string, message: string): Promise<unknown>;
  /** Sends another command. */
  command(args: readonly string[]): Promise<unknown>;
  /** Subscribes to channels (`SSUBSCRIBE`). */
  subscribe(channels: readonly string[]): Promise<void>;
  /** Unsubscribes from channels. */
  unsubscribe(channels: readonly string[]): Promise<void>;
  /** Closes the connection. What waits for an answer fails. Idempotent. */
  destroy(): void;
}

/** What a connection tells its owner. */
export interface RedisConnectionEvents {
  received(channel: string, message: string): void;
  /** The connection was lost. Called at most once, not after `destroy()`. */
  lost(error: unknown): void;
}

/** Opens a connection to Redis. */
export type ConnectRedis = (url: string, events: RedisConnectionEvents, clock: Clock) => Promise<RedisConnection>;

/** Time in ms to open a connection, and the same time again until Redis must have answered on it. */
const CONNECT_TIMEOUT_MS = 5_000;

/**
 * Connects to Redis, with commands and subscriptions on one connection (RESP 3): both are lost together, so that one event
 * says that messages may be missing.
 */
export const connectRedis: ConnectRedis = async (url, events, clock) => {
  const { createClient } = await import('@redis/client');
  const client = createClient({
    url,
    RESP: 3,
    disableOfflineQueue: true,
    // The owner reconnects, because it has to know what was missed.
    socket: { reconnectStrategy: false, connectTimeout: CONNECT_TIMEOUT_MS },
  });
  let state: 'opening' | 'open' | 'ended' = 'opening';
  const end = (error?: unknown): void => {
    const wasOpen = state === 'open';
    state = 'ended';
    if (wasOpen) events.lost(error);
  };
  client.on('error', end);
  client.on('end', end);
  const listener = (message: string, channel: string): void => {
    if (state !== 'ended') events.received(channel, message);
  };
  const destroy = (): void => {
    state = 'ended';
    // A client whose connection has ended refuses to be destroyed.
    if (client.isOpen) client.destroy();
  };
  // Redis may accept a connection and never answer. Destroying the client rejects what waits for an answer.
  const cancel = clock.after(2 * CONNECT_TIMEOUT_MS, destroy, true);
  try {
    await client.connect();
  } catch (error) {
    destroy();
    throw error;
  } finally {
    cancel();
  }
  state = 'open';
  return {
    destroy,
    publish: (channel, message) => client.sPublish(channel, message),
    command: (args) => client.sendCommand([...args]),
    subscribe: (channels) => client.sSubscribe([...channels], listener),
    unsubscribe: (channels) => client.sUnsubscribe([...channels]),
  };
};

/** Begins the names of all channels and keys. */
export const DEFAULT_PREFIX = 'lumen-comm:';

/** Options of what uses Redis. */
export interface RedisOptions {
  /** URL of Redis 7 or later, such as `redis://127.0.0.1:6379`. */
  readonly url: string;
  /** Begins the names of all channels and keys, so that several apps can share a Redis. @defaultValue `lumen-comm:` */
  readonly prefix?: string | undefined;
  readonly clock: Clock;
  /** Opens connections; tests inject their own. @defaultValue {@link connectRedis} */
  readonly connect?: ConnectRedis | undefined;
}

/** Returns whether a text is a URL of Redis. */
export function isRedisUrl(text: string): boolean {
  return /^rediss?:\/\//i.test(text) && URL.canParse(text);
}
