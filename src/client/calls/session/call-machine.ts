import { CommError, isCommError } from '../../../protocol/errors.ts';
import type { CallEndDetail, CallEndReason, CallFailure, CallState } from '../../../protocol/constants.ts';

/*
 *            start                ringing, or 500 ms without a state change
 *   idle ──────────► initiating ──────────────────────────────────► ringing ◄── incoming ── idle
 *
 *   initiating, ringing ── accepted, by either side ──► connecting ◄── join ── idle
 *   connecting ── first peer connected ──► connected ── all peers down for 2 s ──► reconnecting ── a peer up ──► connected
 *   any ── hang-up, end, failure, watchdog ──► ended, which is final
 *
 * A device that accepts is `connecting` at once; it has joined when the server confirms it (`answered`). If its devices can't
 * be opened, the call rings again.
 */

/** State of a call on this device. */
export interface CallMachine {
  readonly state: CallState;
  readonly direction: 'incoming' | 'outgoing';
  /** True if the call rang on this device, false if this device joined a running call. */
  readonly isInvited: boolean;
  /** True once this device has sent its acceptance to the server. */
  readonly hasAccepted: boolean;
  /** True once this device and another participant are in the call, so that media can start. */
  readonly hasJoined: boolean;
  readonly wasConnected: boolean;
  readonly endReason?: CallEndReason | undefined;
  readonly detail?: CallEndDetail | undefined;
}

/** An input of the state machine. */
export type CallEvent =
  /** Actions of the user. `join` enters a running call without being called. */
  | { readonly type: 'start' | 'join' | 'accept' | 'reject' | 'hang-up' }
  /** The call rings on this device. */
  | { readonly type: 'incoming' }
  /** The requested microphone and camera are open. */
  | { readonly type: 'media-ready' }
  /** Microphone and camera could not be opened. */
  | { readonly type: 'media-failed' }
  /** The server assigned an id. `assumeRinging`: the server will not report when the call rings. */
  | { readonly type: 'initiated'; readonly assumeRinging: boolean }
  /** The call rings on a device of a callee. */
  | { readonly type: 'ringing' }
  /** This device and another participant are in the call. */
  | { readonly type: 'answered' }
  | { readonly type: 'peer-connected' }
  /** No peer is connected any more. */
  | { readonly type: 'peers-disconnected' }
  | { readonly type: 'timeout'; readonly timer: CallTimer }
  /** The server doesn't know the call any more; why it ended is unknown. */
  | { readonly type: 'not-found' }
  | { readonly type: 'failed'; readonly detail?: CallFailure | undefined }
  /** The server ended the call. */
  | { readonly type: 'ended'; readonly reason: CallEndReason; readonly detail?: CallEndDetail | undefined };

/** The timers of a call; see {@link CALL_TIMERS}. */
export type CallTimer = 'answer' | 'assume-ringing' | 'connect' | 'disconnected' | 'recover';

/** Durations in milliseconds. */
export const CALL_TIMERS: Readonly<Record<CallTimer, number>> = {
  /** Ends an unanswered call. Longer than the server's ring timer, which normally ends it. */
  answer: 60_000,
  'assume-ringing': 500,
  /** Ends a call that never connects. */
  connect: 30_000,
  /** Interruptions up to this long don't change the state. */
  disconnected: 2_000,
  /** Ends a call that doesn't recover. The media backend gives up after 30 s by itself. */
  recover: 60_000,
};

/** An action that `CallController` performs. */
export type CallEffect =
  /** Opens microphone and camera; results in `media-ready` or `media-failed`. */
  | { readonly do: 'acquire-media' }
  /** Releases microphone and camera; the call may be accepted again. */
  | { readonly do: 'release-media' }
  /** Sends the request to the server; results in `initiated`, `answered` or an end. */
  | { readonly do: 'initiate' | 'accept' }
  | { readonly do: 'reject' }
  | { readonly do: 'hang-up'; readonly reason: CallEndReason; readonly detail?: CallFailure | undefined }
  | { readonly do: 'join-media' }
  | { readonly do: 'report-connected' }
  | { readonly do: 'set-timer' | 'clear-timer'; readonly timer: CallTimer }
  /** Releases all resources. Always the last effect. */
  | { readonly do: 'dispose' };

