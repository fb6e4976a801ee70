import type { Clock } from '../../../lib/clock.ts';
import { errorFields, type Logger } from '../../../lib/logger.ts';
import type { ResolvedConfig } from '../../config.ts';
import type { CallRecord } from '../../cluster/call-record.ts';
import type { Device } from '../../cluster/ephemera.ts';
import {
  callsInScope,
  claimCallsOfProcess,
  claimDueCalls,
  claimUnsharedCalls,
  deleteSharedCall,
  forgetProcess,
  forgetProcesses,
  lostProcesses,
  nextDue,
  postponeCall,
  processSeenAt,
  touchProcess,
  type SharedCallRow,
} from '../../store/queries/shared-calls.ts';
import { CALLS_WRITE } from '../../store/write-keys.ts';
import type { Store } from '../../store/store.ts';
import type { Work } from '../../store/engine/work.ts';
import { CallDraft, type CallDraftDeps } from './call-draft.ts';
import { seatOf, type CallEvent } from './call-reducer.ts';
import type { CallRules } from './call-rules.ts';
import { LEASE_MS, LOG_MS, recordsOf, writeDraft } from './shared-call-rows.ts';

/** Longest time in ms until a process takes care of what another one that has ended was to do. */
const SWEEP_MS = 2_000;
const HEARTBEAT_MS = 3_000;
/** Calls that are claimed in one transaction. */
const BATCH = 16;
/** Time in ms after which a process that was not seen is deleted, if no seat names it. */
const FORGET_MS = 3_600_000;
/** Time in ms until a call that this process can't continue is due again. A process of another version may continue it before. */
const POSTPONED_MS = 60_000;

/** Dependencies of {@link CallSweeper}. */
export interface CallSweeperDeps extends CallDraftDeps {
  store: Pick<Store, 'read' | 'write'>;
  clock: Clock;
  logger: Logger;
  config: CallDraftDeps['config'] & Pick<ResolvedConfig, 'callReconnectMs'>;
  devicesElsewhere: (userId: string) => readonly Device[] | Promise<readonly Device[]>;
  /** Returns the users with a seat whose device is connected to this process, or was. */
  seatedUsers: () => ReadonlySet<string>;
  /** Called when a draft is stored and performed. */
  stored: (draft: CallDraft) => void;
  /** Applies the rules to a call, after earlier changes by the user. */
  change: (userId: string, callId: string, work: (rules: CallRules) => void) => Promise<void>;
  /** Completes a task without a caller that waits for it. */
  later: (task: Promise<unknown>, what: string) => void;
}

/**
 * Does what is due for calls, for all processes: any of them claims a call whose deadline has passed, and takes over the calls
 * of a process that has ended.
 */
export class CallSweeper {
  readonly #deps: CallSweeperDeps;
  #cancelSweep: () => void = () => undefined;
  #cancelHeartbeat: (() => void) | undefined;
  /** When the next sweep begins. */
  #sweepsAt = Number.POSITIVE_INFINITY;
  #isSweeping = false;
  #isClosed = false;

  constructor(deps: CallSweeperDeps) {
    this.#deps = deps;
  }

