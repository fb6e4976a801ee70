import type { Clock } from '../../../lib/clock.ts';
import { errorFields, type Logger } from '../../../lib/logger.ts';
import { KeyedTimers } from '../../../lib/keyed-timers.ts';
import type { ActiveCall } from '../../../protocol/calls.ts';
import { toActiveCall } from '../../cluster/call-record.ts';
import { isUnavailable } from '../../store/engine/outages.ts';
import { runningCallsIn, runningCallsOf, type SharedCallRow } from '../../store/queries/shared-calls.ts';
import type { Store } from '../../store/store.ts';
import type { Broadcaster, Caller, ProcessBroadcaster, RunningCalls } from '../ports.ts';
import { PUSH_INTERVAL_MS, type RunningCallPushes } from './active-calls.ts';
import { recordsOf } from './shared-call-rows.ts';

/** Dependencies of {@link SharedActiveCalls}. */
export interface SharedActiveCallsDeps {
  clock: Clock;
  logger: Logger;
  store: Pick<Store, 'read'>;
  broadcaster: Pick<ProcessBroadcaster, 'toProcessesOf' | 'toConversationHere'> & Pick<Broadcaster, 'toSocket'>;
}

/**
 * Tells the members of conversations which calls are running, where several processes hold the calls together. The process
 * that changes a call tells the others that it did. Each reads the running call and pushes it to its own sockets, so that no
 * push overtakes a newer one.
 */
export class SharedActiveCalls implements RunningCalls, RunningCallPushes {
  readonly #deps: SharedActiveCallsDeps;
  /** By conversation: the running call that was pushed last, as JSON. */
  readonly #pushed = new Map<string, string>();
  readonly #timers: KeyedTimers<string>;
  /** Conversations whose running call is being read, and whether it has changed since. */
  readonly #reading = new Map<string, boolean>();

  constructor(deps: SharedActiveCallsDeps) {
    this.#deps = deps;
    this.#timers = new KeyedTimers(deps.clock);
  }

  async activeCalls(conversationIds: readonly string[]): Promise<ReadonlyMap<string, ActiveCall>> {
    if (conversationIds.length === 0) return new Map();
    return activeCallsOf(await this.#deps.store.read(() => runningCallsIn(conversationIds)));
  }

  /** Tells all processes that the running call of a conversation has changed. */
  changed(conversationId: string): void {
    this.#deps.broadcaster.toProcessesOf(conversationId);
    this.changedElsewhere(conversationId);
  }

  /** Pushes the running call of a conversation to the sockets of this process, at most once per interval. */
  changedElsewhere(conversationId: string): void {
    if (this.#reading.has(conversationId)) this.#reading.set(conversationId, true);
    else if (!this.#timers.has(conversationId)) this.#push(conversationId);
  }

  async connected({ userId, socketId, caps }: Caller): Promise<void> {
    if (socketId === undefined || !caps.has('rev')) return;
    const calls = activeCallsOf(await this.#deps.store.read(() => runningCallsOf(userId)));
    for (const [id, activeCall] of calls) {
      this.#deps.broadcaster.toSocket(socketId, { event: 'conversation:updated', data: { id, activeCall } });
    }
  }

  close(): void {
    this.#timers.clear();
  }

  #push(conversationId: string): void {
    this.#reading.set(conversationId, false);
    this.#pushNow(conversationId)
      .catch((error: unknown) => {
        // No further change may come after that of which the sockets were not told.
        if (isUnavailable(error)) this.#timers.set(conversationId, PUSH_INTERVAL_MS, () => this.#push(conversationId));
        else this.#deps.logger.error('failed to push a running call', errorFields(error));
      })
      .finally(() => {
        const isStale = this.#reading.get(conversationId) === true;
        this.#reading.delete(conversationId);
        // Otherwise the timer reads it again.
        if (isStale && !this.#timers.has(conversationId)) this.#push(conversationId);
      });
  }

  async #pushNow(conversationId: string): Promise<void> {
    const activeCall = (await this.activeCalls([conversationId])).get(conversationId) ?? null;
    const json = JSON.stringify(activeCall);
    if (json === this.#pushed.get(conversationId)) return void this.#pushed.delete(conversationId);
    this.#pushed.set(conversationId, json);
    const data = { id: conversationId, activeCall };
    this.#deps.broadcaster.toConversationHere(conversationId, { event: 'conversation:updated', data });
    this.#timers.set(conversationId, PUSH_INTERVAL_MS, () => this.#push(conversationId));
  }
}

/** Returns of each conversation the running call that started first. */
function activeCallsOf(rows: readonly SharedCallRow[]): ReadonlyMap<string, ActiveCall> {
  const active = new Map<string, ActiveCall>();
  const records = [...recordsOf(rows).values()].map(({ record }) => record);
  for (const record of records.toSorted((a, b) => a.startedAt - b.startedAt)) {
    const call = active.has(record.conversationId) ? undefined : toActiveCall(record);
    if (call !== undefined) active.set(record.conversationId, call);
  }
  return active;
}
