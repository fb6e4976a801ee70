import { ObservableValue } from '../../lib/observable.ts';
import { abortable, type AbortOptions } from '../../lib/abort.ts';
import { CommError } from '../../protocol/errors.ts';
import type { Message } from '../../protocol/messages.ts';
import type { Change, Mark } from '../changes.ts';
import type { ClientContext } from '../context.ts';
import type { OpenTimeline, TimelineSnapshot } from '../ports.ts';
import type { History, HistoryPage } from './history.ts';
import { emptyTimeline, findMessage, reduceTimeline, windowOf, type Timeline, type TimelineEvent } from './timeline.ts';

const NOTHING: TimelineSnapshot = Object.freeze({ messages: [], hasOlder: false, hasNewer: false, loading: false });

const RETRY_AFTER_MS = 2_000;

/** About stored messages; saying it twice changes nothing, because each says how things stand. */
const TOLD: ReadonlySet<TimelineEvent['kind']> = new Set([
  'created',
  'updated',
  'deleted',
  'reactions',
  'read',
  'status',
]);

/** The open timelines: events go in, snapshots come out, pages are fetched when somebody scrolls. */
export class Timelines {
  readonly #context: ClientContext;
  readonly #history: History;
  readonly #pending: (conversationId: string) => readonly Message[];
  readonly #open = new Map<string, LiveTimeline>();
  readonly #retries = new Map<string, () => void>();

  constructor(context: ClientContext, history: History, pending: (conversationId: string) => readonly Message[]) {
    this.#context = context;
    this.#history = history;
    this.#pending = pending;
  }

