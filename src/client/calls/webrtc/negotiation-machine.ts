import type { PeerState } from './media-backend.ts';

/*
 * Offers, answers, ICE restarts and recovery of one link, as a pure state machine. It processes one event at a time, after
 * all effects of the previous event are performed, so it only sees `stable` or `offered`, never an intermediate state.
 *
 *        start(self) ──► offered ◄── offer needed ── stable
 *   new ┤                  │  └── 10 s without an answer: offer again, then rebuild, then failed
 *        offer ──► stable ◄┘ answer
 *
 * Recovery: ICE restart at 0, 4 and 10 s, a new connection at 15 s (immediately if the connection state is `failed`),
 * `failed` at 30 s. A step that is due while signalling is down is postponed until signalling is up, and so are the steps
 * after it. The side that sent the initial offer is the leader: only the leader restarts ICE and rebuilds; the other side
 * requests it. (Glare: W3C WebRTC 4.4.1.6. Rollback: JSEP, RFC 9429 section 4.1.10.2.)
 */

/**
 * Timers of a link. `offer`: waits for the peer's initial offer; `answer`: for an answer; `grace`: for the connection to
 * come up or recover by itself; `recovery`: for the next recovery step.
 */
export type NegotiationTimer = 'offer' | 'answer' | 'grace' | 'recovery';

/** State of the negotiation with one peer. */
export interface NegotiationMachine {
  /** Number of the connection, from 0; rebuilding increments it. */
  readonly generation: number;
  /** Whether this side's offer takes precedence if both sides send the initial offer: the smaller `userId|deviceId`. */
  readonly winsGlare: boolean;
  /** Whether this side sent the initial offer. Only the leader restarts ICE and rebuilds. */
  readonly isLeader: boolean;
  readonly signaling: 'new' | 'stable' | 'offered' | 'closed';
  /** Whether this generation has been stable before. */
  readonly wasStable: boolean;
  /** Number of offers sent; part of the negotiation id. */
  readonly offerCount: number;
  /** Whether the pending offer restarts ICE. */
  readonly isRestarting: boolean;
  /** What to send once signalling is stable. */
  readonly pending: 'offer' | 'restart' | undefined;
  /** Number of consecutive offers without a result. */
  readonly failedOffers: number;
  readonly connection: PeerState;
  /**
   * Whether the connection reached `failed`. It is then rebuilt instead of restarted: Firefox sends no media through a
   * connection that has failed, although both sides report `connected` after a restart (w3c/webrtc-pc issue 3139).
   */
  readonly hasFailed: boolean;
  /** Index of the next recovery step; `undefined` while not recovering. */
  readonly recoveryStep: number | undefined;
  /** Whether that step is due and waits for signalling. */
  readonly isPostponed: boolean;
}

/** An input of the state machine. */
export type NegotiationEvent =
  /** The peer joined. */
  | { readonly type: 'start'; readonly offerer: 'self' | 'peer' }
  | { readonly type: 'offer'; readonly sdp: string; readonly id: string | undefined; readonly generation: number }
  | { readonly type: 'answer'; readonly sdp: string; readonly id: string | undefined; readonly generation: number }
  /** The peer requests an ICE restart, or a rebuild if `generation` is the next one. */
  | { readonly type: 'restart-requested'; readonly generation: number }
  /** A slot has no transceiver. Only occurs with peers that negotiate fewer slots. */
  | { readonly type: 'negotiation-needed' }
  | { readonly type: 'connection'; readonly state: 'connecting' | 'connected' | 'disconnected' | 'failed' }
  | { readonly type: 'timeout'; readonly timer: NegotiationTimer; readonly isSignalingUp: boolean }
  /** The network or signalling changed, so that a restart may succeed now. */
  | { readonly type: 'recover'; readonly isSignalingUp: boolean }
  | { readonly type: 'signaling-up' }
  /** Performing an effect threw an error. */
  | { readonly type: 'effect-failed'; readonly effect: NegotiationEffect };

/** An action that {@link PeerLink} performs. */
export type NegotiationEffect =
  | { readonly do: 'send-offer'; readonly restart: boolean }
  /** Applies a remote offer and sends the answer. `fresh`: the connection has not been negotiated before. */
  | { readonly do: 'accept-offer'; readonly sdp: string; readonly id: string | undefined; readonly fresh: boolean }
  | { readonly do: 'apply-answer'; readonly sdp: string }
  | { readonly do: 'rollback' }
  /** Closes the connection; the next offer creates another one. */
  | { readonly do: 'discard-connection' }
  | { readonly do: 'request-restart'; readonly generation: number }
  | { readonly do: 'report-state'; readonly state: PeerState }
  | { readonly do: 'set-timer'; readonly timer: NegotiationTimer; readonly ms: number }
  | { readonly do: 'clear-timer'; readonly timer: NegotiationTimer };

