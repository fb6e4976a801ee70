import { BoundedMap } from '../../lib/bounded-map.ts';
import { isRetryable, retry } from '../../lib/retry.ts';
import { isSameSnapshot } from '../../lib/same-snapshot.ts';
import type { Conversation, Participant } from '../../protocol/conversations.ts';
import { CommError } from '../../protocol/errors.ts';
import { PAGE_LIMITS } from '../../protocol/page-limits.ts';
import type { User } from '../../protocol/users.ts';
import type { ClientContext } from '../context.ts';
import type { Directory } from './directory.ts';
import type { KnownConversations, OfflineReading } from '../ports.ts';
import type { InboxSnapshot } from './inbox.ts';
import {
  EMPTY_INBOX,
  findConversation,
  outdatedBy,
  reduceInbox,
  withProfiles,
  type InboxEvent,
  type InboxState,
} from './inbox-reducer.ts';

/** Pushed profiles that are remembered. */
const MAX_PROFILES = 1_000;

/** Runs the inbox reducer: loads pages once the inbox is shown, and single conversations that events refer to. */
export class LiveInbox {
  readonly #context: ClientContext;
  readonly #directory: Pick<Directory, 'get' | 'page'>;
  readonly #watchers = new Map<() => void, string>();
  readonly #fetching = new Set<string>();
  /** The last pushed profiles of participants: what is read from the server later may have been read before them. */
  readonly #profiles = new BoundedMap<string, User>(MAX_PROFILES);
  #inbox: InboxState = EMPTY_INBOX;
  #snapshot: InboxSnapshot | undefined;
  /** Publishes snapshots; `undefined` until the app subscribes to the inbox. */
  #show: ((snapshot: InboxSnapshot) => void) | undefined;
  /** Offset of the next page. */
  #offset = 0;
  readonly #offline: OfflineReading | undefined;
  /** Conversations of an earlier session that have not been read from the server. */
  readonly #restored = new Set<string>();
  /** True once the first page has loaded. */
  #isKnown = false;
  #loading: Promise<void> | undefined;
  /** For each request that is pending: the events since it was sent, which its response may not contain. */
  readonly #pending = new Set<InboxEvent[]>();
  #error: CommError | undefined;
  /** Ids of conversations whose request failed with the connection; the next one repeats it. */
  readonly #failed = new Set<string>();
  /** Aborts when the connection is lost. */
  #connection = new AbortController();
  /** Aborts when another reload begins or the connection is lost. */
  #reloading = new AbortController();