  open(conversationId: string): OpenTimeline {
    const held = this.#open.get(conversationId);
    if (held !== undefined) return held;
    const timeline = new LiveTimeline(conversationId, this.#context, this.#history);
    this.#open.set(conversationId, timeline);
    for (const message of this.#pending(conversationId)) timeline.apply({ kind: 'pending', message });
    return timeline;
  }

  close(conversationId: string): void {
    this.#open.delete(conversationId);
  }

  apply(conversationId: string, event: TimelineEvent): void {
    this.#open.get(conversationId)?.apply(event);
  }

  /** For what names a message only, as a base server does. */
  applyEverywhere(event: Mark | Change): void {
    for (const timeline of this.#open.values()) timeline.apply(event);
  }

  find(messageId: string): Message | undefined {
    for (const timeline of this.#open.values()) {
      const message = timeline.find(messageId);
      if (message !== undefined) return message;
    }
    return undefined;
  }

  /** Empties every view. */
  clear(): void {
    for (const timeline of this.#open.values()) timeline.apply({ kind: 'cleared' });
  }

  /** Too much was missed, or a base server can't tell what was: the end has to be read anew. */
  reread(conversationId: string): void {
    this.#open.get(conversationId)?.apply({ kind: 'cut-off' });
    this.#loadNewest(conversationId);
  }

  /** Loads what could not be loaded while the line was down. */
  resume(): void {
    for (const conversationId of this.#open.keys()) this.#loadNewest(conversationId);
  }

  /** The next connection resumes. */
  lineLost(): void {
    for (const cancel of this.#retries.values()) cancel();
    this.#retries.clear();
  }

  rereadAll(): void {
    for (const conversationId of this.#open.keys()) this.reread(conversationId);
  }

  /** A request for a page can fail while the socket stands: nobody else would ask again. */
  #loadNewest(conversationId: string): void {
    this.#open
      .get(conversationId)
      ?.loadNewest()
      .catch((error: unknown) => {
        const { clock, online, report } = this.#context;
        if (!online()) return;
        if (!(error instanceof CommError) || !error.retryable) return report(error);
        this.#retries.get(conversationId)?.();
        const retry = clock.after(error.retryAfterMs ?? RETRY_AFTER_MS, () => {
          this.#retries.delete(conversationId);
          this.#loadNewest(conversationId);
        });
        this.#retries.set(conversationId, retry);
      });
  }
}

class LiveTimeline implements OpenTimeline {
  readonly #conversationId: string;
  readonly #context: ClientContext;
  readonly #history: History;
  readonly #snapshot: ObservableValue<TimelineSnapshot>;
  readonly #loads = new Map<string, Promise<void>>();
  /** What the server has told since the oldest running load began. */
  readonly #meanwhile: TimelineEvent[] = [];
  #cutOffs = 0;
  #timeline: Timeline;
  #error: CommError | undefined;

  constructor(conversationId: string, context: ClientContext, history: History) {
    this.#conversationId = conversationId;
    this.#context = context;
    this.#history = history;
    this.#snapshot = new ObservableValue(NOTHING, context.report);
    this.#timeline = emptyTimeline(conversationId, context.userId());
  }

  readonly getSnapshot = (): TimelineSnapshot => this.#snapshot.getSnapshot();
  readonly getServerSnapshot = (): TimelineSnapshot => NOTHING;
  readonly subscribe = (listener: () => void): (() => void) => this.#snapshot.subscribe(listener);

  apply(event: TimelineEvent): void {
    // A page that is on its way was read before this, so it is said again once the page is there.
    if (this.#loads.size > 0 && TOLD.has(event.kind)) this.#meanwhile.push(event);
    if (event.kind === 'cut-off') this.#cutOffs += 1;
    this.#reduce([event]);
  }

  #reduce(events: readonly TimelineEvent[]): void {
    const ownId = this.#context.userId();
    const before = this.#timeline;
    this.#timeline = events.reduce(reduceTimeline, before.ownId === ownId ? before : { ...before, ownId });
    if (this.#timeline !== before) this.#publish();
  }

  find(messageId: string): Message | undefined {
    return findMessage(this.#timeline, messageId);
  }

  newest(): Message | undefined {
    return this.#timeline.live ? this.#timeline.segments.at(-1)?.messages.at(-1) : undefined;
  }

  loadNewest(options: AbortOptions = {}): Promise<void> {
    if (this.#timeline.live) return Promise.resolve();
    return this.#load('newest', {}, options);
  }

  loadOlder(options: AbortOptions = {}): Promise<void> {
    const first = this.#edge(0);
    if (first === undefined) return this.loadNewest(options);
    return windowOf(this.#timeline).hasOlder
      ? this.#load('older', { before: first.id }, options, first)
      : Promise.resolve();
  }

  loadNewer(options: AbortOptions = {}): Promise<void> {
    const last = this.#edge(-1);
    if (last === undefined) return this.loadNewest(options);
    if (!windowOf(this.#timeline).hasNewer) return Promise.resolve();
    // A base server reads backwards only: what is newer begins at the end.
    return this.#context.has('rev') ? this.#load('newer', { after: last.id }, options) : this.loadNewest(options);
  }

  async jumpTo(messageId: string, options: AbortOptions = {}): Promise<void> {
    if (this.#segment()?.messages.some(({ id }) => id === messageId) === true) return;
    if (this.#context.has('rev')) return this.#load('around', { around: messageId }, options);
    // A base server reads backwards only: page up until it is there.
    while (this.find(messageId) === undefined) {
      if (!windowOf(this.#timeline).hasOlder) throw new CommError('NOT_FOUND', 'No such message');
      await this.loadOlder(options);
    }
  }

  #segment(): Timeline['segments'][number] | undefined {
    return this.#timeline.segments[this.#timeline.shown];
  }

  #edge(at: 0 | -1): Message | undefined {
    return this.#segment()?.messages.at(at);
  }

  /** One fetch of a kind at a time: whoever asks meanwhile waits for the same one, and gives up by themselves. */
  #load(
    from: Extract<TimelineEvent, { kind: 'loaded' }>['from'],
    anchor: { before?: string; after?: string; around?: string },
    { signal }: AbortOptions,
    held?: Message,
  ): Promise<void> {
    if (signal?.aborted === true) return Promise.reject(signal.reason as Error);
    const cutOffs = this.#cutOffs;
    const key = JSON.stringify([from, anchor, cutOffs]);
    const running = this.#loads.get(key);
    if (running !== undefined) return abortable(running, signal);
    const load = this.#history
      .page({ conversationId: this.#conversationId, ...anchor }, {}, held)
      .then(
        (page) => this.#loaded(from, anchor.before, page, cutOffs),
        (error: unknown) => {
          this.#error = error instanceof CommError ? error : undefined;
          throw error;
        },
      )
      .finally(() => {
        this.#loads.delete(key);
        if (this.#loads.size === 0) this.#meanwhile.length = 0;
        this.#publish();
      });
    this.#loads.set(key, load);
    this.#publish();
    return abortable(load, signal);
  }

  #loaded(
    from: Extract<TimelineEvent, { kind: 'loaded' }>['from'],
    adjoins: string | undefined,
    { messages, hasOlder, hasNewer }: HistoryPage,
    cutOffs: number,
  ): void {
    this.#error = undefined;
    const page = { messages, hasOlder, ...(adjoins !== undefined && { adjoins }) };
    // What was the end when it was read may be far from it after a cut-off.
    const atEnd = !hasNewer && cutOffs === this.#cutOffs;
    this.#reduce([{ kind: 'loaded', from, page, atEnd }, ...this.#meanwhile]);
  }

  #publish(): void {
    const held = this.#snapshot.getSnapshot();
    const { messages, hasOlder, hasNewer } = windowOf(this.#timeline);
    const loading = this.#loads.size > 0;
    const error = this.#error;
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
