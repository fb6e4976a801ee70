import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  NEW_CALL,
  stepCall,
  type CallEffect,
  type CallEvent,
  type CallMachine,
  type CallTimer,
} from '../../../../src/client/calls/call-machine.ts';
import type { CallState } from '../../../../src/protocol/vocabulary.ts';

/** Every stand of a call that differs in what may follow. */
const STANDS = {
  idle: NEW_CALL,
  initiating: { ...NEW_CALL, state: 'initiating' },
  'ringing there': { ...NEW_CALL, state: 'ringing' },
  'ringing here': { ...NEW_CALL, state: 'ringing', direction: 'incoming' },
  accepting: { ...NEW_CALL, state: 'connecting', direction: 'incoming' },
  answering: { ...NEW_CALL, state: 'connecting', direction: 'incoming', responded: true },
  connecting: { ...NEW_CALL, state: 'connecting', joined: true },
  connected: { ...NEW_CALL, state: 'connected', joined: true, wasConnected: true },
  reconnecting: { ...NEW_CALL, state: 'reconnecting', joined: true, wasConnected: true },
  ended: { ...NEW_CALL, state: 'ended', endReason: 'completed' },
} as const satisfies Record<string, CallMachine>;
type Stand = keyof typeof STANDS;

const timeout = (timer: CallTimer): CallEvent => ({ type: 'timeout', timer });
const EVENTS = {
  dial: { type: 'dial' },
  rejoin: { type: 'rejoin' },
  invited: { type: 'invited' },
  accept: { type: 'accept' },
  reject: { type: 'reject' },
  'hang-up': { type: 'hang-up' },
  acquired: { type: 'acquired' },
  named: { type: 'named', assume: false },
  'named by a base server': { type: 'named', assume: true },
  ringing: { type: 'ringing' },
  answered: { type: 'answered' },
  'peer-up': { type: 'peer-up' },
  'peers-down': { type: 'peers-down' },
  'answer timeout': timeout('answer'),
  'assume timeout': timeout('assume'),
  'connect timeout': timeout('connect'),
  'down timeout': timeout('down'),
  'recover timeout': timeout('recover'),
  vanished: { type: 'vanished' },
  failed: { type: 'failed', detail: 'permission' },
  ended: { type: 'ended', reason: 'rejected', detail: 'rejected_elsewhere' },
} as const satisfies Record<string, CallEvent>;
type EventName = keyof typeof EVENTS;

/** `state [reason [detail]]: effects`; no row of an event: nothing, the very same machine. */
type Rows = Partial<Record<EventName, string>>;

const OVER = 'ended rejected rejected_elsewhere: dispose';
const failed = 'ended failed permission: hang-up(failed permission) dispose';
const TABLE: Record<Stand, Rows> = {
  idle: {
    dial: 'initiating: acquire',
    rejoin: 'connecting: acquire set(answer)',
    invited: 'ringing: set(answer)',
    'hang-up': 'ended cancelled: dispose',
    vanished: 'ended failed signalling: dispose',
    failed,
    'answer timeout': 'ended missed: hang-up(missed) dispose',
    ended: OVER,
  },
  initiating: {
    acquired: 'initiating: initiate set(answer)',
    'named by a base server': 'initiating: set(assume)',
    ringing: 'ringing: clear(assume)',
    'assume timeout': 'ringing: clear(assume)',
    answered: 'connecting: clear(answer) clear(assume) join set(connect)',
    'hang-up': 'ended cancelled: hang-up(cancelled) dispose',
    'answer timeout': 'ended missed: hang-up(missed) dispose',
    vanished: 'ended failed signalling: dispose',
    failed,
    ended: OVER,
  },
  'ringing there': {
    answered: 'connecting: clear(answer) clear(assume) join set(connect)',
    'hang-up': 'ended cancelled: hang-up(cancelled) dispose',
    'answer timeout': 'ended missed: hang-up(missed) dispose',
    vanished: 'ended failed signalling: dispose',
    failed,
    ended: OVER,
  },
  'ringing here': {
    accept: 'connecting: acquire',
    reject: 'ended rejected: decline dispose',
    'hang-up': 'ended rejected: decline dispose',
    answered: 'ended completed answered_elsewhere: dispose',
    'answer timeout': 'ended missed: dispose',
    vanished: 'ended missed: dispose',
    failed,
    ended: OVER,
  },
  accepting: {
    acquired: 'connecting: respond',
    answered: 'ended completed answered_elsewhere: dispose',
    'hang-up': 'ended rejected: hang-up(rejected) dispose',
    'answer timeout': 'ended missed: hang-up(missed) dispose',
    'connect timeout': 'ended failed ice: hang-up(failed ice) dispose',
    vanished: 'ended missed: dispose',
    failed,
    ended: OVER,
  },
  answering: {
    answered: 'connecting: clear(answer) clear(assume) join set(connect)',
    'hang-up': 'ended rejected: hang-up(rejected) dispose',
    'answer timeout': 'ended missed: hang-up(missed) dispose',
    'connect timeout': 'ended failed ice: hang-up(failed ice) dispose',
    vanished: 'ended missed: dispose',
    failed,
    ended: OVER,
  },
  connecting: {
    'peer-up': 'connected: clear(connect) tell-connected',
    'hang-up': 'ended completed: hang-up(completed) dispose',
    'connect timeout': 'ended failed ice: hang-up(failed ice) dispose',
    vanished: 'ended failed signalling: dispose',
    failed,
    ended: OVER,
  },
  connected: {
    'peer-up': 'connected: clear(down)',
    'peers-down': 'connected: set(down)',
    'down timeout': 'reconnecting: set(recover)',
    'hang-up': 'ended completed: hang-up(completed) dispose',
    vanished: 'ended completed: dispose',
    failed,
    ended: OVER,
  },
  reconnecting: {
    'peer-up': 'connected: clear(recover)',
    'recover timeout': 'ended failed ice: hang-up(failed ice) dispose',
    'hang-up': 'ended completed: hang-up(completed) dispose',
    vanished: 'ended completed: dispose',
    failed,
    ended: OVER,
  },
  ended: {},
};

