import { abortable, type AbortOptions } from '../../lib/abort.ts';
import { deferred, type Deferred } from '../../lib/deferred.ts';
import type { Observable } from '../../lib/observable.ts';
import { CommError } from '../../protocol/errors.ts';
import type { OpenTimeline, ViewPorts } from '../ports.ts';
import type { ConversationSnapshot } from './conversation-view.ts';
import type { InboxState } from './inbox-state.ts';

/** What failed for the moment is tried again after this long, beside a line that stands. */
const RETRY_AFTER_MS = 1_000;

/** One conversation's parts (its row, its timeline, who types) as one snapshot. */
export class OpenConversation {
  readonly timeline: OpenTimeline;
  readonly #id: string;
  readonly #ports: ViewPorts;
  readonly #inbox: InboxState;
  readonly #typing: Observable<readonly string[]>;
  readonly #ready: Deferred<void> = deferred();
  readonly #closed = new AbortController();
  readonly #stops: (() => void)[] = [];
  #endWait = (): void => undefined;
  #snapshot: ConversationSnapshot | undefined;
  #show: (snapshot: ConversationSnapshot) => void = () => undefined;
  #error: CommError | undefined;
  #opening = true;
  /** Whether the user is in it, as far as is known. */
  #isKnown = false;

  constructor(id: string, ports: ViewPorts, timeline: OpenTimeline, inbox: InboxState) {
    this.#id = id;
    this.#ports = ports;
    this.timeline = timeline;
    this.#inbox = inbox;
    this.#typing = ports.typing(id);
  }

  /** Resolves when the newest page is there. */
  get ready(): Promise<void> {
    return this.#ready.promise;
  }

  start(show: (snapshot: ConversationSnapshot) => void): void {
    this.#show = show;
    this.#stops.push(
      this.timeline.subscribe(this.#refresh),
      this.#typing.subscribe(this.#refresh),
      this.#inbox.watch(this.#id, this.#refresh),
    );
    // What waits in the outbox is there at once.
    this.#refresh();
    void this.#open();
  }

  async markRead(options: AbortOptions | undefined): Promise<void> {
    const newest = this.timeline.newest();
    if (newest === undefined || this.#inbox.find(this.#id)?.unreadCount === 0) return;
    await this.#ports.markRead({ conversationId: this.#id, messageId: newest.id }, options);
  }

  close(): void {
    this.#closed.abort(new CommError('DISCONNECTED', 'The view was closed'));
    for (const stop of this.#stops) stop();
  }

  /** Without a line there is nothing to try again, and no timer stays. */
  lineLost(): void {
    this.#endWait();
  }

  async #open(): Promise<void> {
    const { signal } = this.#closed;
    this.#opening = true;
    this.#error = undefined;
    try {
      await this.#enter(signal);
      this.#ready.resolve();
    } catch (error) {
      this.#error = error instanceof CommError ? error : new CommError('INTERNAL', 'The conversation did not open');
      this.#ready.reject(error);
    } finally {
      this.#opening = false;
      this.#refresh();
    }
  }

  /** Offline it waits, and shows what waits to be sent. */
  async #enter(signal: AbortSignal): Promise<void> {
    for (;;) {
      await this.#ports.untilConnected(signal);
      try {
        await abortable(this.#ports.join(this.#id), signal);
        return await abortable(this.timeline.loadNewest(), signal);
      } catch (error) {
        if (signal.aborted || !(error instanceof CommError) || !error.retryable) throw error;
        if (this.#ports.online()) await this.#wait(signal);
      }
    }
  }

  async #wait(signal: AbortSignal): Promise<void> {
    const over: Deferred<void> = deferred();
    const cancel = this.#ports.clock.after(RETRY_AFTER_MS, () => over.resolve());
    this.#endWait = () => {
      cancel();
      over.resolve();
    };
    await abortable(over.promise, signal).finally(cancel);
  }

  readonly #refresh = (): void => {
    const wasKnown = this.#isKnown;
    this.#isKnown = this.#inbox.find(this.#id) !== undefined;
    // It did not open for somebody who wasn't in it, and now they are.
    if (this.#error?.retryable === false && this.#isKnown && !wasKnown) void this.#open();
    // What a later attempt has made good.
    if (this.#error?.retryable === true && this.timeline.newest() !== undefined) this.#error = undefined;
    const { messages, hasOlder, hasNewer, loading, error } = this.timeline.getSnapshot();
    const failed = this.#error ?? error;
    const next: ConversationSnapshot = {
      conversation: this.#inbox.find(this.#id),
      messages,
      typing: this.#typing.getSnapshot(),
      hasOlder,
      hasNewer,
      loading: loading || this.#opening,
      ...(failed !== undefined && { error: failed }),
    };
    const held = this.#snapshot;
    const keys: (keyof ConversationSnapshot)[] = ['error', ...(Object.keys(next) as (keyof ConversationSnapshot)[])];
    if (held !== undefined && keys.every((key) => held[key] === next[key])) return;
    this.#snapshot = Object.freeze(next);
    this.#show(this.#snapshot);
  };
}
