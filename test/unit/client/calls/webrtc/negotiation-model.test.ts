import { expect, test } from 'vitest';
import {
  newNegotiation,
  negotiationId,
  stepNegotiation,
  type NegotiationEffect,
  type NegotiationEvent,
  type NegotiationMachine,
  type NegotiationTimer,
} from '../../../../../src/client/calls/webrtc/negotiation-machine.ts';
import { fc } from '../../../../helpers/property.ts';

/** One side: the state machine and the signalling state of a browser. Fails where a browser would throw. */
class Side {
  state: NegotiationMachine;
  pc: 'stable' | 'have-local-offer' = 'stable';
  readonly timers = new Set<NegotiationTimer>();
  readonly outgoing: NegotiationEvent[] = [];

  constructor(winsGlare: boolean) {
    this.state = newNegotiation(winsGlare);
  }

  step(event: NegotiationEvent): void {
    const [state, effects] = stepNegotiation(this.state, event);
    this.state = state;
    for (const effect of effects) this.#perform(effect);
    // The machine agrees with the browser.
    if (state.signaling !== 'closed') expect(this.pc === 'stable').toBe(state.signaling !== 'offered');
  }

  fire(timer: NegotiationTimer, isSignalingUp: boolean): void {
    if (this.timers.delete(timer)) this.step({ type: 'timeout', timer, isSignalingUp });
  }

  #expect(pc: Side['pc'], effect: NegotiationEffect): void {
    if (this.pc !== pc) throw new Error(`${effect.do} in ${this.pc}`);
  }

  #perform(effect: NegotiationEffect): void {
    const { generation } = this.state;
    switch (effect.do) {
      case 'send-offer':
        this.#expect('stable', effect);
        this.pc = 'have-local-offer';
        this.outgoing.push({ type: 'offer', sdp: '', id: negotiationId(this.state), generation });
        break;
      case 'accept-offer':
        this.#expect('stable', effect);
        this.outgoing.push({ type: 'answer', sdp: '', id: effect.id, generation });
        break;
      case 'apply-answer':
      case 'rollback':
        this.#expect('have-local-offer', effect);
        this.pc = 'stable';
        break;
      case 'discard-connection':
        this.pc = 'stable';
        break;
      case 'request-restart':
        this.outgoing.push({ type: 'restart-requested', generation: effect.generation });
        break;
      case 'set-timer':
        this.timers.add(effect.timer);
        break;
      case 'clear-timer':
        this.timers.delete(effect.timer);
        break;
      case 'report-state':
        break;
    }
  }
}

type Move =
  | { readonly do: 'deliver' | 'negotiation-needed' }
  | { readonly do: 'start'; readonly offerer: 'self' | 'peer' }
  | { readonly do: 'recover'; readonly up: boolean }
  | { readonly do: 'connection'; readonly state: 'connecting' | 'connected' | 'disconnected' | 'failed' }
  | { readonly do: 'timer'; readonly timer: NegotiationTimer; readonly up: boolean };

const move: fc.Arbitrary<Move> = fc.oneof(
  { weight: 6, arbitrary: fc.constant({ do: 'deliver' } as const) },
  fc.record({ do: fc.constant('start' as const), offerer: fc.constantFrom('self' as const, 'peer' as const) }),
  fc.record({ do: fc.constant('negotiation-needed' as const) }),
  fc.record({ do: fc.constant('recover' as const), up: fc.boolean() }),
  fc.record({
    do: fc.constant('connection' as const),
    state: fc.constantFrom('connecting' as const, 'connected' as const, 'disconnected' as const, 'failed' as const),
  }),
  fc.record({
    do: fc.constant('timer' as const),
    timer: fc.constantFrom('offer' as const, 'grace' as const, 'recovery' as const),
    up: fc.boolean(),
  }),
);

function play(sides: readonly [Side, Side], moves: readonly (readonly [0 | 1, Move])[]): void {
  for (const [at, each] of moves) {
    const [side, other] = at === 0 ? sides : [sides[1], sides[0]];
    switch (each.do) {
      case 'deliver': {
        const message = side.outgoing.shift();
        if (message !== undefined) other.step(message);
        break;
      }
      case 'start':
        side.step({ type: 'start', offerer: each.offerer });
        break;
      case 'connection':
        side.step({ type: 'connection', state: each.state });
        break;
      case 'timer':
        side.fire(each.timer, each.up);
        break;
      case 'recover':
        side.step({ type: 'recover', isSignalingUp: each.up });
        break;
      case 'negotiation-needed':
        side.step({ type: 'negotiation-needed' });
        break;
    }
  }
}

/** Simulates a working network: every signal is delivered, and stable links connect. */
function settle(sides: readonly [Side, Side]): void {
  for (let rounds = 0; rounds < 200; rounds += 1) {
    for (const [side, other] of [sides, [sides[1], sides[0]]] as const) {
      side.step({ type: 'signaling-up' });
      for (const message of side.outgoing.splice(0)) other.step(message);
    }
    const [a, b] = sides;
    if (a.outgoing.length + b.outgoing.length > 0) continue;
    const same = a.state.generation === b.state.generation;
    if (same && [a, b].every(({ state }) => state.signaling === 'stable')) {
      for (const side of sides) side.step({ type: 'connection', state: 'connected' });
      if (sides.every(({ timers, outgoing }) => timers.size === 0 && outgoing.length === 0)) return;
    }
    for (const side of sides) for (const timer of ['offer', 'answer', 'grace'] as const) side.fire(timer, true);
  }
}

test('after any sequence of events both sides become stable, in the same generation, with one leader', () => {
  const moves = fc.array(fc.tuple(fc.constantFrom(0 as const, 1 as const), move), { maxLength: 60 });
  fc.assert(
    fc.property(moves, (played) => {
      const sides = [new Side(true), new Side(false)] as const;
      play(sides, [[0, { do: 'start', offerer: 'peer' }], [1, { do: 'start', offerer: 'peer' }], ...played]);
      // Links that gave up are excluded.
      fc.pre(sides.every(({ state }) => state.signaling !== 'closed'));
      settle(sides);
      const [a, b] = sides.map(({ state }) => state);
      expect([a?.signaling, b?.signaling]).toEqual(['stable', 'stable']);
      expect(a?.generation).toBe(b?.generation);
      expect([a?.isLeader, b?.isLeader].filter(Boolean)).toHaveLength(1);
      expect([a?.pending, b?.pending, a?.recoveryStep, b?.recoveryStep]).toEqual([
        undefined,
        undefined,
        undefined,
        undefined,
      ]);
      expect(sides.flatMap(({ timers }) => [...timers])).toEqual([]);
    }),
    { numRuns: 2_000 },
  );
});

test('two initial offers that collide, in any order of delivery, make the smaller id the leader', () => {
  const deliveries = fc.array(fc.constantFrom(0 as const, 1 as const), { minLength: 6, maxLength: 12 });
  fc.assert(
    fc.property(deliveries, (order) => {
      const sides = [new Side(true), new Side(false)] as const;
      for (const side of sides) side.step({ type: 'start', offerer: 'self' });
      play(
        sides,
        order.map((at) => [at, { do: 'deliver' }] as const),
      );
      settle(sides);
      expect(sides.map(({ state }) => state.signaling)).toEqual(['stable', 'stable']);
      expect(sides.map(({ state }) => state.isLeader)).toEqual([true, false]);
      expect(sides.map(({ state }) => state.generation)).toEqual([0, 0]);
    }),
    { numRuns: 50 },
  );
});
