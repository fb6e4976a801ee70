import { expect, test } from 'vitest';
import {
  newNegotiation,
  negotiationId,
  stepNegotiation,
  type NegotiationEffect,
  type NegotiationEvent,
  type NegotiationMachine,
} from '../../../../../src/client/calls/webrtc/negotiation-machine.ts';

const run = (
  events: readonly NegotiationEvent[],
  from: NegotiationMachine = newNegotiation(true),
): NegotiationMachine => events.reduce((state, event) => stepNegotiation(state, event)[0], from);

const start = (offerer: 'self' | 'peer'): NegotiationEvent => ({ type: 'start', offerer });
const offer = (generation = 0): NegotiationEvent => ({ type: 'offer', sdp: 'o', id: 'x', generation });
const answer = (id: string | undefined, generation = 0): NegotiationEvent => ({
  type: 'answer',
  sdp: 'a',
  id,
  generation,
});
const requested = (generation = 0): NegotiationEvent => ({ type: 'restart-requested', generation });
const connection = (state: 'connecting' | 'connected' | 'disconnected' | 'failed'): NegotiationEvent => ({
  type: 'connection',
  state,
});
const timer = (name: 'offer' | 'answer' | 'grace' | 'recovery', up = true): NegotiationEvent => ({
  type: 'timeout',
  timer: name,
  isSignalingUp: up,
});
const recoverNow = (up = true): NegotiationEvent => ({ type: 'recover', isSignalingUp: up });

const fresh = newNegotiation(true);
const offered = run([start('self')]);
const leader = run([start('self'), answer('0.1'), connection('connected')]);
const follower = run([start('peer'), offer(), connection('connected')], newNegotiation(false));
const foreignOffer = run([{ type: 'negotiation-needed' }], follower);
const restarting = run([connection('disconnected'), timer('grace')], leader);
const asking = run([connection('disconnected'), timer('grace')], follower);
const over = run([connection('failed'), ...Array.from({ length: 5 }, () => timer('recovery'))], follower);

/** Describes each effect briefly, timers without their duration. */
function describeEffects(effects: readonly NegotiationEffect[]): string[] {
  return effects.map((effect) => {
    switch (effect.do) {
      case 'send-offer':
        return effect.restart ? 'restart' : 'offer';
      case 'accept-offer':
        return effect.fresh ? 'accept-offer fresh' : 'accept';
      case 'request-restart':
        return `request-restart ${effect.generation}`;
      case 'report-state':
        return `report ${effect.state}`;
      case 'set-timer':
      case 'clear-timer':
        return `${effect.do} ${effect.timer}`;
      default:
        return effect.do;
    }
  });
}

type Row = [
  title: string,
  state: NegotiationMachine,
  event: NegotiationEvent,
  signaling: NegotiationMachine['signaling'],
  effects: string[],
];

