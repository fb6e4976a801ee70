import type { Push } from '../../../protocol/events.ts';
import { toActiveCall, type CallRecord } from '../../cluster/call-record.ts';
import type { SignalsSize } from '../../store/queries/shared-calls.ts';
import type { CallLedger } from './call-ledger.ts';
import { fitsBuffer } from './signal-buffer.ts';

/** A call as it was read. */
export interface StoredVersion {
  readonly record: CallRecord;
  readonly version: number;
}

/** What was read of the calls that a change concerns. */
export interface CallSnapshot {
  /** By id, also calls that have ended. */
  readonly calls: ReadonlyMap<string, StoredVersion>;
  /** By id, also of calls that are malformed. */
  readonly versions: ReadonlyMap<string, number>;
  /** The call that the client id in the scope has started. */
  readonly startedBy?: string | undefined;
  /** What is buffered for the participant to whom a signal is relayed. */
  readonly buffered?: SignalsSize | undefined;
  /** Processes that are running. */
  readonly processes: ReadonlySet<string>;
}

/** A changed call. */
export interface ChangedCall {
  readonly record: CallRecord;
  /** As it was read; `undefined` for a new call. */
  readonly before: StoredVersion | undefined;
  /** Its earliest deadline. */
  readonly dueAt: number | undefined;
}

/** A buffered signal. */
export interface BufferedSignal {
  readonly callId: string;
  readonly userId: string;
  readonly push: Push;
}

/** A buffer that is emptied, and what happens to its signals. */
export interface EmptiedBuffer {
  readonly callId: string;
  readonly userId: string;
  readonly deliver: (push: Push) => void;
}

/** Applies changes to calls as they were read, and collects what has to be stored. */
export class SnapshotLedger implements CallLedger {
  readonly #snapshot: CallSnapshot;
  readonly #changed = new Map<string, ChangedCall>();
  readonly requests: { readonly userId: string; readonly clientId: string; readonly callId: string }[] = [];
  readonly signals: BufferedSignal[] = [];
  readonly emptied: EmptiedBuffer[] = [];

  constructor(snapshot: CallSnapshot) {
    this.#snapshot = snapshot;
  }

  /** The changed calls. */
  get changed(): readonly ChangedCall[] {
    return [...this.#changed.values()];
  }

  /** Whether something has to be stored. */
  get isChanged(): boolean {
    return this.#changed.size > 0 || this.requests.length > 0 || this.signals.length > 0;
  }

  get(callId: string): CallRecord | undefined {
    const call = this.#recordOf(callId);
    return call?.state === 'ended' ? undefined : call;
  }

  of(userId: string): readonly CallRecord[] {
    return this.#live().filter((call) => concernedUsers(call).has(userId));
  }

  ofConversation(conversationId: string): readonly CallRecord[] {
    return this.#live().filter((call) => call.conversationId === conversationId);
  }

  put(record: CallRecord, dueAt: number | undefined): void {
    this.#changed.set(record.id, { record, before: this.#snapshot.calls.get(record.id), dueAt });
  }

  ended(callId: string): CallRecord | undefined {
    const call = this.#recordOf(callId);
    return call?.state === 'ended' ? call : undefined;
  }

  remember(userId: string, clientId: string | undefined, callId: string): void {
    if (clientId !== undefined) this.requests.push({ userId, clientId, callId });
  }

  /** Knows the client id of the scope only. */
  startedBy(_userId: string, clientId: string | undefined): string | undefined {
    return clientId === undefined ? undefined : this.#snapshot.startedBy;
  }

  /** Knows the buffer of the scope only. */
  buffer(callId: string, userId: string, push: Push): boolean {
    const { signals, characters } = this.#snapshot.buffered ?? { signals: 0, characters: 0 };
    if (!fitsBuffer(signals + 1, characters + JSON.stringify(push).length)) return false;
    this.signals.push({ callId, userId, push });
    return true;
  }

  /** The signals are passed on when the change is stored. */
  unbuffer(callId: string, userId: string, deliver: (push: Push) => void): void {
    this.emptied.push({ callId, userId, deliver });
  }

  #recordOf(callId: string): CallRecord | undefined {
    return this.#changed.get(callId)?.record ?? this.#snapshot.calls.get(callId)?.record;
  }

  #live(): CallRecord[] {
    const ids = new Set([...this.#snapshot.calls.keys(), ...this.#changed.keys()]);
    const live = [...ids].map((id) => this.get(id)).filter((call) => call !== undefined);
    return live.toSorted((a, b) => a.startedAt - b.startedAt);
  }
}

/** Returns the users with a seat or a pending invitation, and the process that the device of the seat is connected to. */
export function concernedUsers({ state, seats, invitations }: CallRecord): ReadonlyMap<string, string | undefined> {
  const users = new Map<string, string | undefined>();
  if (state === 'ended') return users;
  for (const { userId, answer } of invitations) if (answer === 'pending') users.set(userId, undefined);
  // A seat whose device is disconnected doesn't end with the process.
  for (const { userId, processId, away } of seats) users.set(userId, away === undefined ? processId : undefined);
  return users;
}

/** Returns whether the members of the conversation see another running call than before. */
export function isRunningCallChanged({ record, before }: Pick<ChangedCall, 'record' | 'before'>): boolean {
  const shown = (call: CallRecord | undefined): string => JSON.stringify((call && toActiveCall(call)) ?? null);
  return shown(record) !== shown(before?.record);
}
