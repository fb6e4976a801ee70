import type { Conversation } from '../../src/protocol/conversations.ts';
import type { Message } from '../../src/protocol/messages.ts';
import { CAPABILITIES } from '../../src/protocol/vocabulary.ts';
import { buildConversation, buildMessage } from '../../src/testing/builders.ts';
import type { SocketListener, SocketPort } from '../../src/transport/socket-port.ts';

/** A server without a network: one conversation, in which others write as fast as a client can take it. */
export class CannedServer implements SocketPort {
  readonly conversation: Conversation = buildConversation({ participants: ['ann', 'bob'] });
  #listener: SocketListener | undefined;
  #seq = 0;

  /** For `CommClient`: what of its history is asked for. Nothing is there before the pushes begin. */
  readonly fetch = (input: unknown): Promise<Response> => {
    const isList = String(input).includes('/conversations?');
    return Promise.resolve(Response.json(isList ? [this.conversation] : []));
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
    // There is no line to end.
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

  /** The next message, and now and then an edit or a reaction to a late one. */
  next(): Message {
    this.#seq += 1;
    const message = buildMessage({ seq: this.#seq, senderId: 'bob', conversationId: this.conversation.id });
    this.#push('message:new', message);
    return message;
  }

  #push(event: string, data: unknown): void {
    // As it comes off a line: nothing is shared with whoever made it.
    this.#listener?.pushed(JSON.parse(JSON.stringify({ event, data })));
  }
}