  /** @param offline - the conversations of earlier sessions */
  constructor(context: ClientContext, directory: Pick<Directory, 'get' | 'page'>, offline?: OfflineReading) {
    this.#context = context;
    this.#directory = directory;
    this.#offline = offline;
    void offline?.conversations().then((list) => list && this.#restore(list));
  }

  find(id: string): Conversation | undefined {
    return findConversation(this.#inbox, id);
  }

  /** Returns a participant of a loaded conversation. */
  participant(userId: string): Participant | undefined {
    for (const { participants } of this.#inbox.conversations) {
      const found = participants.find((each) => each.userId === userId);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  /** Returns true for a conversation of an earlier session: who participates in it may have changed. */
  isRestored(id: string): boolean {
    return this.#restored.has(id);
  }

  /** Calls `listener` when the conversation changes. Returns a function that ends the watch. */
  watch(id: string, listener: () => void): () => void {
    this.#watchers.set(listener, id);
    return () => void this.#watchers.delete(listener);
  }

  /** Loads the first page and passes every later snapshot to `show`. */
  show(show: (snapshot: InboxSnapshot) => void): void {
    this.#show = show;
    if (this.#snapshot !== undefined) show(this.#snapshot);
    this.reload();
  }

  /** @param live - false for changes that were missed: the first page is loaded again after them */
  apply(event: InboxEvent, live = true): void {
    if (canRepeat(event)) for (const since of this.#pending) since.push(event);
    this.#reduce([event]);
    const isNews = live && event.kind === 'created' && this.#show !== undefined;
    if (isNews && this.find(event.conversationId) === undefined) this.#fetch(event.conversationId);
  }

  #reduce(events: readonly InboxEvent[]): void {
    const ownId = this.#context.userId();
    const before = this.#inbox;
    const outdated = new Set<string>();
    let next = before.ownId === ownId ? before : { ...before, ownId };
    for (const event of events) {
      for (const id of outdatedBy(next, event)) outdated.add(id);
      next = this.#withProfiles(reduceInbox(next, event), event);
      this.#markRead(event);
    }
    if (next !== before) {
      this.#inbox = next;
      this.#publish();
      this.#keep();
      for (const [listener, id] of this.#watchers) {
        if (findConversation(before, id) !== findConversation(next, id)) listener();
      }
    }
    for (const id of outdated) this.#fetch(id);
  }

  /**
   * Gives participants the names and pictures that were pushed on this connection: an answer or another push can have been
   * read from the database before a profile changed, and arrive after its push. Users without a common conversation are
   * forgotten, because their later changes are not pushed.
   */
  #withProfiles(inbox: InboxState, event: InboxEvent): InboxState {
    if (event.kind === 'profile') this.#profiles.set(event.user.id, event.user);
    if (this.#profiles.size === 0 || !mayChangeParticipants(event)) return inbox;
    const present = new Set(inbox.conversations.flatMap((each) => each.participants.map(({ userId }) => userId)));
    for (const id of this.#profiles.keys()) if (!present.has(id)) this.#profiles.delete(id);
    return withProfiles(inbox, this.#profiles);
  }

  /** Shows the conversations of an earlier session until the first page has loaded. */
  #restore({ conversations, hasMore }: KnownConversations): void {
    if (this.#isKnown) return;
    const unknown = conversations.filter(({ id }) => this.find(id) === undefined);
    for (const { id } of unknown) this.#restored.add(id);
    this.#reduce([{ kind: 'restored', conversations: unknown, hasMore }]);
  }

  #markRead(event: InboxEvent): void {
    if (event.kind === 'listed') for (const { id } of event.conversations) this.#restored.delete(id);
    else if (event.kind === 'known') this.#restored.delete(event.conversation.id);
    else if (event.kind === 'left') this.#restored.delete(event.conversationId);
  }

  #keep(): void {
    const { conversations, hasMore } = this.#inbox;
    this.#offline?.keepConversations({ conversations, hasMore: hasMore || !this.#isKnown, isComplete: this.#isKnown });
  }

  /** Removes all conversations: another user has signed in. */
  clear(): void {
    this.#profiles.clear();
    this.#restored.clear();
    this.#isKnown = false;
    this.#offset = 0;
    this.apply({ kind: 'listed', conversations: [], first: true, hasMore: false });
  }

  /** Loads the first page again, if the inbox is shown, and the conversations whose request failed. */
  reload(): void {
    if (this.#context.online()) this.#refetchFailed();
    if (this.#show === undefined || !this.#context.online()) return;
    this.#reloading.abort();
    const { signal } = (this.#reloading = new AbortController());
    // The snapshot has the error. While disconnected, the next connection reloads.
    this.#retry(() => this.#load(0), signal).catch(() => undefined);
  }

  connectionLost(): void {
    this.#connection.abort();
    this.#connection = new AbortController();
    this.#reloading.abort();
    // Changes while disconnected are not pushed.
    this.#profiles.clear();
  }

  loadMore(): Promise<void> {
    return this.#loading ?? this.#load(this.#offset);
  }

  /** Loads one conversation: one that is not loaded although an event refers to it, or one that is outdated. */
  #fetch(id: string): void {
    if (this.#fetching.has(id)) return;
    this.#fetching.add(id);
    const { signal } = this.#connection;
    const fetchOne = (): Promise<void> =>
      this.request(this.#directory.get(id), (conversation) => {
        // Before the reducer runs: an event since the request can show that the response is outdated, too.
        this.#fetching.delete(id);
        return { kind: 'known', conversation, asked: true };
      });
    this.#retry(fetchOne, signal).catch((error: unknown) => {
      this.#fetching.delete(id);
      if (signal.aborted || isRetryable(error)) this.#failed.add(id);
      else this.#context.report(error);
    });
  }

  /** Retries while connected. */
  #retry(task: () => Promise<void>, signal: AbortSignal): Promise<void> {
    const shouldRetry = (error: unknown): boolean => isRetryable(error) && this.#context.online();
    return retry(task, this.#context, { signal, shouldRetry });
  }

  #refetchFailed(): void {
    const ids = [...this.#failed];
    this.#failed.clear();
    for (const id of ids) this.#fetch(id);
  }

  /**
   * Applies a response, and after it once more the events since its request, which it may not contain.
   *
   * @param answer - the response of a request that is sent now
   * @param read - returns what the response means, or applies it itself and returns `undefined`
   */
  async request<T>(answer: Promise<T>, read: (answer: T) => InboxEvent | undefined): Promise<void> {
    const since: InboxEvent[] = [];
    this.#pending.add(since);
    try {
      const response = await answer;
      // Before `read`, which may apply the response as further events.
      this.#pending.delete(since);
      const event = read(response);
      this.#reduce(event === undefined ? since : [event, ...since]);
    } finally {
      this.#pending.delete(since);
    }
  }

  #load(offset: number): Promise<void> {
    const answer = this.#directory.page({ limit: PAGE_LIMITS.pageSize, offset });
    const load: Promise<void> = this.request(answer, ({ conversations, hasMore }) => {
      // Before the reducer runs, so that one snapshot has both the page and `loading: false`.
      if (this.#loading === load) this.#loading = undefined;
      this.#isKnown = true;
      this.#error = undefined;
      this.#offset = offset + conversations.length;
      return { kind: 'listed', conversations, first: offset === 0, hasMore };
    })
      .catch((error: unknown) => {
        this.#error = error instanceof CommError ? error : undefined;
        throw error;
      })
      .finally(() => {
        if (this.#loading === load) this.#loading = undefined;
        this.#publish();
      });
    this.#loading = load;
    this.#publish();
    return load;
  }

  #publish(): void {
    const { conversations, hasMore } = this.#inbox;
    const error = this.#error;
    const next: InboxSnapshot = {
      conversations,
      loading: this.#loading !== undefined || (!this.#isKnown && error === undefined),
      stale: !this.#isKnown && this.#restored.size > 0,
      hasMore,
      totalUnread: conversations.reduce((sum, { unreadCount }) => sum + unreadCount, 0),
      ...(error !== undefined && { error }),
    };
    if (this.#snapshot !== undefined && isSameSnapshot(this.#snapshot, next)) return;
    this.#snapshot = Object.freeze(next);
    this.#show?.(this.#snapshot);
  }
}

function mayChangeParticipants({ kind }: InboxEvent): boolean {
  return kind === 'listed' || kind === 'known' || kind === 'conversation' || kind === 'left';
}

/** True if applying the event a second time changes nothing: it carries a state or a revision. */
function canRepeat(event: InboxEvent): boolean {
  if (event.kind === 'created' || event.kind === 'updated') return event.rev !== undefined;
  return event.kind !== 'listed';
}
