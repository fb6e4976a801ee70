import { abortable, type AbortOptions } from '../../lib/abort.ts';
import { ObservableValue } from '../../lib/observable.ts';
import { CommError } from '../../protocol/errors.ts';
import type { Message } from '../../protocol/messages.ts';
import type { ClientContext } from '../context.ts';
import type { OpenTimeline, TimelineSnapshot } from '../ports.ts';
import type { History, HistoryPage } from './history.ts';
import { readEnd, readStretch } from './rereading.ts';
import { reduceTimeline } from './timeline-reducer.ts';
import {
  emptyTimeline,
  findHeld,
  findMessage,
  windowOf,
  type Timeline,
  type TimelineEvent,
  type TimelineWindow,
} from './timeline.ts';

const NOTHING: TimelineSnapshot = Object.freeze({ messages: [], hasOlder: false, hasNewer: false, loading: false });

/** About stored messages; saying it twice changes nothing, because each says how things stand. */
const TOLD: ReadonlySet<TimelineEvent['kind']> = new Set([
  'created',
  'updated',
  'deleted',
  'reactions',
  'read',
  'status',
]);

interface Load {
  from: Extract<TimelineEvent, { kind: 'loaded' }>['from'];
  /** Id of the message it is asked by; none for the newest page. */
  anchor?: string;
  read: () => Promise<HistoryPage>;
  /** Asks anew, for what it was about, after a cut-off has overtaken it. */
  again: () => Promise<void>;
}

/** One open timeline: events go in, snapshots come out, pages are fetched when somebody scrolls. */
export class LiveTimeline implements OpenTimeline {
  readonly #conversationId: string;
  readonly #context: ClientContext;
  readonly #history: History;
  readonly #onGap: () => void;
  readonly #snapshot: ObservableValue<TimelineSnapshot>;
  readonly #loads = new Map<string, Promise<void>>();
  /** What the server has told since the oldest running load began. */
  readonly #meanwhile: TimelineEvent[] = [];
  #timeline: Timeline;
  #error: CommError | undefined;
  /** The user is not in the conversation, for the time being. */
  #left: CommError | undefined;

  /** @param onGap - called when something that was told does not follow on what is held, which is cut off then */
  constructor(conversationId: string, context: ClientContext, history: History, onGap: () => void) {
    this.#conversationId = conversationId;
    this.#context = context;
    this.#history = history;
    this.#onGap = onGap;
    this.#snapshot = new ObservableValue(NOTHING, context.report);
    this.#timeline = emptyTimeline(conversationId, context.userId());
  }

  readonly getSnapshot = (): TimelineSnapshot => this.#snapshot.getSnapshot();
  readonly getServerSnapshot = (): TimelineSnapshot => NOTHING;
  readonly subscribe = (listener: () => void): (() => void) => this.#snapshot.subscribe(listener);

  get hasLeft(): boolean {
    return this.#left !== undefined;
  }

