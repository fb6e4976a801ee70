import { html, LitElement, type TemplateResult } from 'lit';
import { io, type Socket } from 'socket.io-client';
import { afterEach, beforeEach, expect, inject, test } from 'vitest';
import { CommClient } from '../../../src/client/comm-client.ts';
import { ConnectionController, ConversationController, InboxController } from '../../../src/lit/index.ts';
import { DEFAULT_NAMESPACE, DEFAULT_SOCKET_PATH } from '../../../src/protocol/constants.ts';
import { PUSH_EVENT, REQUEST_PREFIX } from '../../../src/protocol/events.ts';
import { memoryStorage } from '../../../src/storage/memory-storage.ts';
import { lumenPagePort } from '../../../src/transport/lumen-page.ts';

/** As in docs/lit.md: a page of a LumenJS app. */
class PageMessages extends LitElement {
  /** Set by the framework. */
  declare emit?: (name: string, data: unknown) => void;
  readonly client = new CommClient({
    url: inject('serverUrl'),
    userId: 'page-alice',
    socket: lumenPagePort(this),
    storage: memoryStorage(),
  });
  readonly #status = new ConnectionController(this, this.client, ({ status }) => status);
  readonly #inbox = new InboxController(this, this.client);
  readonly #conversation = new ConversationController(this, this.client, undefined);

  override connectedCallback(): void {
    super.connectedCallback();
    this.client.connect().catch(() => undefined);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    void this.client.disconnect();
  }

  protected override createRenderRoot(): HTMLElement {
    return this;
  }

  protected override render(): TemplateResult {
    const { conversations } = this.#inbox.value;
    const { messages, send } = this.#conversation.value;
    return html`
      <p class="status">${this.#status.value}</p>
      ${conversations.map(
        ({ id }) => html`<button class="open" @click=${() => (this.#conversation.id = id)}>${id}</button>`,
      )}
      <p class="messages">${messages.map(({ content }) => content).join('|')}</p>
      <button class="send" @click=${() => void send('From the page')}>Send</button>
    `;
  }
}
customElements.define('page-messages', PageMessages);

let bob: CommClient;
let socket: Socket;
let page: PageMessages;

beforeEach(async () => {
  bob = new CommClient({ url: inject('serverUrl'), userId: 'page-bob', storage: memoryStorage() });
  await bob.connect();
  page = new PageMessages();
  document.body.append(page);
});

afterEach(async () => {
  page.remove();
  socket.disconnect();
  await Promise.all([bob[Symbol.asyncDispose](), page.client[Symbol.asyncDispose]()]);
});

/** Connects the page as LumenJS does: `emit` is set once connected, and each push is assigned to two properties. */
function connectPage(): void {
  const url = new URL(DEFAULT_NAMESPACE, inject('serverUrl')).href;
  socket = io(url, { path: DEFAULT_SOCKET_PATH, query: { userId: 'page-alice' }, forceNew: true });
  socket.on(PUSH_EVENT, (push: { event: string; data: unknown }) => Object.assign(page, push));
  socket.on('connect', () => {
    page.emit = (name, data) => void socket.emit(`${REQUEST_PREFIX}${name}`, data);
  });
}

const text = (selector: string): string | undefined => page.querySelector(selector)?.textContent.trim();

test('a page component shows and sends messages over its own connection, and leaves nothing when it is removed', async () => {
  await bob.conversations.create({ type: 'direct', participantIds: ['page-alice'] });
  connectPage();
  await expect.poll(() => text('.status')).toBe('connected');
  await expect.poll(() => text('.open')).toBeDefined();
  const id = text('.open') ?? '';
  page.querySelector<HTMLButtonElement>('.open')?.click();
  await bob.messages.send({ conversationId: id, content: 'To the page' });
  await expect.poll(() => text('.messages')).toBe('To the page');
  page.querySelector<HTMLButtonElement>('.send')?.click();
  await expect.poll(() => text('.messages')).toBe('To the page|From the page');
  const { messages } = await bob.messages.list({ conversationId: id });
  expect(messages.map(({ content }) => content)).toEqual(['To the page', 'From the page']);
  page.remove();
  expect(page.client.status).toBe('disconnected');
  // The port has put the properties back: they are plain fields again.
  expect(Object.getOwnPropertyDescriptor(page, 'event')).toHaveProperty('value');
  await bob.messages.send({ conversationId: id, content: 'After' });
  expect(text('.messages')).toBe('To the page|From the page');
});
