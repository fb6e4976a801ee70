import { retryDelayMs } from '../../../lib/retry.ts';
import type { EncryptedEnvelope } from '../../../protocol/encryption.ts';
import { isCommError } from '../../../protocol/errors.ts';
import type { ClientContext } from '../../context.ts';
import { type Keystore, RECORDS } from '../keystore/keystore.ts';

const BACKOFF = { baseMs: 30_000, maxMs: 300_000 };

/** Sends enqueued envelopes by `encryption:session-init`: in order per recipient, until the server has accepted them. */
export class MailboxSender {
  readonly #context: ClientContext;
  #running: Promise<void> | undefined;
  #runAgain = false;
  #cancelRetry = (): void => undefined;
  /** Rejections with RATE_LIMITED since the last flush without one. */
  #rateLimited = 0;

  constructor(context: ClientContext) {
    this.#context = context;
  }

  /**
   * Resolves when the server has accepted or rejected all envelopes that are enqueued now. An envelope that is rejected with
   * RATE_LIMITED, as by a full mailbox, is sent later, and its recipient's other envelopes after it.
   *
   * @throws CommError if the connection is lost
   */
  async flush(keystore: Keystore): Promise<void> {
    if (this.#running !== undefined) {
      // The running round may have listed the envelopes before the newest one was enqueued.
      this.#runAgain = true;
      return this.#running;
    }
    this.#running = this.#sendAll(keystore).finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  /** Cancels the scheduled retry. */
  stop(): void {
    this.#cancelRetry();
  }

  async #sendAll(keystore: Keystore): Promise<void> {
    do {
      this.#runAgain = false;
      const before = this.#rateLimited;
      const byRecipient = new Map<string, [name: string, envelope: EncryptedEnvelope][]>();
      for (const [name, value] of await keystore.records.listJson(RECORDS.mailbox(''))) {
        const envelope = value as EncryptedEnvelope;
        const entries = byRecipient.get(envelope.recipientId) ?? [];
        byRecipient.set(envelope.recipientId, entries);
        entries.push([name, envelope]);
      }
      const sending = Array.from(byRecipient.values(), (entries) => this.#send(keystore, entries));
      const failure = (await Promise.allSettled(sending)).find((each) => each.status === 'rejected');
      if (failure !== undefined) throw failure.reason;
      if (this.#rateLimited === before) this.#rateLimited = 0;
    } while (this.#runAgain);
  }

  async #send(keystore: Keystore, entries: readonly [name: string, envelope: EncryptedEnvelope][]): Promise<void> {
    for (const [name, envelope] of entries) {
      const { recipientId, sessionId } = envelope;
      try {
        await this.#context.requester.request('encryption:session-init', { recipientId, sessionId, envelope });
      } catch (error) {
        if (isCommError(error) && error.code === 'RATE_LIMITED') return this.#retryLater(keystore, error);
        if (!isCommError(error) || error.retryable) throw error;
        this.#context.logger.warn('The server rejected an envelope', { code: error.code });
      }
      await keystore.records.transact([], (tx) => tx.delete(name));
    }
  }

  #retryLater(keystore: Keystore, error: unknown): void {
    const { clock, random } = this.#context;
    const delayMs = retryDelayMs(error, this.#rateLimited, random, BACKOFF);
    this.#rateLimited += 1;
    this.#cancelRetry();
    this.#cancelRetry = clock.after(delayMs, () => {
      // While offline there is nothing to do: every connection starts with a flush.
      if (this.#context.online()) this.flush(keystore).catch(() => undefined);
    });
  }
}
