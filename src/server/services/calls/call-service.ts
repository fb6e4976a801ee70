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
import type { Clock } from '../../../lib/clock.ts';
import type { Capability } from '../../../protocol/constants.ts';
import type { CommunicationStore } from '../../cluster/memory-ephemera.ts';
import type { Caller, CallPushes } from '../ports.ts';
import type { UserBudgets } from '../limits/user-budgets.ts';
import { CallChecks, type CallChecksDeps } from './call-checks.ts';
import { MemoryLedger, type MemoryLedgerDeps } from './call-ledger.ts';
import type { CallDevices } from './call-registry.ts';
import { CallRules, type CallRulesDeps } from './call-rules.ts';
import type { CallStore } from './call-store.ts';
import type { Calls, RelayedSignal } from './calls.ts';

/** The part of the broadcaster that calls use. */
export interface CallBroadcaster extends CallPushes {
  isConnected(socketId: string): boolean;
  /** Returns the user's sockets whose clients have a capability. */
  socketsWith(userId: string, capability: Capability): readonly string[];
}

/** Dependencies of {@link CallService}. */
export interface CallDeps extends Omit<CallRulesDeps, 'ledger' | 'devices' | 'budgets' | 'clock'>, CallChecksDeps {
  ephemera: MemoryLedgerDeps['ephemera'] & Pick<CommunicationStore, 'isUserOnline'>;
  broadcaster: CallBroadcaster;
  clock: Clock;
  budgets: Pick<UserBudgets, 'chargeCall' | 'chargeInvitation' | 'chargeJoin'>;
  /** Stores the calls behind this process. */
  store: Pick<CallStore, 'saved' | 'load' | 'close'>;
}

/** The calls of one process, which holds them in memory. */
export class CallService implements Calls {
  readonly #deps: CallDeps;
  readonly #checks: CallChecks;
  readonly #ledger: MemoryLedger;
  readonly #rules: CallRules;

  constructor(deps: CallDeps) {
    this.#deps = deps;
    this.#checks = new CallChecks(deps);
    this.#ledger = new MemoryLedger({ ...deps, due: (callId) => this.#rules.registry.due(callId) });
    this.#rules = new CallRules({ ...deps, ledger: this.#ledger, devices: devicesOf(deps) });
  }

  async initiate(caller: Caller, request: InitiateCall): Promise<Call> {
    return this.#rules.initiate(caller, request, await this.#checks.initiation(caller, request));
  }

  async respond(caller: Caller, request: RespondToCall): Promise<Call> {
    await this.#checks.membership(caller.userId, this.#rules.conversationOf(caller.userId, request.callId));
    return this.#rules.respond(caller, request);
  }

  async join(caller: Caller, request: JoinCall): Promise<Call> {
    this.#deps.budgets.chargeJoin(caller);
    await this.#checks.membership(caller.userId, request.conversationId);
    return this.#rules.join(caller, request);
  }

  hangUp(caller: Caller, request: HangUp): null {
    return this.#rules.hangUp(caller, request);
  }

  sync(caller: Caller, request: SyncCall): Call {
    return this.#rules.sync(caller, request);
  }

  connected(caller: Caller, request: CallRef): null {
    return this.#rules.connected(caller, request);
  }

  toggleMedia(caller: Caller, request: ToggleMedia): null {
    return this.#rules.toggleMedia(caller, request);
  }

  async addParticipant(caller: Caller, request: CallMember): Promise<Call> {
    const { conversationId } = this.#rules.participating(caller, request.callId);
    const silent = await this.#checks.invitation(caller, conversationId, request);
    return this.#rules.addParticipant(caller, request, silent);
  }

  removeParticipant(caller: Caller, request: CallMember): Call {
    return this.#rules.removeParticipant(caller, request);
  }

  reportQuality(caller: Caller, report: ConnectionQualityReport): null {
    return this.#rules.reportQuality(caller, report);
  }

  relay(caller: Caller, signal: RelayedSignal): null {
    return this.#rules.relay(caller, signal);
  }

  async saved<T extends Pick<Call, 'id'>>(call: T): Promise<T> {
    await this.#deps.store.saved(call.id);
    return call;
  }

  memberRemoved(userId: string, conversationId: string): void {
    this.#rules.memberRemoved(userId, conversationId);
  }

  deviceConnected(caller: Caller): void {
    this.#rules.registry.connected(caller);
  }

  deviceDisconnected(caller: Caller): void {
    this.#rules.registry.disconnected(caller);
  }

  async start(): Promise<void> {
    this.#rules.registry.restore(await this.#deps.store.load());
  }

  close(): void {
    this.#ledger.close();
    this.#deps.store.close();
  }

  idle(): Promise<void> {
    return Promise.resolve();
  }
}

function devicesOf({ broadcaster, ephemera }: Pick<CallDeps, 'broadcaster' | 'ephemera'>): CallDevices {
  return {
    isConnected: (socketId) => broadcaster.isConnected(socketId),
    isSeatConnected: ({ socketId }) => socketId !== undefined && broadcaster.isConnected(socketId),
    receivesSignals: ({ away }) => away === undefined,
    isReachable: (userId) => ephemera.isUserOnline(userId),
    showsWaiting: (userId) => broadcaster.socketsWith(userId, 'call-waiting').length > 0,
  };
}