/** The next state and the effects to perform in order. */
export type CallStep = readonly [machine: CallMachine, effects: readonly CallEffect[]];

/** The initial state. */
export const NEW_CALL: CallMachine = {
  state: 'idle',
  direction: 'outgoing',
  isInvited: false,
  hasAccepted: false,
  hasJoined: false,
  wasConnected: false,
};

/** Returns whether the call rings on this device. */
export function isRingingHere({ state, direction }: Pick<CallMachine, 'state' | 'direction'>): boolean {
  return state === 'ringing' && direction === 'incoming';
}

/** Returns the event for a server error on initiating (`outgoing`) or accepting (`incoming`) a call. */
export function eventOfError(error: unknown, direction: CallMachine['direction']): CallEvent {
  const code = isCommError(error) ? error.code : 'INTERNAL';
  if (code === 'BUSY') return { type: 'ended', reason: 'busy' };
  if (direction === 'outgoing') return { type: 'ended', reason: 'failed', detail: 'signalling' };
  if (code === 'CONFLICT') return { type: 'ended', reason: 'completed', detail: 'answered_elsewhere' };
  return code === 'NOT_FOUND' ? { type: 'not-found' } : { type: 'failed', detail: 'signalling' };
}

/** The events for the combined state of all links. */
export const CONNECTIVITY_EVENTS = {
  connected: { type: 'peer-connected' },
  disconnected: { type: 'peers-disconnected' },
  failed: { type: 'failed', detail: 'ice' },
} as const satisfies Record<string, CallEvent>;

/**
 * Returns why an ended call can't be started or accepted any more. `undefined` for an outgoing call: it was started before
 * it ended.
 */
export function startErrorOf({ direction, detail }: CallMachine): CommError | undefined {
  if (direction === 'outgoing') return undefined;
  return detail === 'answered_elsewhere' || detail === 'rejected_elsewhere'
    ? new CommError('CONFLICT', 'The call was answered on another device')
    : new CommError('NOT_FOUND', 'The call has ended');
}

/** Processes one event. Returns `machine` itself and no effects if the event doesn't apply. */
export function stepCall(machine: CallMachine, event: CallEvent): CallStep {
  const { state, direction } = machine;
  const nothing: CallStep = [machine, []];
  const isRinging = isRingingHere(machine);
  if (state === 'ended') return nothing;
  switch (event.type) {
    case 'start':
      return state === 'idle' ? [{ ...machine, state: 'initiating' }, [{ do: 'acquire-media' }]] : nothing;
    case 'incoming':
      return state === 'idle'
        ? [{ ...machine, state: 'ringing', direction: 'incoming', isInvited: true }, [setTimer('answer')]]
        : nothing;
    case 'join':
      if (state !== 'idle') return nothing;
      return [
        { ...machine, state: 'connecting', direction: 'incoming' },
        [{ do: 'acquire-media' }, setTimer('answer')],
      ];
    case 'accept':
      return isRinging ? [{ ...machine, state: 'connecting' }, [{ do: 'acquire-media' }]] : nothing;
    case 'media-ready':
      if (state === 'initiating') return [machine, [{ do: 'initiate' }, setTimer('answer')]];
      return state === 'connecting' && direction === 'incoming' && !machine.hasAccepted
        ? [{ ...machine, hasAccepted: true }, [{ do: 'accept' }]]
        : nothing;
    case 'media-failed':
      if (state === 'initiating') return hangUp(machine, 'failed', 'permission');
      if (state !== 'connecting' || direction === 'outgoing' || machine.hasAccepted) return nothing;
      return machine.isInvited
        ? [{ ...machine, state: 'ringing' }, [{ do: 'release-media' }]]
        : hangUp(machine, 'failed', 'permission');
    case 'initiated':
      return state === 'initiating' && event.assumeRinging ? [machine, [setTimer('assume-ringing')]] : nothing;
    case 'ringing':
      return state === 'initiating' ? [{ ...machine, state: 'ringing' }, [clearTimer('assume-ringing')]] : nothing;
    case 'answered':
      // Base servers report it to all devices of the user, also to those that have not accepted.
      return direction === 'incoming' && !machine.hasAccepted
        ? end(machine, 'completed', 'answered_elsewhere')
        : answered(machine);
    case 'peer-connected':
      return peerUp(machine);
    case 'peers-disconnected':
      return state === 'connected' ? [machine, [setTimer('disconnected')]] : nothing;
    case 'timeout':
      return timedOut(machine, event.timer);
    case 'reject':
      return isRinging ? end(machine, 'rejected', undefined, [{ do: 'reject' }]) : nothing;
    case 'hang-up': {
      if (isRinging) return stepCall(machine, { type: 'reject' });
      if (state === 'idle') return end(machine, 'cancelled');
      if (direction === 'incoming' && !machine.hasJoined) return hangUp(machine, 'rejected');
      return hangUp(machine, state === 'initiating' || state === 'ringing' ? 'cancelled' : 'completed');
    }
    case 'failed':
      return hangUp(machine, 'failed', event.detail);
    case 'not-found':
      if (machine.wasConnected) return end(machine, 'completed');
      return direction === 'incoming' ? end(machine, 'missed') : end(machine, 'failed', 'signalling');
    case 'ended':
      return end(machine, event.reason, event.detail);
  }
}

