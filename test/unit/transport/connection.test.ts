import { describe, expect, test } from 'vitest';
import {
  isConnected,
  reduceConnection,
  statusOf,
  type ConnectionEffect,
  type ConnectionEvent,
  type ConnectionState,
} from '../../../src/transport/connection.ts';
import { deepFreeze } from '../../helpers/client/messages.ts';

type Name = ConnectionState['name'];
const RUNNING = ['opening', 'greeting', 'resyncing', 'connected', 'refreshing', 'waiting'] as const;
const ENDS = ['idle', 'disconnected', 'unauthenticated'] as const;

function state(
  name: Name,
  values: { failures?: number; refusals?: number; wasConnected?: boolean } = {},
): ConnectionState {
  if (name === 'idle' || name === 'disconnected' || name === 'unauthenticated') return { name };
  return { name, failures: 0, refusals: 0, wasConnected: false, ...values };
}

const EVENTS: Readonly<Record<string, ConnectionEvent>> = {
  connect: { type: 'connect' },
  opened: { type: 'opened' },
  greeted: { type: 'greeted' },
  resynced: { type: 'resynced' },
  missed: { type: 'missed' },
  wake: { type: 'wake' },
  disconnect: { type: 'disconnect' },
  failed: { type: 'failed' },
  lost: { type: 'lost', byServer: false },
  'hung-up': { type: 'lost', byServer: true },
  refused: { type: 'refused-user', expired: false },
  expired: { type: 'refused-user', expired: true },
};

function brief(effects: readonly ConnectionEffect[]): string {
  return effects
    .map((effect) => {
      if (effect.do === 'wait') return `wait ${effect.failures}`;
      return effect.do === 'settle' ? `settle ${effect.connected ? 'yes' : 'no'}` : effect.do;
    })
    .join(', ');
}

const STAY = ['', ''] as const;
const WAIT = ['waiting', 'close, wait 1'] as const;
const OUT = ['unauthenticated', 'refresh-token, close, settle no'] as const;
const AGAIN = ['waiting', 'refresh-token, close, wait 1'] as const;
const AFRESH = ['opening', 'close, open'] as const;
const END = ['disconnected', 'close, settle no'] as const;
const RESYNC = ['resyncing', 'resync'] as const;
const REFRESH = ['refreshing', 'refresh'] as const;

/** The next state and the effects for each combination of state and event, in the order of STATES. */
const TABLE: Readonly<Record<string, readonly (readonly [next: string, effects: string])[]>> = {
  // idle, opening, greeting, resyncing, connected, refreshing, waiting, disconnected, unauthenticated
  connect: [['opening', 'open'], STAY, STAY, STAY, STAY, STAY, STAY, ['opening', 'open'], ['opening', 'open']],
  opened: [STAY, ['greeting', 'await-hello'], STAY, STAY, STAY, STAY, STAY, STAY, STAY],
  greeted: [STAY, STAY, RESYNC, RESYNC, RESYNC, RESYNC, STAY, STAY, STAY],
  resynced: [STAY, STAY, STAY, ['connected', 'settle yes'], STAY, ['connected', ''], STAY, STAY, STAY],
  missed: [STAY, STAY, STAY, ['', 'resync'], REFRESH, REFRESH, STAY, STAY, STAY],
  wake: [STAY, AFRESH, AFRESH, AFRESH, STAY, STAY, ['opening', 'open'], STAY, STAY],
  disconnect: [['disconnected', ''], END, END, END, END, END, END, STAY, ['disconnected', '']],
  failed: [STAY, WAIT, WAIT, WAIT, STAY, WAIT, STAY, STAY, STAY],
  lost: [STAY, WAIT, WAIT, WAIT, WAIT, WAIT, STAY, STAY, STAY],
  'hung-up': [STAY, WAIT, AGAIN, WAIT, WAIT, WAIT, STAY, STAY, STAY],
  refused: [STAY, OUT, AGAIN, OUT, OUT, OUT, OUT, STAY, STAY],
  expired: [STAY, AGAIN, AGAIN, AGAIN, AGAIN, AGAIN, AGAIN, STAY, STAY],
};
const STATES: readonly Name[] = [
  'idle',
  'opening',
  'greeting',
  'resyncing',
  'connected',
  'refreshing',
  'waiting',
  'disconnected',
  'unauthenticated',
];

describe('transitions', () => {
  const rows = Object.keys(EVENTS).flatMap((event) =>
    STATES.map((name, at) => [name, event, ...(TABLE[event]?.[at] ?? ['?', '?'])] as const),
  );
  test.each(rows)('%s, %s: %s (%s)', (name, event, next, effects) => {
    const before = deepFreeze(state(name));
    const [after, done] = reduceConnection(before, EVENTS[event] ?? { type: 'connect' });
    expect(after.name).toBe(next === '' ? name : next);
    expect(brief(done)).toBe(effects);
    const isStill = next === '' && effects === '' && event !== 'disconnect';
    expect(after === before).toBe(isStill);
  });
});

test('the backoff grows with consecutive failures and is reset once connected', () => {
  let current = state('opening');
  const log: string[] = [];
  for (const event of ['failed', 'wake', 'failed', 'wake', 'opened', 'greeted', 'resynced', 'lost']) {
    const [next, effects] = reduceConnection(current, EVENTS[event] ?? { type: 'connect' });
    current = next;
    log.push(...effects.filter((effect) => effect.do === 'wait').map((effect) => brief([effect])));
  }
  expect(log).toEqual(['wait 1', 'wait 2', 'wait 1']);
});

test.each([
  ['expired', 'opening'],
  ['expired', 'connected'],
  ['hung-up', 'greeting'],
] as const)('the third refusal in a row (%s while %s) signs out', (event, name) => {
  const refused = (refusals: number): ConnectionState['name'] =>
    reduceConnection(state(name, { refusals }), EVENTS[event] ?? { type: 'connect' })[0].name;
  expect([refused(0), refused(1), refused(2)]).toEqual(['waiting', 'waiting', 'unauthenticated']);
});

test('a hello resets the count of rejections', () => {
  const [next] = reduceConnection(state('greeting', { refusals: 2 }), { type: 'greeted' });
  expect(next).toMatchObject({ refusals: 0 });
});

test('the status is connecting before the first connection and reconnecting after it', () => {
  const unstable = RUNNING.filter((name) => !isConnected(state(name)));
  expect(unstable.map((name) => statusOf(state(name)))).toEqual(unstable.map(() => 'connecting'));
  expect(unstable.map((name) => statusOf(state(name, { wasConnected: true })))).toEqual(
    unstable.map(() => 'reconnecting'),
  );
  expect([statusOf(state('connected')), statusOf(state('refreshing'))]).toEqual(['connected', 'connected']);
  expect(ENDS.map((name) => statusOf(state(name)))).toEqual(ENDS);
});

test('connect() after disconnected starts with the status connecting again', () => {
  const [next] = reduceConnection(state('disconnected'), { type: 'connect' });
  expect(next).toEqual({ name: 'opening', failures: 0, refusals: 0, wasConnected: false });
});
