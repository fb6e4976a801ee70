import { abortable, type AbortOptions } from '../../lib/abort.ts';
import { ObservableValue, type Observable } from '../../lib/observable.ts';
import type { Conversation } from '../../protocol/conversations.ts';
import { CommError } from '../../protocol/errors.ts';
import type { Message } from '../../protocol/messages.ts';
import type { ClientContext } from '../context.ts';
import type { OpenTimeline, SendMessageInput, ViewPorts } from '../ports.ts';

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

const CLOSED: ConversationSnapshot = Object.freeze({
  conversation: undefined,
  messages: [],
  typing: [],
  hasOlder: false,
  hasNewer: false,
  loading: true,
});

/** What all views of one conversation share. */
export class OpenConversation {
  readonly id: string;
  readonly ready: Promise<void>;
  readonly snapshot: ObservableValue<ConversationSnapshot>;
  readonly #ports: ViewPorts;
  readonly #timeline: OpenTimeline;
  readonly #typing: Observable<readonly string[]>;
  readonly #conversation: () => Conversation | undefined;
  readonly #stop: (() => void)[];
  readonly #closed = new AbortController();
  #error: CommError | undefined;
  #opening = true;

  constructor(
    id: string,
    context: ClientContext,
    ports: ViewPorts,
    conversation: () => Conversation | undefined,
    join: () => Promise<void>,
  ) {
    this.id = id;
    this.#ports = ports;
    this.#conversation = conversation;
    this.snapshot = new ObservableValue(CLOSED, context.report);
    this.#timeline = ports.openTimeline(id);
    this.#typing = ports.typing(id);
    this.#stop = [this.#timeline.subscribe(this.refresh), this.#typing.subscribe(this.refresh)];
    this.ready = this.#open(context, join);
    // Whoever doesn't await it sees the error in the snapshot.
    this.ready.catch(() => undefined);
  }

  readonly refresh = (): void => {
    const { messages, hasOlder, hasNewer, loading, error } = this.#timeline.getSnapshot();
    const next: ConversationSnapshot = {
      conversation: this.#conversation(),
      messages,
      typing: this.#typing.getSnapshot(),
      hasOlder,
      hasNewer,
      loading: loading || this.#opening,
    };
    const failed = this.#error ?? error;
    const held = this.snapshot.getSnapshot();
    const withError = failed === undefined ? next : { ...next, error: failed };
    const keys = Object.keys(withError) as (keyof ConversationSnapshot)[];
    const isSame = held.error === failed && keys.every((key) => held[key] === withError[key]);
    if (!isSame) this.snapshot.set(Object.freeze(withError));
  };

  view(onClose: () => void): ConversationView {
    const { id, ready, snapshot } = this;
    const ports = this.#ports;
    const timeline = this.#timeline;
    let open = true;
    return {
      id,
      ready,
      getSnapshot: snapshot.getSnapshot,
      getServerSnapshot: snapshot.getServerSnapshot,
      subscribe: snapshot.subscribe,
      send: (content, options) =>
        ports.send({ ...(typeof content === 'string' ? { content } : content), conversationId: id }, options),
      loadOlder: (options) => timeline.loadOlder(options),
      loadNewer: (options) => timeline.loadNewer(options),
      jumpTo: (messageId, options) => timeline.jumpTo(messageId, options),
      markRead: (options) => this.#markRead(options),
      setTyping: (isTyping) => ports.setTyping(id, isTyping),
      close: () => {
        if (!open) return;
        open = false;
        onClose();
      },
    };
  }

  close(): void {
    this.#closed.abort(new CommError('DISCONNECTED', 'The view was closed'));
    for (const stop of this.#stop) stop();
    this.#ports.setTyping(this.id, false);
    this.#ports.closeTimeline(this.id);
  }

  async #open(context: ClientContext, join: () => Promise<void>): Promise<void> {
    const { signal } = this.#closed;
    try {
      // A view may be opened before the client is connected, and while it is offline: it waits.
      await context.untilConnected(signal);
      await abortable(join(), signal);
      await abortable(this.#timeline.loadNewest(), signal);
    } catch (error) {
      this.#error = error instanceof CommError ? error : new CommError('INTERNAL', 'The conversation did not open');
      throw error;
    } finally {
      this.#opening = false;
      this.refresh();
    }
  }

  async #markRead(options: AbortOptions | undefined): Promise<void> {
    const newest = this.#timeline.newest();
    if (newest === undefined || this.#conversation()?.unreadCount === 0) return;
    await this.#ports.markRead({ conversationId: this.id, messageId: newest.id }, options);
  }
}
