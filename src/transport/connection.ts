import { MAX_TOKEN_REFUSALS } from './token-source.ts';

/*
 *            connect                opened               greeted              in step
 *   idle ──────────────► opening ──────────► greeting ──────────► catching-up ────────► connected
 *                          ▲  │ refused          │ lost                │ lost               │ lost
 *                     wake │  ▼                  ▼                     ▼                    │
 *                         waiting ◄──────────────┴─────────────────────┴────────────────────┘
 *
 *   any ── disconnect ──► disconnected          opening, greeting ── signed out ──► unauthenticated
 *   Both ends start anew with `connect`. `wake` (network back, tab visible) cuts `waiting` short, and begins an attempt
 *   afresh that hangs.
 */

/**
 * What `CommClient.status` can be. `connecting` until it has been connected once, `reconnecting` after that; the last two
 * end only with a new `connect()`.
 */
export type ConnectionStatus =
  | 'idle'
  | 'connecting'
  | 'connected'
  | 'reconnecting'
  | 'disconnected'
  | 'unauthenticated';

interface Attempt {
  /** Failed attempts in a row; decides how long to wait. */
  failures: number;
  /** Refusals of the user in a row. */
  refusals: number;
  wasConnected: boolean;
}

export type ConnectionState =
  | { name: 'idle' | 'disconnected' | 'unauthenticated' }
  | ({ name: 'opening' | 'greeting' | 'catching-up' | 'waiting' | 'connected' } & Attempt);

export type ConnectionEvent =
  | { type: 'connect' | 'opened' | 'greeted' | 'in-step' | 'disconnect' }
  /** The wait is over, or there is a reason not to wait any longer. */
  | { type: 'wake' }
  /** The transport failed to open, or catching up failed. */
  | { type: 'failed' }
  | { type: 'lost'; byServer: boolean }
  /** The server doesn't accept who we say we are; `expired`: a fresh token may help. */
  | { type: 'refused-user'; expired: boolean };

export type ConnectionEffect =
  | { do: 'open' }
  | { do: 'close' }
  | { do: 'await-hello' }
  | { do: 'catch-up' }
  /** Wait before the next attempt, longer after each failure. */
  | { do: 'wait'; failures: number }
  | { do: 'refresh-token' }
  | { do: 'settle'; connected: boolean };

type Transition = [state: ConnectionState, effects: readonly ConnectionEffect[]];

const FRESH: Attempt = { failures: 0, refusals: 0, wasConnected: false };

/** The connection as a pure machine: what follows from `event`, and what has to be done for it. */
export function reduceConnection(state: ConnectionState, event: ConnectionEvent): Transition {
  if (event.type === 'disconnect') {
    const open = 'failures' in state;
    return [{ name: 'disconnected' }, open ? [{ do: 'close' }, { do: 'settle', connected: false }] : []];
  }
  if (!('failures' in state)) {
    return event.type === 'connect' ? [{ name: 'opening', ...FRESH }, [{ do: 'open' }]] : [state, []];
  }
  switch (event.type) {
    case 'connect':
      return [state, []];
    case 'opened':
      return state.name === 'opening' ? [{ ...state, name: 'greeting' }, [{ do: 'await-hello' }]] : [state, []];
    case 'greeted':
      // Also later, where a slow server was taken for one that says nothing.
      return state.name === 'opening' || state.name === 'waiting'
        ? [state, []]
        : [{ ...state, name: 'catching-up', refusals: 0 }, [{ do: 'catch-up' }]];
    case 'in-step':
      return state.name === 'catching-up'
        ? [{ ...FRESH, name: 'connected', wasConnected: true }, [{ do: 'settle', connected: true }]]
        : [state, []];
    case 'failed':
      return state.name === 'waiting' || state.name === 'connected' ? [state, []] : backOff(state);
    case 'lost':
      if (state.name === 'waiting' || state.name === 'opening') return [state, []];
      // A base server hangs up on a user it doesn't know, before it says anything.
      return event.byServer && state.name === 'greeting' ? refuse(state, false) : backOff(state);
    case 'refused-user':
      return refuse(state, event.expired);
    case 'wake':
      if (state.name === 'connected') return [state, []];
      return [
        { ...state, name: 'opening' },
        state.name === 'waiting' ? [{ do: 'open' }] : [{ do: 'close' }, { do: 'open' }],
      ];
  }
}

export function statusOf(state: ConnectionState): ConnectionStatus {
  if (!('failures' in state)) return state.name;
  if (state.name === 'connected') return 'connected';
  return state.wasConnected ? 'reconnecting' : 'connecting';
}

function backOff(state: ConnectionState & Attempt): Transition {
  const failures = state.failures + 1;
  return [{ ...state, name: 'waiting', failures }, [{ do: 'close' }, { do: 'wait', failures }]];
}

function refuse(state: ConnectionState & Attempt, expired: boolean): Transition {
  const refusals = state.refusals + 1;
  if (refusals >= MAX_TOKEN_REFUSALS || (!expired && state.name !== 'greeting')) {
    return [
      { name: 'unauthenticated' },
      [{ do: 'refresh-token' }, { do: 'close' }, { do: 'settle', connected: false }],
    ];
  }
  const [next, effects] = backOff({ ...state, refusals });
  return [next, [{ do: 'refresh-token' }, ...effects]];
}