test.each<Row>([
  [
    'the participant who is in the call offers',
    fresh,
    start('self'),
    'offered',
    ['clear-timer offer', 'offer', 'set-timer answer'],
  ],
  ['the participant who joins waits for an offer', fresh, start('peer'), 'new', ['set-timer offer']],
  [
    'the participant who joins offers if no offer arrives',
    fresh,
    timer('offer'),
    'offered',
    ['clear-timer offer', 'offer', 'set-timer answer'],
  ],
  ['a late offer timeout is ignored', leader, timer('offer'), 'stable', []],
  ['a second start is ignored', offered, start('self'), 'offered', []],
  [
    'the initial offer is answered',
    fresh,
    offer(),
    'stable',
    ['clear-timer offer', 'accept-offer fresh', 'set-timer grace'],
  ],
  ['a renegotiation is answered', follower, offer(), 'stable', ['accept']],
  ['an offer of an earlier generation is dropped', { ...follower, generation: 2 }, offer(1), 'stable', []],
  [
    'an offer of a later generation replaces the connection',
    follower,
    offer(1),
    'stable',
    [
      'clear-timer offer',
      'clear-timer answer',
      'report connecting',
      'discard-connection',
      'accept-offer fresh',
      'set-timer grace',
    ],
  ],
  [
    'the answer to the pending offer is applied',
    offered,
    answer('0.1'),
    'stable',
    ['clear-timer answer', 'apply-answer', 'set-timer grace'],
  ],
  [
    'an answer without a negotiation id is applied',
    offered,
    answer(undefined),
    'stable',
    ['clear-timer answer', 'apply-answer', 'set-timer grace'],
  ],
  ['an answer to another offer is dropped', offered, answer('0.7'), 'offered', []],
  ['an answer of another generation is dropped', offered, answer('0.1', 1), 'offered', []],
  ['an unexpected answer is dropped', leader, answer('0.1'), 'stable', []],
  ['an answer before any offer is dropped', fresh, answer('0.1'), 'new', []],
  ['the winner of glare ignores the other initial offer', offered, offer(), 'offered', []],
  [
    'the loser of glare discards its connection and answers',
    { ...offered, winsGlare: false },
    offer(),
    'stable',
    ['clear-timer offer', 'clear-timer answer', 'discard-connection', 'accept-offer fresh', 'set-timer grace'],
  ],
  ['the leader ignores an offer that collides with its own', run([requested()], leader), offer(), 'offered', []],
  [
    'the follower rolls back, answers, and offers again',
    foreignOffer,
    offer(),
    'offered',
    ['clear-timer answer', 'rollback', 'accept', 'clear-timer offer', 'offer', 'set-timer answer'],
  ],
  [
    'the leader restarts ICE on request',
    leader,
    requested(),
    'offered',
    ['clear-timer offer', 'restart', 'set-timer answer'],
  ],
  ['a pending restart satisfies another request', restarting, requested(), 'offered', []],
  ['the follower never restarts ICE', follower, requested(), 'stable', []],
  [
    'the leader rebuilds on a request for the next generation',
    leader,
    requested(1),
    'offered',
    [
      'clear-timer offer',
      'clear-timer answer',
      'report connecting',
      'discard-connection',
      'clear-timer offer',
      'offer',
      'set-timer answer',
    ],
  ],
  ['a request for a later generation is ignored', leader, requested(7), 'stable', []],
  ['a restart request before the negotiation is ignored', fresh, requested(), 'new', []],
  [
    'a slot without a transceiver causes an offer',
    follower,
    { type: 'negotiation-needed' },
    'offered',
    ['clear-timer offer', 'offer', 'set-timer answer'],
  ],
  ['slots before the initial offer are part of it', fresh, { type: 'negotiation-needed' }, 'new', []],
  [
    'the connected state is reported',
    run([start('peer'), offer()]),
    connection('connected'),
    'stable',
    ['clear-timer grace', 'clear-timer recovery', 'report connected'],
  ],
  [
    'a disconnection starts the grace period',
    leader,
    connection('disconnected'),
    'stable',
    ['report disconnected', 'set-timer grace'],
  ],
  [
    'a failure starts recovery immediately',
    leader,
    connection('failed'),
    'stable',
    ['report disconnected', 'clear-timer grace', 'set-timer recovery'],
  ],
  [
    'so does a disconnection that becomes a failure',
    run([connection('disconnected')], leader),
    connection('failed'),
    'stable',
    ['clear-timer grace', 'set-timer recovery'],
  ],
  [
    'a failure while recovering causes an immediate rebuild',
    restarting,
    connection('failed'),
    'offered',
    [
      'clear-timer offer',
      'clear-timer answer',
      'report connecting',
      'discard-connection',
      'clear-timer offer',
      'offer',
      'set-timer answer',
    ],
  ],
  ['the follower requests the rebuild', asking, connection('failed'), 'stable', ['request-restart 1']],
  [
    'a connection that failed without a disconnection is rebuilt',
    run([connection('failed')], leader),
    timer('recovery'),
    'offered',
    [
      'clear-timer grace',
      'clear-timer offer',
      'clear-timer answer',
      'report connecting',
      'discard-connection',
      'clear-timer offer',
      'offer',
      'set-timer answer',
      'set-timer recovery',
    ],
  ],
  ['a second disconnection is ignored', restarting, connection('disconnected'), 'offered', []],
  ['a request while the initial offer of a generation is pending is ignored', offered, requested(), 'offered', []],
  [
    'after the grace period the leader restarts ICE',
    run([connection('disconnected')], leader),
    timer('grace'),
    'offered',
    ['clear-timer grace', 'clear-timer offer', 'restart', 'set-timer answer', 'set-timer recovery'],
  ],
  [
    'after the grace period the follower requests a restart',
    run([connection('disconnected')], follower),
    timer('grace'),
    'stable',
    ['clear-timer grace', 'request-restart 0', 'set-timer recovery'],
  ],
  [
    'a grace timeout after reconnecting is ignored',
    run([connection('disconnected'), connection('connected')], leader),
    timer('grace'),
    'stable',
    [],
  ],
  [
    'without signalling the recovery step is postponed',
    run([connection('disconnected')], leader),
    timer('grace', false),
    'stable',
    ['clear-timer grace'],
  ],
  [
    'the postponed step is performed when signalling is up',
    run([connection('disconnected'), timer('grace', false)], leader),
    { type: 'signaling-up' },
    'offered',
    ['clear-timer grace', 'clear-timer offer', 'restart', 'set-timer answer', 'set-timer recovery'],
  ],
  [
    'the answer timeout of a pending offer restarts when signalling is up',
    offered,
    { type: 'signaling-up' },
    'offered',
    ['set-timer answer'],
  ],
  ['recover on a connected link is ignored', leader, recoverNow(), 'stable', []],
  ['recover before the first connection is ignored', offered, recoverNow(), 'offered', []],
  [
    'recover while disconnected starts recovery',
    run([connection('disconnected')], leader),
    recoverNow(),
    'offered',
    ['clear-timer grace', 'clear-timer offer', 'restart', 'set-timer answer', 'set-timer recovery'],
  ],
  ['recover while recovering causes another attempt', asking, recoverNow(), 'stable', ['request-restart 0']],
  ['recover without signalling is ignored', asking, recoverNow(false), 'stable', []],
  [
    'without an answer the offer is sent again',
    offered,
    timer('answer'),
    'offered',
    ['rollback', 'clear-timer offer', 'offer', 'set-timer answer'],
  ],
  [
    'without a second answer the connection is rebuilt',
    run([timer('answer')], offered),
    timer('answer'),
    'offered',
    ['clear-timer offer', 'clear-timer answer', 'discard-connection', 'clear-timer offer', 'offer', 'set-timer answer'],
  ],
  ['offers are not repeated without signalling', offered, timer('answer', false), 'offered', []],
  [
    "an offer that can't be applied replaces the connection",
    leader,
    { type: 'effect-failed', effect: { do: 'accept-offer', sdp: 'o', id: 'x', fresh: false } },
    'stable',
    [
      'clear-timer offer',
      'clear-timer answer',
      'report connecting',
      'discard-connection',
      'accept-offer fresh',
      'set-timer grace',
    ],
  ],
  [
    "an offer that can't be applied to a new connection is replaced by our offer",
    fresh,
    { type: 'effect-failed', effect: { do: 'accept-offer', sdp: 'o', id: 'x', fresh: true } },
    'new',
    ['clear-timer offer', 'clear-timer answer', 'discard-connection', 'set-timer offer'],
  ],
  [
    "an answer that can't be applied causes a rebuild",
    leader,
    { type: 'effect-failed', effect: { do: 'apply-answer', sdp: 'a' } },
    'offered',
    [
      'clear-timer offer',
      'clear-timer answer',
      'report connecting',
      'discard-connection',
      'clear-timer offer',
      'offer',
      'set-timer answer',
    ],
  ],
  ['events after the end are ignored', over, connection('connected'), 'closed', []],
])('%s', (_title, state, event, signaling, effects) => {
  const [next, done] = stepNegotiation(state, event);
  expect(next.signaling).toBe(signaling);
  expect(describeEffects(done)).toEqual(effects);
  // Without effects the state is unchanged, unless a step was postponed.
  expect(next === state || effects.length > 0 || next.isPostponed).toBe(true);
});

