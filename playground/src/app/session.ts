import { CommClient, socketIoPort, type Message } from 'lumen-comm';
import { DEFAULT_NAMESPACE, DEFAULT_SOCKET_PATH } from 'lumen-comm/protocol';
import { faultySocket, type FaultySocket } from 'lumen-comm/testing';
import { BlockList } from '../people/block-list.ts';
import { CallStore } from '../call/call-store.ts';
import { KeyRing } from '../encryption/key-ring.ts';
import { reasonOf } from '../ui/toast.ts';
import { followProfiles } from './follow-profiles.ts';
import { OutboxWatch } from './outbox-watch.ts';
import { PresenceTracker } from './presence-tracker.ts';
import { Route } from './route.ts';
import { ServerProcess } from './server-process.ts';

/** Everything that belongs to the user who is signed in on this page. */
export interface Session {
  readonly userId: string;
  readonly client: CommClient;
  /** The connection, into which the developer tools inject faults. Without faults it is transparent. */
  readonly faults: FaultySocket;
  /** The server process that this window is connected to. */
  readonly process: ServerProcess;
  readonly outbox: OutboxWatch;
  readonly presence: PresenceTracker;
  readonly route: Route;
  readonly calls: CallStore;
  readonly blocks: BlockList;
  readonly keys: KeyRing;
  /** Failure reasons of messages, by client id. */
  readonly refusals: ReadonlyMap<string, string>;
  /** Cache of quoted messages. */
  readonly quotes: Quotes;
  readonly signal: AbortSignal;
}

export function startSession(userId: string, signal: AbortSignal): Session {
  // No `url`: the server is the page's own origin. A production app passes `token` instead of `userId`.
  const port = socketIoPort({ namespace: DEFAULT_NAMESPACE, path: DEFAULT_SOCKET_PATH });
  const process = new ServerProcess(port);
  const faults = faultySocket(process, { seed: Date.now() });
  const client = new CommClient({ userId, socket: faults, encryption: {} });
  followProfiles(client, userId, signal);
  const refusals = new Map<string, string>();
  client.on('message:failed', ({ message, error }) => {
    if (message.clientId !== undefined) refusals.set(message.clientId, reasonOf(error));
  });
  const session: Session = {
    userId,
    client,
    faults,
    process,
    outbox: new OutboxWatch(client, signal),
    presence: new PresenceTracker(client, userId, signal),
    route: new Route(signal),
    calls: new CallStore(client, userId, signal),
    blocks: new BlockList(client, signal),
    keys: new KeyRing(client, userId, signal),
    refusals,
    quotes: new Quotes(client),
    signal,
  };
  // The client retries until it is connected; `status` reports failures.
  client.connect().catch(() => undefined);
  return session;
}

/** Fetches quoted messages and caches them by id. */
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
