import type { Changes, Conversation, Head, SyncResult } from '../../protocol/conversations.ts';
import { Gate } from '../../lib/gate.ts';
import { KeyedTimers } from '../../lib/keyed-timers.ts';
import { isRetryable, retryDelayMs } from '../../lib/retry.ts';
import type { Change } from '../changes.ts';
import type { ClientContext } from '../context.ts';
import {
  cursorAt,
  reduceCursor,
  type Cursor,
  type CursorEffect,
  type CursorEvent,
  type DurableChange,
} from './cursor.ts';

export interface ChangeFeedPorts {
  /** Applies a change: once for each, in order. @param live - false for changes that were missed while disconnected */
  apply(change: Change, live: boolean): void;
  /** More changes were missed than the server sends: the newest page of the conversation has to be loaded again. */
  reload(conversationId: string): void;
  /** Requests missed changes and passes them to `apply`. Rejects if the request fails. */
  fetchChanges(conversationId: string, after: number, apply: (changes: Changes) => void): Promise<void>;
  /** Returns true for a new conversation that the backlog of the resync still has to report. */
  isInBacklog(conversationId: string): boolean;
  /** Returns true if the user has left the conversation since the connection was made. */
  hasLeft(conversationId: string): boolean;
}

/** Pushes buffered for conversations without a cursor. */
const MAX_BUFFERED = 1_000;
/** At most one `message:delivered` per conversation in this time, and a limited number in total. */
const DELIVERED_INTERVAL_MS = 500;
const DELIVERIES_PER_INTERVAL = 20;
const REFETCH = { baseMs: 2_000, maxMs: 60_000 };

/** Runs one cursor per conversation: pushes go in as they arrive, changes come out once and in order. */
export class ChangeFeed {
  readonly #context: ClientContext;
  readonly #ports: ChangeFeedPorts;
  readonly #cursors = new Map<string, Cursor>();
  /**
   * Pushes of conversations without a cursor that may still get one from the resync. Beyond the limit the newest are
   * dropped, which leaves a gap that is fetched; all are dropped when the connection is lost, because the next resync
   * returns them.
   */
  readonly #unknown = new Gate<DurableChange>((change) => this.push(change), { limit: MAX_BUFFERED });
  readonly #refetches: KeyedTimers<string>;
  /** Failed fetches in a row, by conversation. */
  readonly #failures = new Map<string, number>();
  readonly #deliveryTimer: KeyedTimers<'send'>;
  /** Conversations whose delivery has to be confirmed. */
  readonly #unconfirmed = new Set<string>();
  /** True from the start: a push before the first resync may be behind a gap. */
  #resyncing = true;
  #inBatch = false;
  /** Increments with each resync and lost connection, so that results of earlier fetches are ignored. */
  #epoch = 0;

  constructor(context: ClientContext, ports: ChangeFeedPorts) {
    this.#context = context;
    this.#ports = ports;
    this.#refetches = new KeyedTimers(context.clock);
    this.#deliveryTimer = new KeyedTimers(context.clock);
  }

