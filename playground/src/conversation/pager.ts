import type { ConversationView } from 'lumen-comm';
import type { Session } from '../app/session.ts';
import { h, setChildren, setText } from '../lib/dom.ts';
import { titleOf } from '../lib/people.ts';
import { button } from '../ui/button.ts';

type Way = 'older' | 'newer';

/** Loads older and newer pages when the user scrolls near an edge, and shows the progress. */
export class Pager {
  readonly top = h('div', { class: 'pager pager-top', role: 'status' });
  readonly bottom = h('div', { class: 'pager', role: 'status' });
  readonly #session: Session;
  readonly #view: ConversationView;
  readonly #running = new Set<Way>();
  readonly #failed = new Set<Way>();
  readonly #spinners = { older: spinner(), newer: spinner() };
  readonly #buttons = { older: this.#button('older'), newer: this.#button('newer') };
  readonly #beginning = h('p', { class: 'beginning' });
  readonly #isThread: boolean;

  constructor(session: Session, view: ConversationView, signal: AbortSignal, isThread = false) {
    this.#session = session;
    this.#isThread = isThread;
    this.#view = view;
    const again = (): void => {
      if (session.client.status !== 'connected') return;
      for (const way of this.#failed) this.#load(way);
    };
    session.client.on('status', again, { signal });
  }

  /** Loads a page if an edge is near. */
  look({ scrollTop, scrollHeight, clientHeight }: HTMLElement): void {
    if (clientHeight === 0) return;
    const { hasOlder, hasNewer, messages, loading, stale } = this.#view.getSnapshot();
    // Messages of an earlier visit are about to be replaced by a page, which may fill the screen.
    if (messages.length === 0 || (loading && stale)) return;
    const near = 1.5 * clientHeight;
    if (hasOlder && scrollTop < near && !this.#failed.has('older')) this.#load('older');
    if (hasNewer && scrollHeight - scrollTop - clientHeight < near && !this.#failed.has('newer')) this.#load('newer');
  }

  render(): void {
    const { hasOlder, hasNewer, messages, loading, conversation, error } = this.#view.getSnapshot();
    if (messages.length === 0) {
      const isEmpty = !loading && error === undefined && conversation !== undefined;
      const title = conversation === undefined ? '' : titleOf(conversation, this.#session.userId);
      const hint =
        conversation?.type === 'direct'
          ? `This is the beginning of your chat with ${title}. Say hello.`
          : `This is the beginning of ${title}.`;
      setText(this.#beginning, this.#isThread ? 'No replies yet.' : hint);
      setChildren(this.top, isEmpty ? this.#beginning : loading && this.#spinners.older);
      setChildren(this.bottom);
      return;
    }
    setText(this.#beginning, 'The beginning of this conversation');
    setChildren(this.top, hasOlder ? this.#state('older') : !this.#isThread && this.#beginning);
    setChildren(this.bottom, hasNewer && this.#state('newer'));
  }

  #state(way: Way): HTMLElement {
    return this.#failed.has(way) ? this.#buttons[way] : this.#spinners[way];
  }

  #button(way: Way): HTMLElement {
    const label = `Load ${way} messages`;
    return button({ label, icon: 'retry', class: 'button-quiet button-small' }, () => this.#load(way));
  }

  #load(way: Way): void {
    if (this.#running.has(way)) return;
    this.#running.add(way);
    this.#failed.delete(way);
    const load = way === 'older' ? this.#view.loadOlder() : this.#view.loadNewer();
    load
      .catch(() => this.#failed.add(way))
      .finally(() => {
        this.#running.delete(way);
        this.render();
      });
  }
}

function spinner(): HTMLElement {
  return h('div', { class: 'spinner', role: 'img', 'aria-label': 'Loading' });
}
