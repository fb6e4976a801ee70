import { isRetryable, retry } from '../../lib/retry.ts';
import { isCommError } from '../../protocol/errors.ts';
import type { ClientContext } from '../context.ts';

/** Joins that run at once: each response is a whole conversation, and all of them share one connection. */
const CONCURRENCY = 8;

/** Joins the rooms of open conversations again after a reconnect. */
export class RoomRejoiner {
  readonly #context: Pick<ClientContext, 'clock' | 'random' | 'report'>;
  readonly #join: (conversationId: string) => Promise<void>;
  #connection = new AbortController();

  /** @param join - joins one room and applies the response */
  constructor(
    context: Pick<ClientContext, 'clock' | 'random' | 'report'>,
    join: (conversationId: string) => Promise<void>,
  ) {
    this.#context = context;
    this.#join = join;
  }

  /**
   * Resolves after one attempt for each room. Rooms whose join failed for the moment are retried in the background, until
   * the connection is lost; a room that the user may no longer join is skipped, because the resync reports it.
   */
  async rejoin(conversationIds: readonly string[]): Promise<void> {
    const { signal } = this.#connection;
    let { failed, error } = await this.#joinAll(conversationIds, signal);
    if (failed.length === 0 || signal.aborted) return;
    const attempt = async (): Promise<void> => {
      ({ failed, error } = await this.#joinAll(failed, signal));
      if (failed.length > 0) throw error;
    };
    retry(attempt, this.#context, { signal, lastError: error }).catch((reason: unknown) => {
      if (!signal.aborted) this.#context.report(reason);
    });
  }

  connectionLost(): void {
    this.#connection.abort();
    this.#connection = new AbortController();
  }

  /** @returns the rooms to retry, and the last error */
  async #joinAll(ids: readonly string[], signal: AbortSignal): Promise<{ failed: string[]; error: unknown }> {
    const queue = [...ids];
    const failed: string[] = [];
    let lastError: unknown;
    const worker = async (): Promise<void> => {
      for (let id = queue.shift(); id !== undefined && !signal.aborted; id = queue.shift()) {
        try {
          await this.#join(id);
        } catch (error) {
          if (!isCommError(error)) throw error;
          if (!isRetryable(error)) continue;
          failed.push(id);
          lastError = error;
        }
      }
    };
    await Promise.all(Array.from({ length: CONCURRENCY }, worker));
    return { failed, error: lastError };
  }
}
