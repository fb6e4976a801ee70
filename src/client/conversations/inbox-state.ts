import { ObservableValue, type Observable } from '../../lib/observable.ts';
import type { Conversation } from '../../protocol/conversations.ts';
import { CommError } from '../../protocol/errors.ts';
import { LIMITS } from '../../protocol/limits.ts';
import type { ClientContext } from '../context.ts';
import { EMPTY_INBOX, findConversation, reduceInbox, type Inbox, type InboxEvent } from './inbox.ts';

export interface InboxSnapshot {
  /** Newest activity first. */
  readonly conversations: readonly Conversation[];
  readonly loading: boolean;
  /** More can be had by `conversations.loadMore()`. */
  readonly hasMore: boolean;
  readonly error?: CommError | undefined;
}

interface InboxPorts {
  list(query: { limit: number; offset: number }): Promise<Conversation[]>;
  get(id: string): Promise<Conversation>;
}

const NOTHING: InboxSnapshot = Object.freeze({ conversations: [], loading: false, hasMore: false });

/** The inbox around its reducer: loads pages when somebody looks, and single conversations when they are heard of. */
export class InboxState implements Observable<InboxSnapshot> {
  readonly #context: ClientContext;
  readonly #ports: InboxPorts;
  readonly #snapshot: ObservableValue<InboxSnapshot>;
  readonly #fetching = new Set<string>();
  #inbox: Inbox = EMPTY_INBOX;
  #wanted = false;
  /** How far the list is loaded. */
  #listed = 0;
  #loading: Promise<void> | undefined;
  #error: CommError | undefined;

  constructor(context: ClientContext, ports: InboxPorts) {
    this.#context = context;
    this.#ports = ports;
    this.#snapshot = new ObservableValue(NOTHING, context.report);
  }

  readonly getSnapshot = (): InboxSnapshot => this.#snapshot.getSnapshot();
  readonly getServerSnapshot = (): InboxSnapshot => NOTHING;
  readonly subscribe = (listener: () => void): (() => void) => {
    const stop = this.#snapshot.subscribe(listener);
    if (!this.#wanted) {
      this.#wanted = true;
      this.reload();
    }
    return stop;
  };

  find(id: string): Conversation | undefined {
    return findConversation(this.#inbox, id);
  }

  apply(event: InboxEvent): void {
    const ownId = this.#context.userId();
    const inbox = this.#inbox.ownId === ownId ? this.#inbox : { ...this.#inbox, ownId };
    const next = reduceInbox(inbox, event);
    if (next !== this.#inbox) {
      this.#inbox = next;
      this.#publish();
    }
    if (event.kind === 'created' && this.#wanted && this.find(event.conversationId) === undefined) {
      this.#fetch(event.conversationId);
    }
  }

  reload(): void {
    if (!this.#wanted || !this.#context.online()) return;
    this.#load(0).catch(() => undefined);
  }

  async loadMore(): Promise<void> {
    this.#wanted = true;
    if (this.#loading !== undefined) return this.#loading;
    await this.#load(this.#listed);
  }

  /** Heard of by a message, but not in what is loaded: a new message brings it to the top. */
  #fetch(id: string): void {
    if (this.#fetching.has(id)) return;
    this.#fetching.add(id);
    this.#ports
      .get(id)
      .then((conversation) => this.apply({ kind: 'known', conversation }), this.#context.report)
      .finally(() => this.#fetching.delete(id));
  }

  #load(offset: number): Promise<void> {
    const load = this.#ports
      .list({ limit: LIMITS.pageSize, offset })
      .then(
        (conversations) => {
          this.#error = undefined;
          this.#listed = offset + conversations.length;
          const hasMore = conversations.length === LIMITS.pageSize;
          this.apply({ kind: 'listed', conversations, first: offset === 0, hasMore });
        },
        (error: unknown) => {
          this.#error = error instanceof CommError ? error : undefined;
          throw error;
        },
      )
      .finally(() => {
        this.#loading = undefined;
        this.#publish();
      });
    this.#loading = load;
    this.#publish();
    return load;
  }

  #publish(): void {
    const { conversations, hasMore } = this.#inbox;
    const next: InboxSnapshot = { conversations, hasMore, loading: this.#loading !== undefined };
    const held = this.#snapshot.getSnapshot();
    const isSame =
      held.conversations === conversations &&
      held.hasMore === hasMore &&
      held.loading === next.loading &&
      held.error === this.#error;
    if (isSame) return;
    this.#snapshot.set(Object.freeze(this.#error === undefined ? next : { ...next, error: this.#error }));
  }
}