function told({ state, endReason, detail }: CallMachine, effects: readonly CallEffect[]): string {
  const parts = [state, endReason, detail].filter((each) => each !== undefined);
  const list = effects.map((effect) => {
    if (effect.do === 'set' || effect.do === 'clear') return `${effect.do}(${effect.timer})`;
    if (effect.do !== 'hang-up') return effect.do;
    return `hang-up(${[effect.reason, effect.detail].filter((each) => each !== undefined).join(' ')})`;
  });
  return `${parts.join(' ')}: ${list.join(' ')}`;
}

const ROWS = (Object.keys(STANDS) as Stand[]).flatMap((stand) =>
  (Object.keys(EVENTS) as EventName[]).map((event) => [stand, event, TABLE[stand][event]] as const),
);

test.each(ROWS)('%s, then %s', (stand, event, expected) => {
  const machine: CallMachine = STANDS[stand];
  const [next, effects] = stepCall(machine, EVENTS[event]);
  expect(next === machine && effects.length === 0 ? undefined : told(next, effects)).toBe(expected);
});

describe('whatever happens, in whatever order', () => {
  const run = (names: readonly EventName[]): { states: CallState[]; effects: CallEffect[] } => {
    let machine = NEW_CALL;
    const states: CallState[] = [machine.state];
    const effects: CallEffect[] = [];
    for (const name of names) {
      const [next, more] = stepCall(machine, EVENTS[name]);
      machine = next;
      states.push(next.state);
      effects.push(...more);
    }
    return { states, effects };
  };
  const any = fc.array(fc.constantFrom(...(Object.keys(EVENTS) as EventName[])), { maxLength: 40 });

  test('a call ends at most once, and nothing is done after its end', () => {
    fc.assert(
      fc.property(any, (names) => {
        const { states, effects } = run(names);
        const end = states.indexOf('ended');
        const after = end === -1 ? [] : states.slice(end);
        expect(after.every((state) => state === 'ended')).toBe(true);
        const disposals = effects.flatMap((effect, at) => (effect.do === 'dispose' ? [at] : []));
        expect(disposals).toEqual(end === -1 ? [] : [effects.length - 1]);
        expect(effects.filter((effect) => effect.do === 'hang-up' || effect.do === 'decline').length).toBeLessThan(2);
      }),
    );
  });

  test('media is joined at most once, and only after it was asked for', () => {
    fc.assert(
      fc.property(any, (names) => {
        const kinds = run(names).effects.map((effect) => effect.do);
        expect(kinds.filter((kind) => kind === 'join').length).toBeLessThan(2);
        expect(kinds.filter((kind) => kind === 'acquire').length).toBeLessThan(2);
        const begun = kinds.slice(0, Math.max(0, kinds.indexOf('join')));
        expect(begun.includes('acquire')).toBe(kinds.includes('join'));
      }),
    );
  });
});
