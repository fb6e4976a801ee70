import type { PeerState } from './media-backend.ts';

/*
 * What one link does about offers, answers and a connection that fails. It is fed one event at a time, after all that the
 * one before asked for is done, so that it only ever sees `stable` or `offered`, never what lies between.
 *
 *        start(self) ──► offered ◄── an offer wanted ── stable
 *   new ┤                  │  └── 10 s without an answer: again, then rebuild, then failed
 *        offer ──► stable ◄┘ answer
 *
 * Recovery: restart at 0, 4 and 10 s, rebuild at 15 s (at once where the connection has failed), failed at 30 s; a step that
 * falls due while there is no signalling waits for it, and the later ones with it. Whoever made the first offer leads: it alone restarts ICE and rebuilds, the other
 * asks for it. (W3C WebRTC 4.4.1.6 for the glare, JSEP RFC 9429 4.1.10.2 for the rollback.)
 */

export type LinkTimer = 'offer' | 'answer' | 'grace' | 'recovery';

export interface LinkState {
  readonly generation: number;
  /** Wins where both made the first offer: the smaller `userId|deviceId`. */
  readonly first: boolean;
  readonly leads: boolean;
  readonly signaling: 'new' | 'stable' | 'offered' | 'over';
  /** Whether this generation has been stable. */
  readonly settled: boolean;
  /** Counts offers; names the one that is out. */
  readonly offer: number;
  /** Whether that one restarts ICE. */
  readonly restarting: boolean;
  /** As soon as it is stable. */
  readonly wanted: 'offer' | 'restart' | undefined;
  /** How often an offer came to nothing. */
  readonly stalls: number;
  readonly connection: PeerState;
  /**
   * It said `failed`: it is rebuilt instead of restarted, for Firefox sends nothing more through a connection that has
   * failed once, though both sides call it connected after a restart (w3c/webrtc-pc issue 3139).
   */
  readonly dead: boolean;
  /** The next step, while recovering. */
  readonly recovery: number | undefined;
  /** That step waits for signalling. */
  readonly due: boolean;
}

export type LinkEvent =
  | { readonly type: 'start'; readonly offerer: 'self' | 'peer' }
  | { readonly type: 'offer'; readonly sdp: string; readonly id: string | undefined; readonly generation: number }
  | { readonly type: 'answer'; readonly sdp: string; readonly id: string | undefined; readonly generation: number }
  /** The peer asks for a restart, or by a higher generation for a rebuild. */
  | { readonly type: 'asked'; readonly generation: number }
  /** A slot has no place in what was negotiated: with foreign peers only. */
  | { readonly type: 'slots' }
  | { readonly type: 'connection'; readonly state: 'connecting' | 'connected' | 'disconnected' | 'failed' }
  | { readonly type: 'timer'; readonly timer: LinkTimer; readonly up: boolean }
  /** Something hints that a restart may get through now. */
  | { readonly type: 'hint'; readonly up: boolean }
  /** Signalling is up again. */
  | { readonly type: 'up' }
  /** An effect failed. */
  | { readonly type: 'broken'; readonly effect: LinkEffect };

export type LinkEffect =
  | { readonly do: 'offer'; readonly restart: boolean }
  /** A remote offer: apply and answer it. `fresh`: to a connection that has nothing of its own. */
  | { readonly do: 'accept'; readonly sdp: string; readonly id: string | undefined; readonly fresh: boolean }
  | { readonly do: 'settle'; readonly sdp: string }
  | { readonly do: 'rollback' }
  | { readonly do: 'rebuild' }
  | { readonly do: 'ask'; readonly generation: number }
  | { readonly do: 'tell'; readonly state: PeerState }
  | { readonly do: 'arm'; readonly timer: LinkTimer; readonly ms: number }
  | { readonly do: 'disarm'; readonly timer: LinkTimer };

export type LinkStep = readonly [state: LinkState, effects: readonly LinkEffect[]];

const OFFER_WAIT_MS = 10_000;
const GRACE_MS = 2_000;
/** Longer than an offer waits: the other side may be about to make it again. */
const CONNECT_WAIT_MS = 15_000;
/** Before each step; the step after the restarts rebuilds, the last one gives up. */
const RECOVERY_MS = [0, 4_000, 6_000, 5_000, 15_000] as const;
const REBUILD = 3;
const MAX_STALLS = 3;

export function newLink(first: boolean): LinkState {
  return {
    generation: 0,
    first,
    leads: false,
    signaling: 'new',
    settled: false,
    offer: 0,
    restarting: false,
    wanted: undefined,
    stalls: 0,
    connection: 'connecting',
    dead: false,
    recovery: undefined,
    due: false,
  };
}

