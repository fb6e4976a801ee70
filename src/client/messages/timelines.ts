import { CommError } from '../../protocol/errors.ts';
import type { Message } from '../../protocol/messages.ts';
import type { Change, Mark } from '../changes.ts';
import type { ClientContext } from '../context.ts';
import type { OpenTimeline } from '../ports.ts';
import type { History } from './history.ts';
import { LiveTimeline } from './live-timeline.ts';
import type { TimelineEvent } from './timeline.ts';

const RETRY_AFTER_MS = 2_000;

/** The open timelines: each is told what is about it, and kept at its end. */
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
    const timeline = new LiveTimeline(conversationId, this.#context, this.#history, () =>
      this.#loadNewest(conversationId),
    );
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
    for (const timeline of this.#open.values()) timeline.clear();
  }

  /** Too much was missed, or a base server can't tell what was: what is in sight has to be read anew. */
  reread(conversationId: string): void {
    this.#open.get(conversationId)?.cutOff();
    this.#loadNewest(conversationId);
  }

  /** The user is out of a conversation: what goes on there is not told any more. */
  left(conversationId: string): void {
    this.#open.get(conversationId)?.leave();
  }

  /** The user is in a conversation: if they had left it, what is in sight is read anew. */
  entered(conversationId: string): void {
    const timeline = this.#open.get(conversationId);
    if (timeline?.hasLeft !== true) return;
    timeline.enter();
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
    const timeline = this.#open.get(conversationId);
    if (timeline === undefined || timeline.hasLeft) return;
    timeline.loadNewest().catch((error: unknown) => {
      const { clock, online, report } = this.#context;
      if (!online() || timeline.hasLeft) return;
      if (!(error instanceof CommError) || !error.retryable) return report(error);
      this.#retries.get(conversationId)?.();
      const retry = clock.after(Math.max(error.retryAfterMs ?? 0, RETRY_AFTER_MS), () => {
        this.#retries.delete(conversationId);
        this.#loadNewest(conversationId);
      });
      this.#retries.set(conversationId, retry);
    });
  }
}