  apply(event: TimelineEvent): void {
    // A page that is on its way was read before this, so it is said again once the page is there.
    if (this.#loads.size > 0 && TOLD.has(event.kind)) this.#meanwhile.push(event);
    this.#take([event]);
  }

  /** Nobody knows what has changed in what is held: it is to be read again. */
  cutOff(): void {
    this.#reduce([{ kind: 'cut-off' }]);
  }

  clear(): void {
    this.#left = undefined;
    this.#error = undefined;
    this.#reduce([{ kind: 'cleared' }]);
    this.#publish();
  }

  /** From here on nothing is told of it, and nothing of it can be read. */
  leave(): void {
    this.#left = new CommError('NOT_FOUND', 'The user is no longer in this conversation');
    this.#reduce([{ kind: 'cut-off' }]);
    this.#publish();
  }

  enter(): void {
    this.#left = undefined;
    this.#error = undefined;
    this.#publish();
  }

  find(messageId: string): Message | undefined {
    return findMessage(this.#timeline, messageId);
  }

  newest(): Message | undefined {
    return this.#timeline.live ? this.#timeline.segments.at(-1)?.messages.at(-1) : undefined;
  }

  /** And what is stale, where somebody looks at it. */
  async loadNewest(options: AbortOptions = {}): Promise<void> {
    const { live, stale } = this.#timeline;
    const source = { history: this.#history, conversationId: this.#conversationId };
    const again = (): Promise<void> => this.loadNewest();
    const loads: Promise<void>[] = [];
    if (!live || stale?.atEnd === true) {
      const read = (): Promise<HistoryPage> =>
        stale?.atEnd === true ? readEnd({ ...source, stretch: stale }) : this.#page({});
      loads.push(this.#load({ from: 'newest', read, again }, options));
    }
    if (stale?.atEnd === false) {
      const read = (): Promise<HistoryPage> => readStretch({ ...source, stretch: stale }, this.#context.has('rev'));
      loads.push(this.#load({ from: 'again', read, again }, options));
    }
    await Promise.all(loads);
  }

  async loadOlder(options: AbortOptions = {}): Promise<void> {
    if (this.#timeline.stale !== undefined) await this.loadNewest(options);
    const first = this.#shown()?.messages[0];
    if (first === undefined) return this.loadNewest(options);
    if (!this.#window().hasOlder) return;
    const read = (): Promise<HistoryPage> => this.#page({ before: first.id }, first);
    return this.#load({ from: 'older', anchor: first.id, read, again: () => this.loadOlder() }, options);
  }

  async loadNewer(options: AbortOptions = {}): Promise<void> {
    if (this.#timeline.stale !== undefined) await this.loadNewest(options);
    const last = this.#shown()?.messages.at(-1);
    if (last === undefined) return this.loadNewest(options);
    if (!this.#window().hasNewer) return;
    const again = (): Promise<void> => this.loadNewer();
    // A base server reads backwards only: what is newer begins at the end.
    return this.#context.has('rev')
      ? this.#load({ from: 'newer', anchor: last.id, read: () => this.#page({ after: last.id }), again }, options)
      : this.#load({ from: 'around', read: () => this.#page({}), again }, options);
  }

  async jumpTo(messageId: string, options: AbortOptions = {}): Promise<void> {
    if (this.#shown()?.messages.some(({ id }) => id === messageId) === true) return;
    if (this.#context.has('rev')) {
      const read = (): Promise<HistoryPage> => this.#page({ around: messageId });
      return this.#load({ from: 'around', anchor: messageId, read, again: () => this.jumpTo(messageId) }, options);
    }
    // A base server reads backwards only: page up until it is there.
    while (findHeld(this.#timeline, messageId) === undefined) {
      if (!this.#window().hasOlder) throw new CommError('NOT_FOUND', 'No such message');
      await this.loadOlder(options);
    }
  }

  #window(): TimelineWindow {
    return windowOf(this.#timeline);
  }

  /** What is shown and stands as the server has it. */
  #shown(): Timeline['segments'][number] | undefined {
    const { stale, segments, shown } = this.#timeline;
    return stale === undefined ? segments[shown] : undefined;
  }

  #page(anchor: { before?: string; after?: string; around?: string }, held?: Message): Promise<HistoryPage> {
    return this.#history.page({ conversationId: this.#conversationId, ...anchor }, {}, held);
  }

  /** One fetch of a kind at a time: whoever asks meanwhile waits for the same one, and gives up by themselves. */
  async #load(request: Load, { signal }: AbortOptions): Promise<void> {
    signal?.throwIfAborted();
    if (this.#left !== undefined) throw this.#left;
    const { cuts } = this.#timeline;
    const key = JSON.stringify([request.from, request.anchor, cuts]);
    let load = this.#loads.get(key);
    if (load === undefined) {
      load = this.#run(request, cuts).finally(() => {
        this.#loads.delete(key);
        if (this.#loads.size === 0) this.#meanwhile.length = 0;
        this.#publish();
      });
      this.#loads.set(key, load);
      this.#publish();
    }
    return abortable(load, signal);
  }

  async #run({ from, anchor, read, again }: Load, cuts: number): Promise<void> {
    let page: HistoryPage;
    try {
      page = await read();
    } catch (error) {
      if (cuts === this.#timeline.cuts) this.#failed(from, error);
      throw error;
    }
    // What was read before a cut-off may have changed since.
    if (cuts !== this.#timeline.cuts) return again();
    this.#error = undefined;
    const { messages, hasOlder, hasNewer } = page;
    const adjoins = from === 'older' && anchor !== undefined ? { adjoins: anchor } : {};
    const loaded: TimelineEvent = { kind: 'loaded', from, page: { messages, hasOlder, ...adjoins }, atEnd: !hasNewer };
    this.#take([loaded, ...this.#meanwhile]);
  }

  #failed(from: Load['from'], error: unknown): void {
    this.#error = error instanceof CommError ? error : undefined;
    if (from === 'again' && this.#error?.retryable !== true) this.#reduce([{ kind: 'unreadable' }]);
  }

  #take(events: readonly TimelineEvent[]): void {
    const { cuts } = this.#timeline;
    this.#reduce(events);
    if (cuts !== this.#timeline.cuts) this.#onGap();
  }

  #reduce(events: readonly TimelineEvent[]): void {
    const ownId = this.#context.userId();
    const before = this.#timeline;
    this.#timeline = events.reduce(reduceTimeline, before.ownId === ownId ? before : { ...before, ownId });
    // Whatever is loaded from now on has it already.
    if (this.#timeline.cuts !== before.cuts) this.#meanwhile.length = 0;
    if (this.#timeline !== before) this.#publish();
  }

  #publish(): void {
    const held = this.#snapshot.getSnapshot();
    const { messages, hasOlder, hasNewer } = this.#window();
    const loading = this.#loads.size > 0;
    const error = this.#left ?? this.#error;
    const isSame =
      sameItems(held.messages, messages) &&
      held.hasOlder === hasOlder &&
      held.hasNewer === hasNewer &&
      held.loading === loading &&
      held.error === error;
    if (isSame) return;
    const next = {
      messages: Object.freeze(messages),
      hasOlder,
      hasNewer,
      loading,
      ...(error !== undefined && { error }),
    };
    this.#snapshot.set(Object.freeze(next));
  }
}

function sameItems(one: readonly unknown[], other: readonly unknown[]): boolean {
  return one === other || (one.length === other.length && one.every((each, at) => each === other[at]));
}
