import type { Conversation } from '../../src/protocol/conversations.ts';
import type { Message } from '../../src/protocol/messages.ts';
import { CAPABILITIES } from '../../src/protocol/constants.ts';
import { buildConversation, buildMessage } from '../../src/testing/builders.ts';
import type { SocketListener, SocketPort } from '../../src/transport/socket-port.ts';

/** A fake server without a network, with one conversation in which others write as fast as the client processes it. */
export class CannedServer implements SocketPort {
  readonly conversation: Conversation = buildConversation({ participants: ['ann', 'bob'] });
  #listener: SocketListener | undefined;
  #seq = 0;

  /** The `fetch` option of `CommClient`. The history is empty before the first push. */
  readonly fetch = (input: unknown): Promise<Response> => {
    const isInbox = String(input).includes('/conversations?');
    const page = isInbox ? { conversations: [this.conversation] } : { messages: [] };
    return Promise.resolve(Response.json({ ...page, hasMore: false }));
  };

  listen(listener: SocketListener): void {
    this.#listener = listener;
  }

  connect(): void {
    queueMicrotask(() => {
      this.#listener?.connected();
      const limits = { maxMessageLength: 10_000, maxFileSize: 1, pageSize: 50, typingTimeoutMs: 5_000 };
      this.#push('comm:hello', { protocol: 1, userId: 'ann', caps: CAPABILITIES, serverTime: '', limits });
    });
  }

  disconnect(): void {
    // There is no connection to close.
  }

  emit(event: string, _payload: unknown, acknowledge?: (reply: unknown) => void): void {
    const { conversation } = this;
    const { id, head = { seq: 0, rev: 0 } } = conversation;
    const answers: Record<string, unknown> = {
      'nk:conversation:join': { conversation, head },
      'nk:sync': { inboxRev: 1, conversations: [], gained: [], heads: { [id]: head }, lost: [], reads: [] },
    };
    queueMicrotask(() => acknowledge?.({ ok: true, data: answers[event] ?? null }));
  }

  /** Pushes the next message, and occasionally an edit of or a reaction to a recent one. */
  next(): Message {
    this.#seq += 1;
    const message = buildMessage({ seq: this.#seq, senderId: 'bob', conversationId: this.conversation.id });
    this.#push('message:new', message);
    return message;
  }

  #push(event: string, data: unknown): void {
    // Copied, like data from a network connection.
    this.#listener?.pushed(JSON.parse(JSON.stringify({ event, data })));
  }
}
