import { createHash } from 'node:crypto';

/** Sends commands on a connection that another part keeps open. */
export interface RedisCommands {
  /** Whether commands can be sent. */
  readonly connected: boolean;
  /** Sends a command. Rejects without a connection, if the connection is lost, and if Redis refuses the command. */
  command(args: readonly string[]): Promise<unknown>;
  /** Calls `listener` with each connection from now on. Redis may have lost everything in between. */
  onConnected(listener: () => void): void;
}

/** A script that Redis runs as one step. */
export class RedisScript {
  readonly #source: string;
  readonly #hash: string;

  /** @param source - in Lua */
  constructor(source: string) {
    this.#source = source;
    this.#hash = createHash('sha1').update(source).digest('hex');
  }

  /** Runs the script. Sends its text only if Redis doesn't know it. */
  async run(redis: RedisCommands, keys: readonly string[], args: readonly string[]): Promise<unknown> {
    const rest = [String(keys.length), ...keys, ...args];
    try {
      return await redis.command(['EVALSHA', this.#hash, ...rest]);
    } catch (error) {
      if (!(error instanceof Error && error.message.startsWith('NOSCRIPT'))) throw error;
      return await redis.command(['EVAL', this.#source, ...rest]);
    }
  }
}