function answered(machine: CallMachine): CallStep {
  const { state, hasJoined } = machine;
  if (hasJoined || state === 'idle') return [machine, []];
  return [
    { ...machine, state: 'connecting', hasJoined: true },
    [clearTimer('answer'), clearTimer('assume-ringing'), { do: 'join-media' }, setTimer('connect')],
  ];
}

function peerUp(machine: CallMachine): CallStep {
  if (!machine.hasJoined) return [machine, []];
  switch (machine.state) {
    case 'connecting':
      return [
        { ...machine, state: 'connected', wasConnected: true },
        [clearTimer('connect'), { do: 'report-connected' }],
      ];
    case 'connected':
      return [machine, [clearTimer('disconnected')]];
    case 'reconnecting':
      return [{ ...machine, state: 'connected' }, [clearTimer('recover')]];
    default:
      return [machine, []];
  }
}

function timedOut(machine: CallMachine, timer: CallTimer): CallStep {
  switch (timer) {
    case 'assume-ringing':
      return stepCall(machine, { type: 'ringing' });
    case 'disconnected':
      return machine.state === 'connected'
        ? [{ ...machine, state: 'reconnecting' }, [setTimer('recover')]]
        : [machine, []];
    case 'answer':
      if (machine.hasJoined) return [machine, []];
      // An incoming call may continue on another device, so it is not ended for everyone.
      return machine.direction === 'incoming' && machine.state === 'ringing'
        ? end(machine, 'missed')
        : hangUp(machine, 'missed');
    case 'connect':
      return machine.state === 'connecting' ? hangUp(machine, 'failed', 'ice') : [machine, []];
    case 'recover':
      return machine.state === 'reconnecting' ? hangUp(machine, 'failed', 'ice') : [machine, []];
  }
}

function hangUp(machine: CallMachine, reason: CallEndReason, detail?: CallFailure): CallStep {
  return end(machine, reason, detail, [{ do: 'hang-up', reason, ...(detail !== undefined && { detail }) }]);
}

function end(
  machine: CallMachine,
  endReason: CallEndReason,
  detail?: CallEndDetail,
  effects: readonly CallEffect[] = [],
): CallStep {
  const ended: CallMachine = { ...machine, state: 'ended', endReason, ...(detail !== undefined && { detail }) };
  return [ended, [...effects, { do: 'dispose' }]];
}

function setTimer(timer: CallTimer): CallEffect {
  return { do: 'set-timer', timer };
}

function clearTimer(timer: CallTimer): CallEffect {
  return { do: 'clear-timer', timer };
}
