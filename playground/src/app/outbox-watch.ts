import type { CommClient, PendingMessage } from 'lumen-comm';
import { Cell } from '../lib/watch.ts';

/** Observes the messages in the outbox. */
export class OutboxWatch {
  readonly waiting = new Cell<readonly PendingMessage[]>([]);
  readonly #client: CommClient;

  constructor(client: CommClient, signal: AbortSignal) {
    this.#client = client;
    const refresh = (): void => this.refresh();
    for (const event of ['status', 'message:pending', 'message:failed', 'message:new'] as const) {
      client.on(event, refresh, { signal });
    }
  }

  /** Reads the outbox again. Call it after `retry()` and `discard()`, which emit no client event. */
  refresh(): void {
    const waiting = this.#client.messages.outbox();
    const held = this.waiting.value;
    const isSame =
      waiting.length === held.length &&
      waiting.every(({ clientId, status }, at) => held[at]?.clientId === clientId && held[at].status === status);
    if (!isSame) this.waiting.set(waiting);
  }

  /** Returns the newest message of the conversation that is still in the outbox. */
  lastIn(conversationId: string): PendingMessage | undefined {
    return this.waiting.value.findLast((each) => each.conversationId === conversationId);
  }
}
