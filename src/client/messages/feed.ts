import type { Changes, Conversation, Head, SyncResult } from '../../protocol/conversations.ts';
import { backoffMs } from '../../lib/backoff.ts';
import { isCommError } from '../../protocol/errors.ts';
import type { Change } from '../changes.ts';
import type { ClientContext } from '../context.ts';
import { cursorAt, reduceCursor, type Cursor, type CursorEffect, type CursorEvent } from './sync.ts';

export interface FeedEvents {
  /** Once for each durable change. @param live - false for what a batch after an absence brings */
  apply(change: Change, live: boolean): void;
  /** Too much was missed: what is held of this conversation has a hole before its end. */
  cutOff(conversationId: string): void;
  fetchChanges(conversationId: string, after: number): Promise<Changes>;
  /** True for a conversation that is about to be told of from where the user joined it. */
  isOwed(conversationId: string): boolean;
}

/** So many pushes are kept of conversations that are still to be told of. */
const MAX_UNKNOWN = 1_000;
/** At most one `message:delivered` per conversation in this time. */
const DELIVERED_EVERY_MS = 500;
const REFETCH = { baseMs: 2_000, maxMs: 60_000 };

/** Runs one cursor per conversation: pushes go in as they come, changes come out once and in order. */
export class Feed {
  readonly #context: ClientContext;
  readonly #events: FeedEvents;
  readonly #cursors = new Map<string, Cursor>();
  /** Pushed of what isn't followed yet, while it may still be told from where the user joined it. */
  readonly #unknown: (Change & { rev: number })[] = [];
  readonly #refetches = new Map<string, () => void>();
  /** Fetches in a row that failed, by conversation. */
  readonly #failures = new Map<string, number>();
  /** Conversations whose delivery is to be confirmed; the timer of each, where one runs. */
  readonly #due = new Map<string, (() => void) | undefined>();
  /** From the start: what is pushed before the first `sync` has been answered may lie beyond a gap. */
  #catchingUp = true;
  #inBatch = false;
  /** Moves with each catching up, which overtakes every fetch that is under way. */
  #round = 0;

  constructor(context: ClientContext, events: FeedEvents) {
    this.#context = context;
    this.#events = events;
  }

