import type { Conversation } from '../../protocol/conversations.ts';
import { CommError } from '../../protocol/errors.ts';
import { LIMITS } from '../../protocol/limits.ts';
import type { ClientContext } from '../context.ts';
import type { Directory } from './directory.ts';
import { doubtedBy, EMPTY_INBOX, findConversation, reduceInbox, type Inbox, type InboxEvent } from './inbox.ts';

/** The list of conversations as far as it is loaded. Frozen; what didn't change is the same object as before. */
export interface InboxSnapshot {
  /** Newest activity first. */
  readonly conversations: readonly Conversation[];
  readonly loading: boolean;
  /** More can be had by `conversations.loadMore()`. */
  readonly hasMore: boolean;
  readonly error?: CommError | undefined;
}

const RETRY_AFTER_MS = 2_000;

/** The inbox around its reducer: loads pages when somebody looks, and single conversations when they are heard of. */
export class InboxState {
  readonly #context: ClientContext;
  readonly #directory: Pick<Directory, 'get' | 'list'>;
  readonly #watchers = new Map<() => void, string>();
  readonly #fetching = new Set<string>();
  #inbox: Inbox = EMPTY_INBOX;
  #snapshot: InboxSnapshot | undefined;
  /** Absent until somebody looks at the list. */
  #show: ((snapshot: InboxSnapshot) => void) | undefined;
  /** How far the list is loaded. */
  #listed = 0;
  #loading: Promise<void> | undefined;
  /** Of each answer that is on its way: what was told since it was asked for. */
  readonly #asked = new Set<InboxEvent[]>();
  #error: CommError | undefined;
  /** Whose reading has failed for now. */
  readonly #doubted = new Set<string>();
  #cancelAgain = (): void => undefined;
  #cancelRetry = (): void => undefined;

  constructor(context: ClientContext, directory: Pick<Directory, 'get' | 'list'>) {
    this.#context = context;
    this.#directory = directory;
  }

  find(id: string): Conversation | undefined {
    return findConversation(this.#inbox, id);
  }

  /** Calls `listener` when what is known of this conversation changes. */
  watch(id: string, listener: () => void): () => void {
    this.#watchers.set(listener, id);
    return () => void this.#watchers.delete(listener);
  }

  /** From now on the list is loaded and kept. */
  show(show: (snapshot: InboxSnapshot) => void): void {
    this.#show = show;
    this.reload();
  }

  apply(event: InboxEvent, live = true): void {
    if (canRepeat(event)) for (const since of this.#asked) since.push(event);
    this.#reduce([event]);
    const isNews = live && event.kind === 'created' && this.#show !== undefined;
    if (isNews && this.find(event.conversationId) === undefined) this.#fetch(event.conversationId);
  }

  #reduce(events: readonly InboxEvent[]): void {
    const ownId = this.#context.userId();
    const before = this.#inbox;
    const doubted = new Set<string>();
    let next = before.ownId === ownId ? before : { ...before, ownId };
    for (const event of events) {
      for (const id of doubtedBy(next, event)) doubted.add(id);
      next = reduceInbox(next, event);
    }
    if (next !== before) {
      this.#inbox = next;
      this.#publish();
      for (const [listener, id] of this.#watchers) {
        if (findConversation(before, id) !== findConversation(next, id)) listener();
      }
    }
    for (const id of doubted) this.#fetch(id);
  }

  reload(): void {
    if (this.#context.online()) this.#askAgain();
    if (this.#show === undefined || !this.#context.online()) return;
    this.#load(0).catch((error: unknown) => {
      // The error is in the snapshot; without a line the next one reloads.
      if (!(error instanceof CommError) || !error.retryable || !this.#context.online()) return;
      this.lineLost();
      this.#cancelRetry = this.#context.clock.after(Math.max(error.retryAfterMs ?? 0, RETRY_AFTER_MS), () =>
        this.reload(),
      );
    });
  }

  lineLost(): void {
    this.#cancelAgain();
    this.#cancelRetry();
  }

  loadMore(): Promise<void> {
    return this.#loading ?? this.#load(this.#listed);
  }

  /** Heard of by a message, but not in what is loaded: a new message brings it to the top. */
  #fetch(id: string): void {
    if (this.#fetching.has(id)) return;
    this.#fetching.add(id);
    const answer = this.#directory.get(id).finally(() => this.#fetching.delete(id));
    this.#ask(answer, (conversation) => ({ kind: 'known', conversation, asked: true })).catch((error: unknown) => {
      const isForNow = error instanceof CommError && error.retryable;
      if (!isForNow) return this.#context.report(error);
      this.#doubted.add(id);
      if (this.#context.online()) this.#again(error.retryAfterMs);
    });
  }

  #again(afterMs = 0): void {
    this.#cancelAgain();
    this.#cancelAgain = this.#context.clock.after(Math.max(afterMs, RETRY_AFTER_MS), () => this.#askAgain());
  }

  #askAgain(): void {
    const ids = [...this.#doubted];
    this.#doubted.clear();
    for (const id of ids) this.#fetch(id);
  }

  /** What is told while an answer is on its way may not be in it, and is said again once it is there. */
  async #ask<T>(answer: Promise<T>, read: (answer: T) => InboxEvent): Promise<void> {
    const since: InboxEvent[] = [];
    this.#asked.add(since);
    try {
      const event = read(await answer);
      this.#reduce([event, ...since]);
    } finally {
      this.#asked.delete(since);
    }
  }

  #load(offset: number): Promise<void> {
    const answer = this.#directory.list({ limit: LIMITS.pageSize, offset });
    const load: Promise<void> = this.#ask(answer, (conversations) => {
      // One snapshot shows both: the page, and that it is there.
      if (this.#loading === load) this.#loading = undefined;
      this.#error = undefined;
      this.#listed = offset + conversations.length;
      return { kind: 'listed', conversations, first: offset === 0, hasMore: conversations.length === LIMITS.pageSize };
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
      hasMore,
      loading: this.#loading !== undefined,
      ...(error !== undefined && { error }),
    };
    const held = this.#snapshot;
    const isSame =
      held?.conversations === conversations &&
      held.hasMore === hasMore &&
      held.loading === next.loading &&
      held.error === error;
    if (isSame) return;
    this.#snapshot = Object.freeze(next);
    this.#show?.(this.#snapshot);
  }
}

/** Saying it again changes nothing where it is known already: it says how things stand, or is counted. */
function canRepeat(event: InboxEvent): boolean {
  if (event.kind === 'created' || event.kind === 'updated') return event.rev !== undefined;
  return event.kind !== 'listed';
}
