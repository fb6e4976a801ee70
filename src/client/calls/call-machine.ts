import type { CallEndDetail, CallEndReason, CallFailure, CallState } from '../../protocol/vocabulary.ts';

/*
 *            dial                 ringing, or 500 ms without news
 *   idle ──────────► initiating ──────────────────────────────────► ringing ◄── invited ── idle
 *
 *   initiating, ringing ── accepted, by either side ──► connecting ◄── rejoin ── idle
 *   connecting ── first peer up ──► connected ── all peers down for 2 s ──► reconnecting ── a peer up ──► connected
 *   any ── hang-up, end, failure, watchdog ──► ended, which absorbs
 *
 * A device that accepts is `connecting` from the click on; it is in the call once the server says so (`answered`).
 */

export interface CallMachine {
  readonly state: CallState;
  readonly direction: 'incoming' | 'outgoing';
  /** True once this device has said to the server that it answers. */
  readonly responded: boolean;
  /** True once somebody else is in the call with us: media may begin. */
  readonly joined: boolean;
  readonly wasConnected: boolean;
  readonly endReason?: CallEndReason | undefined;
  readonly detail?: CallEndDetail | undefined;
}

export type CallEvent =
  /** What the user does. */
  | { readonly type: 'dial' | 'accept' | 'reject' | 'hang-up' }
  /** Goes into a call that is there, without being rung. */
  | { readonly type: 'rejoin' }
  /** It rings here. */
  | { readonly type: 'invited' }
  /** Microphone and camera are there, as far as they were wanted. */
  | { readonly type: 'acquired' }
  /** The call has an id: the server knows it. `assume`: one that won't say when it rings. */
  | { readonly type: 'named'; readonly assume: boolean }
  /** It rings somewhere. */
  | { readonly type: 'ringing' }
  /** We are in it with somebody else. */
  | { readonly type: 'answered' }
  | { readonly type: 'peer-up' }
  /** No peer is connected any more. */
  | { readonly type: 'peers-down' }
  | { readonly type: 'timeout'; readonly timer: CallTimer }
  /** The call is gone from the server, nobody knows how. */
  | { readonly type: 'vanished' }
  | { readonly type: 'failed'; readonly detail?: CallFailure | undefined }
  /** Somebody else has ended it. */
  | { readonly type: 'ended'; readonly reason: CallEndReason; readonly detail?: CallEndDetail | undefined };

export type CallTimer = 'answer' | 'assume' | 'connect' | 'down' | 'recover';

/** Milliseconds. */
export const CALL_TIMERS: Readonly<Record<CallTimer, number>> = {
  /** Longer than the server's own, which is the one that should tell. */
  answer: 60_000,
  assume: 500,
  connect: 30_000,
  /** A hiccup of the network that short is nobody's business. */
  down: 2_000,
  /** The media side gives up after 30 s by itself. */
  recover: 60_000,
};

export type CallEffect =
  /** Open what is to be sent; answered by `acquired` or `failed`. */
  | { readonly do: 'acquire' }
  /** Tell the server: answered by `named`, `answered` or an end. */
  | { readonly do: 'initiate' | 'respond' }
  | { readonly do: 'decline' }
  | { readonly do: 'hang-up'; readonly reason: CallEndReason; readonly detail?: CallFailure | undefined }
  | { readonly do: 'join' }
  | { readonly do: 'tell-connected' }
  | { readonly do: 'set' | 'clear'; readonly timer: CallTimer }
  /** Always the last one. */
  | { readonly do: 'dispose' };

export type CallStep = readonly [machine: CallMachine, effects: readonly CallEffect[]];

export const NEW_CALL: CallMachine = {
  state: 'idle',
  direction: 'outgoing',
  responded: false,
  joined: false,
  wasConnected: false,
};