/** The next state and the effects to perform in order. */
export type NegotiationStep = readonly [machine: NegotiationMachine, effects: readonly NegotiationEffect[]];

const OFFER_TIMEOUT_MS = 10_000;
/** How long a connection may be `disconnected` before recovery starts. */
const GRACE_MS = 2_000;
/** Longer than the answer timeout, because the other side may send its offer again. */
const CONNECT_TIMEOUT_MS = 15_000;
/** The delay before each recovery step: three restarts, a rebuild, and giving up. */
const RECOVERY_DELAYS_MS = [0, 4_000, 6_000, 5_000, 15_000] as const;
const REBUILD_STEP = 3;
const MAX_FAILED_OFFERS = 3;

/** Returns the initial state. */
export function newNegotiation(winsGlare: boolean): NegotiationMachine {
  return {
    generation: 0,
    winsGlare,
    isLeader: false,
    signaling: 'new',
    wasStable: false,
    offerCount: 0,
    isRestarting: false,
    pending: undefined,
    failedOffers: 0,
    connection: 'connecting',
    hasFailed: false,
    recoveryStep: undefined,
    isPostponed: false,
  };
}

/** Processes one event. Returns `machine` itself and no effects if the event changes nothing. */
export function stepNegotiation(machine: NegotiationMachine, event: NegotiationEvent): NegotiationStep {
  if (machine.signaling === 'closed') return [machine, []];
  switch (event.type) {
    case 'start':
      if (machine.signaling !== 'new') return [machine, []];
      return event.offerer === 'self'
        ? sendOffer(asLeader(machine), false)
        : [machine, [setTimer('offer', OFFER_TIMEOUT_MS)]];
    case 'offer':
      return onOffer(machine, event);
    case 'answer':
      if (machine.signaling !== 'offered' || event.generation !== machine.generation) return [machine, []];
      if (event.id !== undefined && event.id !== negotiationId(machine)) return [machine, []];
      return becomeStable(machine, [clearTimer('answer'), { do: 'apply-answer', sdp: event.sdp }]);
    case 'restart-requested':
      // While the initial offer of a generation is pending, a request refers to the previous generation.
      if (!machine.isLeader || !machine.wasStable) return [machine, []];
      if (event.generation === machine.generation + 1) return rebuild(machine);
      return event.generation === machine.generation ? request(machine, 'restart') : [machine, []];
    case 'negotiation-needed':
      return machine.signaling === 'new' ? [machine, []] : request(machine, 'offer');
    case 'connection':
      return onConnection(machine, event.state);
    case 'timeout':
      return onTimeout(machine, event.timer, event.isSignalingUp);
    case 'recover':
      if (machine.connection !== 'disconnected') return [machine, []];
      if (machine.recoveryStep === undefined || machine.isPostponed) return recover(machine, event.isSignalingUp);
      return event.isSignalingUp ? attemptRestart(machine) : [machine, []];
    case 'signaling-up':
      return prepend(
        machine.isPostponed ? recover(machine, true) : [machine, []],
        machine.signaling === 'offered' ? [setTimer('answer', OFFER_TIMEOUT_MS)] : [],
      );
    case 'effect-failed':
      return onEffectFailed(machine, event.effect);
  }
}

/** Returns the id of the pending offer, by which a late answer to an earlier offer is recognised. */
export function negotiationId({ generation, offerCount }: NegotiationMachine): string {
  return `${generation}.${offerCount}`;
}

const setTimer = (timer: NegotiationTimer, ms: number): NegotiationEffect => ({ do: 'set-timer', timer, ms });
const clearTimer = (timer: NegotiationTimer): NegotiationEffect => ({ do: 'clear-timer', timer });
const asLeader = (machine: NegotiationMachine): NegotiationMachine => ({ ...machine, isLeader: true });

function prepend([machine, effects]: NegotiationStep, before: readonly NegotiationEffect[]): NegotiationStep {
  return [machine, [...before, ...effects]];
}

function sendOffer(machine: NegotiationMachine, restart: boolean): NegotiationStep {
  return [
    { ...machine, signaling: 'offered', offerCount: machine.offerCount + 1, isRestarting: restart, pending: undefined },
    [clearTimer('offer'), { do: 'send-offer', restart }, setTimer('answer', OFFER_TIMEOUT_MS)],
  ];
}

