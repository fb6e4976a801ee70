import { expect, test } from 'vitest';
import {
  newLink,
  offerId,
  stepLink,
  type LinkEffect,
  type LinkEvent,
  type LinkState,
} from '../../../../src/client/calls/link-machine.ts';

const run = (events: readonly LinkEvent[], from: LinkState = newLink(true)): LinkState =>
  events.reduce((state, event) => stepLink(state, event)[0], from);

const start = (offerer: 'self' | 'peer'): LinkEvent => ({ type: 'start', offerer });
const offer = (generation = 0): LinkEvent => ({ type: 'offer', sdp: 'o', id: 'x', generation });
const answer = (id: string | undefined, generation = 0): LinkEvent => ({ type: 'answer', sdp: 'a', id, generation });
const asked = (generation = 0): LinkEvent => ({ type: 'asked', generation });
const connection = (state: 'connecting' | 'connected' | 'disconnected' | 'failed'): LinkEvent => ({
  type: 'connection',
  state,
});
const timer = (name: 'offer' | 'answer' | 'grace' | 'recovery', up = true): LinkEvent => ({
  type: 'timer',
  timer: name,
  up,
});
const hint = (up = true): LinkEvent => ({ type: 'hint', up });

const fresh = newLink(true);
const offered = run([start('self')]);
const leader = run([start('self'), answer('0.1'), connection('connected')]);
const follower = run([start('peer'), offer(), connection('connected')], newLink(false));
const foreignOffer = run([{ type: 'slots' }], follower);
const restarting = run([connection('disconnected'), timer('grace')], leader);
const asking = run([connection('disconnected'), timer('grace')], follower);
const over = run([connection('failed'), ...Array.from({ length: 5 }, () => timer('recovery'))], follower);

/** Effects in a word each, timers without their times. */
function words(effects: readonly LinkEffect[]): string[] {
  return effects.map((effect) => {
    switch (effect.do) {
      case 'offer':
        return effect.restart ? 'restart' : 'offer';
      case 'accept':
        return effect.fresh ? 'accept fresh' : 'accept';
      case 'ask':
        return `ask ${effect.generation}`;
      case 'tell':
        return `tell ${effect.state}`;
      case 'arm':
      case 'disarm':
        return `${effect.do} ${effect.timer}`;
      default:
        return effect.do;
    }
  });
}

type Row = [title: string, state: LinkState, event: LinkEvent, signaling: LinkState['signaling'], effects: string[]];

