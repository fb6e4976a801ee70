import { abortable, type AbortOptions } from '../../lib/abort.ts';
import { deferred, type Deferred } from '../../lib/deferred.ts';
import type { Observable } from '../../lib/observable.ts';
import { isRetryable, retry } from '../../lib/retry.ts';
import { isSameSnapshot } from '../../lib/same-snapshot.ts';
import type { Conversation } from '../../protocol/conversations.ts';
import { CommError } from '../../protocol/errors.ts';
import type { Message } from '../../protocol/messages.ts';
import type { ClientContext } from '../context.ts';
import type { OpenTimeline, ViewParts } from '../ports.ts';
import { BlockedFlags } from './blocked-flags.ts';
import type { LiveInbox } from './live-inbox.ts';

/** The state of an open conversation. Frozen; unchanged parts are the same objects as before. */
export interface ConversationSnapshot {
  /** `undefined` until it has loaded. */
  readonly conversation: Conversation | undefined;
  /** Oldest first; the user's own messages that are not stored yet come last. */
  readonly messages: readonly Message[];
  /** Of a thread: its root, once it has loaded. */
  readonly root?: Message | undefined;
  /** Id of the first unread message; absent if there is none, and for a thread. */
  readonly firstUnreadId?: string | undefined;
  /** Ids of the other users who are typing. */
  readonly typing: readonly string[];
  /** True if the conversation has messages before the first of `messages`. */
  readonly hasOlder: boolean;
  /** True if the conversation has messages after the last of `messages`, as after `jumpTo()`. */
  readonly hasNewer: boolean;
  /** True until the newest page has loaded and while another page loads. */
  readonly loading: boolean;
  /** True while `messages` are those of an earlier session: shown until the newest page has loaded. */
  readonly stale: boolean;
  /** `NOT_FOUND` while the user is not a participant; `messages` are those that were loaded before. */
  readonly error?: CommError | undefined;
}

/** What a snapshot is made of. */
interface SnapshotSources {
  readonly timeline: OpenTimeline;
  /** Of a thread: the id of its root and the timeline of the root alone. */
  readonly thread?: { readonly id: string; readonly root: OpenTimeline } | undefined;
  readonly inbox: LiveInbox;
  /** Ids of the other users who are typing. */
  readonly typing: Observable<readonly string[]>;
}

/** Combines the row of a conversation, the timeline of the conversation or of a thread, and typing indicators into one snapshot. */
export class OpenConversation {
  readonly timeline: OpenTimeline;
  readonly #id: string;
  readonly #context: ClientContext;
  readonly #parts: ViewParts;
  readonly #inbox: LiveInbox;
  readonly #typing: Observable<readonly string[]>;
  readonly #thread: SnapshotSources['thread'];
  readonly #ready: Deferred<void> = deferred();
  readonly #closed = new AbortController();
  readonly #stops: (() => void)[] = [];
  /** Aborts when the connection is lost: a retry would fail, and no timer may run on. */
  #connection = new AbortController();
  readonly #onClose: () => void;
  readonly #onRefused: () => void;
  #snapshot: ConversationSnapshot | undefined;
  #show: (snapshot: ConversationSnapshot) => void = () => undefined;
  #error: CommError | undefined;
  #opening = true;
  #followsBlocked = false;
  #blocked: Observable<ReadonlySet<string>> | undefined;
  readonly #flagged = new BlockedFlags();
  /** True if the conversation is in the inbox, which shows that the user is a participant. */
  #isKnown = false;
  /** How often the user has become a participant. */
  #entries = 0;

  /**
   * @param onClose - closes the timeline
   * @param onRefused - the server says that the user may not read the conversation
   */
  constructor(
    id: string,
    context: ClientContext,
    parts: ViewParts,
    { timeline, thread, inbox, typing }: SnapshotSources,
    onClose: () => void,
    onRefused: () => void = () => undefined,
  ) {
    this.#id = id;
    this.#context = context;
    this.#parts = parts;
    this.#onClose = onClose;
    this.#onRefused = onRefused;
    this.timeline = timeline;
    this.#thread = thread;
    this.#inbox = inbox;
    this.#typing = typing;
  }

  /** Resolves when the newest page has loaded. */
  get ready(): Promise<void> {
    return this.#ready.promise;
  }

  /** Subscribes to the parts and opens the conversation. */
  start(show: (snapshot: ConversationSnapshot) => void): void {
    this.#show = show;
    this.#stops.push(
      this.timeline.subscribe(this.#refresh),
      this.#typing.subscribe(this.#refresh),
      this.#inbox.watch(this.#id, this.#refresh),
      this.#thread?.root.subscribe(this.#refresh) ?? (() => undefined),
    );
    // Shows pending messages before the first page has loaded.
    this.#refresh();
    void this.#open();
  }

  /** Shows the messages around the first unread one. Waits until the conversation is open. */
  async jumpToFirstUnread(options?: AbortOptions): Promise<void> {
    await abortable(this.ready, options?.signal);
    const id = this.#thread === undefined ? this.#inbox.find(this.#id)?.firstUnreadId : undefined;
    if (typeof id === 'string') await this.timeline.jumpTo(id, options);
  }

  loadOlder(options?: AbortOptions): Promise<void> {
    return this.timeline.loadOlder(options);
  }

  loadNewer(options?: AbortOptions): Promise<void> {
    return this.timeline.loadNewer(options);
  }

