import { describe, expect, test } from 'vitest';
import {
  NEW_CALL,
  stepCall,
  type CallEffect,
  type CallEvent,
  type CallMachine,
  type CallTimer,
} from '../../../../../src/client/calls/session/call-machine.ts';
import type { CallState } from '../../../../../src/protocol/constants.ts';
import { fc } from '../../../../helpers/property.ts';

/** Every situation of a call that differs in the events it accepts. */
const SITUATIONS = {
  idle: NEW_CALL,
  initiating: { ...NEW_CALL, state: 'initiating' },
  'ringing at the callee': { ...NEW_CALL, state: 'ringing' },
  'ringing here': { ...NEW_CALL, state: 'ringing', direction: 'incoming', isInvited: true },
  accepting: { ...NEW_CALL, state: 'connecting', direction: 'incoming', isInvited: true },
  joining: { ...NEW_CALL, state: 'connecting', direction: 'incoming' },
  answering: { ...NEW_CALL, state: 'connecting', direction: 'incoming', hasAccepted: true },
  connecting: { ...NEW_CALL, state: 'connecting', hasJoined: true },
  connected: { ...NEW_CALL, state: 'connected', hasJoined: true, wasConnected: true },
  reconnecting: { ...NEW_CALL, state: 'reconnecting', hasJoined: true, wasConnected: true },
  ended: { ...NEW_CALL, state: 'ended', endReason: 'completed' },
} as const satisfies Record<string, CallMachine>;
type Situation = keyof typeof SITUATIONS;

const timeout = (timer: CallTimer): CallEvent => ({ type: 'timeout', timer });
const EVENTS = {
  start: { type: 'start' },
  join: { type: 'join' },
  incoming: { type: 'incoming' },
  accept: { type: 'accept' },
  reject: { type: 'reject' },
  'hang-up': { type: 'hang-up' },
  'media-ready': { type: 'media-ready' },
  'media-failed': { type: 'media-failed' },
  initiated: { type: 'initiated', assumeRinging: false },
  'initiated by a base server': { type: 'initiated', assumeRinging: true },
  ringing: { type: 'ringing' },
  answered: { type: 'answered' },
  'peer-connected': { type: 'peer-connected' },
  'peers-disconnected': { type: 'peers-disconnected' },
  'answer timeout': timeout('answer'),
  'assume timeout': timeout('assume-ringing'),
  'connect timeout': timeout('connect'),
  'disconnected timeout': timeout('disconnected'),
  'recover timeout': timeout('recover'),
  'not-found': { type: 'not-found' },
  failed: { type: 'failed', detail: 'permission' },
  ended: { type: 'ended', reason: 'rejected', detail: 'rejected_elsewhere' },
} as const satisfies Record<string, CallEvent>;
type EventName = keyof typeof EVENTS;

/** `state [reason [detail]]: effects`. An event without a row changes nothing and returns the same machine. */
type Rows = Partial<Record<EventName, string>>;

