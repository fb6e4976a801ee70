import type { AbortOptions } from '../lib/abort.ts';
import { Emitter, type Listener, type ListenOptions } from '../lib/emitter.ts';
import { lazily, lazy, type Lazy } from '../lib/lazy.ts';
import { errorFields } from '../lib/logger.ts';
import { CommError, isCommError } from '../protocol/errors.ts';
import type { CommStorage } from '../storage/comm-storage.ts';
import { lazyStorage } from '../storage/lazy.ts';
import { CAPABILITIES, PLAIN_CAPABILITIES } from '../protocol/vocabulary.ts';
import type { ConnectionStatus } from '../transport/connection.ts';
import { socketIoPort } from '../transport/socket-io.ts';
import { TokenSource } from '../transport/token-source.ts';
import { Wire } from '../transport/wire.ts';
import { CallsClient } from './calls/calls-client.ts';
import type { Cipher } from './cipher.ts';
import type { ClientContext } from './context.ts';
import { ConversationsClient } from './conversations/conversations-client.ts';
import type { Encryption } from './encryption/encryption.ts';
import type { CommEvents } from './events.ts';
import { Lifecycle } from './lifecycle.ts';
import { MessagesClient } from './messages/messages-client.ts';
import { resolveOptions, type CommClientOptions, type ResolvedOptions } from './options.ts';
import { Peer, type Guarantees } from './peer.ts';
import { PresenceClient } from './presence/presence-client.ts';
import { TypingClient } from './presence/typing-client.ts';
import type { Reader } from './reader.ts';
import type { Stream } from './stream.ts';

/**
 * The client. Constructing it opens nothing and starts nothing, so that it is safe while a server renders; everything
 * begins with `connect()`.
 *
 * @example
 * const client = new CommClient({ url: 'https://chat.example.com', token: () => fetchToken() });
 * client.on('message:new', (message) => show(message));
 * await client.connect();
 */
export class CommClient {
  readonly messages: MessagesClient;
  readonly conversations: ConversationsClient;
  readonly typing: TypingClient;
  readonly presence: PresenceClient;
  readonly calls: CallsClient;
  /** End-to-end encryption; without the option `encryption` every method rejects with a `TypeError`. */
  readonly encryption: Encryption;
  readonly #options: ResolvedOptions;
  readonly #emitter: Emitter<CommEvents>;
  readonly #lifecycle: Lifecycle;
  readonly #peer: Peer;
  readonly #stream: Lazy<Stream>;
  readonly #storage: CommStorage;
  #watching: AbortController | undefined;
  /** Calls of `connect()` that wait, and whether the first of them began the connecting: with the last it ends. */
  #waiting = 0;
  #begun = false;