  jumpTo(messageId: string, options?: AbortOptions): Promise<void> {
    return this.timeline.jumpTo(messageId, options);
  }

  /** Marks the newest message as read unless nothing is unread. */
  async markRead(options?: AbortOptions): Promise<void> {
    const newest = this.timeline.newest();
    const conversation = this.#inbox.find(this.#id);
    if (this.#thread !== undefined) {
      const id = this.#thread.root.newest()?.id ?? this.#thread.id;
      const isUnread = conversation?.followedThreads?.find((each) => each.id === id)?.unread === true;
      const request = newest && { conversationId: this.#id, threadId: id, messageId: newest.id };
      if (request !== undefined && isUnread) await this.#parts.messages.markRead(request, options);
      return;
    }
    if (newest === undefined || conversation?.unreadCount === 0) return;
    await this.#parts.messages.markRead({ conversationId: this.#id, messageId: newest.id }, options);
  }

  /** Stops everything; `ready` rejects if it is pending. */
  close(): void {
    this.#closed.abort(new CommError('DISCONNECTED', 'The view was closed'));
    for (const stop of this.#stops) stop();
    this.#onClose();
  }

  /** Ends the waits for the next attempts, which continue with the next connection. */
  connectionLost(): void {
    this.#connection.abort();
    this.#connection = new AbortController();
  }

  async #open(): Promise<void> {
    const { signal } = this.#closed;
    this.#opening = true;
    this.#error = undefined;
    const entries = this.#entries;
    try {
      await this.#enter(signal);
      this.#ready.resolve();
    } catch (error) {
      // The refusal may have been on its way when the user became a participant.
      if (entries !== this.#entries) return await this.#open();
      this.#error = error instanceof CommError ? error : new CommError('INTERNAL', 'The conversation did not open');
      this.#ready.reject(error);
      if (this.#error.code === 'NOT_FOUND' || this.#error.code === 'FORBIDDEN') this.#onRefused();
    } finally {
      this.#opening = false;
      this.#refresh();
    }
  }

  /** Enters the room and loads the newest page. Retries while connected; while disconnected, waits for the connection. */
  async #enter(signal: AbortSignal): Promise<void> {
    for (;;) {
      await this.#context.untilConnected(signal);
      const connection = this.#connection;
      if (!this.#followsBlocked && this.#context.has('profiles')) {
        this.#followsBlocked = true;
        void this.#followBlocked(signal);
      }
      const attempt = async (): Promise<void> => {
        await abortable(this.#parts.sync.join(this.#id), signal);
        // First, because its id tells which messages are replies to it.
        await abortable(this.#thread?.root.loadNewest() ?? Promise.resolve(), signal);
        await abortable(this.timeline.loadNewest(), signal);
      };
      const shouldRetry = (error: unknown): boolean => isRetryable(error) && this.#context.online();
      try {
        const waitSignal = AbortSignal.any([signal, connection.signal]);
        return await retry(attempt, this.#context, { signal: waitSignal, shouldRetry });
      } catch (error) {
        if (signal.aborted || (!connection.signal.aborted && !isRetryable(error))) throw error;
      }
    }
  }

  /** Marks the messages of users whom this user has blocked, now and after each change. Its code may not load without a network. */
  async #followBlocked(signal: AbortSignal): Promise<void> {
    const load = (): Promise<Observable<ReadonlySet<string>>> => this.#parts.blockedUsers();
    const shouldRetry = (): boolean => this.#context.online();
    while (this.#blocked === undefined && !signal.aborted) {
      try {
        await this.#context.untilConnected(signal);
        const waitSignal = AbortSignal.any([signal, this.#connection.signal]);
        this.#blocked = await retry(load, this.#context, { signal: waitSignal, shouldRetry });
      } catch {
        // The view was closed, or the next connection loads it.
      }
    }
    if (signal.aborted || this.#blocked === undefined) return;
    this.#stops.push(this.#blocked.subscribe(this.#refresh));
    this.#refresh();
  }

  readonly #refresh = (): void => {
    const wasKnown = this.#isKnown;
    this.#isKnown = this.#inbox.find(this.#id) !== undefined;
    if (this.#isKnown && !wasKnown) {
      this.#entries += 1;
      // Opening failed because the user was no participant.
      if (this.#error?.retryable === false) void this.#open();
    }
    // A later attempt has succeeded.
    if (this.#error?.retryable === true && this.timeline.newest() !== undefined) this.#error = undefined;
    const { messages, hasOlder, hasNewer, loading, stale, error } = this.timeline.getSnapshot();
    const failed = this.#error ?? error;
    const conversation = this.#inbox.find(this.#id);
    const root = this.#thread?.root.getSnapshot().messages[0];
    const firstUnreadId = this.#thread === undefined ? (conversation?.firstUnreadId ?? undefined) : undefined;
    const next: ConversationSnapshot = {
      conversation,
      messages: this.#flagged.apply(messages, this.#blocked?.getSnapshot()),
      ...(root !== undefined && { root }),
      ...(firstUnreadId !== undefined && { firstUnreadId }),
      typing: this.#typing.getSnapshot(),
      hasOlder,
      hasNewer,
      loading: loading || this.#opening,
      stale,
      ...(failed !== undefined && { error: failed }),
    };
    if (this.#snapshot !== undefined && isSameSnapshot(this.#snapshot, next)) return;
    this.#snapshot = Object.freeze(next);
    this.#show(this.#snapshot);
  };
}
