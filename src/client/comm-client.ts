import type { AbortOptions } from '../lib/abort.ts';
import type { Emitter, Listener, ListenOptions } from '../lib/emitter.ts';
import { uuidv7Generator } from '../lib/ids.ts';
import { lazily, lazy, lazyMethods, lazyPart } from '../lib/lazy.ts';
import { ObservableValue, type Observable } from '../lib/observable.ts';
import { CAPABILITIES, PLAIN_CAPABILITIES } from '../protocol/constants.ts';
import type { CommStorage } from '../storage/comm-storage.ts';
import { lazyStorage } from '../storage/lazy-storage.ts';
import type { ConnectionStatus } from '../transport/connection.ts';
import { socketIoPort } from '../transport/socket-io.ts';
import { TokenSource } from '../transport/token-source.ts';
import { RequestChannel } from '../transport/request-channel.ts';
import type { CurrentCalls } from './calls/session/call-types.ts';
import { createCallsClient, lazyCallManager, type CallsClient } from './calls/session/calls-client.ts';
import type { Cipher } from './cipher.ts';
import type { ClientParts } from './client-parts.ts';
import { ConnectionManager } from './connection/connection-manager.ts';
import { ConnectionReporter, type ConnectionSnapshot } from './connection/connection-reporter.ts';
import { PageWatcher } from './connection/page-watcher.ts';
import { ServerInfo, type Guarantees } from './connection/server-info.ts';
import { ServerRequester } from './connection/server-requester.ts';
import type { ClientContext } from './context.ts';
import { ConversationViews } from './conversations/conversation-view.ts';
import { createConversationsClient, type ConversationsClient } from './conversations/conversations-client.ts';
import type { Encryption } from './encryption/encryption.ts';
import { ErrorReporter } from './error-reporter.ts';
import { requireListener, type CommEvents } from './events.ts';
import type { FilesClient } from './files/files-client.ts';
import type { ForgetOptions } from './offline/forget.ts';
import type { OfflineCache } from './offline/offline-cache.ts';
import { Messages, type MessagesClient } from './messages/messages-client.ts';
import { OutgoingMessages } from './messages/outgoing-messages.ts';
import { resolveOptions, type CommClientOptions } from './options.ts';
import { createPresenceClient, type PresenceClient } from './presence/presence-client.ts';
import { createTypingClient, type TypingClient } from './presence/typing-client.ts';
import type { Reader } from './reader.ts';
import { LazySync } from './sync/lazy-sync.ts';
import type { PushRouter } from './sync/push-router.ts';
import { Synchronizer } from './synchronizer.ts';
import { createUsersClient, type UsersClient } from './users/users-client.ts';

let readParts: (client: CommClient) => ClientParts;

/**
 * The client. Its constructor opens no connection and starts no timers, so that it can run while a server renders. Call
 * `connect()` to start.
 *
 * @example
 * const client = new CommClient({ url: 'https://chat.example.com', token: () => fetchToken() });
 * client.on('message:new', (message) => show(message));
 * await client.connect();
 */
export class CommClient {
  static {
    readParts = (client: CommClient): ClientParts => client.#parts;
  }

  /** The state of the connection, with the reason why the client is not connected and the time of the next attempt. */
  readonly connection: Observable<ConnectionSnapshot>;
  /** Sends, reads and changes messages. */
  readonly messages: MessagesClient;
  /** Lists, opens and manages conversations. */
  readonly conversations: ConversationsClient;
  /** Sends typing indicators and lists the users who are typing. */
  readonly typing: TypingClient;
  /** Publishes the user's own presence and follows that of others. */
  readonly presence: PresenceClient;
  /** Profiles of users, and who is blocked. */
  readonly users: UsersClient;
  /** Audio and video calls. */
  readonly calls: CallsClient;
  /** End-to-end encryption. Without the option `encryption` every method rejects with a `TypeError`. */
  readonly encryption: Encryption;
  /** Uploads and downloads files. */
  readonly files: FilesClient;
  readonly #emitter: Emitter<CommEvents>;
  readonly #storage: CommStorage;
  readonly #parts: ClientParts;
  readonly #forget: (options: ForgetOptions) => Promise<void>;
  readonly #pageWatcher: PageWatcher;

