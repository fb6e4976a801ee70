import { retryDelayMs } from '../../../lib/retry.ts';
import type { EncryptedEnvelope } from '../../../protocol/encryption.ts';
import { isCommError, type CommError } from '../../../protocol/errors.ts';
import type { ClientContext } from '../../context.ts';
import { type Keystore, RECORDS } from '../keystore/keystore.ts';

const BACKOFF = { baseMs: 30_000, maxMs: 300_000 };

/** Sends enqueued envelopes by `encryption:session-init`: in order per recipient, until the server has accepted them. */
export class MailboxSender {
  readonly #context: ClientContext;
  #running: Promise<void> | undefined;
  #runAgain = false;
  /** Cancels the scheduled retry, if there is one. */
  #cancelRetry: (() => void) | undefined;
  /** When it is due, in milliseconds since the epoch. */
  #retryAt = 0;
  /** Retries that were due to RATE_LIMITED, since everything was accepted. */
  #retries = 0;

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
    this.#cancelRetry?.();
    this.#cancelRetry = undefined;
  }

  async #sendAll(keystore: Keystore): Promise<void> {
    do {
      this.#runAgain = false;
      const byRecipient = new Map<string, [name: string, envelope: EncryptedEnvelope][]>();
      for (const [name, value] of await keystore.records.listJson(RECORDS.mailbox(''))) {
        const envelope = value as EncryptedEnvelope;
        const entries = byRecipient.get(envelope.recipientId) ?? [];
        byRecipient.set(envelope.recipientId, entries);
        entries.push([name, envelope]);
      }
      const sending = Array.from(byRecipient.values(), (entries) => this.#send(keystore, entries));
      const results = await Promise.allSettled(sending);
      const limits = results.flatMap((each) => (each.status === 'fulfilled' ? (each.value ?? []) : []));
      if (limits.length > 0) this.#retryLater(keystore, limits);
      const failure = results.find((each) => each.status === 'rejected');
      if (failure !== undefined) throw failure.reason;
      if (limits.length === 0) this.#retries = 0;
    } while (this.#runAgain);
  }

  /** Resolves with the error if the server rejects an envelope with RATE_LIMITED. The following ones are not sent then. */
  async #send(
    keystore: Keystore,
    entries: readonly [name: string, envelope: EncryptedEnvelope][],
  ): Promise<CommError | undefined> {
    for (const [name, envelope] of entries) {
      const { recipientId, sessionId } = envelope;
      try {
        await this.#context.requester.request('encryption:session-init', { recipientId, sessionId, envelope });
      } catch (error) {
        if (isCommError(error) && error.code === 'RATE_LIMITED') return error;
        if (!isCommError(error) || error.retryable) throw error;
        this.#context.logger.warn('The server rejected an envelope', { code: error.code });
      }
      await keystore.records.transact([], (tx) => tx.delete(name));
    }
    return undefined;
  }

  /**
   * Schedules a retry unless one is scheduled for an earlier time. The wait grows with the retries and not with the rejections:
   * of a thousand envelopes of a group, dozens can be rejected at once.
   */
  #retryLater(keystore: Keystore, limits: readonly CommError[]): void {
    const { clock, random } = this.#context;
    const soonest = limits.reduce((least, each) =>
      (each.retryAfterMs ?? 0) < (least.retryAfterMs ?? 0) ? each : least,
    );
    const delayMs = retryDelayMs(soonest, this.#retries, random, BACKOFF);
    const retryAt = clock.now() + delayMs;
    if (this.#cancelRetry !== undefined && this.#retryAt <= retryAt) return;
    this.#cancelRetry?.();
    this.#retryAt = retryAt;
    this.#cancelRetry = clock.after(delayMs, () => {
      this.#cancelRetry = undefined;
      this.#retries += 1;
      // While offline there is nothing to do: every connection starts with a flush.
      if (this.#context.online()) this.flush(keystore).catch(() => undefined);
    });
  }
}
