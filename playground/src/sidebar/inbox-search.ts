import type { Conversation } from 'lumen-comm';
import type { Session } from '../app/session.ts';
import { Cell, childAbort } from '../lib/watch.ts';

/** Which conversations the list shows. */
export interface InboxFilter {
  /** A part of the name, or of the name of a member; empty for all. */
  readonly query: string;
  readonly unread: boolean;
}

const PAUSE_MS = 180;

/** Finds conversations beyond the loaded part of the inbox. */
export class InboxSearch {
  readonly found = new Cell<readonly Conversation[]>([]);
  readonly #session: Session;
  #request = new AbortController();

  constructor(session: Session) {
    this.#session = session;
  }

  look({ query, unread }: InboxFilter): void {
    const { client, signal } = this.#session;
    this.#request.abort();
    const request = (this.#request = childAbort(signal));
    this.found.set([]);
    if ((query === '' && !unread) || !client.conversations.inbox.getSnapshot().hasMore) return;
    const filter = { ...(query !== '' && { query }), ...(unread && { unread }) };
    const run = (): void => {
      client.conversations.list(filter, { signal: request.signal }).then(
        (found) => this.found.set(found),
        // The loaded conversations are shown, as without a connection.
        () => undefined,
      );
    };
    const timer = setTimeout(run, PAUSE_MS);
    request.signal.addEventListener('abort', () => clearTimeout(timer));
  }
}
