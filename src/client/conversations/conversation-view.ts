import type { AbortOptions } from '../../lib/abort.ts';
import { lazy, type Lazy } from '../../lib/lazy.ts';
import { ObservableValue, type Observable } from '../../lib/observable.ts';
import type { Conversation } from '../../protocol/conversations.ts';
import { CommError } from '../../protocol/errors.ts';
import type { Message } from '../../protocol/messages.ts';
import type { ClientContext } from '../context.ts';
import type { SendMessageInput, ViewPorts } from '../ports.ts';
import type { OpenConversation } from './open-conversation.ts';

export interface ConversationSnapshot {
  /** Absent until it is loaded. */
  readonly conversation: Conversation | undefined;
  /** Oldest first; own messages that wait to be stored come last. */
  readonly messages: readonly Message[];
  /** Ids of the others who are typing. */
  readonly typing: readonly string[];
  readonly hasOlder: boolean;
  readonly hasNewer: boolean;
  readonly loading: boolean;
  readonly error?: CommError | undefined;
}

/** An open conversation: joined, its newest page loaded, in step with the server until it is closed. */
export interface ConversationView extends Observable<ConversationSnapshot> {
  readonly id: string;
  /** Resolves when the newest page is there; rejects when the conversation can't be opened. */
  readonly ready: Promise<void>;
  send(content: string | SendMessageInput, options?: AbortOptions): Promise<Message>;
  loadOlder(options?: AbortOptions): Promise<void>;
  loadNewer(options?: AbortOptions): Promise<void>;
  jumpTo(messageId: string, options?: AbortOptions): Promise<void>;
  /** Reads everything that is there. */
  markRead(options?: AbortOptions): Promise<void>;
  setTyping(isTyping: boolean): void;
  /** Idempotent. The conversation stays in step until its last view is closed. */
  close(): void;
}

const EMPTY: ConversationSnapshot = Object.freeze({
  conversation: undefined,
  messages: Object.freeze([]),
  typing: Object.freeze([]),
  hasOlder: false,
  hasNewer: false,
  loading: true,
});

/** What all views of one conversation share; what it is made of is loaded while it opens. */
export class SharedView {
  readonly id: string;
  readonly ready: Promise<void>;
  readonly #ports: ViewPorts;
  readonly #snapshot: ObservableValue<ConversationSnapshot>;
  readonly #open: Lazy<OpenConversation>;
  #handles = 0;
  #closed = false;

  constructor(id: string, context: ClientContext, ports: ViewPorts, load: () => Promise<OpenConversation>) {
    this.id = id;
    this.#ports = ports;
    this.#snapshot = new ObservableValue(EMPTY, context.report);
    this.#open = lazy(async () => {
      // A view may be opened before the client is connected, and while it is offline: it waits.
      await context.untilConnected(undefined);
      const conversation = await load();
      if (this.#closed) throw new CommError('DISCONNECTED', 'The view was closed');
      conversation.start((snapshot) => this.#snapshot.set(snapshot));
      return conversation;
    });
    this.ready = this.#open().then((conversation) => conversation.ready);
    // Whoever doesn't await it sees the error in the snapshot.
    this.ready.catch((error: unknown) => this.#failed(error));
  }

  /** @param onClose - called when the last view is closed */
  view(onClose: () => void): ConversationView {
    this.#handles += 1;
    let open = true;
    const { id, ready } = this;
    const ports = this.#ports;
    return {
      id,
      ready,
      getSnapshot: this.#snapshot.getSnapshot,
      getServerSnapshot: this.#snapshot.getServerSnapshot,
      subscribe: this.#snapshot.subscribe,
      send: (content, options) =>
        ports.send({ ...(typeof content === 'string' ? { content } : content), conversationId: id }, options),
      loadOlder: async (options) => (await this.#open()).timeline.loadOlder(options),
      loadNewer: async (options) => (await this.#open()).timeline.loadNewer(options),
      jumpTo: async (messageId, options) => (await this.#open()).timeline.jumpTo(messageId, options),
      markRead: async (options) => (await this.#open()).markRead(options),
      setTyping: (isTyping) => ports.setTyping(id, isTyping),
      close: () => {
        if (!open) return;
        open = false;
        this.#handles -= 1;
        if (this.#handles > 0) return;
        this.#close();
        onClose();
      },
    };
  }

  #close(): void {
    this.#closed = true;
    this.#open.current?.close();
    this.#ports.setTyping(this.id, false);
    this.#ports.closeTimeline(this.id);
  }

  #failed(cause: unknown): void {
    const error = cause instanceof CommError ? cause : new CommError('UNAVAILABLE', 'The view did not load', { cause });
    this.#snapshot.set(Object.freeze({ ...this.#snapshot.getSnapshot(), loading: false, error }));
  }
}
