import { html, LitElement, type TemplateResult } from 'lit';
import type { CommClient } from '../../../src/client/comm-client.ts';
import {
  CallController,
  ConnectionController,
  ConversationController,
  InboxController,
  IncomingCallController,
  OutboxController,
  PresenceController,
  ThreadController,
  UserController,
  UsersController,
  TypingController,
} from '../../../src/lit/index.ts';
import { describeBinding, type Binding } from './behaviors.ts';

/** Rendered into the light DOM, where the tests look. */
abstract class Element extends LitElement {
  protected override createRenderRoot(): HTMLElement {
    return this;
  }
}

const part = (name: string, text: string): TemplateResult => html`<p data-part=${name}>${text}</p>`;

class ChatApp extends Element {
  readonly #connection: ConnectionController<string>;
  readonly #inbox: InboxController;
  readonly #conversation: ConversationController;
  readonly #outbox: OutboxController<string>;
  readonly #typing: TypingController;
  readonly #presence: PresenceController;
  readonly #profile: UserController;
  readonly #users: UsersController;
  readonly #bob: string;

  constructor(client: CommClient, id: string | undefined) {
    super();
    this.#bob = client.userId?.replace('alice', 'bob') ?? '';
    this.#connection = new ConnectionController(this, client, ({ status }) => status);
    this.#inbox = new InboxController(this, client);
    this.#conversation = new ConversationController(this, client, id);
    this.#outbox = new OutboxController(this, client, (messages) => messages.map(({ content }) => content).join('|'));
    this.#typing = new TypingController(this, client, id);
    this.#presence = new PresenceController(this, client, [this.#bob]);
    this.#profile = new UserController(this, client, this.#bob);
    this.#users = new UsersController(this, client, [this.#bob]);
  }

  show(id: string | undefined): void {
    this.#conversation.id = id;
  }

  protected override render(): TemplateResult {
    const { loading, conversations } = this.#inbox.value;
    const { messages, send, loading: isLoading } = this.#conversation.value;
    const texts = messages.map(({ content }) => content).join('|');
    return html`
      ${part('connection', this.#connection.value)} ${part('inbox', loading ? 'loading' : String(conversations.length))}
      ${part('messages', this.#conversation.id === undefined ? 'none' : isLoading ? 'loading' : texts)}
      ${part('outbox', this.#outbox.value)} ${part('typing', this.#typing.value.join())}
      ${part('presence', this.#presence.value.get(this.#bob)?.status ?? 'unknown')}
      ${part('profile', this.#profile.value?.displayName ?? 'unknown')}
      ${part('names', [...this.#users.value.values()].map(({ displayName }) => displayName).join())}
      <button @click=${() => void send('Hello')}>Send</button>
    `;
  }
}

class MessageCount extends Element {
  readonly #count: ConversationController<number>;
  readonly #rendered: () => void;

  constructor(client: CommClient, id: string | undefined, rendered: () => void) {
    super();
    this.#count = new ConversationController(this, client, id, ({ messages }) => messages.length);
    this.#rendered = rendered;
  }

  show(id: string | undefined): void {
    this.#count.id = id;
  }

  protected override render(): TemplateResult {
    this.#rendered();
    return part('count', String(this.#count.value));
  }
}

class ThreadPane extends Element {
  readonly #thread: ThreadController;
  readonly #id: string;
  #messageId: string | undefined;

  constructor(client: CommClient, id: string, messageId: string | undefined) {
    super();
    this.#id = id;
    this.#messageId = messageId;
    this.#thread = new ThreadController(this, client, id, messageId);
  }

  show(messageId: string | undefined): void {
    this.#messageId = messageId;
    this.#thread.show(this.#id, messageId);
  }

  protected override render(): TemplateResult {
    const { root, messages, loading, send } = this.#thread.value;
    const texts = messages.map(({ content }) => content).join('|');
    const text = this.#messageId === undefined ? 'none' : loading ? 'loading' : `${root?.content ?? ''}: ${texts}`;
    return html`${part('thread', text)}<button @click=${() => void send('Hello')}>Send</button>`;
  }
}

class IncomingCall extends Element {
  readonly #call: IncomingCallController;

  constructor(client: CommClient) {
    super();
    this.#call = new IncomingCallController(this, client);
  }

  protected override render(): TemplateResult {
    const { value } = this.#call;
    const accept = (): void => void value?.session.accept();
    return html`${part('incoming', value?.callerId ?? 'none')}<button @click=${accept}>Accept</button>`;
  }
}

class CurrentCall extends Element {
  readonly #call: CallController;

  constructor(client: CommClient) {
    super();
    this.#call = new CallController(this, client);
  }

  protected override render(): TemplateResult {
    const { value } = this.#call;
    const text = value === undefined ? 'none' : `${value.state}${value.audioMuted ? ', muted' : ''}`;
    return html`${part('call', text)}<button @click=${() => value?.session.hangup()}>Hang up</button>`;
  }
}

class CallState extends Element {
  readonly #state: CallController<string>;
  readonly #rendered: () => void;

  constructor(client: CommClient, rendered: () => void) {
    super();
    this.#state = new CallController(this, client, (call) => call?.state ?? 'none');
    this.#rendered = rendered;
  }

  protected override render(): TemplateResult {
    this.#rendered();
    return part('call-state', this.#state.value);
  }
}

customElements.define('incoming-call', IncomingCall);
customElements.define('current-call', CurrentCall);
customElements.define('call-state', CallState);
customElements.define('thread-pane', ThreadPane);
customElements.define('chat-app', ChatApp);
customElements.define('message-count', MessageCount);

const lit: Binding = {
  name: 'lit',
  mount(target, client, id, rendered) {
    const parts = [new ChatApp(client, id), new MessageCount(client, id, rendered)];
    target.append(...parts);
    return {
      show: (next) => parts.forEach((each) => each.show(next)),
      unmount: () => parts.forEach((each) => each.remove()),
    };
  },
  mountThread(target, client, id, messageId) {
    const pane = new ThreadPane(client, id, messageId);
    target.append(pane);
    return { show: (next) => pane.show(next), unmount: () => pane.remove() };
  },
  mountCalls(target, client, rendered) {
    const parts = [new IncomingCall(client), new CurrentCall(client), new CallState(client, rendered)];
    target.append(...parts);
    return { unmount: () => parts.forEach((each) => each.remove()) };
  },
};

describeBinding(lit);
