import { isRetryable, retry } from '../../lib/retry.ts';
import type { Message } from '../../protocol/messages.ts';
import type { Change, Mark } from '../changes.ts';
import type { ClientContext } from '../context.ts';
import type { OfflineReading, OpenTimeline } from '../ports.ts';
import type { History } from './history.ts';
import { LiveTimeline, type TimelinePart } from './live-timeline.ts';
import { placeInConversation, placeInThread, type Segment } from './segments.ts';
import type { TimelineEvent } from './timeline-reducer.ts';

/** The timelines of an open thread: of its replies, and of the root alone. */
export interface OpenThread {
  readonly replies: OpenTimeline;
  readonly root: OpenTimeline;
}

/** The open timelines of conversations and threads. Passes events to them and keeps their ends loaded. */
export class TimelineRegistry {
  readonly #context: ClientContext;
  readonly #history: History;
  readonly #offline: OfflineReading | undefined;
  readonly #pending: (conversationId: string) => readonly Message[];
  /** By conversation, or by conversation and part. */
  readonly #open = new Map<string, LiveTimeline>();
  /** The load of each timeline, with its retries. */
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

  /** Returns the main timeline of a conversation; a new one contains the pending messages. */
  open(conversationId: string): OpenTimeline {
    const held = this.#open.get(conversationId);
    if (held !== undefined) return held;
    const part: TimelinePart = {
      history: this.#history,
      placeOf: placeInConversation,
      accepts: ({ threadId, alsoInConversation }) => threadId === undefined || alsoInConversation === true,
    };
    const timeline = this.#opened(conversationId, conversationId, part, (end) =>
      this.#offline?.keepPage(conversationId, end),
    );
    void this.#offline?.page(conversationId).then((page) => page && timeline.restore(page));
    return timeline;
  }

  /** Returns the timelines of a thread. @param rootId - id or client id of the root */
  openThread(conversationId: string, rootId: string): OpenThread {
    const history = this.#history;
    const [repliesKey, rootKey] = threadKeys(conversationId, rootId);
    const root = this.#opened(rootKey, conversationId, {
      history: {
        page: async () => ({ messages: [await history.get(rootId)], hasOlder: false, hasNewer: false }),
      },
      placeOf: () => undefined,
      accepts: ({ id, clientId }) => id === rootId || clientId === rootId,
    });
    const replies = this.#opened(repliesKey, conversationId, {
      history: { page: (query, ...rest) => history.page({ ...query, threadId: rootId }, ...rest) },
      placeOf: placeInThread,
      accepts: ({ threadId }) => threadId === rootId || (threadId !== undefined && threadId === root.newest()?.id),
    });
    return { root, replies };
  }

  /** Forgets the main timeline of a conversation, or the timelines of a thread. */
  close(conversationId: string, rootId?: string): void {
    for (const key of rootId === undefined ? [conversationId] : threadKeys(conversationId, rootId)) {
      this.#open.delete(key);
      this.#loads.get(key)?.abort();
      this.#loads.delete(key);
    }
  }

  /** Applies an event to the timelines of a conversation that are open. */
  apply(conversationId: string, event: TimelineEvent): void {
    for (const [, timeline] of this.#of(conversationId)) timeline.apply(event);
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

  /** Invalidates the timelines of a conversation and loads them again: changes were missed and can't be fetched. */
  reload(conversationId: string): void {
    for (const [key, timeline] of this.#of(conversationId)) {
      timeline.invalidate();
      this.#loadNewest(key);
    }
  }

  /** The user is no participant of the conversation any more. */
  left(conversationId: string): void {
    for (const [, timeline] of this.#of(conversationId)) timeline.leave();
  }

  /** The server has refused to open the conversation. */
  refused(conversationId: string): void {
    this.#open.get(conversationId)?.dropRestored();
  }

  /** The user is a participant of the conversation. If they had left it, the timeline is loaded again. */
  entered(conversationId: string): void {
    for (const [key, timeline] of this.#of(conversationId)) {
      if (!timeline.hasLeft) continue;
      timeline.enter();
      this.#loadNewest(key);
    }
  }

  /** Loads what could not be loaded while disconnected. */
  resume(): void {
    for (const key of this.#open.keys()) this.#loadNewest(key);
  }

  /** Cancels retries: the next connection calls `resume()`. */
  connectionLost(): void {
    for (const load of this.#loads.values()) load.abort();
    this.#loads.clear();
  }

  /** Invalidates every timeline and loads it again. */
  reloadAll(): void {
    const ids = new Set([...this.#open.values()].map(({ conversationId }) => conversationId));
    for (const conversationId of ids) this.reload(conversationId);
  }

  /** Retries until the page has loaded or the connection is lost: REST requests can fail while the socket is connected. */
  #loadNewest(key: string): void {
    const timeline = this.#open.get(key);
    if (timeline === undefined || timeline.hasLeft) return;
    this.#loads.get(key)?.abort();
    const load = new AbortController();
    this.#loads.set(key, load);
    const { online, report } = this.#context;
    const shouldRetry = (error: unknown): boolean => isRetryable(error) && online() && !timeline.hasLeft;
    const { signal } = load;
    retry(() => timeline.loadNewest(), this.#context, { signal, shouldRetry }).catch((error: unknown) => {
      const isOver = signal.aborted || timeline.hasLeft || !online();
      if (!isOver && !isRetryable(error)) report(error);
    });
  }

  /** @param keep - called with each state of the end */
  #opened(key: string, conversationId: string, part: TimelinePart, keep?: (end: Segment) => void): LiveTimeline {
    const held = this.#open.get(key);
    if (held !== undefined) return held;
    const timeline = new LiveTimeline(conversationId, this.#context, part, () => this.#loadNewest(key), keep);
    this.#open.set(key, timeline);
    for (const message of this.#pending(conversationId)) timeline.apply({ kind: 'pending', message });
    return timeline;
  }

  /** Returns the open timelines of a conversation with their keys. */
  #of(conversationId: string): [key: string, timeline: LiveTimeline][] {
    return [...this.#open].filter(([, timeline]) => timeline.conversationId === conversationId);
  }
}

/** Ids of conversations and messages contain no control characters. */
function threadKeys(conversationId: string, rootId: string): [replies: string, root: string] {
  const key = `${conversationId}\n${rootId}`;
  return [`${key}\nreplies`, `${key}\nroot`];
}