/** Pure. What doesn't apply changes nothing: the same machine, no effects. */
export function stepCall(machine: CallMachine, event: CallEvent): CallStep {
  const { state, direction } = machine;
  const nothing: CallStep = [machine, []];
  const isRung = state === 'ringing' && direction === 'incoming';
  if (state === 'ended') return nothing;
  switch (event.type) {
    case 'dial':
      return state === 'idle' ? [{ ...machine, state: 'initiating' }, [{ do: 'acquire' }]] : nothing;
    case 'invited':
      return state === 'idle' ? [{ ...machine, state: 'ringing', direction: 'incoming' }, [set('answer')]] : nothing;
    case 'rejoin':
      if (state !== 'idle') return nothing;
      return [{ ...machine, state: 'connecting', direction: 'incoming' }, [{ do: 'acquire' }, set('answer')]];
    case 'accept':
      return isRung ? [{ ...machine, state: 'connecting' }, [{ do: 'acquire' }]] : nothing;
    case 'acquired':
      if (state === 'initiating') return [machine, [{ do: 'initiate' }, set('answer')]];
      return state === 'connecting' && direction === 'incoming' && !machine.responded
        ? [{ ...machine, responded: true }, [{ do: 'respond' }]]
        : nothing;
    case 'named':
      return state === 'initiating' && event.assume ? [machine, [set('assume')]] : nothing;
    case 'ringing':
      return state === 'initiating' ? [{ ...machine, state: 'ringing' }, [clear('assume')]] : nothing;
    case 'answered':
      // Not by us: a server that says no more than this has told it to another of our devices.
      return direction === 'incoming' && !machine.responded
        ? end(machine, 'completed', 'answered_elsewhere')
        : answered(machine);
    case 'peer-up':
      return peerUp(machine);
    case 'peers-down':
      return state === 'connected' ? [machine, [set('down')]] : nothing;
    case 'timeout':
      return timedOut(machine, event.timer);
    case 'reject':
      return isRung ? end(machine, 'rejected', undefined, [{ do: 'decline' }]) : nothing;
    case 'hang-up': {
      if (isRung) return stepCall(machine, { type: 'reject' });
      if (state === 'idle') return end(machine, 'cancelled');
      if (direction === 'incoming' && !machine.joined) return hangUp(machine, 'rejected');
      return hangUp(machine, state === 'initiating' || state === 'ringing' ? 'cancelled' : 'completed');
    }
    case 'failed':
      return hangUp(machine, 'failed', event.detail);
    case 'vanished':
      if (machine.wasConnected) return end(machine, 'completed');
      return direction === 'incoming' ? end(machine, 'missed') : end(machine, 'failed', 'signalling');
    case 'ended':
      return end(machine, event.reason, event.detail);
  }
}

function answered(machine: CallMachine): CallStep {
  const { state, joined } = machine;
  if (joined || state === 'idle') return [machine, []];
  return [
    { ...machine, state: 'connecting', joined: true },
    [clear('answer'), clear('assume'), { do: 'join' }, set('connect')],
  ];
}

function peerUp(machine: CallMachine): CallStep {
  if (!machine.joined) return [machine, []];
  switch (machine.state) {
    case 'connecting':
      return [{ ...machine, state: 'connected', wasConnected: true }, [clear('connect'), { do: 'tell-connected' }]];
    case 'connected':
      return [machine, [clear('down')]];
    case 'reconnecting':
      return [{ ...machine, state: 'connected' }, [clear('recover')]];
    default:
      return [machine, []];
  }
}

function timedOut(machine: CallMachine, timer: CallTimer): CallStep {
  switch (timer) {
    case 'assume':
      return stepCall(machine, { type: 'ringing' });
    case 'down':
      return machine.state === 'connected' ? [{ ...machine, state: 'reconnecting' }, [set('recover')]] : [machine, []];
    case 'answer':
      if (machine.joined) return [machine, []];
      // A call that only rang here goes on elsewhere, perhaps; the caller's is over.
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

function set(timer: CallTimer): CallEffect {
  return { do: 'set', timer };
}

function clear(timer: CallTimer): CallEffect {
  return { do: 'clear', timer };
}
