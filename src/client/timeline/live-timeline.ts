import { abortable, type AbortOptions } from '../../lib/abort.ts';
import { ObservableValue } from '../../lib/observable.ts';
import { isSameSnapshot } from '../../lib/same-snapshot.ts';
import { CommError } from '../../protocol/errors.ts';
import type { Message } from '../../protocol/messages.ts';
import type { ClientContext } from '../context.ts';
import type { OpenTimeline, TimelineSnapshot } from '../ports.ts';
import type { HistoryPage } from './history-query.ts';
import { reloadEnd, reloadStretch, type History } from './history.ts';
import {
  emptyTimeline,
  findHeld,
  findMessage,
  reduceTimeline,
  windowOf,
  type Timeline,
  type TimelineEvent,
  type TimelineWindow,
} from './timeline-reducer.ts';
import type { PlaceOf, Segment } from './segments.ts';

const NOTHING: TimelineSnapshot = Object.freeze({
  messages: [],
  hasOlder: false,
  hasNewer: false,
  loading: false,
  stale: false,
});

/** Events about stored messages. Applying one twice changes nothing: each carries a state. */
const REPEATABLE: ReadonlySet<TimelineEvent['kind']> = new Set([
  'created',
  'updated',
  'deleted',
  'reactions',
  'read',
  'status',
]);

interface Load {
  from: Extract<TimelineEvent, { kind: 'loaded' }>['from'];
  /** Id of the message at which the page starts or ends; absent for the newest page. */
  anchor?: string;
  read: () => Promise<HistoryPage>;
  /** Requests the same again after an invalidation. */
  retry: () => Promise<void>;
}

/** What of a conversation a timeline has: its main timeline, the replies of a thread, or one message. */
export interface TimelinePart {
  readonly history: Pick<History, 'page'>;
  readonly placeOf: PlaceOf;
  readonly accepts: (message: Message) => boolean;
}

/** Runs the timeline reducer for one open conversation or thread: applies events, loads pages, publishes snapshots. */
export class LiveTimeline implements OpenTimeline {
  readonly #conversationId: string;
  readonly #context: ClientContext;
  readonly #part: TimelinePart;
  readonly #onGap: () => void;
  readonly #keep: (end: Segment) => void;
  readonly #snapshot: ObservableValue<TimelineSnapshot>;
  readonly #loads = new Map<string, Promise<void>>();
  /** Events since the oldest pending load began, which its page may not contain. */
  readonly #sinceLoad: TimelineEvent[] = [];
  #timeline: Timeline;
  #error: CommError | undefined;
  /** Set while the user is no participant of the conversation. */
  #left: CommError | undefined;

  /**
   * @param onGap - called when an event shows that changes were missed, which has invalidated the timeline
   * @param keep - called with each state of the end of the conversation
   */
  constructor(
    conversationId: string,
    context: ClientContext,
    part: TimelinePart,
    onGap: () => void,
    keep: (end: Segment) => void = () => undefined,
  ) {
    this.#conversationId = conversationId;
    this.#context = context;
    this.#part = part;
    this.#onGap = onGap;
    this.#keep = keep;
    this.#snapshot = new ObservableValue(NOTHING, context.report);
    this.#timeline = emptyTimeline(conversationId, context.userId(), part.placeOf);
  }

  readonly getSnapshot = (): TimelineSnapshot => this.#snapshot.getSnapshot();
  readonly getServerSnapshot = (): TimelineSnapshot => NOTHING;
  readonly subscribe = (listener: () => void): (() => void) => this.#snapshot.subscribe(listener);

  get conversationId(): string {
    return this.#conversationId;
  }

  /** True while the user is no participant. */
  get hasLeft(): boolean {
    return this.#left !== undefined;
  }