test('attempts follow at 0, 4 and 10 s, a rebuild at 15 s, the end at 30 s', () => {
  const down = run([connection('disconnected')], leader);
  let [state, effects] = stepNegotiation(down, timer('grace'));
  let now = 0;
  const log = ['0 restart'];
  for (;;) {
    // Each offer is answered, but the connection stays down.
    if (state.signaling === 'offered')
      state = stepNegotiation(state, answer(negotiationId(state), state.generation))[0];
    const next = effects.find((effect) => effect.do === 'set-timer' && effect.timer === 'recovery');
    if (next?.do !== 'set-timer') break;
    now += next.ms;
    [state, effects] = stepNegotiation(state, timer('recovery'));
    log.push(
      ...describeEffects(effects)
        .filter((word) => /restart|discard|report/.test(word))
        .map((word) => `${now} ${word}`),
    );
  }
  expect(log).toEqual([
    '0 restart',
    '4000 restart',
    '10000 restart',
    '15000 report connecting',
    '15000 discard-connection',
    '30000 report failed',
  ]);
});

test('the follower requests the same restarts, and the rebuild with the next generation', () => {
  let [state, effects] = stepNegotiation(run([connection('disconnected')], follower), timer('grace'));
  const log = describeEffects(effects).filter((word) => word.startsWith('request'));
  while (effects.some((effect) => effect.do === 'set-timer')) {
    [state, effects] = stepNegotiation(state, timer('recovery'));
    log.push(...describeEffects(effects).filter((word) => /request|report/.test(word)));
  }
  expect(log).toEqual([
    'request-restart 0',
    'request-restart 0',
    'request-restart 0',
    'request-restart 1',
    'report failed',
  ]);
});

test('an offer received while the connection is down counts as a recovery attempt', () => {
  const down = run([connection('disconnected')], follower);
  const [state, effects] = stepNegotiation(down, offer());
  expect(describeEffects(effects)).toEqual(['accept', 'clear-timer grace', 'set-timer recovery']);
  expect(describeEffects(stepNegotiation(state, connection('disconnected'))[1])).toEqual([]);
});

test('a restored connection resets the recovery', () => {
  const again = run([answer('0.2'), connection('connected')], restarting);
  expect(again).toEqual({ ...leader, offerCount: 2 });
});

test('the link fails after three offers without an answer', () => {
  const last = run([timer('answer'), timer('answer')], offered);
  expect(last.generation).toBe(1);
  const [state, effects] = stepNegotiation(last, timer('answer'));
  expect(state.signaling).toBe('closed');
  expect(describeEffects(effects)).toContain('report failed');
});
