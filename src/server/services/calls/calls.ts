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
import type { Push } from '../../../protocol/events.ts';
import type { Awaitable } from '../../cluster/ephemera.ts';
import type { Caller } from '../ports.ts';

/** A signal to another participant of a call. */
export interface RelayedSignal {
  readonly callId: string;
  readonly toUserId: string;
  readonly toDeviceId?: string | undefined;
  /** Creates the push. @param fromDeviceId - the sender's device in the call */
  readonly push: (fromDeviceId: string | undefined) => Push;
}

/** The requests about calls and what else changes them. {@link CallRules} documents the requests and their errors. */
export interface Calls {
  initiate(caller: Caller, request: InitiateCall): Promise<Call>;
  respond(caller: Caller, request: RespondToCall): Promise<Call>;
  join(caller: Caller, request: JoinCall): Promise<Call>;
  hangUp(caller: Caller, request: HangUp): Awaitable<null>;
  sync(caller: Caller, request: SyncCall): Awaitable<Call>;
  connected(caller: Caller, request: CallRef): Awaitable<null>;
  toggleMedia(caller: Caller, request: ToggleMedia): Awaitable<null>;
  addParticipant(caller: Caller, request: CallMember): Promise<Call>;
  removeParticipant(caller: Caller, request: CallMember): Awaitable<Call>;
  reportQuality(caller: Caller, report: ConnectionQualityReport): Awaitable<null>;
  relay(caller: Caller, signal: RelayedSignal): Awaitable<null>;
  /** Returns the call when it has been stored, so that it survives the process. */
  saved<T extends Pick<Call, 'id'>>(call: T): Promise<T>;
  /** Removes a user from the calls of a conversation that the user is no longer a member of. */
  memberRemoved(userId: string, conversationId: string): void;
  /** Handles a connected socket: pushes the calls that are ringing and restores the seat of a device without an id. */
  deviceConnected(caller: Caller): void;
  /** Handles a disconnected socket. If it was in a call, the device may reconnect within `callReconnectMs`. */
  deviceDisconnected(caller: Caller): void;
  /** Takes up the calls that are stored. */
  start(): Promise<void>;
  /** Stops all timers. */
  close(): void;
  /** Resolves when nothing is being changed. For the shutdown. */
  idle(): Promise<void>;
}
