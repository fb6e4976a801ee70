import type { Conversation, ConversationUpdate } from '../../protocol/conversations.ts';
import { CommError } from '../../protocol/errors.ts';
import { LIMITS } from '../../protocol/limits.ts';
import type { ClientContext } from '../context.ts';
import type { Directory } from './directory.ts';
import { isOvertaken, EMPTY_INBOX, findConversation, reduceInbox, type Inbox, type InboxEvent } from './inbox.ts';

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
  readonly #directory: Directory;
  readonly #watchers = new Map<() => void, string>();
  readonly #fetching = new Set<string>();
  #inbox: Inbox = EMPTY_INBOX;
  #snapshot: InboxSnapshot | undefined;
  /** Absent until somebody looks at the list. */
  #show: ((snapshot: InboxSnapshot) => void) | undefined;
  /** How far the list is loaded. */
  #listed = 0;
  #loading: Promise<void> | undefined;
  /** How many answers of the server are on their way, and what was told since the first of them was asked for. */
  #asking = 0;
  readonly #meanwhile: InboxEvent[] = [];
  #error: CommError | undefined;
  #cancelRetry = (): void => undefined;

  constructor(context: ClientContext, directory: Directory) {
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
    if (this.#asking > 0 && canRepeat(event)) this.#meanwhile.push(event);
    this.#reduce(event);
    const isNews = live && event.kind === 'created' && this.#show !== undefined;
    if (isNews && this.find(event.conversationId) === undefined) this.#fetch(event.conversationId);
  }

  #reduce(event: InboxEvent): void {
    const ownId = this.#context.userId();
    const before = this.#inbox;
    const next = reduceInbox(before.ownId === ownId ? before : { ...before, ownId }, event);
    for (const read of snapshotsIn(event)) if (isOvertaken({ ...before, ownId }, read)) this.#fetch(read.id);
    if (next !== before) {
      this.#inbox = next;
      this.#publish();
      for (const [listener, id] of this.#watchers) {
        if (findConversation(before, id) !== findConversation(next, id)) listener();
      }
    }
  }

  reload(): void {
    if (this.#show === undefined || !this.#context.online()) return;
    this.#load(0).catch((error: unknown) => {
      // The error is in the snapshot; without a line the next one reloads.
      if (!(error instanceof CommError) || !error.retryable || !this.#context.online()) return;
      this.lineLost();
      this.#cancelRetry = this.#context.clock.after(error.retryAfterMs ?? RETRY_AFTER_MS, () => this.reload());
    });
  }

  lineLost(): void {
    this.#cancelRetry();
  }

  loadMore(): Promise<void> {
    return this.#loading ?? this.#load(this.#listed);
  }

  /** Heard of by a message, but not in what is loaded: a new message brings it to the top. */
  #fetch(id: string): void {
    if (this.#fetching.has(id)) return;
    this.#fetching.add(id);
    this.#ask(this.#directory.get(id), (conversation) => ({ kind: 'known', conversation }))
      .catch(this.#context.report)
      .finally(() => this.#fetching.delete(id));
  }

  /** What is told while an answer is on its way may not be in it, and is said again once it is there. */
  async #ask<T>(answer: Promise<T>, read: (answer: T) => InboxEvent): Promise<void> {
    this.#asking += 1;
    try {
      for (const event of [read(await answer), ...this.#meanwhile]) this.#reduce(event);
    } finally {
      this.#asking -= 1;
      if (this.#asking === 0) this.#meanwhile.length = 0;
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

/** Conversations as the server read them, which may be older than what was pushed. */
function snapshotsIn(event: InboxEvent): readonly ConversationUpdate[] {
  switch (event.kind) {
    case 'listed':
      return event.conversations;
    case 'known':
      return [event.conversation];
    case 'conversation':
      return [event.update];
    default:
      return [];
  }
}
