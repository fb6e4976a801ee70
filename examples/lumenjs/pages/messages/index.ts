import { html, LitElement } from 'lit';
import { CommClient, lumenPagePort } from 'lumen-comm';
import { ConnectionController, ConversationController, InboxController } from 'lumen-comm/lit';

export class PageMessages extends LitElement {
  /** Set by LumenJS once the socket of the page is connected. */
  declare emit?: (name: string, data: unknown) => void;

  readonly #client = new CommClient({
    userId: new URLSearchParams(globalThis.location?.search).get('user') ?? 'alice',
    restPath: '/api/comm',
    socket: lumenPagePort(this),
  });
  readonly #status = new ConnectionController(this, this.#client, ({ status }) => status);
  readonly #inbox = new InboxController(this, this.#client);
  readonly #conversation = new ConversationController(this, this.#client, undefined);

  override connectedCallback() {
    super.connectedCallback();
    // Rejects if the page is left before it is connected.
    this.#client.connect().catch(console.warn);
  }

  override disconnectedCallback() {
    super.disconnectedCallback();
    void this.#client.disconnect();
  }

  #send(event: SubmitEvent) {
    event.preventDefault();
    const form = event.currentTarget as HTMLFormElement;
    this.#conversation.value.send(String(new FormData(form).get('text'))).catch(console.error);
    form.reset();
  }

  override render() {
    const { messages } = this.#conversation.value;
    return html`
      <p role="status">${this.#status.value}</p>
      ${this.#inbox.value.conversations.map(
        ({ id, participants }) => html`
          <button @click=${() => (this.#conversation.id = id)}>
            ${participants.map(({ userId }) => userId).join(', ')}
          </button>
        `,
      )}
      ${messages.map(({ senderId, content }) => html`<p>${senderId}: ${content}</p>`)}
      <form @submit=${this.#send}>
        <label>Message <input name="text" required /></label>
        <button>Send</button>
      </form>
    `;
  }
}
