import type { Clock } from '../../../lib/clock.ts';
import { KeyedQueue } from '../../../lib/keyed-queue.ts';
import { errorFields, type Logger } from '../../../lib/logger.ts';
import { systemRandom } from '../../../lib/random.ts';
import { retry } from '../../../lib/retry.ts';
import type {
  Call,
  CallMember,
  CallRef,
  ConnectionQualityReport,
  HangUp,
  InitiateCall,
  JoinCall,
  RespondToCall,
  SyncCall,
  ToggleMedia,
} from '../../../protocol/calls.ts';
import { CommError, isCommError } from '../../../protocol/errors.ts';
import type { Device } from '../../cluster/ephemera.ts';
import { isUnavailable } from '../../store/engine/outages.ts';
import { CALLS_WRITE } from '../../store/write-keys.ts';
import type { Store } from '../../store/store.ts';
import type { Caller } from '../ports.ts';
import { CallChecks, type CallChecksDeps } from './call-checks.ts';
import { CallDraft, type CallDraftDeps } from './call-draft.ts';
import type { CallRules } from './call-rules.ts';
import { CallSweeper } from './call-sweeper.ts';
import type { Calls, RelayedSignal } from './calls.ts';
import { readSnapshot, writeDraft, type ChangeScope } from './shared-call-rows.ts';

/** How often a change is tried again because another process has changed the same calls. */
const MAX_ATTEMPTS = 16;
/** Waits of what no caller repeats while the database is unavailable. */
const BACKOFF = { baseMs: 500, maxMs: 5_000 };
const NO_DEVICES: ReadonlyMap<string, readonly Device[]> = new Map();

/** Dependencies of {@link SharedCalls}. */
export interface SharedCallsDeps extends CallDraftDeps, CallChecksDeps {
  store: Pick<Store, 'read' | 'write'>;
  clock: Clock;
  logger: Logger;
  budgets: CallDraftDeps['budgets'] & { chargeJoin(caller: Caller): void };
  /** Returns the devices of a user that are connected to other processes. */
  devicesElsewhere: (userId: string) => readonly Device[] | Promise<readonly Device[]>;
}

/**
 * The calls that several processes hold together, as rows. A change reads the calls that it concerns, applies the rules to
 * them, and stores the result if no process has changed these calls in the meantime; otherwise it begins again. Only then its
 * pushes are sent. Any process continues a call of one that has ended.
 */
export class SharedCalls implements Calls {
  readonly #deps: SharedCallsDeps;
  readonly #checks: CallChecks;
  readonly #sweeper: CallSweeper;
  /** By user: requests of a device are handled in the order in which they arrive. */
  readonly #queue = new KeyedQueue<string>();
  readonly #running = new Set<Promise<unknown>>();
  readonly #end = new AbortController();
  /** Users with a seat whose device is connected to this process. */
  readonly #seated = new Set<string>();

