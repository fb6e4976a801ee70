import { abortable, type AbortOptions } from '../../lib/abort.ts';
import type { LinkPreview } from '../../protocol/link-previews.ts';
import type { EditMessage, ForwardMessage, Message, MessageRef, ReactToMessage } from '../../protocol/messages.ts';
import { lazy, lazyMethods, type Lazy } from '../../lib/lazy.ts';
import type { Observable } from '../../lib/observable.ts';
import { unreadable, type ClientContext } from '../context.ts';
import type { Operation, QueuedMessage } from '../outbox/outbox-item.ts';
import type { FileUploads } from '../outbox/pending-files.ts';
import type { SendMessageInput } from '../ports.ts';
import type { HistoryPage, HistoryQuery } from '../timeline/history-query.ts';
import { requireFields, requireId, requireObject, requireText } from '../validation.ts';
import type { ReportOptions } from './message-extras.ts';
import type { Enqueue, OutgoingMessages, PendingMessage, Reading } from './outgoing-messages.ts';

/** A message to send and its conversation. */
export interface SendOptions extends SendMessageInput {
  /** Id of the conversation to send to. */
  conversationId: string;
}

/** A message up to which messages are marked as read. */
export interface MarkRead extends MessageRef {
  /** Id of the root of the thread whose replies are marked as read. */
  threadId?: string | undefined;
}

/** The parameters of a full-text search. */
export interface SearchMessages {
  /** Words, at most 200 characters; the last one may be a prefix. Never interpreted as query syntax. */
  query: string;
  /** @defaultValue all conversations of the user */
  conversationId?: string | undefined;
  /** @defaultValue 50, at most 200 */
  limit?: number | undefined;
}

/** Sends, reads and changes messages. Everything that changes one is queued while there is no connection. */
export interface MessagesClient {
  /**
   * Sends a message. It appears in the timeline at once with the status `sending`. While there is no connection it waits
   * in the stored outbox, also over reloads; messages of one conversation keep their order.
   *
   * Aborting ends the wait for the result, not the sending.
   * @returns the message as the server stored it
   * @throws CommError only if the message can't be sent: `FORBIDDEN`, `NOT_FOUND`, `MESSAGE_TOO_LONG`, `INVALID`… The
   * message then stays as `failed` until `retry()` or `discard()`. `OUTBOX_FULL` if 10,000 requests wait already: the
   * message is not kept. `CANCELLED` if it is discarded. `DISCONNECTED` if the client is disposed of: the message stays
   * in the outbox and is sent in the next session
   */
  send(message: SendOptions, options?: AbortOptions): Promise<Message>;
  /** Returns the messages that are not stored yet, oldest first. Also an observable of them. */
  readonly outbox: (() => readonly PendingMessage[]) & Observable<readonly PendingMessage[]>;
  /** Sends a failed message again with the same client id. @throws CommError as `send()`; `NOT_FOUND` if there is none */
  retry(clientId: string, options?: AbortOptions): Promise<Message>;
  /** Removes a message from the outbox and the timeline. The server may still store it if it was being sent. */
  discard(clientId: string): void;
  /** Returns a page of history: the newest one, or the one `before`, `after` or `around` a message. */
  list(query: HistoryQuery, options?: AbortOptions): Promise<HistoryPage>;
  /** @throws CommError `NOT_FOUND`, also for a message that the user may not see */
  get(id: string, options?: AbortOptions): Promise<Message>;
  /** Searches the text of messages. Best matches first; among equal ones the newest. */
  search(search: SearchMessages, options?: AbortOptions): Promise<Message[]>;
  /**
   * Asks the server for previews of the first three links of a text, to show them or to send one as `linkPreview`. Tells the
   * server the links, so don't ask for an encrypted message.
   *
   * @throws CommError `UNSUPPORTED` if the server makes no previews
   */
  linkPreviews(text: string, options?: AbortOptions): Promise<LinkPreview[]>;
  /** Replaces the text of an own message, and its `mentions` and `metadata` if they are in the request. The last edit wins. */
  edit(request: EditMessage, options?: AbortOptions): Promise<Message | undefined>;
  /** Deletes an own message or, as owner or admin of a group, any message in it; a tombstone takes its place. Idempotent. */
  delete(request: MessageRef, options?: AbortOptions): Promise<void>;
  /** Toggles the user's reaction, or sets it to `on`. */
  react(request: ReactToMessage, options?: AbortOptions): Promise<void>;
  /**
   * Pins a message for all members of its conversation, or ends that. Idempotent.
   *
   * @throws CommError `UNSUPPORTED` if the server has no pinned messages, `CONFLICT` if the message is deleted or 100 messages are
   * pinned
   */
  pin(ref: MessageRef, pinned: boolean, options?: AbortOptions): Promise<void>;
  /** Returns the pinned messages of a conversation, the newest pin first. @throws CommError `UNSUPPORTED`, `NOT_FOUND` */
  pinned(conversationId: string, options?: AbortOptions): Promise<Message[]>;
  /**
   * Reports a message of another user to the people who run the app. Idempotent: a user reports a message once.
   *
   * @throws CommError `UNSUPPORTED` if the server takes no reports, `INVALID` for an own message, `NOT_FOUND`
   */
  report(report: ReportOptions, options?: AbortOptions): Promise<void>;
  /** Copies a message to another conversation. Encrypted and deleted messages are rejected. */
  forward(request: ForwardMessage, options?: AbortOptions): Promise<Message>;
  /**
   * Marks all messages of the main timeline up to and including this one as read, on all devices of the user. With `threadId`,
   * marks the replies of that thread, if the user follows it.
   */
  markRead(request: MarkRead, options?: AbortOptions): Promise<void>;
}

