import { abortable, type AbortOptions } from '../../lib/abort.ts';
import { uuidTime, uuidv7 } from '../../lib/ids.ts';
import type { Lazy } from '../../lib/lazy.ts';
import type {
  EditMessage,
  ForwardMessage,
  Message,
  MessageRef,
  ReactToMessage,
  SendMessage,
} from '../../protocol/messages.ts';
import type { CommStorage } from '../../storage/comm-storage.ts';
import { requireId, unreadable, type ClientContext } from '../context.ts';
import type { SendMessageInput } from '../ports.ts';
import type { History, HistoryPage, HistoryQuery } from './history.ts';
import type { Operation, OutboxItem } from './outbox.ts';
import { Sender } from './sender.ts';
import type { TimelineEvent } from './timeline.ts';
import type { Timelines } from './timelines.ts';

/** What is loaded when somebody first reads. */
type Reading = Lazy<{ readonly history: History; readonly timelines: Timelines }>;

/** What to send, and where. */
export interface SendOptions extends SendMessageInput {
  conversationId: string;
}

/** A message that waits in the outbox. */
export interface PendingMessage extends Message {
  clientId: string;
  status: 'sending' | 'failed';
}

/** What to look for. */
export interface SearchMessages {
  /** Words, at most 200 characters; the last one may be unfinished. */
  query: string;
  /** @defaultValue all conversations of the user */
  conversationId?: string | undefined;
  /** @defaultValue 50, at most 200 */
  limit?: number | undefined;
}

const REMEMBERED = 1_000;

/** Everything about messages. */
export class MessagesClient {
  readonly #context: ClientContext;
  readonly #reading: Reading;
  /** Ids of a base server's messages that are known to be the answers to sends. */
  readonly #answers = new Set<string>();
  /** @internal */
  readonly sender: Sender;

  /** @internal */
  constructor(context: ClientContext, storage: CommStorage, reading: Reading) {
    this.#context = context;
    this.#reading = reading;
    this.sender = new Sender(context, storage, {
      queued: (item, isNew) => this.#queued(item, isNew),
      stored: (item, answer) => {
        const message = context.rows.current?.readMessage(answer);
        // Another tab tells of it in JSON, in which nothing counts as decrypted.
        const secret = message?.content === '' ? context.cipher?.current?.secretOf(item.clientId) : undefined;
        this.#settled(item, message && { ...message, ...secret });
      },
      failed: (item, error) => {
        const message = this.#pendingMessage(item);
        if (message === undefined) return;
        this.#show(message.conversationId, { kind: 'failed', clientId: item.clientId });
        // In another tab: the app there is told.
        if (error !== undefined)
          context.emitter.emit('message:failed', { message: { ...message, status: 'failed' }, error });
      },
      retried: ({ clientId, lane }) => this.#show(lane, { kind: 'retried', clientId }),
      discarded: ({ clientId, lane }) => this.#show(lane, { kind: 'discarded', clientId }),
      findStored: (item, payload) => this.#findStored(item, payload),
    });
  }

  /**
   * Sends a message: it stands in the timeline at once as `sending`. Offline it waits in the stored outbox, over
   * reloads, and keeps its place among the messages of its conversation.
   *
   * @returns the message as the server stored it
   * @throws CommError only for good (`FORBIDDEN`, `NOT_FOUND`, `MESSAGE_TOO_LONG`, `INVALID`…): the message then stays as
   * `failed`, for `retry()` or `discard()`. `RATE_LIMITED` when 10,000 requests wait already: this one isn't kept.
   * `DISCONNECTED` when the client is disposed of: what waits stays stored and goes out in the next session, and what is
   * sent after that is not kept. Aborting stops the waiting, not the sending.
   */
  async send(options: SendOptions, { signal }: AbortOptions = {}): Promise<Message> {
    const { conversationId, content, type = 'text', replyTo, attachment, clientId = uuidv7(), encrypt } = options;
    requireId('conversationId', conversationId);
    requireId('clientId', clientId);
    if (typeof content !== 'string') throw new TypeError('content must be a string');
    signal?.throwIfAborted();
    const clear = {
      conversationId,
      // A base server drops what has no text.
      content: content === '' && attachment !== undefined ? attachment.fileName : content,
      type,
      clientId,
      ...(replyTo !== undefined && { replyTo }),
      ...(attachment !== undefined && { attachment }),
    };
    const { cipher } = this.#context;
    if (cipher === undefined && encrypt === true) throw new TypeError('encrypt: needs the option `encryption`');
    const payload: SendMessage = cipher === undefined ? clear : await (await cipher()).draft(clear, encrypt);
    return this.#read(await this.#enqueue(conversationId, { name: 'message:send', payload }, signal, clientId));
  }

