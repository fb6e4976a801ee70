import type { Session } from '../app/session.ts';
import { h, setChildren } from '../lib/dom.ts';
import { childAbort, watch } from '../lib/watch.ts';
import { logo } from '../ui/logo.ts';
import { Drafts } from './drafts.ts';
import { conversationPane } from './pane.ts';

/** The main area: the open conversation, or a placeholder. */
export class ConversationArea {
  readonly element = h('main', { class: 'area' });
  readonly #session: Session;
  readonly #drafts = new Drafts();
  #openId: string | undefined;
  #scope = new AbortController();

  constructor(session: Session) {
    this.#session = session;
    const { route, client, userId, signal } = session;
    watch([route.place.subscribe], () => this.#render(), signal);
    client.on(
      'conversation:left',
      (left) => {
        if (left.userId === userId && left.conversationId === this.#openId) route.close();
      },
      { signal },
    );
  }

  #render(): void {
    const { conversationId } = this.#session.route.place.value;
    if (conversationId === this.#openId && this.element.childElementCount > 0) return;
    this.#openId = conversationId;
    this.#scope.abort();
    this.#scope = childAbort(this.#session.signal);
    if (conversationId === undefined) {
      setChildren(
        this.element,
        h('div', { class: 'area-empty' }, logo(), h('p', {}, 'Choose a chat, or start a new one.')),
      );
      return;
    }
    setChildren(this.element, conversationPane(this.#session, conversationId, this.#drafts, this.#scope.signal));
  }
}
