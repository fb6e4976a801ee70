import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  newLink,
  offerId,
  stepLink,
  type LinkEffect,
  type LinkEvent,
  type LinkState,
  type LinkTimer,
} from '../../../../src/client/calls/link-machine.ts';

/** One side: the machine, and the signalling state that a browser would have. It fails where a browser would throw. */
class Side {
  state: LinkState;
  pc: 'stable' | 'have-local-offer' = 'stable';
  readonly timers = new Set<LinkTimer>();
  readonly out: LinkEvent[] = [];

  constructor(first: boolean) {
    this.state = newLink(first);
  }

  step(event: LinkEvent): void {
    const [state, effects] = stepLink(this.state, event);
    this.state = state;
    for (const effect of effects) this.#perform(effect);
    // The machine sees what the browser sees.
    if (state.signaling !== 'over') expect(this.pc === 'stable').toBe(state.signaling !== 'offered');
  }

  fire(timer: LinkTimer, up: boolean): void {
    if (this.timers.delete(timer)) this.step({ type: 'timer', timer, up });
  }

  #expect(pc: Side['pc'], effect: LinkEffect): void {
    if (this.pc !== pc) throw new Error(`${effect.do} in ${this.pc}`);
  }

  #perform(effect: LinkEffect): void {
    const { generation } = this.state;
    switch (effect.do) {
      case 'offer':
        this.#expect('stable', effect);
        this.pc = 'have-local-offer';
        this.out.push({ type: 'offer', sdp: '', id: offerId(this.state), generation });
        break;
      case 'accept':
        this.#expect('stable', effect);
        this.out.push({ type: 'answer', sdp: '', id: effect.id, generation });
        break;
      case 'settle':
      case 'rollback':
        this.#expect('have-local-offer', effect);
        this.pc = 'stable';
        break;
      case 'rebuild':
        this.pc = 'stable';
        break;
      case 'ask':
        this.out.push({ type: 'asked', generation: effect.generation });
        break;
      case 'arm':
        this.timers.add(effect.timer);
        break;
      case 'disarm':
        this.timers.delete(effect.timer);
        break;
      case 'tell':
        break;
    }
  }
}

type Move =
  | { readonly do: 'deliver' | 'slots' }
  | { readonly do: 'start'; readonly offerer: 'self' | 'peer' }
  | { readonly do: 'hint'; readonly up: boolean }
  | { readonly do: 'connection'; readonly state: 'connecting' | 'connected' | 'disconnected' | 'failed' }
  | { readonly do: 'timer'; readonly timer: LinkTimer; readonly up: boolean };

const move: fc.Arbitrary<Move> = fc.oneof(
  { weight: 6, arbitrary: fc.constant({ do: 'deliver' } as const) },
  fc.record({ do: fc.constant('start' as const), offerer: fc.constantFrom('self' as const, 'peer' as const) }),
  fc.record({ do: fc.constant('slots' as const) }),
  fc.record({ do: fc.constant('hint' as const), up: fc.boolean() }),
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
        const message = side.out.shift();
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
      case 'hint':
        side.step({ type: 'hint', up: each.up });
        break;
      case 'slots':
        side.step({ type: 'slots' });
        break;
    }
  }
}

/** The network is good from here on: everything arrives, and what is stable connects. */
function calm(sides: readonly [Side, Side]): void {
  for (let rounds = 0; rounds < 200; rounds += 1) {
    for (const [side, other] of [sides, [sides[1], sides[0]]] as const) {
      side.step({ type: 'up' });
      for (const message of side.out.splice(0)) other.step(message);
    }
    const [a, b] = sides;
    if (a.out.length + b.out.length > 0) continue;
    const same = a.state.generation === b.state.generation;
    if (same && [a, b].every(({ state }) => state.signaling === 'stable')) {
      for (const side of sides) side.step({ type: 'connection', state: 'connected' });
      if (sides.every(({ timers, out }) => timers.size === 0 && out.length === 0)) return;
    }
    for (const side of sides) for (const timer of ['offer', 'answer', 'grace'] as const) side.fire(timer, true);
  }
}

test('whatever happens in whatever order, both sides end stable, of one generation, with one leader', () => {
  const moves = fc.array(fc.tuple(fc.constantFrom(0 as const, 1 as const), move), { maxLength: 60 });
  fc.assert(
    fc.property(moves, (played) => {
      const sides = [new Side(true), new Side(false)] as const;
      play(sides, [[0, { do: 'start', offerer: 'peer' }], [1, { do: 'start', offerer: 'peer' }], ...played]);
      // A link that gave up is not one of those that have to stand.
      fc.pre(sides.every(({ state }) => state.signaling !== 'over'));
      calm(sides);
      const [a, b] = sides.map(({ state }) => state);
      expect([a?.signaling, b?.signaling]).toEqual(['stable', 'stable']);
      expect(a?.generation).toBe(b?.generation);
      expect([a?.leads, b?.leads].filter(Boolean)).toHaveLength(1);
      expect([a?.wanted, b?.wanted, a?.recovery, b?.recovery]).toEqual([undefined, undefined, undefined, undefined]);
      expect(sides.flatMap(({ timers }) => [...timers])).toEqual([]);
    }),
    { numRuns: 2_000 },
  );
});

test('fifty first offers that meet, in any order of delivery, end with the leadership of the smaller id', () => {
  const deliveries = fc.array(fc.constantFrom(0 as const, 1 as const), { minLength: 6, maxLength: 12 });
  fc.assert(
    fc.property(deliveries, (order) => {
      const sides = [new Side(true), new Side(false)] as const;
      for (const side of sides) side.step({ type: 'start', offerer: 'self' });
      play(
        sides,
        order.map((at) => [at, { do: 'deliver' }] as const),
      );
      calm(sides);
      expect(sides.map(({ state }) => state.signaling)).toEqual(['stable', 'stable']);
      expect(sides.map(({ state }) => state.leads)).toEqual([true, false]);
      expect(sides.map(({ state }) => state.generation)).toEqual([0, 0]);
    }),
    { numRuns: 50 },
  );
});