  /** What waits to be stored, oldest first; `failed` ones wait for `retry()` or `discard()`. */
  outbox(): readonly PendingMessage[] {
    return this.sender
      .items()
      .map((item) => this.#pendingMessage(item))
      .filter((message) => message !== undefined);
  }

  /** Sends a failed message again under the same client id. */
  async retry(clientId: string, { signal }: AbortOptions = {}): Promise<Message> {
    return this.#read(await abortable(this.sender.retry(clientId), signal));
  }

  /** Takes a message out of the outbox and the timeline. What is in flight may still arrive. */
  discard(clientId: string): void {
    this.sender.discard(clientId);
  }

  /** A page of history, oldest first: the newest one, or the one `before`, `after` or `around` a message id. */
  async list(query: HistoryQuery, options: AbortOptions = {}): Promise<HistoryPage> {
    requireId('conversationId', query.conversationId);
    await this.#context.whenConnected(options.signal);
    return (await this.#reading()).history.page(query, options);
  }

  /** @throws CommError `NOT_FOUND`, also for messages the user may not see */
  async get(id: string, options: AbortOptions = {}): Promise<Message> {
    requireId('id', id);
    await this.#context.whenConnected(options.signal);
    return (await this.#reading()).history.get(id, options);
  }

  /** Full-text search, best and newest first. What is typed is never query syntax. */
  async search(search: SearchMessages, options: AbortOptions = {}): Promise<Message[]> {
    if (typeof search.query !== 'string') throw new TypeError('query must be a string');
    const query = search.query.trim();
    if (query === '') return [];
    await this.#context.whenConnected(options.signal);
    return (await this.#reading()).history.search({ ...search, query }, options);
  }

  /** Changes the text of an own message. Queued while offline; the last edit wins. */
  async edit(request: EditMessage, { signal }: AbortOptions = {}): Promise<Message | undefined> {
    const clear = { ...refOf(request), content: request.content };
    const { cipher } = this.#context;
    const clientId = uuidv7();
    const payload = cipher === undefined ? clear : (await cipher()).draftEdit(clear, clientId);
    const answer = await this.#enqueue(payload.conversationId, { name: 'message:edit', payload }, signal, clientId);
    return (await this.#context.rows()).readMessage(answer);
  }

  /** Deletes an own message: a tombstone stays in its place. Doing it twice is doing it once. */
  async delete(request: MessageRef, { signal }: AbortOptions = {}): Promise<void> {
    const payload = refOf(request);
    await this.#enqueue(payload.conversationId, { name: 'message:delete', payload }, signal);
  }

  /** Adds the reaction, or takes it back where it is there already. `on` says which, for whoever knows. */
  async react(request: ReactToMessage, { signal }: AbortOptions = {}): Promise<void> {
    const { emoji, on = !this.#hasReacted(request) } = request;
    const payload = { ...refOf(request), emoji, on };
    await this.#enqueue(payload.conversationId, { name: 'message:react', payload }, signal);
  }

  /** Copies a message into another conversation of the user. Encrypted and deleted ones can't be forwarded. */
  async forward(request: ForwardMessage, { signal }: AbortOptions = {}): Promise<Message> {
    const { messageId, fromConversationId, toConversationId, clientId = uuidv7() } = request;
    requireId('messageId', messageId);
    requireId('fromConversationId', fromConversationId);
    requireId('toConversationId', toConversationId);
    const payload = { messageId, fromConversationId, toConversationId, clientId };
    return this.#read(await this.#enqueue(toConversationId, { name: 'message:forward', payload }, signal, clientId));
  }

  /** Reads everything up to and including this message, on all devices of the user. */
  async markRead(request: MessageRef, { signal }: AbortOptions = {}): Promise<void> {
    const payload = refOf(request);
    // A lane of its own: a mark must not wait behind messages.
    const lane = `${payload.conversationId} read`;
    const isSame = ({ lane: at, operation }: OutboxItem): boolean =>
      at === lane && operation.name === 'message:read' && operation.payload.messageId === payload.messageId;
    const queued = this.sender.own().find(isSame);
    const operation: Operation = { name: 'message:read', payload };
    await (queued === undefined
      ? this.#enqueue(lane, operation, signal)
      : abortable(this.sender.retry(queued.clientId), signal));
  }

  async #read(answer: unknown): Promise<Message> {
    const message = (await this.#context.rows()).readMessage(answer);
    if (message === undefined) throw unreadable('message');
    return message;
  }

  /** In the timelines, where any is open. */
  #show(conversationId: string, event: TimelineEvent): void {
    this.#reading.current?.timelines.apply(conversationId, event);
  }

  #enqueue(lane: string, operation: Operation, signal?: AbortSignal, clientId = uuidv7()): Promise<unknown> {
    signal?.throwIfAborted();
    return abortable(this.sender.add({ clientId, lane, operation }), signal);
  }

  #queued(item: OutboxItem, isNew: boolean): void {
    const message = this.#pendingMessage(item);
    if (message === undefined) return;
    this.#show(message.conversationId, { kind: 'pending', message });
    if (isNew) this.#context.emitter.emit('message:pending', message);
    else if (message.encrypted === true && message.content === '') this.#reveal(item.clientId);
  }

  /** What was written in another tab or an earlier session shows once it is decrypted. */
  #reveal(clientId: string): void {
    const show = (secret: unknown): void => {
      const item = this.sender.items().find((each) => each.clientId === clientId);
      const message = secret === undefined || item === undefined ? undefined : this.#pendingMessage(item);
      if (message !== undefined) this.#show(message.conversationId, { kind: 'acknowledged', clientId, message });
    };
    this.#context
      .cipher?.()
      .then((cipher) => cipher.reveal(clientId))
      .then(show)
      .catch(this.#context.report);
  }

  /** Its place in the timeline comes with the push; a base server's answer is the push. */
  #settled({ clientId, operation, lane }: OutboxItem, message: Message | undefined): void {
    if (operation.name !== 'message:send') return;
    if (message !== undefined && !this.#context.has('client-id')) this.#remember(message.id);
    const isPushed = message === undefined || !this.#context.has('rev');
    this.#show(lane, isPushed ? { kind: 'discarded', clientId } : { kind: 'acknowledged', clientId, message });
  }

  #pendingMessage({ clientId, order, operation, parked }: OutboxItem): PendingMessage | undefined {
    if (operation.name !== 'message:send') return undefined;
    const { afterClientId: _after, ...payload } = operation.payload;
    const secret = this.#context.cipher?.current?.secretOf(clientId);
    return Object.freeze({
      ...payload,
      ...secret,
      id: clientId,
      clientId,
      senderId: this.sender.userId ?? '',
      createdAt: timeOf(order),
      status: parked ? 'failed' : 'sending',
      readBy: [],
    });
  }

  /** As it will be once everything is stored that waits. */
  #hasReacted({ messageId, emoji }: ReactToMessage): boolean {
    for (const { operation } of this.sender.items().reverse()) {
      if (operation.name !== 'message:react') continue;
      const { payload } = operation;
      if (payload.messageId === messageId && payload.emoji === emoji) return payload.on === true;
    }
    const own = this.#context.userId();
    const reaction = this.#reading.current?.timelines.find(messageId)?.reactions?.find((each) => each.emoji === emoji);
    return own !== undefined && reaction?.users.includes(own) === true;
  }

  /** A base server can't say whether it has a message: look for it in the newest page before sending it again. */
  async #findStored({ operation, order }: OutboxItem, sealed: Operation['payload']): Promise<Message | undefined> {
    if (operation.name !== 'message:send') return undefined;
    return (await this.#reading()).history.findSent(sealed as SendMessage, timeOf(order), this.#answers);
  }

  #remember(messageId: string): void {
    this.#answers.add(messageId);
    const [oldest] = this.#answers;
    if (this.#answers.size > REMEMBERED && oldest !== undefined) this.#answers.delete(oldest);
  }
}

/** @throws TypeError unless both are ids */
function refOf({ conversationId, messageId }: MessageRef): MessageRef {
  requireId('conversationId', conversationId);
  requireId('messageId', messageId);
  return { conversationId, messageId };
}

function timeOf(uuid: string): string {
  return new Date(uuidTime(uuid)).toISOString();
}