test.each<Row>([
  ['whoever is in already offers', fresh, start('self'), 'offered', ['disarm offer', 'offer', 'arm answer']],
  ['the newcomer waits for an offer', fresh, start('peer'), 'new', ['arm offer']],
  ['the newcomer offers when none came', fresh, timer('offer'), 'offered', ['disarm offer', 'offer', 'arm answer']],
  ['a late wait for an offer is nothing', leader, timer('offer'), 'stable', []],
  ['starting twice is nothing', offered, start('self'), 'offered', []],
  ['a first offer is answered', fresh, offer(), 'stable', ['disarm offer', 'accept fresh', 'arm grace']],
  ['a renegotiation is answered', follower, offer(), 'stable', ['accept']],
  ['an offer of a generation gone by is dropped', { ...follower, generation: 2 }, offer(1), 'stable', []],
  [
    'an offer of a later generation starts over',
    follower,
    offer(1),
    'stable',
    ['disarm offer', 'disarm answer', 'tell connecting', 'rebuild', 'accept fresh', 'arm grace'],
  ],
  [
    'the answer that is waited for settles it',
    offered,
    answer('0.1'),
    'stable',
    ['disarm answer', 'settle', 'arm grace'],
  ],
  [
    'an answer that names no offer settles it',
    offered,
    answer(undefined),
    'stable',
    ['disarm answer', 'settle', 'arm grace'],
  ],
  ['an answer to another offer is dropped', offered, answer('0.7'), 'offered', []],
  ['an answer of another generation is dropped', offered, answer('0.1', 1), 'offered', []],
  ['an answer nobody asked for is dropped', leader, answer('0.1'), 'stable', []],
  ['an answer before any offer is dropped', fresh, answer('0.1'), 'new', []],
  ['the winner ignores the other first offer', offered, offer(), 'offered', []],
  [
    'the loser of two first offers starts over and answers',
    { ...offered, first: false },
    offer(),
    'stable',
    ['disarm offer', 'disarm answer', 'rebuild', 'accept fresh', 'arm grace'],
  ],
  ['the leader ignores an offer that meets its own', run([asked()], leader), offer(), 'offered', []],
  [
    'the follower takes its offer back, answers, and offers again',
    foreignOffer,
    offer(),
    'offered',
    ['disarm answer', 'rollback', 'accept', 'disarm offer', 'offer', 'arm answer'],
  ],
  ['the leader restarts when it is asked', leader, asked(), 'offered', ['disarm offer', 'restart', 'arm answer']],
  ['a restart that is out answers another wish for one', restarting, asked(), 'offered', []],
  ['the follower never restarts', follower, asked(), 'stable', []],
  [
    'the leader rebuilds when it is asked for the next generation',
    leader,
    asked(1),
    'offered',
    ['disarm offer', 'disarm answer', 'tell connecting', 'rebuild', 'disarm offer', 'offer', 'arm answer'],
  ],
  ['no generation is jumped over', leader, asked(7), 'stable', []],
  ['nothing is restarted before there is something', fresh, asked(), 'new', []],
  [
    'a slot that was never negotiated asks for an offer',
    follower,
    { type: 'slots' },
    'offered',
    ['disarm offer', 'offer', 'arm answer'],
  ],
  ['slots before the first offer are part of it', fresh, { type: 'slots' }, 'new', []],
  [
    'a connection that stands is told',
    run([start('peer'), offer()]),
    connection('connected'),
    'stable',
    ['disarm grace', 'disarm recovery', 'tell connected'],
  ],
  ['a disconnection gets a moment', leader, connection('disconnected'), 'stable', ['tell disconnected', 'arm grace']],
  [
    'a failure is recovered from at once',
    leader,
    connection('failed'),
    'stable',
    ['tell disconnected', 'disarm grace', 'arm recovery'],
  ],
  [
    'a disconnection that turns into a failure as well',
    run([connection('disconnected')], leader),
    connection('failed'),
    'stable',
    ['disarm grace', 'arm recovery'],
  ],
  [
    'a failure while recovering is rebuilt at once: no restart brings it back',
    restarting,
    connection('failed'),
    'offered',
    ['disarm offer', 'disarm answer', 'tell connecting', 'rebuild', 'disarm offer', 'offer', 'arm answer'],
  ],
  ['the follower asks for that', asking, connection('failed'), 'stable', ['ask 1']],
  [
    'what failed without a word before is rebuilt',
    run([connection('failed')], leader),
    timer('recovery'),
    'offered',
    [
      'disarm grace',
      'disarm offer',
      'disarm answer',
      'tell connecting',
      'rebuild',
      'disarm offer',
      'offer',
      'arm answer',
      'arm recovery',
    ],
  ],
  ['a second disconnection changes nothing', restarting, connection('disconnected'), 'offered', []],
  ['what is asked for while a new connection is offered is about the old one', offered, asked(), 'offered', []],
  [
    'the moment is over: the leader restarts',
    run([connection('disconnected')], leader),
    timer('grace'),
    'offered',
    ['disarm grace', 'disarm offer', 'restart', 'arm answer', 'arm recovery'],
  ],
  [
    'the moment is over: the follower asks for it',
    run([connection('disconnected')], follower),
    timer('grace'),
    'stable',
    ['disarm grace', 'ask 0', 'arm recovery'],
  ],
  [
    'the moment is over, and it stands again',
    run([connection('disconnected'), connection('connected')], leader),
    timer('grace'),
    'stable',
    [],
  ],
  [
    'without signalling the step waits',
    run([connection('disconnected')], leader),
    timer('grace', false),
    'stable',
    ['disarm grace'],
  ],
  [
    'the step that waited is taken when signalling is up',
    run([connection('disconnected'), timer('grace', false)], leader),
    { type: 'up' },
    'offered',
    ['disarm grace', 'disarm offer', 'restart', 'arm answer', 'arm recovery'],
  ],
  ['an offer that is out gets its time when signalling is up', offered, { type: 'up' }, 'offered', ['arm answer']],
  ['a hint on a standing connection is nothing', leader, hint(), 'stable', []],
  ['a hint before anything stood is nothing', offered, hint(), 'offered', []],
  [
    'a hint while it is down begins at once',
    run([connection('disconnected')], leader),
    hint(),
    'offered',
    ['disarm grace', 'disarm offer', 'restart', 'arm answer', 'arm recovery'],
  ],
  ['a hint while recovering is one more attempt', asking, hint(), 'stable', ['ask 0']],
  ['a hint without signalling waits for it', asking, hint(false), 'stable', []],
  [
    'without an answer the offer is made again',
    offered,
    timer('answer'),
    'offered',
    ['rollback', 'disarm offer', 'offer', 'arm answer'],
  ],
  [
    'without a second answer it is rebuilt',
    run([timer('answer')], offered),
    timer('answer'),
    'offered',
    ['disarm offer', 'disarm answer', 'rebuild', 'disarm offer', 'offer', 'arm answer'],
  ],
  ['no offers pile up without signalling', offered, timer('answer', false), 'offered', []],
  [
    'an offer that fits nothing starts over',
    leader,
    { type: 'broken', effect: { do: 'accept', sdp: 'o', id: 'x', fresh: false } },
    'stable',
    ['disarm offer', 'disarm answer', 'tell connecting', 'rebuild', 'accept fresh', 'arm grace'],
  ],
  [
    'an offer that fits nothing at all is given up for one of ours',
    fresh,
    { type: 'broken', effect: { do: 'accept', sdp: 'o', id: 'x', fresh: true } },
    'new',
    ['disarm offer', 'disarm answer', 'rebuild', 'arm offer'],
  ],
  [
    'an answer that fits nothing starts over',
    leader,
    { type: 'broken', effect: { do: 'settle', sdp: 'a' } },
    'offered',
    ['disarm offer', 'disarm answer', 'tell connecting', 'rebuild', 'disarm offer', 'offer', 'arm answer'],
  ],
  ['nothing follows the end', over, connection('connected'), 'over', []],
])('%s', (_title, state, event, signaling, effects) => {
  const [next, done] = stepLink(state, event);
  expect(next.signaling).toBe(signaling);
  expect(words(done)).toEqual(effects);
  // Where nothing is to be done nothing changes, but for a step that waits from now on.
  expect(next === state || effects.length > 0 || next.due).toBe(true);
});

