import { CommClient, type Message } from 'lumen-comm';
import { CallDesk } from '../call/call-desk.ts';
import { KeyRing } from '../encryption/key-ring.ts';
import { reasonOf } from '../ui/toast.ts';
import { EventLog } from './event-log.ts';
import { Line } from './line.ts';
import { OutboxWatch } from './outbox-watch.ts';
import { PresenceBook } from './presence-book.ts';
import { Route } from './route.ts';

/** One person, signed in on this page. */
export interface Session {
  readonly userId: string;
  readonly client: CommClient;
  readonly line: Line;
  readonly log: EventLog;
  readonly outbox: OutboxWatch;
  readonly presence: PresenceBook;
  readonly route: Route;
  readonly calls: CallDesk;
  readonly keys: KeyRing;
  /** Why messages failed, by client id. */
  readonly refusals: ReadonlyMap<string, string>;
  /** Messages that are quoted but not loaded. */
  readonly quotes: Quotes;
  readonly signal: AbortSignal;
}

export function startSession(userId: string, signal: AbortSignal): Session {
  // The page's own server: no `url` needed. A real app gives a `token` instead of a `userId`.
  const line = new Line();
  const client = new CommClient({ userId, socket: line, encryption: {} });
  line.attach(client, signal);
  const log = new EventLog();
  log.attach(client, signal);
  const refusals = new Map<string, string>();
  client.on('message:failed', ({ message, error }) => {
    if (message.clientId !== undefined) refusals.set(message.clientId, reasonOf(error));
  });
  const session: Session = {
    userId,
    client,
    line,
    log,
    outbox: new OutboxWatch(client, signal),
    presence: new PresenceBook(client, userId, signal),
    route: new Route(signal),
    calls: new CallDesk(client, userId, signal),
    keys: new KeyRing(client, userId, signal),
    refusals,
    quotes: new Quotes(client),
    signal,
  };
  // Its end is told by `status`; a page that can't connect yet keeps trying.
  client.connect().catch(() => undefined);
  return session;
}

/** Fetches each message that is quoted, once. */
export class Quotes {
  readonly #client: CommClient;
  readonly #held = new Map<string, Promise<Message | undefined>>();

  constructor(client: CommClient) {
    this.#client = client;
  }

  get(messageId: string): Promise<Message | undefined> {
    const held = this.#held.get(messageId);
    if (held !== undefined) return held;
    const fetched = this.#client.messages.get(messageId).catch(() => {
      this.#held.delete(messageId);
      return undefined;
    });
    this.#held.set(messageId, fetched);
    return fetched;
  }
}