/** One step. Returns `state` itself and nothing to do where the event changes nothing. */
export function stepLink(state: LinkState, event: LinkEvent): LinkStep {
  if (state.signaling === 'over') return [state, []];
  switch (event.type) {
    case 'start':
      if (state.signaling !== 'new') return [state, []];
      return event.offerer === 'self' ? offer(lead(state), false) : [state, [arm('offer', OFFER_WAIT_MS)]];
    case 'offer':
      return onOffer(state, event);
    case 'answer':
      if (state.signaling !== 'offered' || event.generation !== state.generation) return [state, []];
      if (event.id !== undefined && event.id !== offerId(state)) return [state, []];
      return settled(state, [disarm('answer'), { do: 'settle', sdp: event.sdp }]);
    case 'asked':
      // While the first offer of a generation is out, what is asked for is about the one before.
      if (!state.leads || !state.settled) return [state, []];
      if (event.generation === state.generation + 1) return rebuild(state);
      return event.generation === state.generation ? want(state, 'restart') : [state, []];
    case 'slots':
      return state.signaling === 'new' ? [state, []] : want(state, 'offer');
    case 'connection':
      return onConnection(state, event.state);
    case 'timer':
      return onTimer(state, event.timer, event.up);
    case 'hint':
      if (state.connection !== 'disconnected') return [state, []];
      if (state.recovery === undefined || state.due) return recover(state, event.up);
      return event.up ? attempt(state) : [state, []];
    case 'up':
      return after(
        state.due ? recover(state, true) : [state, []],
        state.signaling === 'offered' ? [arm('answer', OFFER_WAIT_MS)] : [],
      );
    case 'broken':
      return onBroken(state, event.effect);
  }
}

/** Names an offer so that an answer which comes too late is told from the one that is waited for. */
export function offerId({ generation, offer }: LinkState): string {
  return `${generation}.${offer}`;
}

const arm = (timer: LinkTimer, ms: number): LinkEffect => ({ do: 'arm', timer, ms });
const disarm = (timer: LinkTimer): LinkEffect => ({ do: 'disarm', timer });
const lead = (state: LinkState): LinkState => ({ ...state, leads: true });

function after([state, effects]: LinkStep, before: readonly LinkEffect[]): LinkStep {
  return [state, [...before, ...effects]];
}

function offer(state: LinkState, restart: boolean): LinkStep {
  return [
    { ...state, signaling: 'offered', offer: state.offer + 1, restarting: restart, wanted: undefined },
    [disarm('offer'), { do: 'offer', restart }, arm('answer', OFFER_WAIT_MS)],
  ];
}

/** No second offer while one is out. A restart that is out is the restart that is wanted. */
function want(state: LinkState, wanted: 'offer' | 'restart'): LinkStep {
  if (state.signaling === 'stable') return offer(state, wanted === 'restart');
  if (wanted === 'restart' ? state.restarting : state.wanted === 'restart') return [state, []];
  return [{ ...state, wanted }, []];
}

function settled(state: LinkState, effects: readonly LinkEffect[]): LinkStep {
  const stable: LinkState = { ...state, signaling: 'stable', settled: true, restarting: false, wanted: undefined };
  const waits = stable.connection === 'connecting' && stable.recovery === undefined;
  const next: LinkStep = state.wanted === undefined ? [stable, []] : offer(stable, state.wanted === 'restart');
  return after(next, waits ? [...effects, arm('grace', CONNECT_WAIT_MS)] : effects);
}

function onOffer(state: LinkState, event: LinkEvent & { type: 'offer' }): LinkStep {
  const { sdp, id, generation } = event;
  if (generation < state.generation) return [state, []];
  const accept = (fresh: boolean): LinkEffect => ({ do: 'accept', sdp, id, fresh });
  if (generation > state.generation) {
    const [next, effects] = startOver({ ...state, generation, leads: false });
    return settled(next, [...effects, accept(true)]);
  }
  if (state.signaling === 'new') return settled({ ...state, leads: false }, [disarm('offer'), accept(true)]);
  if (state.signaling === 'stable') return attempted(settled(state, [accept(false)]));
  if (state.settled) {
    if (state.leads) return [state, []];
    const again = { ...state, wanted: state.wanted ?? 'offer' } as const;
    return attempted(settled(again, [disarm('answer'), { do: 'rollback' }, accept(false)]));
  }
  // Both made the first offer: the loser's slots would stand beside those of the winner, so it starts over.
  if (state.first) return [state, []];
  const [next, effects] = startOver({ ...state, leads: false });
  return settled(next, [...effects, accept(true)]);
}

/** An offer that came while the connection was down is an attempt of the other side: ours waits its turn. */
function attempted([state, effects]: LinkStep): LinkStep {
  if (state.connection !== 'disconnected' || state.recovery !== undefined) return [state, effects];
  return [{ ...state, recovery: 1 }, [...effects, disarm('grace'), arm('recovery', RECOVERY_MS[1])]];
}