  /** @throws TypeError if an option is invalid */
  constructor(options?: CommClientOptions) {
    const resolved = resolveOptions(options);
    const { clock, random, logger, url, namespace, path, transports, requestTimeoutMs, encryption } = resolved;
    const { emitter, report } = new ErrorReporter(logger);

    // Parts in chunks that load on demand. Those that need each other are connected below.
    const connected = lazy(() => import('./connected.ts'));
    const loadReader = async () => (await connected()).loadReader();
    const rows = lazy(async () => (await connected()).rows);
    const cipher = encryption === undefined ? undefined : lazyPart<Cipher>();
    const reader = lazyPart<Reader>();
    const router = lazyPart<PushRouter>();
    const offline = lazy<OfflineCache | undefined>(async () => {
      const { loadOffline } = await connected();
      return loadOffline(context, storage, resolved).catch(() => undefined);
    });
    const typing = lazy(async () => new (await connected()).TypingTracker(context, () => server.typingTimeoutMs));
    const presence = lazy(async () => new (await connected()).PresenceTracker(context));
    const storage = lazyStorage(async () => {
      const { openStorage } = await connected();
      return openStorage(resolved.storage, report, clock);
    });

    // Connection.
    const server = new ServerInfo(resolved.userId);
    const socket = resolved.socket ?? socketIoPort({ url, namespace, path, transports });
    const channel = new RequestChannel(socket, clock, requestTimeoutMs);
    const tokens = new TokenSource(resolved.token);
    const reporter = new ConnectionReporter({
      clock,
      logger,
      report,
      diagnose: async (...failure) => {
        const { diagnose } = await (await connected()).loadDiagnosis();
        return diagnose(resolved, ...failure);
      },
    });
    const connection = new ConnectionManager({
      socket,
      channel,
      tokens,
      clock,
      random,
      userId: resolved.userId,
      capabilities: encryption === undefined ? PLAIN_CAPABILITIES : CAPABILITIES,
      canPing: () => server.has('ack'),
      reporter,
      mayBeBase: resolved.baseServer !== undefined,
      report,
    });
    const baseMode = lazy(async () => {
      const { BaseModeRequester } = await (await connected()).loadBaseServer();
      const { supports } = resolved.baseServer ?? {};
      return new BaseModeRequester(channel, clock, requestTimeoutMs, () => server.userId ?? '', supports);
    });
    const requester = new ServerRequester(server, channel, baseMode, cipher, () => connection.wake());
    const context: ClientContext = {
      requester,
      rows,
      cipher,
      emitter,
      clock,
      random,
      newId: uuidv7Generator(() => clock.now(), random),
      logger,
      userId: () => server.userId,
      has: (capability) => server.has(capability),
      online: () => connection.online,
      whenConnected: (signal) => connection.whenConnected(signal),
      untilConnected: (signal) => connection.untilConnected(signal),
      report,
    };

    // Flows and sub-clients.
    const sync = new LazySync(router);
    const uploads = lazy(async () => {
      const { PendingUploads } = await import('./files/pending-uploads.ts');
      return new PendingUploads(context, storage, resolved, outgoing);
    });
    const outgoing: OutgoingMessages = new OutgoingMessages(context, storage, reader, connected, uploads);
    const { outbox } = outgoing;
    const messages = new Messages(context, outgoing, reader, uploads, connected, loadReader);
    const currentCalls = new ObservableValue<CurrentCalls>({}, report);
    const calls = lazyCallManager(context, currentCalls, resolved.calls);
    const typingClient = createTypingClient(typing);
    const users = lazy(async () => (await connected()).createUserDirectory(context, reader));
    const blockedUsers = async () => (await users()).followBlocked();
    const views = new ConversationViews(context, { messages, typing: typingClient, sync, blockedUsers }, reader);
    const parts: ClientParts = {
      server,
      connection,
      requester,
      sync,
      outbox,
      reader,
      offline,
      views,
      typing,
      presence,
      users,
      calls,
      router,
    };

    // Connections between the parts.
    reader.connect(async () => {
      const [{ createReader }, tracker, cache] = await Promise.all([loadReader(), typing(), offline()]);
      return createReader(context, resolved, tokens, outgoing, tracker, () => server.isBase, cache);
    });
    router.connect(async () => {
      const [{ createPushRouter }] = await Promise.all([
        connected(),
        rows(),
        typing(),
        presence(),
        cipher?.(),
        offline(),
      ]);
      return createPushRouter(context, storage, parts);
    });
    cipher?.connect(async () => {
      const { Engine } = await import('./encryption/engine.ts');
      return new Engine(context, storage, resolved, {
        userId: () => outbox.userId,
        conversation: async (id) => (await reader()).conversation(id),
        rest: async () => (await reader()).rest,
        find: async (id) => (await reader()).find(id),
        page: async (query) => (await reader()).history.page(query),
        amend: (message) => sync.amend(message),
      });
    });
    connection.attach(new Synchronizer(context, parts));
    emitter.on('message:pending', ({ conversationId }) => typing.current?.sent(conversationId));

    this.connection = reporter.snapshot;
    this.messages = messages;
    this.conversations = createConversationsClient(context, views, reader, loadReader);
    this.typing = typingClient;
    this.presence = createPresenceClient(context, presence);
    this.users = createUsersClient(context, users);
    this.calls = createCallsClient(calls, currentCalls);
    this.encryption = lazily(async () => {
      if (cipher === undefined) throw new TypeError('The option `encryption` is not set');
      return (await cipher()).api;
    });
    this.files = lazyMethods(async () => (await uploads()).client, ['upload', 'download', 'url', 'recordVoice']);
    this.#forget = async (what) => {
      const { forgetUser } = await import('./offline/forget.ts');
      await forgetUser({ context, storage, options: resolved, parts, disconnect: () => this.disconnect() }, what);
    };
    this.#emitter = emitter;
    this.#storage = storage;
    this.#parts = parts;
    this.#pageWatcher = new PageWatcher(context, parts, resolved.idleAfterMs, connected);
  }

  /** The state of the connection. The event `status` reports each change of it. */
  get status(): ConnectionStatus {
    return this.#parts.connection.status;
  }

  /** The user id that the server confirmed; before that, the one of the options or of the last session. */
  get userId(): string | undefined {
    return this.#parts.outbox.userId;
  }

  /** What the connected server guarantees; all `false` before the first connection. */
  get guarantees(): Guarantees {
    return this.#parts.server.guarantees;
  }

  /**
   * Connects, and reconnects after every lost connection until `disconnect()`. Idempotent.
   *
   * An abort ends the wait. If no other call waits, it also ends the connecting.
   * @returns when connected and in step with the server
   * @throws CommError `UNAUTHENTICATED` if the server does not accept the user, `DISCONNECTED` if `disconnect()` is called
   * first
   */
  async connect({ signal }: AbortOptions = {}): Promise<void> {
    const { sync, outbox, connection } = this.#parts;
    signal?.throwIfAborted();
    this.#pageWatcher.start();
    sync.preload();
    outbox.preload();
    try {
      await connection.connect(signal);
    } catch (error) {
      if (signal?.aborted === true && connection.isAbandoned) await this.disconnect();
      throw error;
    }
  }

  /** Closes the connection and stops all timers. Listeners, open views and the outbox stay; `connect()` works again. */
  async disconnect(): Promise<void> {
    const { calls, connection, outbox, sync } = this.#parts;
    this.#pageWatcher.stop();
    if (calls.current !== undefined) await calls.current.leave();
    connection.disconnect();
    await outbox.settled();
    await sync.save();
    await this.#parts.offline.current?.flush();
  }

  /**
   * Signs the user out on this device: disconnects, and deletes what this client has stored of the user, with unsent messages,
   * whose promises reject with `CANCELLED`. Keys of encryption stay unless the options say otherwise. Other clients of the user,
   * for example in other tabs, have to be disconnected as well.
   */
  async forget(options: ForgetOptions = {}): Promise<void> {
    await this.#forget(options);
  }

  /** Adds a listener. @returns a function that removes it; aborting `signal` does the same */
  on<K extends keyof CommEvents>(event: K, listener: Listener<CommEvents[K]>, options?: ListenOptions): () => void {
    requireListener(event, listener);
    return this.#emitter.on(event, listener, options);
  }

  /** As `on()`, for the next event only. */
  once<K extends keyof CommEvents>(event: K, listener: Listener<CommEvents[K]>, options?: ListenOptions): () => void {
    requireListener(event, listener);
    return this.#emitter.once(event, listener, options);
  }

  /** Removes a listener from an event. Idempotent. */
  off<K extends keyof CommEvents>(event: K, listener: Listener<CommEvents[K]>): void {
    requireListener(event, listener);
    this.#emitter.off(event, listener);
  }

  /** Disconnects and closes the storage, so that nothing keeps the process running. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.disconnect();
    this.#parts.outbox.close();
    await this.#storage.close();
  }
}

/** Returns the parts of a client: for the developer tools, which show what its methods don't. */
export function partsOf(client: CommClient): ClientParts {
  return readParts(client);
}

declare global {
  /** Declared here because the library ES2022 of TypeScript has no `Symbol.asyncDispose`. */
  interface SymbolConstructor {
    readonly asyncDispose: unique symbol;
  }
}