/** Sends an offer, or remembers it if one is pending. A pending ICE restart satisfies a request for a restart. */
function request(machine: NegotiationMachine, pending: 'offer' | 'restart'): NegotiationStep {
  if (machine.signaling === 'stable') return sendOffer(machine, pending === 'restart');
  if (pending === 'restart' ? machine.isRestarting : machine.pending === 'restart') return [machine, []];
  return [{ ...machine, pending }, []];
}

function becomeStable(machine: NegotiationMachine, effects: readonly NegotiationEffect[]): NegotiationStep {
  const stable: NegotiationMachine = {
    ...machine,
    signaling: 'stable',
    wasStable: true,
    isRestarting: false,
    pending: undefined,
  };
  const waits = stable.connection === 'connecting' && stable.recoveryStep === undefined;
  const next: NegotiationStep =
    machine.pending === undefined ? [stable, []] : sendOffer(stable, machine.pending === 'restart');
  return prepend(next, waits ? [...effects, setTimer('grace', CONNECT_TIMEOUT_MS)] : effects);
}

function onOffer(machine: NegotiationMachine, event: NegotiationEvent & { type: 'offer' }): NegotiationStep {
  const { sdp, id, generation } = event;
  if (generation < machine.generation) return [machine, []];
  const accept = (fresh: boolean): NegotiationEffect => ({ do: 'accept-offer', sdp, id, fresh });
  if (generation > machine.generation) {
    const [next, effects] = startOver({ ...machine, generation, isLeader: false });
    return becomeStable(next, [...effects, accept(true)]);
  }
  if (machine.signaling === 'new')
    return becomeStable({ ...machine, isLeader: false }, [clearTimer('offer'), accept(true)]);
  if (machine.signaling === 'stable') return countAsAttempt(becomeStable(machine, [accept(false)]));
  if (machine.wasStable) {
    if (machine.isLeader) return [machine, []];
    const again = { ...machine, pending: machine.pending ?? 'offer' } as const;
    return countAsAttempt(becomeStable(again, [clearTimer('answer'), { do: 'rollback' }, accept(false)]));
  }
  // Both sides sent the initial offer. The losing side discards its connection, which would have duplicate transceivers.
  if (machine.winsGlare) return [machine, []];
  const [next, effects] = startOver({ ...machine, isLeader: false });
  return becomeStable(next, [...effects, accept(true)]);
}

/** A remote offer received while the connection is down counts as the first recovery attempt. */
function countAsAttempt([machine, effects]: NegotiationStep): NegotiationStep {
  if (machine.connection !== 'disconnected' || machine.recoveryStep !== undefined) return [machine, effects];
  return [
    { ...machine, recoveryStep: 1 },
    [...effects, clearTimer('grace'), setTimer('recovery', RECOVERY_DELAYS_MS[1])],
  ];
}

function onConnection(
  machine: NegotiationMachine,
  connection: 'connecting' | 'connected' | 'disconnected' | 'failed',
): NegotiationStep {
  if (connection === 'connected') {
    const next: NegotiationMachine = {
      ...machine,
      connection,
      hasFailed: false,
      recoveryStep: undefined,
      isPostponed: false,
      failedOffers: 0,
    };
    return [next, [clearTimer('grace'), clearTimer('recovery'), ...stateChange(machine, next)]];
  }
  if (connection === 'connecting' || machine.signaling === 'new') return [machine, []];
  const hasFailed = machine.hasFailed || connection === 'failed';
  if (machine.connection === 'disconnected' && hasFailed === machine.hasFailed) return [machine, []];
  const down: NegotiationMachine = { ...machine, connection: 'disconnected', hasFailed };
  const tell = stateChange(machine, down);
  if (connection === 'disconnected')
    return [down, machine.recoveryStep === undefined ? [...tell, setTimer('grace', GRACE_MS)] : tell];
  // While recovering, a failure triggers an attempt without advancing the recovery step.
  return machine.recoveryStep === undefined || machine.isPostponed
    ? [down, [...tell, clearTimer('grace'), setTimer('recovery', RECOVERY_DELAYS_MS[0])]]
    : prepend(attemptRestart(down), tell);
}

function stateChange(before: NegotiationMachine, now: NegotiationMachine): NegotiationEffect[] {
  return before.connection === now.connection ? [] : [{ do: 'report-state', state: now.connection }];
}

