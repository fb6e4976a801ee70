import { Cell } from '../lib/watch.ts';

export interface Place {
  readonly conversationId: string | undefined;
  /** The message to scroll to, once. */
  readonly messageId?: string | undefined;
}

/** Keeps the open conversation in the URL fragment, so that Back returns to the list and a reload restores it. */
export class Route {
  readonly place: Cell<Place>;

  constructor(signal: AbortSignal) {
    this.place = new Cell(read());
    window.addEventListener('hashchange', () => this.#moved(), { signal });
  }

  open(conversationId: string, messageId?: string): void {
    const isOpen = this.place.value.conversationId === conversationId;
    if (isOpen && messageId === undefined) return;
    this.place.set({ conversationId, messageId });
    if (isOpen) return;
    const address = `#/${encodeURIComponent(conversationId)}`;
    // Switching conversations adds no history entry: Back returns to the list.
    if (location.hash.length > 2) history.replaceState(history.state, '', address);
    else history.pushState(history.state, '', address);
  }

  close(): void {
    if (this.place.value.conversationId === undefined) return;
    this.place.set({ conversationId: undefined });
    history.pushState(history.state, '', location.pathname + location.search);
  }

  #moved(): void {
    const place = read();
    if (place.conversationId !== this.place.value.conversationId) this.place.set(place);
  }
}

function read(): Place {
  try {
    const id = decodeURIComponent(location.hash.replace(/^#\/?/, ''));
    return { conversationId: id === '' ? undefined : id };
  } catch {
    return { conversationId: undefined };
  }
}