test('attempts come at 0, 4 and 10 s, a rebuild at 15 s, the end at 30 s', () => {
  const down = run([connection('disconnected')], leader);
  let [state, effects] = stepLink(down, timer('grace'));
  let now = 0;
  const log = ['0 restart'];
  for (;;) {
    // Each is answered, and changes nothing.
    if (state.signaling === 'offered') state = stepLink(state, answer(offerId(state), state.generation))[0];
    const next = effects.find((effect) => effect.do === 'arm' && effect.timer === 'recovery');
    if (next?.do !== 'arm') break;
    now += next.ms;
    [state, effects] = stepLink(state, timer('recovery'));
    log.push(
      ...words(effects)
        .filter((word) => /restart|rebuild|tell/.test(word))
        .map((word) => `${now} ${word}`),
    );
  }
  expect(log).toEqual([
    '0 restart',
    '4000 restart',
    '10000 restart',
    '15000 tell connecting',
    '15000 rebuild',
    '30000 tell failed',
  ]);
});

test('the follower asks for the same, and for a rebuild by the next generation', () => {
  let [state, effects] = stepLink(run([connection('disconnected')], follower), timer('grace'));
  const log = words(effects).filter((word) => word.startsWith('ask'));
  while (effects.some((effect) => effect.do === 'arm')) {
    [state, effects] = stepLink(state, timer('recovery'));
    log.push(...words(effects).filter((word) => /ask|tell/.test(word)));
  }
  expect(log).toEqual(['ask 0', 'ask 0', 'ask 0', 'ask 1', 'tell failed']);
});

test('an offer that comes while the connection is down counts as an attempt', () => {
  const down = run([connection('disconnected')], follower);
  const [state, effects] = stepLink(down, offer());
  expect(words(effects)).toEqual(['accept', 'disarm grace', 'arm recovery']);
  expect(words(stepLink(state, connection('disconnected'))[1])).toEqual([]);
});

test('a connection that stands forgets what was tried', () => {
  const again = run([answer('0.2'), connection('connected')], restarting);
  expect(again).toEqual({ ...leader, offer: 2 });
});

test('a third offer without an answer is the end', () => {
  const last = run([timer('answer'), timer('answer')], offered);
  expect(last.generation).toBe(1);
  const [state, effects] = stepLink(last, timer('answer'));
  expect(state.signaling).toBe('over');
  expect(words(effects)).toContain('tell failed');
});
