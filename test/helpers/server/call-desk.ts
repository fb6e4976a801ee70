import { systemClock } from '../../../src/lib/clock.ts';
import type { Call, InitiateCall } from '../../../src/protocol/calls.ts';
import type { CallType } from '../../../src/protocol/vocabulary.ts';
import { resolveConfig } from '../../../src/server/config.ts';
import { callLog } from '../../../src/server/services/call-effects.ts';
import { CallService } from '../../../src/server/services/calls.ts';
import type { Caller } from '../../../src/server/services/ports.ts';
import { notFound } from '../../../src/server/services/refusals.ts';
import { CommunicationStore } from '../../../src/server/store/ephemera/memory.ts';
import { manualClock, type ManualClock } from '../manual-clock.ts';
import { RecordingHub } from './recording-hub.ts';

/** The call service with people around it, each on devices named `<user>/<device>`; nothing runs but by the clock. */
export class CallDesk {
  readonly hub = new RecordingHub();
  readonly clock: ManualClock = manualClock(Date.parse('2026-01-01T00:00:00.000Z'));
  readonly ephemera = new CommunicationStore(systemClock);
  /** The rows that calls have left. */
  readonly logs: unknown[] = [];
  readonly calls: CallService;
  readonly members: Set<string>;
  readonly #connected = new Set<string>();

  constructor(...members: string[]) {
    this.members = new Set(members);
    const { hub, clock, ephemera } = this;
    const connected = this.#connected;
    let calls = 0;
    this.calls = new CallService({
      hub: {
        toUser: (userId, push, options) => hub.toUser(userId, push, options),
        toSocket: (socketId, push) => hub.toSocket(socketId, push),
        isConnected: (socketId) => connected.has(socketId),
      },
      ephemera,
      clock,
      config: resolveConfig(),
      newId: () => `call-${(calls += 1)}`,
      membersFor: async (userId) =>
        this.members.has(userId) ? await Promise.resolve([...this.members]) : await Promise.reject(notFound()),
      log: (call) => void this.logs.push(JSON.parse(callLog(call).content)),
    });
  }

  connect(device: string): Caller {
    const caller = this.device(device);
    this.#connected.add(device);
    this.ephemera.mapUserSocket(caller.userId, device);
    this.calls.table.connected(caller);
    return caller;
  }

  disconnect(device: string): void {
    this.#connected.delete(device);
    this.ephemera.unmapUserSocket(device);
    this.calls.table.disconnected(this.device(device));
  }

  device(device: string): Caller {
    return { userId: device.split('/')[0] ?? '', socketId: device, caps: new Set() };
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

  async decline(device: string, callId: string): Promise<Call> {
    return await this.calls.respond(this.device(device), { callId, action: 'reject' });
  }

  hangUp(device: string, callId: string): void {
    this.calls.hangUp(this.device(device), { callId, reason: 'completed' });
  }

  /** What was pushed since the last call, shortened to what matters: `who: event detail…`. */
  told(): string[] {
    return this.hub.pushes.splice(0).map((push) => {
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
