import { MAX_TOKEN_REFUSALS } from './token-source.ts';

/*
 *            connect                opened               greeted            resynced
 *   idle ──────────────► opening ──────────► greeting ──────────► resyncing ──────────► connected
 *                          ▲  │ refused          │ lost                │ lost               │ lost
 *                     wake │  ▼                  ▼                     ▼                    │
 *                         waiting ◄──────────────┴─────────────────────┴────────────────────┘
 *
 *   connected ── missed ──► refreshing ── resynced ──► connected: the server has lost pushes, and requests go on
 *
 *   any ── disconnect ──► disconnected          opening, greeting ── signed out ──► unauthenticated
 *   `connect` restarts from `disconnected` and `unauthenticated`. `wake` (network back, tab visible) ends `waiting` early and
 *   restarts an attempt that may hang.
 */

/**
 * Values of `CommClient.status`. `connecting` before the first successful connection, `reconnecting` after it.
 * `disconnected` and `unauthenticated` last until `connect()` is called.
 */
export type ConnectionStatus =
  | 'idle'
  | 'connecting'
  | 'connected'
  | 'reconnecting'
  | 'disconnected'
  | 'unauthenticated';

interface Attempt {
  /** Consecutive failed attempts; determines the backoff. */
  failures: number;
  /** Consecutive authentication failures. */
  refusals: number;
  wasConnected: boolean;
}

/** State of the connection machine. */
export type ConnectionState =
  | { name: 'idle' | 'disconnected' | 'unauthenticated' }
  | ({ name: 'opening' | 'greeting' | 'resyncing' | 'waiting' | 'connected' | 'refreshing' } & Attempt);

/** Input of the connection machine. */
export type ConnectionEvent =
  | { type: 'connect' | 'opened' | 'greeted' | 'resynced' | 'disconnect' }
  /** The backoff has elapsed, or a reason to retry immediately occurred. */
  | { type: 'wake' }
  /** Pushes on this connection may have been lost. */
  | { type: 'missed' }
  /** Opening the transport or resynchronizing failed. */
  | { type: 'failed' }
  | { type: 'lost'; byServer: boolean }
  /** The server rejected the user. `expired`: a new token may be accepted. */
  | { type: 'refused-user'; expired: boolean };

/** Action that the owner of the machine has to perform. */
export type ConnectionEffect =
  | { do: 'open' }
  | { do: 'close' }
  | { do: 'await-hello' }
  | { do: 'resync' }
  /** Resynchronize, but let requests go on. */
  | { do: 'refresh' }
  /** Schedule the next attempt, with a backoff that grows with `failures`. */
  | { do: 'wait'; failures: number }
  | { do: 'refresh-token' }
  | { do: 'settle'; connected: boolean };

type Transition = [state: ConnectionState, effects: readonly ConnectionEffect[]];

const FRESH: Attempt = { failures: 0, refusals: 0, wasConnected: false };

/** The pure transition function of the connection: returns the next state and the effects to perform. */
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
      // Also in later states: a slow server's hello may arrive after it was treated as a base server.
      return state.name === 'opening' || state.name === 'waiting'
        ? [state, []]
        : [{ ...state, name: 'resyncing', refusals: 0 }, [{ do: 'resync' }]];
    case 'resynced':
      if (state.name === 'refreshing') return [{ ...state, name: 'connected' }, []];
      return state.name === 'resyncing'
        ? [{ ...FRESH, name: 'connected', wasConnected: true }, [{ do: 'settle', connected: true }]]
        : [state, []];
    case 'missed':
      if (isConnected(state)) return [{ ...state, name: 'refreshing' }, [{ do: 'refresh' }]];
      return state.name === 'resyncing' ? [{ ...state }, [{ do: 'resync' }]] : [state, []];
    case 'failed':
      return state.name === 'waiting' || state.name === 'connected' ? [state, []] : backOff(state);
    case 'lost':
      if (state.name === 'waiting') return [state, []];
      // A base server disconnects an unknown user without a reason before its first push.
      return event.byServer && state.name === 'greeting' ? refuse(state, false) : backOff(state);
    case 'refused-user':
      return refuse(state, event.expired);
    case 'wake':
      if (isConnected(state)) return [state, []];
      return [
        { ...state, name: 'opening' },
        state.name === 'waiting' ? [{ do: 'open' }] : [{ do: 'close' }, { do: 'open' }],
      ];
  }
}

/** Returns true if the client is connected and has been brought in step, or is being brought in step again. */
export function isConnected(state: ConnectionState): boolean {
  return state.name === 'connected' || state.name === 'refreshing';
}

/** Returns the public status for a state. */
export function statusOf(state: ConnectionState): ConnectionStatus {
  if (!('failures' in state)) return state.name;
  if (isConnected(state)) return 'connected';
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
