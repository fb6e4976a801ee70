import { isCommError } from '../../protocol/errors.ts';
import type { EncryptedEnvelope } from '../../protocol/encryption.ts';
import type { ClientContext } from '../context.ts';
import { NAMES, type Account } from './account.ts';

/** What could not be handed over for now is tried again after this long, beside a line that stands. */
const RETRY_AFTER_MS = 30_000;

/** Hands over what goes by `session-init`: stored before, in order for each recipient, until the server has it. */
export class Post {
  readonly #context: ClientContext;
  #running: Promise<void> | undefined;
  #again = false;
  #cancelRetry = (): void => undefined;

  constructor(context: ClientContext) {
    this.#context = context;
  }

  /**
   * Resolves when all that is there now was handed over, or refused for good. What a full mailbox doesn't take waits by
   * itself: nobody else must wait for it.
   *
   * @throws CommError when the line is lost
   */
  async flush(account: Account): Promise<void> {
    // What was put there after a round began needs another one.
    if (this.#running !== undefined) {
      this.#again = true;
      return this.#running;
    }
    this.#running = this.#rounds(account).finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  stop(): void {
    this.#cancelRetry();
  }

  async #rounds(account: Account): Promise<void> {
    do {
      this.#again = false;
      const waiting = await account.records.list(NAMES.post(''));
      const byRecipient = new Map<string, [name: string, envelope: EncryptedEnvelope][]>();
      for (const [name, value] of waiting) {
        const envelope = value as EncryptedEnvelope;
        const row = byRecipient.get(envelope.recipientId) ?? [];
        byRecipient.set(envelope.recipientId, row);
        row.push([name, envelope]);
      }
      const rows = Array.from(byRecipient.values(), (row) => this.#hand(account, row));
      const failure = (await Promise.allSettled(rows)).find((each) => each.status === 'rejected');
      if (failure !== undefined) throw failure.reason;
    } while (this.#again);
  }

  async #hand(account: Account, row: readonly [name: string, envelope: EncryptedEnvelope][]): Promise<void> {
    for (const [name, envelope] of row) {
      const { recipientId, sessionId } = envelope;
      try {
        await this.#context.requester.request('encryption:session-init', { recipientId, sessionId, envelope });
      } catch (error) {
        if (isCommError(error) && error.code === 'RATE_LIMITED') return this.#retryLater(account, error.retryAfterMs);
        if (!isCommError(error) || error.retryable) throw error;
        this.#context.logger.warn('An envelope was refused', { code: error.code });
      }
      await account.records.transact([], (view) => view.delete(name));
    }
  }

  #retryLater(account: Account, afterMs = RETRY_AFTER_MS): void {
    this.#cancelRetry();
    this.#cancelRetry = this.#context.clock.after(afterMs, () => {
      // With the next connection it is tried in any case.
      if (this.#context.online()) this.flush(account).catch(() => undefined);
    });
  }
}