function onTimeout(machine: NegotiationMachine, timer: NegotiationTimer, isSignalingUp: boolean): NegotiationStep {
  switch (timer) {
    case 'offer':
      return machine.signaling === 'new' ? sendOffer(asLeader(machine), false) : [machine, []];
    case 'answer':
      // Offers that are repeated while signalling is down would all arrive together.
      return machine.signaling === 'offered' && isSignalingUp ? onAnswerTimeout(machine) : [machine, []];
    case 'grace':
      return machine.connection === 'connected' || machine.recoveryStep !== undefined
        ? [machine, []]
        : recover(machine, isSignalingUp);
    case 'recovery':
      return machine.connection === 'connected' ? [machine, []] : recover(machine, isSignalingUp);
  }
}

function onAnswerTimeout(machine: NegotiationMachine): NegotiationStep {
  const next: NegotiationMachine = { ...machine, failedOffers: machine.failedOffers + 1 };
  if (next.failedOffers >= MAX_FAILED_OFFERS) return giveUp(next);
  if (next.failedOffers > 1) return rebuild(asLeader(next));
  return prepend(sendOffer(next, machine.isRestarting || machine.pending === 'restart'), [{ do: 'rollback' }]);
}

function onEffectFailed(machine: NegotiationMachine, effect: NegotiationEffect): NegotiationStep {
  const failed: NegotiationMachine = { ...machine, failedOffers: machine.failedOffers + 1 };
  if (failed.failedOffers >= MAX_FAILED_OFFERS) return giveUp(failed);
  switch (effect.do) {
    case 'accept-offer': {
      // The offer doesn't match the negotiated machine, for example because the peer rebuilt its connection.
      const [next, effects] = startOver({ ...failed, isLeader: false });
      if (effect.fresh) return [next, [...effects, setTimer('offer', OFFER_TIMEOUT_MS)]];
      return becomeStable(next, [...effects, { ...effect, fresh: true }]);
    }
    case 'apply-answer':
    case 'send-offer':
    case 'rollback':
      return rebuild(asLeader(failed));
    default:
      return [machine, []];
  }
}

/** Performs the next recovery step, or postpones it while signalling is down. */
function recover(machine: NegotiationMachine, isSignalingUp: boolean): NegotiationStep {
  const step = machine.recoveryStep ?? 0;
  if (!isSignalingUp) return [{ ...machine, recoveryStep: step, isPostponed: true }, [clearTimer('grace')]];
  if (step === RECOVERY_DELAYS_MS.length - 1) return giveUp(machine);
  const now: NegotiationMachine = { ...machine, recoveryStep: step + 1, isPostponed: false };
  const [next, effects] = attemptRestart(step === REBUILD_STEP ? { ...now, hasFailed: true } : now);
  return [next, [clearTimer('grace'), ...effects, setTimer('recovery', RECOVERY_DELAYS_MS[step + 1] ?? 0)]];
}

function attemptRestart(machine: NegotiationMachine): NegotiationStep {
  if (!machine.isLeader) return requestRestart(machine, machine.hasFailed ? 1 : 0);
  return machine.hasFailed ? rebuild(machine) : request(machine, 'restart');
}

function requestRestart(machine: NegotiationMachine, ahead: 0 | 1): NegotiationStep {
  return [machine, [{ do: 'request-restart', generation: machine.generation + ahead }]];
}

/** Resets the negotiation for another connection. The progress of recovery is kept. */
function startOver(machine: NegotiationMachine): NegotiationStep {
  const { generation, winsGlare, isLeader, failedOffers, recoveryStep, isPostponed, offerCount } = machine;
  const next: NegotiationMachine = {
    ...newNegotiation(winsGlare),
    generation,
    isLeader,
    failedOffers,
    recoveryStep,
    isPostponed,
    offerCount,
  };
  return [
    next,
    [clearTimer('offer'), clearTimer('answer'), ...stateChange(machine, next), { do: 'discard-connection' }],
  ];
}

function rebuild(machine: NegotiationMachine): NegotiationStep {
  const [next, effects] = startOver({ ...machine, generation: machine.generation + 1 });
  return prepend(sendOffer(next, false), effects);
}

function giveUp(machine: NegotiationMachine): NegotiationStep {
  const timers = ['offer', 'answer', 'grace', 'recovery'] as const;
  const over: NegotiationMachine = {
    ...machine,
    signaling: 'closed',
    connection: 'failed',
    recoveryStep: undefined,
    isPostponed: false,
  };
  return [over, [...timers.map((timer) => clearTimer(timer)), { do: 'report-state', state: 'failed' }]];
}