const SEND_FIELDS = [
  'conversationId',
  'content',
  'type',
  'replyTo',
  'attachment',
  'attachments',
  'ordered',
  'linkPreview',
  'mentions',
  'threadId',
  'alsoInConversation',
  'metadata',
  'encrypt',
  'clientId',
];

/** The methods in the chunk that loads with the connection. */
const CHANGES = ['edit', 'delete', 'react', 'forward', 'markRead'] as const;
/** The methods in the chunk that reads. */
const READS = ['list', 'get', 'search', 'linkPreviews', 'pin', 'pinned', 'report'] as const;

/** The module of the methods that read. */
interface ReadsModule {
  readonly MessageReads: new (
    context: ClientContext,
    reading: Reading,
    enqueue: Enqueue,
  ) => Pick<MessagesClient, (typeof READS)[number]>;
}

/** The module of the methods that change messages. */
interface ChangesModule {
  readonly MessageChanges: new (
    context: ClientContext,
    outgoing: OutgoingMessages,
    enqueue: Enqueue,
  ) => Pick<MessagesClient, (typeof CHANGES)[number]>;
}

/** Sends messages, and passes other requests to the parts that change and read them. */
export class Messages implements MessagesClient {
  readonly outbox: MessagesClient['outbox'];
  declare readonly edit: MessagesClient['edit'];
  declare readonly delete: MessagesClient['delete'];
  declare readonly react: MessagesClient['react'];
  declare readonly forward: MessagesClient['forward'];
  declare readonly markRead: MessagesClient['markRead'];
  declare readonly list: MessagesClient['list'];
  declare readonly get: MessagesClient['get'];
  declare readonly search: MessagesClient['search'];
  declare readonly linkPreviews: MessagesClient['linkPreviews'];
  declare readonly pin: MessagesClient['pin'];
  declare readonly pinned: MessagesClient['pinned'];
  declare readonly report: MessagesClient['report'];
  readonly #context: ClientContext;
  readonly #outgoing: OutgoingMessages;
  readonly #uploads: Lazy<FileUploads>;