  /** Applies an event and publishes what changed. */
  apply(event: TimelineEvent): void {
    if ('message' in event && !this.#part.accepts(event.message)) return;
    // A pending page may have been read before this event, so the event is applied again after the page.
    if (this.#loads.size > 0 && REPEATABLE.has(event.kind)) this.#sinceLoad.push(event);
    this.#take([event]);
  }

  /** Shows the messages of an earlier session until the newest page has loaded. */
  restore(page: Segment): void {
    if (this.#left === undefined) this.#reduce([{ kind: 'restored', page }]);
  }

  /** Hides the messages of an earlier session: the user may not read them any longer. */
  dropRestored(): void {
    if (this.#timeline.stale?.isRestored === true) this.#reduce([{ kind: 'unreadable' }]);
  }

  /** Changes were missed and can't be fetched: everything held has to be loaded again. */
  invalidate(): void {
    this.#reduce([{ kind: 'invalidated' }]);
  }

  /** Removes everything: another user has signed in. */
  clear(): void {
    this.#left = undefined;
    this.#error = undefined;
    this.#reduce([{ kind: 'cleared' }]);
    this.#publish();
  }

  /** The user is no participant any more: the server sends no changes and rejects reads. */
  leave(): void {
    this.#left = new CommError('NOT_FOUND', 'The user is no longer in this conversation');
    this.dropRestored();
    this.#reduce([{ kind: 'invalidated' }]);
    this.#publish();
  }

  /** The user is a participant again. */
  enter(): void {
    this.#left = undefined;
    this.#error = undefined;
    this.#publish();
  }

  /** Returns a message of any loaded segment. */
  find(messageId: string): Message | undefined {
    return findMessage(this.#timeline, messageId);
  }

  /** Returns the last message of the conversation if the end is loaded. */
  newest(): Message | undefined {
    return this.#timeline.live ? this.#timeline.segments.at(-1)?.messages.at(-1) : undefined;
  }

  /** Loads the newest page unless the end is loaded, and the stale segment if one is shown. */
  async loadNewest(options: AbortOptions = {}): Promise<void> {
    const { live, stale } = this.#timeline;
    const { history, placeOf } = this.#part;
    const source = { history, placeOf, conversationId: this.#conversationId };
    const retry = (): Promise<void> => this.loadNewest();
    const loads: Promise<void>[] = [];
    if (!live || stale?.atEnd === true) {
      const read = (): Promise<HistoryPage> =>
        stale?.atEnd === true ? reloadEnd({ ...source, stretch: stale }) : this.#page({});
      loads.push(this.#load({ from: 'newest', read, retry }, options));
    }
    if (stale?.atEnd === false) {
      const read = (): Promise<HistoryPage> => reloadStretch({ ...source, stretch: stale }, this.#context.has('rev'));
      loads.push(this.#load({ from: 'again', read, retry }, options));
    }
    await Promise.all(loads);
  }

  async loadOlder(options: AbortOptions = {}): Promise<void> {
    if (this.#timeline.stale !== undefined) await this.loadNewest(options);
    const first = this.#shown()?.messages[0];
    if (first === undefined) return this.loadNewest(options);
    if (!this.#window().hasOlder) return;
    const read = (): Promise<HistoryPage> => this.#page({ before: first.id }, first);
    return this.#load({ from: 'older', anchor: first.id, read, retry: () => this.loadOlder() }, options);
  }

  async loadNewer(options: AbortOptions = {}): Promise<void> {
    if (this.#timeline.stale !== undefined) await this.loadNewest(options);
    const last = this.#shown()?.messages.at(-1);
    if (last === undefined) return this.loadNewest(options);
    if (!this.#window().hasNewer) return;
    const retry = (): Promise<void> => this.loadNewer();
    // A base server can't page forwards, so the newest page is loaded.
    return this.#context.has('rev')
      ? this.#load({ from: 'newer', anchor: last.id, read: () => this.#page({ after: last.id }), retry }, options)
      : this.#load({ from: 'around', read: () => this.#page({}), retry }, options);
  }

  async jumpTo(messageId: string, options: AbortOptions = {}): Promise<void> {
    if (this.#shown()?.messages.some(({ id }) => id === messageId) === true) return;
    if (this.#context.has('rev')) {
      const read = (): Promise<HistoryPage> => this.#page({ around: messageId });
      return this.#load({ from: 'around', anchor: messageId, read, retry: () => this.jumpTo(messageId) }, options);
    }
    // A base server can't read around a message: older pages are loaded until it is found.
    while (findHeld(this.#timeline, messageId) === undefined) {
      if (!this.#window().hasOlder) throw new CommError('NOT_FOUND', 'No such message');
      await this.loadOlder(options);
    }
  }

  #window(): TimelineWindow {
    return windowOf(this.#timeline);
  }

  /** The shown segment; `undefined` if it is stale. */
  #shown(): Timeline['segments'][number] | undefined {
    const { stale, segments, shown } = this.#timeline;
    return stale === undefined ? segments[shown] : undefined;
  }

  #page(anchor: { before?: string; after?: string; around?: string }, held?: Message): Promise<HistoryPage> {
    return this.#part.history.page({ conversationId: this.#conversationId, ...anchor }, {}, held);
  }

  /** Loads a page. Concurrent loads of the same page share one request; aborting ends only the caller's wait. */
  async #load(request: Load, { signal }: AbortOptions): Promise<void> {
    signal?.throwIfAborted();
    if (this.#left !== undefined) throw this.#left;
    const { generation } = this.#timeline;
    const key = JSON.stringify([request.from, request.anchor, generation]);
    let load = this.#loads.get(key);
    if (load === undefined) {
      load = this.#run(request, generation).finally(() => {
        this.#loads.delete(key);
        if (this.#loads.size === 0) this.#sinceLoad.length = 0;
        this.#publish();
      });
      this.#loads.set(key, load);
      this.#publish();
    }
    return abortable(load, signal);
  }

  async #run({ from, anchor, read, retry }: Load, generation: number): Promise<void> {
    let page: HistoryPage;
    try {
      page = await read();
    } catch (error) {
      if (generation === this.#timeline.generation) this.#failed(from, error);
      throw error;
    }
    // Messages read before an invalidation may have changed since.
    if (generation !== this.#timeline.generation) return retry();
    this.#error = undefined;
    const { messages, hasOlder, hasNewer } = page;
    const adjoins = from === 'older' && anchor !== undefined ? { adjoins: anchor } : {};
    const loaded: TimelineEvent = { kind: 'loaded', from, page: { messages, hasOlder, ...adjoins }, atEnd: !hasNewer };
    this.#take([loaded, ...this.#sinceLoad]);
  }

  #failed(from: Load['from'], error: unknown): void {
    this.#error = error instanceof CommError ? error : undefined;
    if (from === 'again' && this.#error?.retryable !== true) this.#reduce([{ kind: 'unreadable' }]);
  }

  #take(events: readonly TimelineEvent[]): void {
    const { generation } = this.#timeline;
    this.#reduce(events);
    if (generation !== this.#timeline.generation) this.#onGap();
  }

  #reduce(events: readonly TimelineEvent[]): void {
    const ownId = this.#context.userId();
    const before = this.#timeline;
    this.#timeline = events.reduce(reduceTimeline, before.ownId === ownId ? before : { ...before, ownId });
    // Pages loaded after an invalidation contain these events.
    if (this.#timeline.generation !== before.generation) this.#sinceLoad.length = 0;
    if (this.#timeline === before) return;
    this.#publish();
    const end = this.#timeline.live ? this.#timeline.segments.at(-1) : undefined;
    if (end !== undefined && end !== before.segments.at(-1)) this.#keep(end);
  }

  #publish(): void {
    const held = this.#snapshot.getSnapshot();
    const { messages, hasOlder, hasNewer } = this.#window();
    const loading = this.#loads.size > 0;
    const error = this.#left ?? this.#error;
    const stale = this.#timeline.stale?.isRestored === true;
    const state = { messages, hasOlder, hasNewer, loading, stale };
    const next: TimelineSnapshot = { ...state, ...(error !== undefined && { error }) };
    if (isSameSnapshot(held, next)) return;
    Object.freeze(messages);
    this.#snapshot.set(Object.freeze(next));
  }
}
