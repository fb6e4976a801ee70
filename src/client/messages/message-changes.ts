import { abortable, type AbortOptions } from '../../lib/abort.ts';
import type { EditMessage, ForwardMessage, Message, MessageRef, ReactToMessage } from '../../protocol/messages.ts';
import { unreadable, type ClientContext } from '../context.ts';
import { requireId, requireObject, requireText } from '../validation.ts';
import type { MarkRead, MessagesClient } from './messages-client.ts';
import type { Enqueue, OutgoingMessages } from './outgoing-messages.ts';

/** Implements the methods of `MessagesClient` that change messages: puts requests into the outbox. */
export class MessageChanges implements Pick<MessagesClient, 'edit' | 'delete' | 'react' | 'forward' | 'markRead'> {
  readonly #context: ClientContext;
  readonly #outgoing: OutgoingMessages;
  readonly #enqueue: Enqueue;

  /** @param enqueue - puts a request into the outbox */
  constructor(context: ClientContext, outgoing: OutgoingMessages, enqueue: Enqueue) {
    this.#context = context;
    this.#outgoing = outgoing;
    this.#enqueue = enqueue;
  }

  async edit(request: EditMessage, { signal }: AbortOptions = {}): Promise<Message | undefined> {
    const { content, mentions, metadata } = request;
    const clear = {
      ...refOf('messages.edit()', request),
      content,
      ...(mentions && { mentions: [...mentions] }),
      ...(metadata && { metadata }),
    };
    requireText('content', clear.content);
    const { cipher } = this.#context;
    const clientId = this.#context.newId();
    const payload = cipher === undefined ? clear : (await cipher()).draftEdit(clear, clientId);
    const answer = await this.#enqueue(payload.conversationId, { name: 'message:edit', payload }, signal, clientId);
    return (await this.#context.rows()).parseMessage(answer);
  }

  async delete(request: MessageRef, { signal }: AbortOptions = {}): Promise<void> {
    const payload = refOf('messages.delete()', request);
    await this.#enqueue(payload.conversationId, { name: 'message:delete', payload }, signal);
  }

  async react(request: ReactToMessage, { signal }: AbortOptions = {}): Promise<void> {
    const ref = refOf('messages.react()', request);
    requireText('emoji', request.emoji);
    const { emoji, on = !this.#outgoing.hasReacted(request) } = request;
    await this.#enqueue(ref.conversationId, { name: 'message:react', payload: { ...ref, emoji, on } }, signal);
  }

  async forward(request: ForwardMessage, { signal }: AbortOptions = {}): Promise<Message> {
    requireObject('messages.forward()', request);
    const { messageId, fromConversationId, toConversationId, clientId = this.#context.newId() } = request;
    requireId('messageId', messageId);
    requireId('fromConversationId', fromConversationId);
    requireId('toConversationId', toConversationId);
    const payload = { messageId, fromConversationId, toConversationId, clientId };
    const answer = await this.#enqueue(toConversationId, { name: 'message:forward', payload }, signal, clientId);
    const message = (await this.#context.rows()).parseMessage(answer);
    if (message === undefined) throw unreadable('message');
    return message;
  }

  async markRead(request: MarkRead, { signal }: AbortOptions = {}): Promise<void> {
    const payload = refOf('messages.markRead()', request);
    const { threadId } = request;
    // A lane of its own, so that receipts don't wait behind messages.
    const lane = `${payload.conversationId} read`;
    if (threadId !== undefined) {
      requireId('threadId', threadId);
      await this.#enqueue(lane, { name: 'thread:read', payload: { ...payload, threadId } }, signal);
      return;
    }
    const queued = this.#outgoing.queuedReceipt(lane, payload);
    await (queued === undefined
      ? this.#enqueue(lane, { name: 'message:read', payload }, signal)
      : abortable(this.#outgoing.outbox.retry(queued), signal));
  }
}

/** @throws TypeError unless `request` names a message by two ids */
function refOf(what: string, request: MessageRef): MessageRef {
  requireObject(what, request);
  const { conversationId, messageId } = request;
  requireId('conversationId', conversationId);
  requireId('messageId', messageId);
  return { conversationId, messageId };
}