const OVER = 'ended rejected rejected_elsewhere: dispose';
const failed = 'ended failed permission: hang-up(failed permission) dispose';
const TABLE: Record<Situation, Rows> = {
  idle: {
    start: 'initiating: acquire-media',
    join: 'connecting: acquire-media set-timer(answer)',
    incoming: 'ringing: set-timer(answer)',
    'hang-up': 'ended cancelled: dispose',
    'not-found': 'ended failed signalling: dispose',
    failed,
    'answer timeout': 'ended missed: hang-up(missed) dispose',
    ended: OVER,
  },
  initiating: {
    'media-failed': failed,
    'media-ready': 'initiating: initiate set-timer(answer)',
    'initiated by a base server': 'initiating: set-timer(assume-ringing)',
    ringing: 'ringing: clear-timer(assume-ringing)',
    'assume timeout': 'ringing: clear-timer(assume-ringing)',
    answered: 'connecting: clear-timer(answer) clear-timer(assume-ringing) join-media set-timer(connect)',
    'hang-up': 'ended cancelled: hang-up(cancelled) dispose',
    'answer timeout': 'ended missed: hang-up(missed) dispose',
    'not-found': 'ended failed signalling: dispose',
    failed,
    ended: OVER,
  },
  'ringing at the callee': {
    answered: 'connecting: clear-timer(answer) clear-timer(assume-ringing) join-media set-timer(connect)',
    'hang-up': 'ended cancelled: hang-up(cancelled) dispose',
    'answer timeout': 'ended missed: hang-up(missed) dispose',
    'not-found': 'ended failed signalling: dispose',
    failed,
    ended: OVER,
  },
  'ringing here': {
    accept: 'connecting: acquire-media',
    reject: 'ended rejected: reject dispose',
    'hang-up': 'ended rejected: reject dispose',
    answered: 'ended completed answered_elsewhere: dispose',
    'answer timeout': 'ended missed: dispose',
    'not-found': 'ended missed: dispose',
    failed,
    ended: OVER,
  },
  accepting: {
    'media-ready': 'connecting: accept',
    'media-failed': 'ringing: release-media',
    answered: 'ended completed answered_elsewhere: dispose',
    'hang-up': 'ended rejected: hang-up(rejected) dispose',
    'answer timeout': 'ended missed: hang-up(missed) dispose',
    'connect timeout': 'ended failed ice: hang-up(failed ice) dispose',
    'not-found': 'ended missed: dispose',
    failed,
    ended: OVER,
  },
  joining: {
    'media-ready': 'connecting: accept',
    'media-failed': failed,
    answered: 'ended completed answered_elsewhere: dispose',
    'hang-up': 'ended rejected: hang-up(rejected) dispose',
    'answer timeout': 'ended missed: hang-up(missed) dispose',
    'connect timeout': 'ended failed ice: hang-up(failed ice) dispose',
    'not-found': 'ended missed: dispose',
    failed,
    ended: OVER,
  },
  answering: {
    answered: 'connecting: clear-timer(answer) clear-timer(assume-ringing) join-media set-timer(connect)',
    'hang-up': 'ended rejected: hang-up(rejected) dispose',
    'answer timeout': 'ended missed: hang-up(missed) dispose',
    'connect timeout': 'ended failed ice: hang-up(failed ice) dispose',
    'not-found': 'ended missed: dispose',
    failed,
    ended: OVER,
  },
  connecting: {
    'peer-connected': 'connected: clear-timer(connect) report-connected',
    'hang-up': 'ended completed: hang-up(completed) dispose',
    'connect timeout': 'ended failed ice: hang-up(failed ice) dispose',
    'not-found': 'ended failed signalling: dispose',
    failed,
    ended: OVER,
  },
  connected: {
    'peer-connected': 'connected: clear-timer(disconnected)',
    'peers-disconnected': 'connected: set-timer(disconnected)',
    'disconnected timeout': 'reconnecting: set-timer(recover)',
    'hang-up': 'ended completed: hang-up(completed) dispose',
    'not-found': 'ended completed: dispose',
    failed,
    ended: OVER,
  },
  reconnecting: {
    'peer-connected': 'connected: clear-timer(recover)',
    'recover timeout': 'ended failed ice: hang-up(failed ice) dispose',
    'hang-up': 'ended completed: hang-up(completed) dispose',
    'not-found': 'ended completed: dispose',
    failed,
    ended: OVER,
  },
  ended: {},
};

function describeStep({ state, endReason, detail }: CallMachine, effects: readonly CallEffect[]): string {
  const parts = [state, endReason, detail].filter((each) => each !== undefined);
  const list = effects.map((effect) => {
    if (effect.do === 'set-timer' || effect.do === 'clear-timer') return `${effect.do}(${effect.timer})`;
    if (effect.do !== 'hang-up') return effect.do;
    return `hang-up(${[effect.reason, effect.detail].filter((each) => each !== undefined).join(' ')})`;
  });
  return `${parts.join(' ')}: ${list.join(' ')}`;
}

const ROWS = (Object.keys(SITUATIONS) as Situation[]).flatMap((situation) =>
  (Object.keys(EVENTS) as EventName[]).map((event) => [situation, event, TABLE[situation][event]] as const),
);

test.each(ROWS)('%s: %s', (situation, event, expected) => {
  const machine: CallMachine = SITUATIONS[situation];
  const [next, effects] = stepCall(machine, EVENTS[event]);
  expect(next === machine && effects.length === 0 ? undefined : describeStep(next, effects)).toBe(expected);
});

describe('for any sequence of events', () => {
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
  const sequence = fc.array(fc.constantFrom(...(Object.keys(EVENTS) as EventName[])), { maxLength: 40 });

  test('a call ends at most once, and no effect follows its end', () => {
    fc.assert(
      fc.property(sequence, (names) => {
        const { states, effects } = run(names);
        const end = states.indexOf('ended');
        const after = end === -1 ? [] : states.slice(end);
        expect(after.every((state) => state === 'ended')).toBe(true);
        const disposals = effects.flatMap((effect, at) => (effect.do === 'dispose' ? [at] : []));
        expect(disposals).toEqual(end === -1 ? [] : [effects.length - 1]);
        expect(effects.filter((effect) => effect.do === 'hang-up' || effect.do === 'reject').length).toBeLessThan(2);
      }),
    );
  });

  test('media is joined at most once, and only after it was acquired', () => {
    fc.assert(
      fc.property(sequence, (names) => {
        const kinds = run(names).effects.map((effect) => effect.do);
        expect(kinds.filter((kind) => kind === 'join-media').length).toBeLessThan(2);
        // A call that rings again opens its devices again.
        const count = (wanted: CallEffect['do']): number => kinds.filter((kind) => kind === wanted).length;
        expect([0, 1]).toContain(count('acquire-media') - count('release-media'));
        const begun = kinds.slice(0, Math.max(0, kinds.indexOf('join-media')));
        expect(begun.includes('acquire-media')).toBe(kinds.includes('join-media'));
      }),
    );
  });
});
