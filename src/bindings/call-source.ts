import type { CallSession, CallSnapshot, CurrentCalls } from '../client/calls/session/call-types.ts';
import type { CommClient } from '../client/comm-client.ts';
import type { Observable } from '../lib/observable.ts';

/** The state of a call, and the call itself with what can be done with it. */
export interface CurrentCall extends CallSnapshot {
  /** The call: accepts, rejects and hangs up, switches devices, shares the screen. */
  readonly session: CallSession;
}

/** The call that this device takes part in, is starting, or has put on hold. `undefined` once it has ended. */
export function callSource(client: CommClient): Observable<CurrentCall | undefined> {
  return currentCall(
    client,
    ({ call }) => call,
    ({ state }) => state !== 'ended',
  );
}

/** The call that rings on this device. `undefined` once it is answered, here or elsewhere, or is no longer offered. */
export function incomingCallSource(client: CommClient): Observable<CurrentCall | undefined> {
  return currentCall(
    client,
    ({ incoming }) => incoming,
    ({ state }) => state === 'ringing',
  );
}

/**
 * Follows one of the current calls and its snapshot.
 *
 * @param isCurrent - the snapshot changes first, so it may say already that the call is no longer this one
 */
function currentCall(
  { calls: { current } }: CommClient,
  pick: (calls: CurrentCalls) => CallSession | undefined,
  isCurrent: (snapshot: CallSnapshot) => boolean,
): Observable<CurrentCall | undefined> {
  let last: { readonly snapshot: CallSnapshot; readonly call: CurrentCall } | undefined;
  return {
    getSnapshot() {
      const session = pick(current.getSnapshot());
      const snapshot = session?.getSnapshot();
      if (session === undefined || snapshot === undefined || !isCurrent(snapshot)) return (last = undefined);
      // The snapshots of two calls differ.
      if (last?.snapshot !== snapshot) last = { snapshot, call: Object.freeze({ ...snapshot, session }) };
      return last.call;
    },
    getServerSnapshot: () => undefined,
    subscribe(listener) {
      let stopSession: (() => void) | undefined;
      const follow = (): void => {
        stopSession?.();
        stopSession = pick(current.getSnapshot())?.subscribe(listener);
      };
      const stop = current.subscribe(() => {
        follow();
        listener();
      });
      follow();
      return () => {
        stop();
        stopSession?.();
      };
    },
  };
}
