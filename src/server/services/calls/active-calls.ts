import type { Clock } from '../../../lib/clock.ts';
import { KeyedTimers } from '../../../lib/keyed-timers.ts';
import type { ActiveCall } from '../../../protocol/calls.ts';
import type { CallRecord } from '../../cluster/call-record.ts';
import type { Broadcaster, Caller } from '../ports.ts';

/** Minimum time between two pushes of a conversation, so that joining and leaving often costs its members little. */
export const PUSH_INTERVAL_MS = 1_000;

/** Pushes of the running calls, in `activeCall` of `conversation:updated`. */
export interface RunningCallPushes {
  /** Pushes the running calls of the user's conversations to a device that connected. */
  connected(caller: Caller): Promise<void>;
  /** Another process has changed the running call of a conversation. */
  changedElsewhere(conversationId: string): void;
  /** Stops all timers. */
  close(): void;
}

/** Dependencies of {@link ActiveCalls}. */
export interface ActiveCallsDeps {
  clock: Clock;
  broadcaster: Pick<Broadcaster, 'toConversation' | 'toSocket'>;
  calls: { activeCalls(): ReadonlyMap<string, ActiveCall> };
  conversationIdsOf: (userId: string) => Promise<readonly string[]>;
}

/** Tells the members of conversations which calls are running, in `activeCall` of `conversation:updated`. */
export class ActiveCalls implements RunningCallPushes {
  readonly #deps: ActiveCallsDeps;
  /** By conversation: the running call that was pushed last, as JSON. */
  readonly #pushed = new Map<string, string>();
  readonly #timers: KeyedTimers<string>;

  constructor(deps: ActiveCallsDeps) {
    this.#deps = deps;
    this.#timers = new KeyedTimers(deps.clock);
  }

  /** Pushes the running call of the call's conversation if it changed, at most once per interval. */
  changed({ conversationId }: Pick<CallRecord, 'conversationId'>): void {
    if (!this.#timers.has(conversationId)) this.#push(conversationId);
  }

  async connected({ userId, socketId, caps }: Caller): Promise<void> {
    const { calls } = this.#deps;
    if (calls.activeCalls().size === 0 || socketId === undefined || !caps.has('rev')) return;
    const own = new Set(await this.#deps.conversationIdsOf(userId));
    // Read after the wait: a call that has ended meanwhile must not be pushed.
    for (const [id, activeCall] of calls.activeCalls()) {
      if (!own.has(id)) continue;
      this.#deps.broadcaster.toSocket(socketId, { event: 'conversation:updated', data: { id, activeCall } });
    }
  }

  changedElsewhere(): void {
    // One process holds the calls.
  }

  close(): void {
    this.#timers.clear();
  }

  #push(conversationId: string): void {
    const activeCall: ActiveCall | null = this.#deps.calls.activeCalls().get(conversationId) ?? null;
    const json = JSON.stringify(activeCall);
    if (json === (this.#pushed.get(conversationId) ?? 'null')) return;
    if (activeCall === null) this.#pushed.delete(conversationId);
    else this.#pushed.set(conversationId, json);
    const data = { id: conversationId, activeCall };
    this.#deps.broadcaster.toConversation(conversationId, { event: 'conversation:updated', data });
    this.#timers.set(conversationId, PUSH_INTERVAL_MS, () => this.#push(conversationId));
  }
}