  constructor(deps: SharedCallsDeps) {
    this.#deps = deps;
    this.#checks = new CallChecks(deps);
    this.#sweeper = new CallSweeper({
      ...deps,
      seatedUsers: () => this.#seated,
      stored: (draft) => this.#stored(draft),
      change: (userId, callId, work) => this.#change({ userId }, { callIds: [callId] }, work),
      later: (task, what) => this.#later(task, what),
    });
  }

  async initiate(caller: Caller, request: InitiateCall): Promise<Call> {
    const { userId } = caller;
    const checked = await this.#checks.initiation(caller, request);
    const { calleeIds } = checked;
    const scope = { userIds: [userId, ...calleeIds], request: { userId, clientId: request.clientId } };
    const elsewhere = await this.#devicesElsewhere(calleeIds);
    const call = await this.#change(caller, scope, (rules) => rules.initiate(caller, request, checked), elsewhere);
    return await this.#ofMember(caller, call);
  }

  async respond(caller: Caller, request: RespondToCall): Promise<Call> {
    const { userId } = caller;
    const { callId } = request;
    const scope = { callIds: [callId], userIds: [userId] };
    const conversationId = await this.#change(caller, scope, (rules) => rules.conversationOf(userId, callId));
    await this.#checks.membership(userId, conversationId);
    const call = await this.#change(caller, scope, (rules) => rules.respond(caller, request));
    return await this.#ofMember(caller, call);
  }

  async join(caller: Caller, request: JoinCall): Promise<Call> {
    const { userId } = caller;
    const { conversationId } = request;
    this.#deps.budgets.chargeJoin(caller);
    await this.#checks.membership(userId, conversationId);
    const scope = { conversationId, userIds: [userId] };
    const call = await this.#change(caller, scope, (rules) => rules.join(caller, request));
    return await this.#ofMember(caller, call);
  }

  hangUp(caller: Caller, request: HangUp): Promise<null> {
    const { callId } = request;
    const scope = { callIds: [callId], request: { userId: caller.userId, clientId: callId } };
    return this.#change(caller, scope, (rules) => rules.hangUp(caller, request));
  }

  sync(caller: Caller, request: SyncCall): Promise<Call> {
    return this.#change(caller, { callIds: [request.callId] }, (rules) => rules.sync(caller, request));
  }

  connected(caller: Caller, request: CallRef): Promise<null> {
    return this.#change(caller, { callIds: [request.callId] }, (rules) => rules.connected(caller, request));
  }

  toggleMedia(caller: Caller, request: ToggleMedia): Promise<null> {
    const scope = { callIds: [request.callId], userIds: [caller.userId] };
    return this.#change(caller, scope, (rules) => rules.toggleMedia(caller, request));
  }

  async addParticipant(caller: Caller, request: CallMember): Promise<Call> {
    const { callId, userId } = request;
    const { conversationId } = await this.#change(caller, { callIds: [callId] }, (rules) =>
      rules.participating(caller, callId),
    );
    const silent = await this.#checks.invitation(caller, conversationId, request);
    const elsewhere = await this.#devicesElsewhere([userId]);
    const scope = { callIds: [callId], userIds: [userId] };
    return await this.#change(caller, scope, (rules) => rules.addParticipant(caller, request, silent), elsewhere);
  }

  removeParticipant(caller: Caller, request: CallMember): Promise<Call> {
    return this.#change(caller, { callIds: [request.callId] }, (rules) => rules.removeParticipant(caller, request));
  }

  reportQuality(caller: Caller, report: ConnectionQualityReport): Promise<null> {
    return this.#change(caller, { callIds: [report.callId] }, (rules) => rules.reportQuality(caller, report));
  }

  relay(caller: Caller, signal: RelayedSignal): Promise<null> {
    const scope = { callIds: [signal.callId], bufferOf: signal };
    return this.#change(caller, scope, (rules) => rules.relay(caller, signal));
  }

  saved<T extends Pick<Call, 'id'>>(call: T): Promise<T> {
    return Promise.resolve(call);
  }

  memberRemoved(userId: string, conversationId: string): void {
    // The user may have been added again: the process that removed the user isn't the only one that is told.
    const remove = async (): Promise<void> => void (await this.#removeFormerMember(userId, conversationId));
    this.#later(this.#whenAvailable(remove), 'failed to remove a user from calls');
  }

  /**
   * Called after `call:incoming` of another process was pushed to a user. What ended the ringing may have been published by a third
   * process and have arrived before: then the user's devices are told again.
   */
  rangElsewhere(userId: string, callId: string): void {
    const check = (): Promise<void> =>
      this.#change({ userId }, { callIds: [callId] }, (rules) => rules.endStaleRinging(userId, callId));
    this.#later(this.#whenAvailable(check), 'failed to check whether a call still rings');
  }

  deviceConnected(caller: Caller): void {
    const { userId } = caller;
    const connected = async (): Promise<void> => {
      const rung = await this.#change(caller, { userIds: [userId] }, (rules) => rules.registry.connected(caller));
      for (const callId of rung) this.rangElsewhere(userId, callId);
    };
    this.#later(this.#whenAvailable(connected), 'failed to push the ringing calls');
  }

  deviceDisconnected(caller: Caller): void {
    if (this.#seated.has(caller.userId))
      this.#later(this.#disconnected(caller), 'failed to note a disconnected device');
  }

  async start(): Promise<void> {
    await this.#sweeper.start();
  }

  close(): void {
    this.#end.abort(new CommError('UNAVAILABLE', 'The server is shutting down'));
    this.#later(this.#sweeper.close(), 'failed to end the part of this process in calls');
  }

  async idle(): Promise<void> {
    while (this.#running.size > 0) await Promise.allSettled(this.#running);
  }

  async #disconnected(caller: Caller): Promise<void> {
    const { userId } = caller;
    const elsewhere = await this.#devicesElsewhere([userId]);
    const isSeated = await this.#change(
      caller,
      { userIds: [userId] },
      (rules) => {
        rules.registry.disconnected(caller);
        const { processId } = this.#deps;
        return rules.registry.of(userId).some(({ seats }) => seats.some((seat) => seat.processId === processId));
      },
      elsewhere,
    );
    if (!isSeated) this.#seated.delete(userId);
  }

  /**
   * Returns the call in which the caller has taken a seat. The caller may have been removed from the conversation after the
   * membership was checked, and the removal did not find the seat.
   *
   * @throws CommError `NOT_FOUND` if the caller isn't a member
   */
  async #ofMember({ userId }: Caller, call: Call): Promise<Call> {
    const refusal = await this.#removeFormerMember(userId, call.conversationId);
    if (refusal !== undefined) throw refusal;
    return call;
  }

  /** Removes a user from the calls of a conversation, and returns the refusal, unless the user is a member. */
  async #removeFormerMember(userId: string, conversationId: string): Promise<CommError | undefined> {
    try {
      await this.#checks.membership(userId, conversationId);
      return undefined;
    } catch (error) {
      if (!isCommError(error) || error.code !== 'NOT_FOUND') throw error;
      await this.#change({ userId }, { userIds: [userId] }, (rules) => rules.memberRemoved(userId, conversationId));
      return error;
    }
  }

  async #devicesElsewhere(userIds: readonly string[]): Promise<ReadonlyMap<string, readonly Device[]>> {
    const devices = await Promise.all(userIds.map(async (userId) => await this.#deps.devicesElsewhere(userId)));
    return new Map(userIds.map((userId, at) => [userId, devices[at] ?? []]));
  }

  /** Applies the rules to the calls of a scope, after earlier changes by the user. */
  #change<T>(
    { userId }: Pick<Caller, 'userId'>,
    scope: ChangeScope,
    work: (rules: CallRules) => T,
    elsewhere: ReadonlyMap<string, readonly Device[]> = NO_DEVICES,
  ): Promise<T> {
    return this.#track(this.#queue.run(userId, () => this.#attempts(scope, work, elsewhere)));
  }

  async #attempts<T>(
    scope: ChangeScope,
    work: (rules: CallRules) => T,
    elsewhere: ReadonlyMap<string, readonly Device[]>,
  ): Promise<T> {
    const { store, clock } = this.#deps;
    const charged = new Set<string>();
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt += 1) {
      const snapshot = await store.read(() => readSnapshot(scope, clock.now()));
      const draft = new CallDraft(this.#deps, snapshot, { elsewhere, charged });
      const outcome = draft.apply(work);
      // A request that is refused may have ended another call of the user before.
      if (await this.#store(scope, draft)) return outcome();
    }
    throw new CommError('UNAVAILABLE', 'The call is being changed by other devices', { retryAfterMs: 500 });
  }

  /** @returns false if another process has changed the calls */
  async #store(scope: ChangeScope, draft: CallDraft): Promise<boolean> {
    const { store, clock } = this.#deps;
    if (!draft.ledger.isChanged) {
      draft.perform(new Map());
      return true;
    }
    const taken = await store.write(
      () => writeDraft(draft, clock.now(), scope),
      (signals) => {
        if (signals === undefined) return;
        draft.perform(signals);
        this.#stored(draft);
      },
      CALLS_WRITE,
    );
    return taken !== undefined;
  }

  /** Notes what a stored draft means for this process. */
  #stored(draft: CallDraft): void {
    const { processId, broadcaster } = this.#deps;
    for (const { record, dueAt } of draft.ledger.changed) {
      this.#sweeper.expect(dueAt);
      if (record.state === 'ended') continue;
      for (const { userId, socketId, ...seat } of record.seats) {
        if (seat.processId !== processId) continue;
        this.#seated.add(userId);
        // The device has disconnected while the change was stored.
        if (socketId !== undefined && seat.away === undefined && !broadcaster.isConnected(socketId)) {
          this.deviceDisconnected({ userId, socketId, caps: new Set() });
        }
      }
    }
    if (this.#seated.size > 0) this.#sweeper.beat();
  }

  /** Repeats a task while the database is unavailable. */
  #whenAvailable(task: () => Promise<void>): Promise<void> {
    const { clock } = this.#deps;
    const { signal } = this.#end;
    return retry(task, { clock, random: systemRandom }, { backoff: BACKOFF, signal, shouldRetry: isUnavailable });
  }

  /** Completes a task without a caller that waits for it. */
  #later(task: Promise<unknown>, what: string): void {
    void this.#track(
      task.catch((error: unknown) => {
        if (!isUnavailable(error)) this.#deps.logger.error(what, errorFields(error));
      }),
    );
  }

  #track<T>(task: Promise<T>): Promise<T> {
    this.#running.add(task);
    const ended = (): void => void this.#running.delete(task);
    task.then(ended, ended);
    return task;
  }
}
