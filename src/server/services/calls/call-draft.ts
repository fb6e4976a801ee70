import type { Clock } from '../../../lib/clock.ts';
import { isCommError } from '../../../protocol/errors.ts';
import type { Push } from '../../../protocol/events.ts';
import type { CallRecord, Seat } from '../../cluster/call-record.ts';
import type { Device } from '../../cluster/ephemera.ts';
import type { Caller, CallPushes } from '../ports.ts';
import type { CallDevices } from './call-registry.ts';
import { CallRules, type CallRulesDeps } from './call-rules.ts';
import type { CallBroadcaster } from './call-service.ts';
import { isRunningCallChanged, SnapshotLedger, type CallSnapshot } from './snapshot-ledger.ts';

/** Dependencies of {@link CallDraft}. */
export interface CallDraftDeps extends Pick<CallRulesDeps, 'config' | 'budgets' | 'newId'> {
  /** Id of this process, never used by another one. */
  processId: string;
  broadcaster: CallBroadcaster;
  clock: Pick<Clock, 'now'>;
  /** Returns whether a device of the user is connected to this process. */
  isUserOnline: (userId: string) => boolean;
  /** Returns whether pushes reach other processes at present. */
  reachesProcesses: () => boolean;
  /** Writes the log message of an ended call. Not awaited; must not reject. */
  log: (call: CallRecord) => void;
  /** Called when the members of a conversation see another running call than before. */
  runningCallChanged: (conversationId: string) => void;
}

/** What is known beside the rows. */
export interface DraftContext {
  /** Devices of users that are connected to other processes. */
  readonly elsewhere: ReadonlyMap<string, readonly Device[]>;
  /** What the request has been charged already, in an earlier attempt. */
  readonly charged: Set<string>;
}

/** A change of calls that is not stored yet: the rules applied to a snapshot, with the pushes that follow. */
export class CallDraft {
  readonly ledger: SnapshotLedger;
  readonly snapshot: CallSnapshot;
  readonly processId: string;
  readonly #deps: CallDraftDeps;
  readonly #rules: CallRules;
  readonly #effects: (() => void)[] = [];
  #performing = false;

  constructor(deps: CallDraftDeps, snapshot: CallSnapshot, { elsewhere, charged }: DraftContext) {
    this.#deps = deps;
    this.processId = deps.processId;
    this.snapshot = snapshot;
    this.ledger = new SnapshotLedger(snapshot);
    const { clock, config, newId, log } = deps;
    this.#rules = new CallRules({
      clock,
      config,
      newId,
      ledger: this.ledger,
      broadcaster: this.#pushes(),
      budgets: chargedOnce(deps.budgets, charged),
      devices: this.#devices(elsewhere),
      changed: () => undefined,
      log: (call) => this.#effect(() => log(call)),
    });
  }

  /**
   * Applies the rules.
   *
   * @returns a function that returns the result, or throws the refusal
   * @throws what isn't a refusal
   */
  apply<T>(work: (rules: CallRules) => T): () => T {
    try {
      const value = work(this.#rules);
      return () => value;
    } catch (error) {
      if (!isCommError(error)) throw error;
      return () => {
        throw error;
      };
    }
  }

  /** Sends the pushes of the change. @param signals - which were buffered, by buffer */
  perform(signals: ReadonlyMap<string, readonly Push[]>): void {
    this.#performing = true;
    for (const effect of this.#effects) effect();
    for (const { callId, userId, deliver } of this.ledger.emptied) {
      for (const push of signals.get(bufferKey(callId, userId)) ?? []) deliver(push);
    }
    for (const changed of this.ledger.changed) {
      if (isRunningCallChanged(changed)) this.#deps.runningCallChanged(changed.record.conversationId);
    }
  }

  #effect(task: () => void): void {
    if (this.#performing) task();
    else this.#effects.push(task);
  }

  #pushes(): CallPushes {
    const { broadcaster } = this.#deps;
    return {
      toUser: (...args) => this.#effect(() => broadcaster.toUser(...args)),
      toSocket: (...args) => this.#effect(() => broadcaster.toSocket(...args)),
      toUserWith: (...args) => this.#effect(() => broadcaster.toUserWith(...args)),
    };
  }

  #devices(elsewhere: DraftContext['elsewhere']): CallDevices {
    const { processId, broadcaster, isUserOnline, reachesProcesses } = this.#deps;
    const isConnected = (socketId: string): boolean => broadcaster.isConnected(socketId);
    const isHere = (seat: Seat): boolean => seat.processId === processId;
    return {
      processId,
      isConnected,
      isSeatConnected: (seat) => {
        const { socketId, away } = seat;
        if (socketId === undefined || away !== undefined) return false;
        return isHere(seat) ? isConnected(socketId) : this.#isRunning(seat);
      },
      receivesSignals: (seat) => {
        const { socketId, away } = seat;
        if (away !== undefined) return false;
        if (isHere(seat)) return socketId === undefined || isConnected(socketId);
        return reachesProcesses() && this.#isRunning(seat);
      },
      isReachable: (userId) => isUserOnline(userId) || (elsewhere.get(userId) ?? []).length > 0,
      showsWaiting: (userId) =>
        broadcaster.socketsWith(userId, 'call-waiting').length > 0 ||
        (elsewhere.get(userId) ?? []).some(({ showsWaiting }) => showsWaiting),
    };
  }

  #isRunning({ processId }: Seat): boolean {
    return processId !== undefined && this.snapshot.processes.has(processId);
  }
}

/** Names the buffer of a participant. */
export function bufferKey(callId: string, userId: string): string {
  return JSON.stringify([callId, userId]);
}

/** Charges a request in its first attempt only. */
function chargedOnce(budgets: CallDraftDeps['budgets'], charged: Set<string>): CallDraftDeps['budgets'] {
  const once = (name: string, charge: () => void): void => {
    if (charged.has(name)) return;
    charge();
    charged.add(name);
  };
  return {
    chargeCall: (caller: Caller, calleeIds) => once('call', () => budgets.chargeCall(caller, calleeIds)),
    chargeInvitation: (caller: Caller, calleeId) =>
      once('invitation', () => budgets.chargeInvitation(caller, calleeId)),
  };
}