  /** @throws TypeError on wrong options */
  constructor(options?: CommClientOptions) {
    const resolved = resolveOptions(options);
    const { clock, logger, requestTimeoutMs, url, namespace, path, transports, restPath } = resolved;
    this.#options = resolved;
    this.#emitter = new Emitter((error, event) => this.#threw(error, event));
    this.#peer = new Peer(resolved.userId);
    const report = (error: unknown): void => this.#report(error);
    this.#storage = lazyStorage(async () => {
      const { openStorage } = await import('../storage/open.ts');
      return openStorage(resolved.storage, report, clock);
    });
    const socket = resolved.socket ?? socketIoPort({ url, namespace, path, transports });
    const wire = new Wire(socket, clock, requestTimeoutMs);
    const tokens = new TokenSource(resolved.token);
    const userId = (): string | undefined => this.#peer.userId;
    const base = lazy(async () => {
      const { BaseModeRequester } = await import('../transport/base-mode.ts');
      return new BaseModeRequester(wire, clock, requestTimeoutMs, () => userId() ?? '');
    });
    const rows = lazy(() => import('../transport/rows.ts'));
    const { encryption } = resolved;
    const cipher: Lazy<Cipher> | undefined =
      encryption &&
      lazy(async () => {
        const { Engine } = await import('./encryption/engine.ts');
        return new Engine(context, this.#storage, resolved, {
          userId: () => this.userId,
          conversation: async (id) => (await reader()).conversation(id),
          find: async (id) => (await reader()).find(id),
          amend: (message) => this.#stream.current?.amend(message),
        });
      });
    this.encryption = lazily(async () => {
      if (cipher === undefined) throw new TypeError('The option `encryption` is absent');
      return (await cipher()).api;
    });
    const context: ClientContext = {
      cipher,
      rows,
      requester: {
        request: async (name, payload, requestOptions) => {
          const answer = (this.#peer.has('ack') ? wire : await base()).request(name, payload, requestOptions);
          answer.catch((error: unknown) => {
            // Silence may mean that the line is dead and nobody has said so.
            if (isCommError(error) && error.code === 'TIMEOUT') this.#lifecycle.wake();
          });
          const data = await answer;
          return cipher === undefined ? data : ((await cipher()).open(data, true) as typeof data);
        },
      },
      emitter: this.#emitter,
      clock,
      logger,
      userId,
      has: (capability) => this.#peer.has(capability),
      online: () => this.#lifecycle.online,
      whenConnected: (signal) => this.#lifecycle.whenConnected(signal),
      untilConnected: (signal) => this.#lifecycle.untilConnected(signal),
      report,
    };
    const reader: Lazy<Reader> = lazy(async () => {
      const { Reader } = await import('./reader.ts');
      const rest = {
        baseUrl: `${url ?? ''}${restPath}`,
        fetch: resolved.fetch ?? globalThis.fetch.bind(globalThis),
        tokens,
        userId,
        timeoutMs: requestTimeoutMs,
        ...(cipher && { open: async (answer: unknown) => (await cipher()).open(answer, false) }),
      };
      return new Reader(context, rest, (id) =>
        this.messages.outbox().filter(({ conversationId }) => conversationId === id),
      );
    });
    this.messages = new MessagesClient(context, this.#storage, reader);
    this.typing = new TypingClient(context);
    this.#emitter.on('message:pending', ({ conversationId }) => this.typing.sent(conversationId));
    this.presence = new PresenceClient(context);
    this.calls = new CallsClient(context, resolved.calls);
    this.conversations = new ConversationsClient(
      context,
      {
        send: (input, sendOptions) => this.messages.send(input, sendOptions),
        markRead: (ref, markOptions) => this.messages.markRead(ref, markOptions),
        setTyping: (id, isTyping) => (isTyping ? this.typing.start(id) : this.typing.stop(id)),
        typing: (id) => this.typing.observe(id),
        join: async (id) => (await this.#stream()).enter(id),
        untilConnected: context.untilConnected,
        online: context.online,
        clock,
        closeTimeline: (id) => reader.current?.timelines.close(id),
      },
      reader,
    );
    // Loaded beside the handshake, which takes longer; what comes before it is there waits.
    const early: [event: string, data: unknown][] = [];
    this.#stream = lazy(async () => {
      const [{ Stream, routeCalls }] = await Promise.all([import('./stream.ts'), rows(), cipher?.()]);
      const { messages, conversations, typing, presence } = this;
      const userRefused = (expired: boolean): void => this.#lifecycle.userRefused(expired);
      const routeCall = routeCalls(this.calls.desk, report);
      const targets = { messages, conversations, typing, presence, reader, userRefused, routeCall };
      const stream = new Stream(context, this.#storage, targets);
      for (const [event, data] of early.splice(0)) stream.pushed(event, data);
      return stream;
    });
    let signedIn: string | undefined;
    this.#lifecycle = new Lifecycle({
      socket,
      wire,
      tokens,
      clock,
      userId: resolved.userId,
      caps: encryption === undefined ? PLAIN_CAPABILITIES : CAPABILITIES,
      greeted: (hello) => {
        this.#peer.greeted(hello);
        const { namedUserId: named, typingTimeoutMs } = this.#peer;
        if (named !== undefined && named !== (signedIn ?? named)) this.messages.sender.handedOver();
        signedIn = named ?? signedIn;
        if (typingTimeoutMs !== undefined) this.typing.configure(typingTimeoutMs);
      },
      catchUp: async (isCurrent) => {
        if (!this.#peer.has('ack')) await base();
        await (await this.#stream()).catchUp(isCurrent);
      },
      lineLost: () => {
        base.current?.closed();
        this.#stream.current?.lineLost();
        early.length = 0;
      },
      pushed: (event, data) => {
        if (!this.#peer.has('ack')) base.current?.pushed(event, data);
        if (this.#stream.current === undefined) early.push([event, data]);
        else this.#stream.current.pushed(event, data);
      },
      status: (status) => this.#emitter.emit('status', status),
      canPing: () => this.#peer.has('ack'),
      report,
    });
  }

  get status(): ConnectionStatus {
    return this.#lifecycle.status;
  }

  /** Who the server says this is; before it has, who the options say, or who it was the last time. */
  get userId(): string | undefined {
    return this.messages.sender.userId;
  }

  /** What the server at the other end can promise; all `false` until there is one. */
  get guarantees(): Guarantees {
    return this.#peer.guarantees;
  }

  /**
   * Connects, and keeps connecting whatever happens, until `disconnect()`. Idempotent.
   *
   * @returns when connected and in step with the server
   * @throws CommError `UNAUTHENTICATED` when the server doesn't accept the user, `DISCONNECTED` when `disconnect()` comes
   * first; an abort ends the waiting, and the connecting where nobody else waits for it
   */
  async connect({ signal }: AbortOptions = {}): Promise<void> {
    signal?.throwIfAborted();
    const isDown = this.status === 'idle' || this.status === 'disconnected' || this.status === 'unauthenticated';
    this.#begun = isDown || (this.#begun && this.#waiting > 0);
    this.#waiting += 1;
    this.#watchPage();
    // A failure shows when it is needed, and is tried again then.
    this.#stream().catch(() => undefined);
    this.messages.sender.prepare().catch(() => undefined);
    try {
      await this.#lifecycle.connect(signal);
    } catch (error) {
      if (this.#begun && this.#waiting === 1 && signal?.aborted === true) await this.disconnect();
      throw error;
    } finally {
      this.#waiting -= 1;
    }
  }

  /** Ends the connection and every timer. Listeners, open views and the outbox stay; `connect()` works again. */
  async disconnect(): Promise<void> {
    this.#watching?.abort();
    this.#watching = undefined;
    if (this.calls.active !== undefined) await this.calls.desk.current?.leave();
    this.#lifecycle.disconnect();
    await this.messages.sender.settled();
    await this.#stream.current?.save();
  }

  /** @returns how to stop listening; aborting `signal` does the same */
  on<K extends keyof CommEvents>(event: K, listener: Listener<CommEvents[K]>, options?: ListenOptions): () => void {
    return this.#emitter.on(event, listener, options);
  }

  /** As `on()`, for the next event alone. */
  once<K extends keyof CommEvents>(event: K, listener: Listener<CommEvents[K]>, options?: ListenOptions): () => void {
    return this.#emitter.once(event, listener, options);
  }

  /** Ends every subscription of `listener` to `event`; one that isn't there is no error. */
  off<K extends keyof CommEvents>(event: K, listener: Listener<CommEvents[K]>): void {
    this.#emitter.off(event, listener);
  }

  /** Disconnects and closes the storage: nothing keeps the process alive any more. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.disconnect();
    this.messages.sender.close();
    await this.#storage.close();
  }

  /** Wake-ups, and idleness where there is a page to watch. */
  #watchPage(): void {
    if (this.#watching !== undefined) return;
    const { signal } = (this.#watching = new AbortController());
    const wake = (): void => this.#lifecycle.wake();
    const idle = (isIdle: boolean): void => this.presence.idle(isIdle);
    import('./browser.ts').then(
      ({ watchBrowser }) => watchBrowser(this.#options, { wake, idle }, signal),
      (error: unknown) => this.#report(error),
    );
  }

  #report(error: unknown): void {
    this.#options.logger.warn('Unawaited failure', errorFields(error));
    const told = isCommError(error) ? error : new CommError('INTERNAL', 'Internal error', { cause: error });
    this.#emitter.emit('error', told);
  }

  #threw(error: unknown, event: keyof CommEvents): void {
    this.#options.logger.error('A listener threw', { event, ...errorFields(error) });
    // In the app's own time, as an error of the app: visible to it, and harmless to the client.
    if (event !== 'error') queueMicrotask(() => this.#report(error));
  }
}
