import type { Clock } from '../../../lib/clock.ts';
import { KeyedTimers } from '../../../lib/keyed-timers.ts';
import type { Push } from '../../../protocol/events.ts';
import type { CallRecord } from '../../cluster/call-record.ts';
import type { CommunicationStore } from '../../cluster/memory-ephemera.ts';
import { CallRequests } from './call-requests.ts';
import { SignalBuffer } from './signal-buffer.ts';

/** Port of the place where calls are kept. */
export interface CallLedger {
  /** Returns a call that has not ended. */
  get(callId: string): CallRecord | undefined;
  /** Returns the calls that the user participates in or is invited to. */
  of(userId: string): readonly CallRecord[];
  /** Returns the calls of a conversation, in the order in which they started. */
  ofConversation(conversationId: string): readonly CallRecord[];
  /** Keeps the next state of a call. @param dueAt - the earliest deadline of the call */
  put(call: CallRecord, dueAt: number | undefined): void;
  /** Returns a call that has ended in the last minute. */
  ended(callId: string): CallRecord | undefined;
  /** Stores which call a client id started. */
  remember(userId: string, clientId: string | undefined, callId: string): void;
  /** Returns the id of the call that a client id started. */
  startedBy(userId: string, clientId: string | undefined): string | undefined;
  /** Buffers a signal for a participant. @returns false if the buffer is full */
  buffer(callId: string, userId: string, push: Push): boolean;
  /** Empties the buffer of a participant and passes each signal on, in the order in which they were buffered. */
  unbuffer(callId: string, userId: string, deliver: (push: Push) => void): void;
}

/** Dependencies of {@link MemoryLedger}. */
export interface MemoryLedgerDeps {
  ephemera: Pick<
    CommunicationStore,
    'getCallRecord' | 'setCallRecord' | 'removeCall' | 'getCallRecordsForUser' | 'getCallRecordsForConversation'
  >;
  clock: Clock;
  /** Called when the earliest deadline of a call has passed. */
  due: (callId: string) => void;
}

/** Keeps the calls of one process in memory. */
export class MemoryLedger implements CallLedger {
  readonly #deps: MemoryLedgerDeps;
  readonly #requests: CallRequests;
  readonly #signals = new SignalBuffer();
  /** By call: its earliest deadline. */
  readonly #timers: KeyedTimers<string>;

  constructor(deps: MemoryLedgerDeps) {
    this.#deps = deps;
    this.#requests = new CallRequests(deps.clock);
    this.#timers = new KeyedTimers(deps.clock);
  }

  get(callId: string): CallRecord | undefined {
    return this.#deps.ephemera.getCallRecord(callId);
  }

  of(userId: string): readonly CallRecord[] {
    return this.#deps.ephemera.getCallRecordsForUser(userId);
  }

  ofConversation(conversationId: string): readonly CallRecord[] {
    return this.#deps.ephemera.getCallRecordsForConversation(conversationId);
  }

  put(call: CallRecord, dueAt: number | undefined): void {
    const { ephemera, clock, due } = this.#deps;
    if (dueAt === undefined) this.#timers.cancel(call.id);
    else this.#timers.set(call.id, Math.max(0, dueAt - clock.now()), () => due(call.id));
    if (call.state !== 'ended') return ephemera.setCallRecord(call);
    ephemera.removeCall(call.id);
    this.#requests.recordEnded(call);
  }

  ended(callId: string): CallRecord | undefined {
    return this.#requests.endedCall(callId);
  }

  remember(userId: string, clientId: string | undefined, callId: string): void {
    this.#requests.remember(userId, clientId, callId);
  }

  startedBy(userId: string, clientId: string | undefined): string | undefined {
    return this.#requests.callId(userId, clientId);
  }

  buffer(callId: string, userId: string, push: Push): boolean {
    return this.#signals.add(key(callId, userId), push);
  }

  unbuffer(callId: string, userId: string, deliver: (push: Push) => void): void {
    for (const push of this.#signals.take(key(callId, userId))) deliver(push);
  }

  /** Stops all timers. */
  close(): void {
    this.#timers.clear();
  }
}

function key(callId: string, userId: string): string {
  return JSON.stringify([callId, userId]);
}
