import { systemClock } from '../../../src/lib/clock.ts';
import type { Call, InitiateCall } from '../../../src/protocol/calls.ts';
import type { CallType } from '../../../src/protocol/constants.ts';
import { resolveConfig } from '../../../src/server/config.ts';
import type { CallRecord } from '../../../src/server/cluster/call-record.ts';
import { callLog } from '../../../src/server/services/calls/call-effects.ts';
import type { StoredCall } from '../../../src/server/services/calls/call-store.ts';
import { CallService } from '../../../src/server/services/calls/call-service.ts';
import type { Caller } from '../../../src/server/services/ports.ts';
import { resolveLimits } from '../../../src/server/services/limits/server-limits.ts';
import { UserBudgets } from '../../../src/server/services/limits/user-budgets.ts';
import { notFound } from '../../../src/server/services/errors.ts';
import { CommunicationStore } from '../../../src/server/cluster/memory-ephemera.ts';
import { manualClock, type ManualClock } from '../manual-clock.ts';
import { RecordingBroadcaster } from './recording-broadcaster.ts';

/** The call service with people around it, each on devices named `<user>/<device>`; nothing runs but by the clock. */
export class CallBench {
  readonly broadcaster = new RecordingBroadcaster();
  readonly clock: ManualClock = manualClock(Date.parse('2026-01-01T00:00:00.000Z'));
  readonly ephemera = new CommunicationStore(systemClock);
  /** The rows that calls have left. */
  readonly logs: unknown[] = [];
  /** The last record of each call, as it is stored. */
  readonly records = new Map<string, CallRecord>();
  readonly calls: CallService;
  /** The calls of an earlier process. */
  stored: readonly StoredCall[] = [];
  readonly members: Set<string>;
  readonly limits = resolveLimits(false);
  /** Members who have blocked every caller. */
  readonly blockers = new Set<string>();
  mayContact = async (_callerId: string, _userIds: readonly string[]): Promise<void> => undefined;
  readonly #connected = new Set<string>();
  /** Devices with the capability `call-waiting`. */
  readonly #modern = new Set<string>();

  constructor(...members: string[]) {
    this.members = new Set(members);
    const { broadcaster, clock, ephemera } = this;
    const connected = this.#connected;
    let calls = 0;
    this.calls = new CallService({
      broadcaster: {
        toUser: (userId, push, options) => broadcaster.toUser(userId, push, options),
        toSocket: (socketId, push) => broadcaster.toSocket(socketId, push),
        toUserWith: (userId, _, push) => this.#modernOf(userId).forEach((id) => broadcaster.toSocket(id, push)),
        isConnected: (socketId) => connected.has(socketId),
        socketsWith: (userId) => this.#modernOf(userId),
      },
      ephemera,
      clock,
      config: resolveConfig(),
      budgets: new UserBudgets(this.limits, clock),
      contacts: { require: (caller, userIds) => this.mayContact(caller.userId, userIds) },
      newId: () => `call-${(calls += 1)}`,
      membersFor: async (userId) =>
        this.members.has(userId) ? await Promise.resolve([...this.members]) : await Promise.reject(notFound()),
      blockersOf: () => Promise.resolve(this.blockers),
      changed: (call) => void this.records.set(call.id, call),
      store: {
        saved: () => Promise.resolve(),
        load: () => Promise.resolve(this.stored),
        close: () => undefined,
      },
      log: (call) => void this.logs.push(JSON.parse(callLog(call).content)),
    });
  }

  #modernOf(userId: string): string[] {
    return [...this.#connected].filter((id) => id.startsWith(`${userId}/`) && this.#modern.has(id));
  }

  /** Connects a device that shows waiting calls. */
  connectModern(device: string): Caller {
    this.#modern.add(device);
    return this.connect(device);
  }

  connect(device: string): Caller {
    const caller = this.device(device);
    this.#connected.add(device);
    this.ephemera.mapUserSocket(caller.userId, device);
    this.calls.deviceConnected(caller);
    return caller;
  }

  disconnect(device: string): void {
    this.#connected.delete(device);
    this.ephemera.unmapUserSocket(device);
    this.calls.deviceDisconnected(this.device(device));
  }

  device(device: string): Caller {
    return {
      userId: device.split('/')[0] ?? '',
      socketId: device,
      caps: new Set(this.#modern.has(device) ? ['call-waiting'] : []),
    };
  }

  async dial(
    from: string,
    to: readonly string[],
    type: CallType = 'audio',
    more: Pick<InitiateCall, 'clientId' | 'deviceId'> = {},
  ): Promise<Call> {
    return await this.calls.initiate(this.device(from), { conversationId: 'c', type, calleeIds: to, ...more });
  }

  async answer(device: string, callId: string, deviceId?: string): Promise<Call> {
    return await this.calls.respond(this.device(device), { callId, action: 'accept', deviceId });
  }

  async join(device: string, deviceId?: string): Promise<Call> {
    return await this.calls.join(this.device(device), { conversationId: 'c', deviceId });
  }

  async decline(device: string, callId: string): Promise<Call> {
    return await this.calls.respond(this.device(device), { callId, action: 'reject' });
  }

  hangUp(device: string, callId: string): void {
    this.calls.hangUp(this.device(device), { callId, reason: 'completed' });
  }

  /** What was pushed since the last call, shortened to what matters: `who: event detail…`. */
  told(): string[] {
    return this.broadcaster.pushes.splice(0).map((push) => {
      const { event, to, except } = push;
      const parts = [event.replace('call:', '')];
      if (event === 'call:state-changed') {
        const { state, endReason, detail } = push.data;
        parts.push(state, ...[endReason, detail].filter((each) => each !== undefined));
      }
      if (event === 'call:participant-joined') parts.push(push.data.participant.userId);
      if (event === 'call:participant-left') parts.push(push.data.userId);
      const who = to.replace('user:', '').replace('socket:', '');
      return `${who}${except === undefined ? '' : ` except ${except}`}: ${parts.join(' ')}`;
    });
  }
}
