import type { CommClient, PendingMessage } from 'lumen-comm';
import { Cell } from '../lib/watch.ts';

/** What waits to be sent, as something that can be watched. */
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

  /** Discarding and retrying are told by nothing but the timeline: whoever does it says so here. */
  refresh(): void {
    const waiting = this.#client.messages.outbox();
    const held = this.waiting.value;
    const isSame =
      waiting.length === held.length &&
      waiting.every(({ clientId, status }, at) => held[at]?.clientId === clientId && held[at].status === status);
    if (!isSame) this.waiting.set(waiting);
  }

  /** The last message of one's own that isn't stored yet. */
  lastIn(conversationId: string): PendingMessage | undefined {
    return this.waiting.value.findLast((each) => each.conversationId === conversationId);
  }
}