  /** Takes over the calls of a process that used the database alone, and begins to sweep. */
  async start(): Promise<void> {
    const { store, clock } = this.#deps;
    await store.write(() => forgetProcesses(clock.now() - FORGET_MS), undefined, CALLS_WRITE);
    await this.#claim(function* (this: CallSweeper) {
      const drafts: CallDraft[] = [];
      for (const row of yield* claimUnsharedCalls()) {
        const heldUntil = Math.min(Date.parse(row.seenAt), clock.now());
        const draft = yield* this.#write(row, (record) =>
          record.state === 'ended' ? [] : [this.#takenOver(heldUntil)],
        );
        drafts.push(...draft);
      }
      return drafts;
    });
    this.#schedule(clock.now());
  }

  /** Sweeps at a time, unless it does so earlier. */
  expect(dueAt: number | undefined): void {
    if (dueAt !== undefined) this.#schedule(dueAt);
  }

  /** Tells the others from now on that this process runs, because a seat names it. */
  beat(): void {
    if (this.#isClosed || this.#cancelHeartbeat !== undefined) return;
    this.#cancelHeartbeat = this.#deps.clock.after(HEARTBEAT_MS, () => this.#heartbeat(), true);
  }

  /** Stops the timers, and tells the others that this process has ended. */
  async close(): Promise<void> {
    const hasSeats = this.#cancelHeartbeat !== undefined;
    this.#isClosed = true;
    this.#cancelSweep();
    this.#cancelHeartbeat?.();
    const { store, processId } = this.#deps;
    if (hasSeats) await store.write(() => forgetProcess(processId), undefined, CALLS_WRITE);
  }

  #schedule(at: number): void {
    if (this.#isClosed || at >= this.#sweepsAt) return;
    const { clock, later } = this.#deps;
    this.#cancelSweep();
    this.#sweepsAt = at;
    if (this.#isSweeping) return;
    const begin = (): void => {
      this.#isSweeping = true;
      this.#sweepsAt = Number.POSITIVE_INFINITY;
      later(this.#sweep(), 'failed to do what is due for calls');
    };
    this.#cancelSweep = clock.after(Math.max(0, at - clock.now()), begin, true);
  }

  async #sweep(): Promise<void> {
    const { store, clock } = this.#deps;
    let next = Number.POSITIVE_INFINITY;
    try {
      const since = clock.now() - LEASE_MS;
      const { dueAt, lost } = await store.read(function* () {
        return { dueAt: yield* nextDue(), lost: yield* lostProcesses(since) };
      });
      for (const id of lost) if (id !== this.#deps.processId) await this.#takeOver(id, since);
      next = dueAt ?? next;
      // What is due, and not claimed here, is being done by another process.
      while (next <= clock.now() && (await this.#claimDue()) > 0) next = (await store.read(nextDue)) ?? Infinity;
    } finally {
      const now = clock.now();
      const expected = Math.min(this.#sweepsAt, next > now ? next : Infinity, now + SWEEP_MS);
      this.#isSweeping = false;
      this.#sweepsAt = Number.POSITIVE_INFINITY;
      this.#schedule(expected);
    }
  }

  /** Does what is due for a batch of calls. @returns how many */
  async #claimDue(): Promise<number> {
    const { clock } = this.#deps;
    let claimed = 0;
    const unlogged: CallRecord[] = [];
    await this.#claim(function* (this: CallSweeper) {
      unlogged.length = 0;
      const drafts: CallDraft[] = [];
      const rows = yield* claimDueCalls(clock.now(), BATCH);
      claimed = rows.length;
      for (const row of rows) {
        const record = recordsOf([row]).get(row.id)?.record;
        if (record === undefined) {
          this.#deps.logger.error('skipped a stored call that is malformed', { callId: row.id });
          yield* postponeCall(row.id, clock.now() + POSTPONED_MS);
        } else if (record.state !== 'ended') drafts.push(...(yield* this.#write(row, 'due')));
        else if (row.logged === 1) yield* deleteSharedCall(row.id);
        else {
          yield* postponeCall(row.id, clock.now() + LOG_MS);
          unlogged.push(record);
        }
      }
      return drafts;
    });
    for (const record of unlogged) this.#deps.log(record);
    return claimed;
  }

  /** Takes over the calls of a process that has ended: its devices may return to another one. */
  async #takeOver(processId: string, since: number): Promise<void> {
    const { clock, config, isUserOnline, devicesElsewhere } = this.#deps;
    const returned: { userId: string; callId: string }[] = [];
    await this.#claim(function* (this: CallSweeper) {
      returned.length = 0;
      const drafts: CallDraft[] = [];
      const seenAt = yield* processSeenAt(processId);
      // Another process has taken it over, or it runs after all.
      if (seenAt !== undefined && seenAt >= since) return drafts;
      for (const row of yield* claimCallsOfProcess(processId)) {
        const draft = yield* this.#write(row, ({ id, seats }) => {
          const lost = seats.filter((seat) => seat.processId === processId && seat.away === undefined);
          for (const { userId, deviceId } of lost) if (deviceId === undefined) returned.push({ userId, callId: id });
          if (seats.every((seat) => seat.away !== undefined || lost.includes(seat))) {
            return [this.#takenOver(seenAt ?? clock.now())];
          }
          const until = clock.now() + config.callReconnectMs;
          return lost.map(({ userId }) => ({ type: 'disconnected', userId, until }));
        });
        drafts.push(...draft);
      }
      yield* forgetProcess(processId);
      return drafts;
    });
    // A device without an id doesn't resume its seat, and may have connected to another process before.
    for (const { userId, callId } of returned) {
      if (!isUserOnline(userId) && (await devicesElsewhere(userId)).length === 0) continue;
      await this.#restoreSeat(userId, callId, undefined);
    }
  }

  #takenOver(heldUntil: number): CallEvent {
    const { clock, config } = this.#deps;
    return { type: 'taken-over', heldUntil, until: clock.now() + config.callReconnectMs };
  }

  /** Runs a transaction that claims calls, and performs what it has stored. */
  async #claim(work: (this: CallSweeper) => Work<CallDraft[]>): Promise<void> {
    const { store, stored } = this.#deps;
    const perform = (drafts: readonly CallDraft[]): void => {
      for (const draft of drafts) {
        draft.perform(new Map());
        stored(draft);
      }
    };
    await store.write(work.bind(this), perform, CALLS_WRITE);
  }

  /** Applies events to a claimed call and stores it. */
  *#write(row: SharedCallRow, events: 'due' | ((record: CallRecord) => CallEvent[])): Work<CallDraft[]> {
    const calls = recordsOf([row]);
    const draft = new CallDraft(
      this.#deps,
      { calls, versions: new Map(), processes: new Set() },
      { elsewhere: new Map(), charged: new Set() },
    );
    try {
      draft.apply(({ registry }) => {
        if (events === 'due') return registry.due(row.id);
        const record = calls.get(row.id)?.record;
        for (const event of record === undefined ? [] : events(record)) {
          const call = registry.get(row.id);
          if (call !== undefined) registry.step(call, event);
        }
      });
    } catch (error) {
      // The other calls of the batch must not wait for this one.
      this.#deps.logger.error('failed to continue a call', { callId: row.id, ...errorFields(error) });
      yield* postponeCall(row.id, this.#deps.clock.now() + POSTPONED_MS);
      return [];
    }
    if (!draft.ledger.isChanged) return [];
    yield* writeDraft(draft, this.#deps.clock.now());
    return [draft];
  }

  #heartbeat(): void {
    this.#cancelHeartbeat = undefined;
    this.beat();
    this.#deps.later(this.#confirm(), 'failed to confirm the seats of this process');
  }

  /**
   * Tells the others that this process runs, and corrects seats: those of devices that have disconnected without a trace in the rows,
   * and those that another process has taken over because this one was paused.
   */
  async #confirm(): Promise<void> {
    const { store, clock, processId, broadcaster, seatedUsers, change } = this.#deps;
    const userIds = [...seatedUsers()];
    if (userIds.length === 0) return;
    await store.write(() => touchProcess(processId, clock.now()), undefined, CALLS_WRITE);
    const rows = await store.read(() => callsInScope({ userIds }));
    for (const { record } of recordsOf(rows).values()) {
      for (const { userId, socketId, away, ...seat } of record.seats) {
        if (seat.processId !== processId || socketId === undefined) continue;
        const isConnected = broadcaster.isConnected(socketId);
        if (isConnected && away !== undefined) await this.#restoreSeat(userId, record.id, socketId);
        if (isConnected || away !== undefined) continue;
        await change(userId, record.id, ({ registry }) => registry.disconnected({ userId, socketId, caps: new Set() }));
      }
    }
  }

  /** Binds a seat that counts as disconnected to a socket of this process, or to an unknown one. */
  async #restoreSeat(userId: string, callId: string, socketId: string | undefined): Promise<void> {
    const { processId, change } = this.#deps;
    await change(userId, callId, ({ registry }) => {
      const call = registry.get(callId);
      const seat = call && seatOf(call, userId);
      if (call === undefined || seat?.away === undefined) return;
      if (socketId !== undefined && seat.socketId !== socketId) return;
      registry.step(call, { type: 'reconnected', userId, socketId, processId });
    });
  }
}