  /** Returns the position in each followed conversation, for the next resync. */
  cursors(): Map<string, Head> {
    return new Map([...this.#cursors].map(([id, { seq, rev }]) => [id, { seq, rev }]));
  }

  /** Returns the position in one conversation, or `undefined` if it is not followed. */
  at(conversationId: string): Head | undefined {
    return this.#cursors.get(conversationId);
  }

  /** Follows a conversation from this position. No effect on a conversation that is followed already. */
  follow(conversationId: string, head: Head): void {
    if (!this.#cursors.has(conversationId)) this.#cursors.set(conversationId, cursorAt(conversationId, head));
  }

  /** Follows a conversation from where the user was added again. What was sent meanwhile is history, which is loaded. */
  followAgain({ id, head }: Conversation): void {
    const cursor = this.#cursors.get(id);
    if (cursor === undefined || head === undefined || cursor.rev >= head.rev) return;
    this.#cursors.set(id, cursorAt(id, head));
    this.#ports.reload(id);
    for (const change of cursor.buffered.values()) this.push(change);
  }

  unfollow(conversationId: string): void {
    this.#cursors.delete(conversationId);
    this.#unconfirmed.delete(conversationId);
  }

  /** Unfollows all conversations: another user has signed in. */
  clear(): void {
    for (const id of this.#cursors.keys()) this.unfollow(id);
    this.#refetches.clear();
    this.#epoch += 1;
  }

  push(change: DurableChange): void {
    const { conversationId } = change;
    const mayBecomeKnown = this.#resyncing || this.#ports.isInBacklog(conversationId);
    if (!this.#cursors.has(conversationId) && mayBecomeKnown) return this.#unknown.push(change);
    // A new conversation begins with this message; other changes of unknown conversations have no effect.
    this.#followFrom(change);
    this.#step(conversationId, { type: 'pushed', change, resyncing: this.#resyncing });
  }

  #followFrom(change: DurableChange): void {
    const { conversationId } = change;
    // Buffered since before the user left it: it must not be followed from there when they return.
    if (change.kind !== 'created' || change.message.seq === undefined || this.#ports.hasLeft(conversationId)) return;
    this.follow(conversationId, { seq: change.message.seq - 1, rev: change.rev - 1 });
  }

  /** Processes the buffered pushes again, after their conversations may have got a cursor. */
  release(): void {
    this.#unknown.release();
  }

  connectionLost(): void {
    this.#resyncing = true;
    this.#unknown.reset();
    this.#epoch += 1;
    this.#refetches.clear();
    this.#deliveryTimer.clear();
  }

  /**
   * Applies the result of a resync, then fetches the gaps that remain.
   *
   * @param isFirst - the first resync of this user on this device: only pushes are new
   */
  resynced(result: Pick<SyncResult, 'conversations' | 'heads' | 'gained' | 'lost'>, isFirst = false): void {
    if (isFirst) for (const change of this.#unknown.buffered) this.#followFrom(change);
    this.#resyncing = false;
    this.#epoch += 1;
    this.#failures.clear();
    for (const [id, cursor] of this.#cursors) this.#cursors.set(id, { ...cursor, fetching: false });
    for (const id of result.lost) this.unfollow(id);
    for (const [id, head] of Object.entries(result.heads)) this.follow(id, head);
    this.applyBatch(result.conversations);
    for (const id of this.#cursors.keys()) this.#refetch(id);
    this.#confirmLater();
    for (const conversation of result.gained) this.learn(conversation);
  }

  applyBatch(conversations: SyncResult['conversations']): void {
    this.#inBatch = true;
    for (const { conversationId, ...result } of conversations)
      this.#step(conversationId, { type: 'missed-changes', result });
    this.#inBatch = false;
  }

  /** Follows a conversation from its current head, and confirms the messages that the user has not received before. */
  learn({ id, head, participants }: Conversation): void {
    if (head === undefined || !this.#context.has('rev')) return;
    this.follow(id, head);
    // Messages sent before are never applied as new ones, but their senders wait for the confirmation.
    const own = participants.find(({ userId }) => userId === this.#context.userId());
    if (own !== undefined && (own.lastDeliveredSeq ?? 0) < head.seq) this.#confirmDelivery(id);
  }

  #step(conversationId: string, event: CursorEvent): void {
    const cursor = this.#cursors.get(conversationId);
    if (cursor === undefined) return;
    const [next, effects] = reduceCursor(cursor, event);
    this.#cursors.set(conversationId, next);
    for (const effect of effects) this.#perform(conversationId, effect);
  }

  #perform(conversationId: string, effect: CursorEffect): void {
    switch (effect.do) {
      case 'apply':
        for (const change of effect.changes) this.#ports.apply(change, !this.#inBatch);
        if (effect.changes.some((change) => this.#isFromOther(change))) this.#confirmDelivery(conversationId);
        return;
      case 'reload':
        this.#confirmDelivery(conversationId);
        return this.#ports.reload(conversationId);
      case 'fetch':
        return this.#fetch(conversationId);
    }
  }

  #fetch(conversationId: string): void {
    const cursor = this.#cursors.get(conversationId);
    if (cursor === undefined) return;
    this.#cursors.set(conversationId, { ...cursor, fetching: true });
    const epoch = this.#epoch;
    const apply = (result: Changes): void => {
      if (epoch !== this.#epoch) return;
      this.#failures.delete(conversationId);
      this.#step(conversationId, { type: 'missed-changes', result });
    };
    this.#ports.fetchChanges(conversationId, cursor.pages?.rev ?? cursor.rev, apply).catch((error: unknown) => {
      if (epoch !== this.#epoch) return;
      this.#step(conversationId, { type: 'fetch-failed' });
      // While disconnected, the next resync closes the gap.
      if (this.#context.online()) this.#refetchLater(conversationId, error);
    });
  }

  #refetchLater(conversationId: string, error: unknown): void {
    const failures = this.#failures.get(conversationId) ?? 0;
    this.#failures.set(conversationId, failures + 1);
    if (failures === 0) this.#context.report(error);
    const delayMs = retryDelayMs(error, failures, this.#context.random, REFETCH);
    this.#refetches.set(conversationId, delayMs, () => this.#refetch(conversationId));
  }

  #refetch(conversationId: string): void {
    const cursor = this.#cursors.get(conversationId);
    if (cursor === undefined || cursor.fetching) return;
    const hasGap = cursor.buffered.size > 0 || cursor.pages !== undefined || this.#failures.has(conversationId);
    if (hasGap && this.#context.online() && !this.#resyncing) this.#fetch(conversationId);
  }

  #isFromOther(change: Change): boolean {
    return change.kind === 'created' && change.message.senderId !== this.#context.userId();
  }

  /** Sends `message:delivered` within {@link DELIVERED_INTERVAL_MS}; while disconnected, after the next resync. */
  #confirmDelivery(conversationId: string): void {
    if (!this.#context.has('delivered') || this.#unconfirmed.has(conversationId)) return;
    this.#unconfirmed.add(conversationId);
    this.#confirmLater();
  }

  #confirmLater(): void {
    if (this.#unconfirmed.size === 0 || this.#resyncing || !this.#context.online()) return;
    if (this.#deliveryTimer.has('send')) return;
    this.#deliveryTimer.set('send', DELIVERED_INTERVAL_MS, () => this.#sendDelivered());
  }

  /** Sends some of the confirmations, so that a client that has missed much stays below the limit on requests. */
  #sendDelivered(): void {
    if (!this.#context.online()) return;
    for (const conversationId of [...this.#unconfirmed].slice(0, DELIVERIES_PER_INTERVAL)) {
      this.#unconfirmed.delete(conversationId);
      const seq = this.#cursors.get(conversationId)?.seq;
      if (seq === undefined) continue;
      this.#context.requester.request('message:delivered', { conversationId, seq }).catch((error: unknown) => {
        if (!isRetryable(error) || !this.#cursors.has(conversationId)) return;
        this.#unconfirmed.add(conversationId);
        this.#confirmLater();
      });
    }
    this.#confirmLater();
  }
}