function onConnection(state: LinkState, connection: 'connecting' | 'connected' | 'disconnected' | 'failed'): LinkStep {
  if (connection === 'connected') {
    const next: LinkState = { ...state, connection, dead: false, recovery: undefined, due: false, stalls: 0 };
    return [next, [disarm('grace'), disarm('recovery'), ...told(state, next)]];
  }
  if (connection === 'connecting' || state.signaling === 'new') return [state, []];
  const dead = state.dead || connection === 'failed';
  if (state.connection === 'disconnected' && dead === state.dead) return [state, []];
  const down: LinkState = { ...state, connection: 'disconnected', dead };
  const tell = told(state, down);
  if (connection === 'disconnected')
    return [down, state.recovery === undefined ? [...tell, arm('grace', GRACE_MS)] : tell];
  // While recovering, this needs no step of its own: it is one more attempt.
  return state.recovery === undefined || state.due
    ? [down, [...tell, disarm('grace'), arm('recovery', RECOVERY_MS[0])]]
    : after(attempt(down), tell);
}

function told(before: LinkState, now: LinkState): LinkEffect[] {
  return before.connection === now.connection ? [] : [{ do: 'tell', state: now.connection }];
}

function onTimer(state: LinkState, timer: LinkTimer, up: boolean): LinkStep {
  switch (timer) {
    case 'offer':
      return state.signaling === 'new' ? offer(lead(state), false) : [state, []];
    case 'answer':
      // Offers that pile up while there is no signalling would all arrive at once.
      return state.signaling === 'offered' && up ? stalled(state) : [state, []];
    case 'grace':
      return state.connection === 'connected' || state.recovery !== undefined ? [state, []] : recover(state, up);
    case 'recovery':
      return state.connection === 'connected' ? [state, []] : recover(state, up);
  }
}

function stalled(state: LinkState): LinkStep {
  const next: LinkState = { ...state, stalls: state.stalls + 1 };
  if (next.stalls >= MAX_STALLS) return giveUp(next);
  if (next.stalls > 1) return rebuild(lead(next));
  return after(offer(next, state.restarting || state.wanted === 'restart'), [{ do: 'rollback' }]);
}

function onBroken(state: LinkState, effect: LinkEffect): LinkStep {
  const failed: LinkState = { ...state, stalls: state.stalls + 1 };
  if (failed.stalls >= MAX_STALLS) return giveUp(failed);
  switch (effect.do) {
    case 'accept': {
      // It fits nothing that was negotiated here, as when the other side started over: then so do we.
      const [next, effects] = startOver({ ...failed, leads: false });
      if (effect.fresh) return [next, [...effects, arm('offer', OFFER_WAIT_MS)]];
      return settled(next, [...effects, { ...effect, fresh: true }]);
    }
    case 'settle':
    case 'offer':
    case 'rollback':
      return rebuild(lead(failed));
    default:
      return [state, []];
  }
}

/** The step that is due. */
function recover(state: LinkState, up: boolean): LinkStep {
  const step = state.recovery ?? 0;
  if (!up) return [{ ...state, recovery: step, due: true }, [disarm('grace')]];
  if (step === RECOVERY_MS.length - 1) return giveUp(state);
  const now: LinkState = { ...state, recovery: step + 1, due: false };
  const [next, effects] = attempt(step === REBUILD ? { ...now, dead: true } : now);
  return [next, [disarm('grace'), ...effects, arm('recovery', RECOVERY_MS[step + 1] ?? 0)]];
}

function attempt(state: LinkState): LinkStep {
  if (!state.leads) return ask(state, state.dead ? 1 : 0);
  return state.dead ? rebuild(state) : want(state, 'restart');
}

function ask(state: LinkState, ahead: 0 | 1): LinkStep {
  return [state, [{ do: 'ask', generation: state.generation + ahead }]];
}

/** A connection that has nothing of the one before. What is being recovered from stays. */
function startOver(state: LinkState): LinkStep {
  const { generation, first, leads, stalls, recovery, due, offer: count } = state;
  const next: LinkState = { ...newLink(first), generation, leads, stalls, recovery, due, offer: count };
  return [next, [disarm('offer'), disarm('answer'), ...told(state, next), { do: 'rebuild' }]];
}

function rebuild(state: LinkState): LinkStep {
  const [next, effects] = startOver({ ...state, generation: state.generation + 1 });
  return after(offer(next, false), effects);
}

function giveUp(state: LinkState): LinkStep {
  const timers = ['offer', 'answer', 'grace', 'recovery'] as const;
  const over: LinkState = { ...state, signaling: 'over', connection: 'failed', recovery: undefined, due: false };
  return [over, [...timers.map((timer) => disarm(timer)), { do: 'tell', state: 'failed' }]];
}