  /**
   * @param uploads - loads what files of this device need
   * @param loadChanges - loads the chunk that changes messages
   * @param loadReads - loads the chunk that reads
   */
  constructor(
    context: ClientContext,
    outgoing: OutgoingMessages,
    reading: Reading,
    uploads: Lazy<FileUploads>,
    loadChanges: () => Promise<ChangesModule>,
    loadReads: () => Promise<ReadsModule>,
  ) {
    this.#context = context;
    this.#uploads = uploads;
    this.#outgoing = outgoing;
    this.outbox = Object.assign(() => outgoing.pending(), outgoing.observable);
    const enqueue: Enqueue = (...request) => this.#enqueue(...request);
    const changes = lazy(async () => new (await loadChanges()).MessageChanges(context, outgoing, enqueue));
    const reads = lazy(async () => new (await loadReads()).MessageReads(context, reading, enqueue));
    Object.assign(this, lazyMethods(changes, CHANGES), lazyMethods(reads, READS));
  }

  async send(message: SendOptions, { signal }: AbortOptions = {}): Promise<Message> {
    requireFields('messages.send()', message, SEND_FIELDS);
    const {
      conversationId,
      content,
      type = 'text',
      replyTo,
      attachment,
      attachments,
      linkPreview,
      mentions,
      threadId,
      alsoInConversation,
      metadata,
      clientId = this.#context.newId(),
      encrypt,
    } = message;
    requireId('conversationId', conversationId);
    requireId('clientId', clientId);
    requireText('content', content);
    if (threadId !== undefined) requireId('threadId', threadId);
    if (attachment !== undefined) requireObject('attachment', attachment);
    signal?.throwIfAborted();
    const { cipher } = this.#context;
    if (!cipher && encrypt === true) throw new TypeError('The option `encryption` is not set');
    const clear = {
      conversationId,
      content,
      type,
      clientId,
      ...(replyTo !== undefined && { replyTo }),
      ...(attachment !== undefined && { attachment }),
      ...(mentions && { mentions: [...mentions] }),
      ...(threadId && { threadId }),
      ...(alsoInConversation && { alsoInConversation }),
      // A preview would tell the server what an encrypted message links to.
      ...(linkPreview !== undefined && !cipher && { linkPreview }),
      ...(metadata && { metadata }),
    };
    const add = (payload: QueuedMessage, lane = conversationId): Promise<unknown> =>
      this.#add(lane, { name: 'message:send', payload }, signal, clientId);
    const { holds } = this.#outgoing.outbox;
    const before = holds.get(conversationId);
    if (!attachments) {
      const sent = async (): Promise<unknown> => {
        if (before) await before;
        return await add(cipher ? await (await cipher()).draft(clear, encrypt) : clear);
      };
      return this.#read(await abortable(sent(), signal));
    }
    const held = this.#uploads().then(async (uploads) => {
      await before;
      return await uploads.hold({ ...message, clear }, (...queued) => {
        signal?.throwIfAborted();
        return add(...queued);
      });
    });
    const end = (): void => {
      if (holds.get(conversationId) === ended) holds.delete(conversationId);
    };
    const ended = held.then(end, end);
    holds.set(conversationId, ended);
    return this.#read(await (await held).answer);
  }

  async retry(clientId: string, { signal }: AbortOptions = {}): Promise<Message> {
    requireId('clientId', clientId);
    return this.#read(await abortable(this.#outgoing.outbox.retry(clientId), signal));
  }

  discard(clientId: string): void {
    requireId('clientId', clientId);
    this.#outgoing.outbox.discard(clientId);
  }

  async #read(answer: unknown): Promise<Message> {
    const message = (await this.#context.rows()).parseMessage(answer);
    if (message === undefined) throw unreadable('message');
    return message;
  }

  async #enqueue(
    lane: string,
    operation: Operation,
    signal: AbortSignal | undefined,
    clientId?: string,
  ): Promise<unknown> {
    signal?.throwIfAborted();
    const before = this.#outgoing.outbox.holds.get(lane);
    const queued = async (): Promise<unknown> => {
      if (before) await before;
      return await this.#add(lane, operation, signal, clientId);
    };
    return await abortable(queued(), signal);
  }

  #add(
    lane: string,
    operation: Operation,
    signal: AbortSignal | undefined,
    clientId = this.#context.newId(),
  ): Promise<unknown> {
    // What refers to a message that waits for its files is sent after it.
    const request = { clientId, lane: this.#uploads.current?.laneOf(clientId, operation, lane) ?? lane, operation };
    return abortable(this.#outgoing.outbox.add(request), signal);
  }
}
