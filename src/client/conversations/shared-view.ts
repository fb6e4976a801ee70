import { lazy, type Lazy } from '../../lib/lazy.ts';
import { ObservableValue } from '../../lib/observable.ts';
import { CommError } from '../../protocol/errors.ts';
import type { ClientContext } from '../context.ts';
import type { ViewPorts } from '../ports.ts';
import type { ConversationSnapshot, ConversationView } from './conversation-view.ts';
import type { OpenConversation } from './open-conversation.ts';

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
      const conversation = await load().catch(async () => {
        // What it is made of couldn't be fetched: with the network it can.
        await context.untilConnected(undefined);
        return load();
      });
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

  lineLost(): void {
    this.#open.current?.lineLost();
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
