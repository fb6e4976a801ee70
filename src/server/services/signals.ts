import type { Clock } from '../../lib/clock.ts';
import type { IceCandidate, IceRestart, SessionDescription } from '../../protocol/calls.ts';
import { CommError } from '../../protocol/errors.ts';
import type { Push } from '../../protocol/events.ts';
import { answerOf, seatOf } from './call-rules.ts';
import { requireHonest, type CallService } from './calls.ts';
import type { Caller, Hub } from './ports.ts';
import type { FloodLimit } from '../config.ts';
import { KeyedLimit, TokenBucket } from './rate-limit.ts';

export interface SignalDeps {
  calls: Pick<CallService, 'participating' | 'table'>;
  hub: Pick<Hub, 'toUser'>;
  clock: Clock;
}

/** Of one user: enough for eight peers that gather at once, and for restarts after that. */
const CANDIDATES = { burst: 512, perSecond: 64 };

/** Offers, answers and candidates between two people of a call. The server reads no more of them than who and to whom. */
/** Of one user: descriptions are long. */
const DESCRIPTIONS = { burst: 128, perSecond: 16 };

export class SignalService {
  readonly #deps: SignalDeps;
  readonly #candidates: KeyedLimit;
  readonly #descriptions: KeyedLimit;

  constructor(deps: SignalDeps) {
    this.#deps = deps;
    const limit = (of: FloodLimit): KeyedLimit =>
      new KeyedLimit(
        (now) => new TokenBucket(of, now),
        () => deps.clock.now(),
      );
    this.#candidates = limit(CANDIDATES);
    this.#descriptions = limit(DESCRIPTIONS);
  }

  offer(caller: Caller, signal: SessionDescription): null {
    this.#descriptions.take(caller.userId);
    return this.#relay(caller, signal, (data) => ({ event: 'signal:offer', data }));
  }

  answer(caller: Caller, signal: SessionDescription): null {
    this.#descriptions.take(caller.userId);
    return this.#relay(caller, signal, (data) => ({ event: 'signal:answer', data }));
  }

  candidate(caller: Caller, signal: IceCandidate): null {
    this.#candidates.take(caller.userId);
    return this.#relay(caller, signal, (data) => ({ event: 'signal:ice-candidate', data }));
  }

  restart(caller: Caller, signal: IceRestart): null {
    this.#candidates.take(caller.userId);
    return this.#relay(caller, signal, (data) => ({ event: 'signal:ice-restart', data }));
  }

  #relay<S extends IceRestart>(caller: Caller, signal: S, push: (data: S) => Push): null {
    const { callId, toUserId, toDeviceId } = signal;
    requireHonest(caller, signal.fromUserId);
    const { table } = this.#deps.calls;
    const call = this.#deps.calls.participating(caller, callId);
    const { fromDeviceId: _, ...said } = signal;
    const fromDeviceId = seatOf(call, caller.userId)?.deviceId;
    const from = { fromUserId: caller.userId, ...(fromDeviceId !== undefined && { fromDeviceId }) };
    const stamped = push({ ...(said as S), ...from });
    const seat = toUserId === caller.userId ? undefined : seatOf(call, toUserId);
    if (seat !== undefined && (toDeviceId ?? seat.deviceId) === seat.deviceId) table.relay(callId, seat, stamped);
    // A base client may offer while it still rings.
    else if (answerOf(call, toUserId) === 'pending') this.#deps.hub.toUser(toUserId, stamped);
    else throw new CommError('NOT_FOUND', 'No such participant');
    return null;
  }
}
