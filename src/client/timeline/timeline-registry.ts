import { isRetryable, retry } from '../../lib/retry.ts';
import type { Message } from '../../protocol/messages.ts';
import type { Change, Mark } from '../changes.ts';
import type { ClientContext } from '../context.ts';
import type { OfflineReading, OpenTimeline } from '../ports.ts';
import type { History } from './history.ts';
import { LiveTimeline } from './live-timeline.ts';
import type { TimelineEvent } from './timeline-reducer.ts';

/** The open timelines by conversation. Passes events to them and keeps their ends loaded. */
export class TimelineRegistry {
  readonly #context: ClientContext;
  readonly #history: History;
  readonly #offline: OfflineReading | undefined;
  readonly #pending: (conversationId: string) => readonly Message[];
  readonly #open = new Map<string, LiveTimeline>();
  /** The load of each conversation, with its retries. */
  readonly #loads = new Map<string, AbortController>();

  /** @param offline - the messages of earlier sessions */
  constructor(
    context: ClientContext,
    history: History,
    pending: (conversationId: string) => readonly Message[],
    offline?: OfflineReading,
  ) {
    this.#offline = offline;
    this.#context = context;
    this.#history = history;
    this.#pending = pending;
  }

  /** Returns the timeline of a conversation; a new one contains the pending messages. */
  open(conversationId: string): OpenTimeline {
    const held = this.#open.get(conversationId);
    if (held !== undefined) return held;
    const timeline = new LiveTimeline(
      conversationId,
      this.#context,
      this.#history,
      () => this.#loadNewest(conversationId),
      (end) => this.#offline?.keepPage(conversationId, end),
    );
    this.#open.set(conversationId, timeline);
    for (const message of this.#pending(conversationId)) timeline.apply({ kind: 'pending', message });
    void this.#offline?.page(conversationId).then((page) => page && timeline.restore(page));
    return timeline;
  }

  /** Forgets a timeline. */
  close(conversationId: string): void {
    this.#open.delete(conversationId);
    this.#loads.get(conversationId)?.abort();
    this.#loads.delete(conversationId);
  }

  /** Applies an event to the timeline of a conversation, if it is open. */
  apply(conversationId: string, event: TimelineEvent): void {
    this.#open.get(conversationId)?.apply(event);
  }

  /** Applies an event that names a message but no conversation, as a base server sends it. */
  applyEverywhere(event: Mark | Change): void {
    for (const timeline of this.#open.values()) timeline.apply(event);
  }

  /** Returns a message of any open timeline. */
  find(messageId: string): Message | undefined {
    for (const timeline of this.#open.values()) {
      const message = timeline.find(messageId);
      if (message !== undefined) return message;
    }
    return undefined;
  }

  /** Removes everything: another user has signed in. */
  clear(): void {
    for (const timeline of this.#open.values()) timeline.clear();
  }

  /** Invalidates a timeline and loads it again: changes were missed and can't be fetched. */
  reload(conversationId: string): void {
    this.#open.get(conversationId)?.invalidate();
    this.#loadNewest(conversationId);
  }

  /** The user is no participant of the conversation any more. */
  left(conversationId: string): void {
    this.#open.get(conversationId)?.leave();
  }

  /** The server has refused to open the conversation. */
  refused(conversationId: string): void {
    this.#open.get(conversationId)?.dropRestored();
  }

  /** The user is a participant of the conversation. If they had left it, the timeline is loaded again. */
  entered(conversationId: string): void {
    const timeline = this.#open.get(conversationId);
    if (timeline?.hasLeft !== true) return;
    timeline.enter();
    this.#loadNewest(conversationId);
  }

  /** Loads what could not be loaded while disconnected. */
  resume(): void {
    for (const conversationId of this.#open.keys()) this.#loadNewest(conversationId);
  }

  /** Cancels retries: the next connection calls `resume()`. */
  connectionLost(): void {
    for (const load of this.#loads.values()) load.abort();
    this.#loads.clear();
  }

  /** Invalidates every timeline and loads it again. */
  reloadAll(): void {
    for (const conversationId of this.#open.keys()) this.reload(conversationId);
  }

  /** Retries until the page has loaded or the connection is lost: REST requests can fail while the socket is connected. */
  #loadNewest(conversationId: string): void {
    const timeline = this.#open.get(conversationId);
    if (timeline === undefined || timeline.hasLeft) return;
    this.#loads.get(conversationId)?.abort();
    const load = new AbortController();
    this.#loads.set(conversationId, load);
    const { online, report } = this.#context;
    const shouldRetry = (error: unknown): boolean => isRetryable(error) && online() && !timeline.hasLeft;
    const { signal } = load;
    retry(() => timeline.loadNewest(), this.#context, { signal, shouldRetry }).catch((error: unknown) => {
      const isOver = signal.aborted || timeline.hasLeft || !online();
      if (!isOver && !isRetryable(error)) report(error);
    });
  }
}
