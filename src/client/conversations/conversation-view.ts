import type { AbortOptions } from '../../lib/abort.ts';
import { lazy, lazyMethods, type Lazy } from '../../lib/lazy.ts';
import { ObservableValue, type Observable } from '../../lib/observable.ts';
import { CommError } from '../../protocol/errors.ts';
import type { Message } from '../../protocol/messages.ts';
import type { ClientContext } from '../context.ts';
import type { SendMessageInput, ViewParts } from '../ports.ts';
import type { ConversationSnapshot, OpenConversation } from './open-conversation.ts';

/** An open conversation: its newest page is loaded and kept in step with the server until `close()`. */
export interface ConversationView extends Observable<ConversationSnapshot> {
  /** Id of the conversation. */
  readonly id: string;
  /** Resolves when the newest page has loaded; rejects when the conversation can't be opened. */
  readonly ready: Promise<void>;
  /** Sends a message to this conversation, as `messages.send()` does. */
  send(content: string | SendMessageInput, options?: AbortOptions): Promise<Message>;
  /** Adds the next older page to the start of `messages`. Does nothing at the start of the conversation. */
  loadOlder(options?: AbortOptions): Promise<void>;
  /** Adds the next newer page to the end of `messages`. Does nothing at the end of the conversation. */
  loadNewer(options?: AbortOptions): Promise<void>;
  /** Shows the messages around `messageId`. @throws CommError `NOT_FOUND` if the conversation has no such message */
  jumpTo(messageId: string, options?: AbortOptions): Promise<void>;
  /** Shows the messages around the first unread one, once the conversation is open. Does nothing if there is none, and in a thread. */
  jumpToFirstUnread(options?: AbortOptions): Promise<void>;
  /** Marks all messages, or all replies of the thread, as read. */
  markRead(options?: AbortOptions): Promise<void>;
  /** Starts or ends the user's typing indicator. Call it with `true` on each keystroke. */
  setTyping(isTyping: boolean): void;
  /** Idempotent. The conversation is kept in step until its last view is closed. */
  close(): void;
}

const LOADING: ConversationSnapshot = Object.freeze({
  conversation: undefined,
  messages: Object.freeze([]),
  typing: Object.freeze([]),
  hasOlder: false,
  hasNewer: false,
  loading: true,
  stale: false,
});

interface ConversationOpener {
  openConversation(id: string, parts: ViewParts, threadId?: string): OpenConversation;
}

/** The open conversations, each shared by all of its views. */
export class ConversationViews {
  readonly #context: ClientContext;
  readonly #parts: ViewParts;
  readonly #reader: Lazy<ConversationOpener>;
  /** By conversation, or by conversation and thread. */
  readonly #open = new Map<string, SharedConversation>();

  /** @param reader - creates open conversations; its chunk loads with the first one */
  constructor(context: ClientContext, parts: ViewParts, reader: Lazy<ConversationOpener>) {
    this.#context = context;
    this.#parts = parts;
    this.#reader = reader;
  }

  /** Returns another view of the conversation. Views are counted; closing the last one leaves the room. */
  open(id: string, threadId?: string): ConversationView {
    // Ids contain no control characters.
    const key = threadId === undefined ? id : `${id}\n${threadId}`;
    const shared =
      this.#open.get(key) ?? new SharedConversation(id, threadId, this.#context, this.#parts, this.#reader);
    this.#open.set(key, shared);
    return shared.view(() => {
      this.#open.delete(key);
      if (this.#context.online()) this.#leaveRoom(id).catch(() => undefined);
    });
  }

  /** Ids of the conversations that have a view. */
  ids(): string[] {
    return [...new Set([...this.#open.values()].map(({ id }) => id))];
  }

  /** Cancels retries: the next connection opens what could not be opened. */
  connectionLost(): void {
    for (const shared of this.#open.values()) shared.connectionLost();
  }

  async #leaveRoom(id: string): Promise<void> {
    await this.#context.whenConnected(undefined);
    // React's StrictMode closes a view and opens it again in the same task.
    if (!this.ids().includes(id)) await this.#context.requester.request('conversation:leave', { conversationId: id });
  }
}

/** One open conversation behind all of its views. Its chunk loads while the room is entered. */
class SharedConversation {
  readonly id: string;
  readonly #threadId: string | undefined;
  readonly #ready: Promise<void>;
  readonly #parts: ViewParts;
  readonly #snapshot: ObservableValue<ConversationSnapshot>;
  readonly #conversation: Lazy<OpenConversation>;
  #opened: OpenConversation | undefined;
  #views = 0;
  #closed = false;

  constructor(
    id: string,
    threadId: string | undefined,
    context: ClientContext,
    parts: ViewParts,
    load: () => Promise<ConversationOpener>,
  ) {
    this.id = id;
    this.#threadId = threadId;
    this.#parts = parts;
    this.#snapshot = new ObservableValue(LOADING, context.report);
    this.#conversation = lazy(async () => {
      const opener = await load().catch(async () => {
        // The chunk could not be fetched: retried once there is a connection.
        await context.untilConnected(undefined);
        return load();
      });
      return this.#start(opener);
    });
    this.#ready = this.#conversation().then((conversation) => conversation.ready);
    // The snapshot has the error, so an app that doesn't await `ready` causes no unhandled rejection.
    this.#ready.catch((error: unknown) => this.#failed(error));
  }

  /** @param onClose - called when the last view is closed */
  view(onClose: () => void): ConversationView {
    this.#views += 1;
    let open = true;
    const { id } = this;
    const threadId = this.#threadId;
    const { messages, typing } = this.#parts;
    return Object.freeze({
      id,
      ready: this.#ready,
      getSnapshot: this.#snapshot.getSnapshot,
      getServerSnapshot: this.#snapshot.getServerSnapshot,
      subscribe: this.#snapshot.subscribe,
      send: (content, options) =>
        messages.send(
          {
            ...(threadId && { threadId }),
            ...(typeof content === 'string' ? { content } : content),
            conversationId: id,
          },
          options,
        ),
      ...lazyMethods(this.#conversation, ['loadOlder', 'loadNewer', 'jumpTo', 'jumpToFirstUnread', 'markRead']),
      setTyping: (isTyping) => (isTyping ? typing.start(id) : typing.stop(id)),
      close: () => {
        if (!open) return;
        open = false;
        this.#views -= 1;
        if (this.#views > 0) return;
        this.#close();
        onClose();
      },
    } satisfies ConversationView);
  }

  connectionLost(): void {
    this.#opened?.connectionLost();
  }

  /** Synchronous: a view that is closed before has opened nothing, and one that is closed later closes everything. */
  #start(opener: ConversationOpener): OpenConversation {
    if (this.#closed) throw new CommError('DISCONNECTED', 'The view was closed');
    const opened = opener.openConversation(this.id, this.#parts, this.#threadId);
    this.#opened = opened;
    opened.start((snapshot) => this.#snapshot.set(snapshot));
    return opened;
  }

  #close(): void {
    this.#closed = true;
    this.#opened?.close();
    this.#parts.typing.stop(this.id);
  }

  #failed(cause: unknown): void {
    const error = cause instanceof CommError ? cause : new CommError('UNAVAILABLE', 'The view did not load', { cause });
    this.#snapshot.set(Object.freeze({ ...this.#snapshot.getSnapshot(), loading: false, error }));
  }
}
