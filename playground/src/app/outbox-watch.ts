import type { CommClient, PendingMessage } from 'lumen-comm';
import { Cell } from '../lib/watch.ts';

/** Observes the messages in the outbox, also those of an earlier visit, which are read from storage. */
export class OutboxWatch {
  readonly waiting: Cell<readonly PendingMessage[]>;

  constructor({ messages }: CommClient, signal: AbortSignal) {
    const { outbox } = messages;
    this.waiting = new Cell(outbox.getSnapshot());
    signal.addEventListener(
      'abort',
      outbox.subscribe(() => this.waiting.set(outbox.getSnapshot())),
    );
  }

  /** Returns the newest message of the conversation that is still in the outbox. */
  lastIn(conversationId: string): PendingMessage | undefined {
    return this.waiting.value.findLast((each) => each.conversationId === conversationId);
  }
}