  /** Where the client stands, to be told to the server after a reconnect. */
  cursors(): Map<string, Head> {
    return new Map([...this.#cursors].map(([id, { seq, rev }]) => [id, { seq, rev }]));
  }

  /** Where the client stands in one conversation; nowhere in one that it doesn't follow. */
  at(conversationId: string): Head | undefined {
    return this.#cursors.get(conversationId);
  }

  /** Follows a conversation from here; one that is followed already stays where it is. */
  follow(conversationId: string, head: Head): void {
    if (!this.#cursors.has(conversationId)) this.#cursors.set(conversationId, cursorAt(conversationId, head));
  }

  unfollow(conversationId: string): void {
    this.#cursors.delete(conversationId);
    this.#due.get(conversationId)?.();
    this.#due.delete(conversationId);
  }

  /** Somebody else is signed in now. */
  clear(): void {
    for (const id of this.#cursors.keys()) this.unfollow(id);
    for (const cancel of this.#refetches.values()) cancel();
    this.#refetches.clear();
    this.#round += 1;
  }

  push(change: Change & { rev: number }): void {
    const { conversationId } = change;
    const mayBeOwed = this.#catchingUp || this.#events.isOwed(conversationId);
    if (!this.#cursors.has(conversationId) && mayBeOwed) {
      // What is let go of leaves a gap, which is fetched.
      if (this.#unknown.length < MAX_UNKNOWN) this.#unknown.push(change);
      return;
    }
    // New to us: it starts with this message. Any other change of what we don't hold changes nothing.
    this.#begin(change);
    this.#step(conversationId, { type: 'pushed', change, catchingUp: this.#catchingUp });
  }

  #begin(change: Change & { rev: number }): void {
    if (change.kind !== 'created' || change.message.seq === undefined) return;
    this.follow(change.conversationId, { seq: change.message.seq - 1, rev: change.rev - 1 });
  }

  /** What was held of conversations that are followed by now, or that nobody will tell of. */
  release(): void {
    for (const change of this.#unknown.splice(0)) this.push(change);
  }

  lineLost(): void {
    this.#catchingUp = true;
    this.#unknown.length = 0;
    this.#round += 1;
    for (const cancel of this.#refetches.values()) cancel();
    this.#refetches.clear();
    for (const [id, cancel] of this.#due) {
      cancel?.();
      this.#due.set(id, undefined);
    }
  }

  /** Everything that the answer to `sync` says, then whatever still has a gap. */
  caughtUp(result: Pick<SyncResult, 'conversations' | 'heads' | 'gained' | 'lost'>, isFirst = false): void {
    // The first time only what is pushed is news.
    if (isFirst) for (const change of this.#unknown) this.#begin(change);
    this.#catchingUp = false;
    this.#round += 1;
    this.#failures.clear();
    for (const [id, cursor] of this.#cursors) this.#cursors.set(id, { ...cursor, fetching: false });
    for (const id of result.lost) this.unfollow(id);
    for (const [id, head] of Object.entries(result.heads)) this.follow(id, head);
    this.takeBatch(result.conversations);
    for (const id of this.#cursors.keys()) this.#refetch(id);
    const owed = [...this.#due.keys()];
    this.#due.clear();
    for (const id of owed) this.#confirmDelivery(id);
    for (const conversation of result.gained) this.learn(conversation);
  }

  takeBatch(conversations: SyncResult['conversations']): void {
    this.#inBatch = true;
    for (const { conversationId, ...result } of conversations)
      this.#step(conversationId, { type: 'caught-up', result });
    this.#inBatch = false;
  }

  /** A conversation as just read stands where it stands: for one that is new to us, that is where to begin. */
  learn({ id, head, participants }: Conversation): void {
    if (head === undefined || !this.#context.has('rev')) return;
    this.follow(id, head);
    // What was sent before we followed never comes as something new, and its senders wait to hear that it is here.
    const own = participants.find(({ userId }) => userId === this.#context.userId());
    if (own !== undefined && (own.lastDeliveredSeq ?? 0) < head.seq) this.#confirmDelivery(id);
  }

  #step(conversationId: string, event: CursorEvent): void {
    const cursor = this.#cursors.get(conversationId);
    if (cursor === undefined) return;
    const [next, effects] = reduceCursor(cursor, event);
    this.#cursors.set(conversationId, next);
    for (const effect of effects) this.#do(conversationId, effect);
  }

  #do(conversationId: string, effect: CursorEffect): void {
    switch (effect.do) {
      case 'apply':
        for (const change of effect.changes) this.#events.apply(change, !this.#inBatch);
        if (effect.changes.some((change) => this.#isForeign(change))) this.#confirmDelivery(conversationId);
        return;
      case 'cut-off':
        this.#confirmDelivery(conversationId);
        return this.#events.cutOff(conversationId);
      case 'fetch':
        return this.#fetch(conversationId);
    }
  }

  #fetch(conversationId: string): void {
    const cursor = this.#cursors.get(conversationId);
    if (cursor === undefined) return;
    this.#cursors.set(conversationId, { ...cursor, fetching: true });
    const round = this.#round;
    this.#events.fetchChanges(conversationId, cursor.pages?.rev ?? cursor.rev).then(
      (result) => {
        if (round !== this.#round) return;
        this.#failures.delete(conversationId);
        this.#step(conversationId, { type: 'caught-up', result });
      },
      (error: unknown) => {
        if (round !== this.#round) return;
        this.#step(conversationId, { type: 'fetch-failed' });
        // After a loss of the line the next `sync` closes the gap.
        if (this.#context.online()) this.#again(conversationId, error);
      },
    );
  }

  #again(conversationId: string, error: unknown): void {
    const failures = this.#failures.get(conversationId) ?? 0;
    this.#failures.set(conversationId, failures + 1);
    if (failures === 0) this.#context.report(error);
    this.#refetches.get(conversationId)?.();
    const asked = isCommError(error) ? (error.retryAfterMs ?? 0) : 0;
    const delay = Math.max(asked, backoffMs(failures, Math.random(), REFETCH));
    const cancel = this.#context.clock.after(delay, () => {
      this.#refetches.delete(conversationId);
      this.#refetch(conversationId);
    });
    this.#refetches.set(conversationId, cancel);
  }

  #refetch(conversationId: string): void {
    const cursor = this.#cursors.get(conversationId);
    if (cursor === undefined || cursor.fetching) return;
    const hasGap = cursor.held.size > 0 || cursor.pages !== undefined || this.#failures.has(conversationId);
    if (hasGap && this.#context.online() && !this.#catchingUp) this.#fetch(conversationId);
  }

  #isForeign(change: Change): boolean {
    return change.kind === 'created' && change.message.senderId !== this.#context.userId();
  }

  /** Said in vain; after a loss of the line it is due once the client is in step again. */
  #owe(conversationId: string): void {
    if (this.#context.online() && !this.#catchingUp) this.#confirmDelivery(conversationId);
    else if (!this.#due.has(conversationId)) this.#due.set(conversationId, undefined);
  }

  #confirmDelivery(conversationId: string): void {
    if (!this.#context.has('delivered') || this.#due.has(conversationId)) return;
    // No timer without a line: the next catch-up confirms it.
    if (!this.#context.online()) return void this.#due.set(conversationId, undefined);
    const cancel = this.#context.clock.after(DELIVERED_EVERY_MS, () => {
      const seq = this.#cursors.get(conversationId)?.seq;
      if (seq === undefined || !this.#context.online()) return void this.#due.set(conversationId, undefined);
      this.#due.delete(conversationId);
      this.#context.requester.request('message:delivered', { conversationId, seq }).catch((error: unknown) => {
        if (isCommError(error) && error.retryable && this.#cursors.has(conversationId)) this.#owe(conversationId);
      });
    });
    this.#due.set(conversationId, cancel);
  }
}
