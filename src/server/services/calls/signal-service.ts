import type { Clock } from '../../../lib/clock.ts';
import type { IceCandidate, IceRestart, SessionDescription } from '../../../protocol/calls.ts';
import type { Push } from '../../../protocol/events.ts';
import { requireOwnUserId } from './call-rules.ts';
import type { Awaitable, SharedLimits } from '../../cluster/ephemera.ts';
import type { Calls } from './calls.ts';
import type { Caller } from '../ports.ts';
import { keyedBuckets, type KeyedLimit } from '../limits/rate-limit.ts';

/** Dependencies of {@link SignalService}. */
export interface SignalDeps {
  calls: Pick<Calls, 'relay'>;
  clock: Clock;
  /** Shares the limits with other processes, if there are any. */
  sharedLimits?: SharedLimits | undefined;
}

/** Limit of ICE candidates per user: enough for eight peers and for restarts. */
const CANDIDATES = { burst: 512, perSecond: 64 };

/** Limit of session descriptions per user. They are longer than candidates. */
const DESCRIPTIONS = { burst: 128, perSecond: 16 };

/**
 * Relays offers, answers and ICE candidates between two participants of a call. The server reads only the addresses.
 */
export class SignalService {
  readonly #deps: SignalDeps;
  readonly #candidates: KeyedLimit;
  readonly #descriptions: KeyedLimit;

  constructor(deps: SignalDeps) {
    this.#deps = deps;
    const { clock, sharedLimits } = deps;
    this.#candidates = keyedBuckets('candidates', () => CANDIDATES, clock, sharedLimits);
    this.#descriptions = keyedBuckets('descriptions', () => DESCRIPTIONS, clock, sharedLimits);
  }

  /** Relays an SDP offer. */
  offer(caller: Caller, signal: SessionDescription): Awaitable<null> {
    this.#descriptions.take(caller.userId);
    return this.#relay(caller, signal, (data) => ({ event: 'signal:offer', data }));
  }

  /** Relays an SDP answer. */
  answer(caller: Caller, signal: SessionDescription): Awaitable<null> {
    this.#descriptions.take(caller.userId);
    return this.#relay(caller, signal, (data) => ({ event: 'signal:answer', data }));
  }

  /** Relays an ICE candidate. */
  candidate(caller: Caller, signal: IceCandidate): Awaitable<null> {
    this.#candidates.take(caller.userId);
    return this.#relay(caller, signal, (data) => ({ event: 'signal:ice-candidate', data }));
  }

  /** Relays a request for an ICE restart. */
  restart(caller: Caller, signal: IceRestart): Awaitable<null> {
    this.#candidates.take(caller.userId);
    return this.#relay(caller, signal, (data) => ({ event: 'signal:ice-restart', data }));
  }

  #relay<S extends IceRestart>(caller: Caller, signal: S, push: (data: S) => Push): Awaitable<null> {
    const { callId, toUserId, toDeviceId, fromDeviceId: _ } = signal;
    requireOwnUserId(caller, signal.fromUserId);
    return this.#deps.calls.relay(caller, {
      callId,
      toUserId,
      toDeviceId,
      push: (fromDeviceId) => push({ ...signal, fromUserId: caller.userId, fromDeviceId }),
    });
  }
}
