import type { Clock } from '../../lib/clock.ts';
import type { IceCandidate, IceRestart, SessionDescription } from '../../protocol/calls.ts';
import { CommError } from '../../protocol/errors.ts';
import type { Push } from '../../protocol/events.ts';
import { answerOf } from './call-rules.ts';
import type { CallService } from './calls.ts';
import type { Caller, Hub } from './ports.ts';
import { KeyedLimit, TokenBucket } from './rate-limit.ts';

export interface SignalDeps {
  calls: Pick<CallService, 'participating' | 'table'>;
  hub: Pick<Hub, 'toUser'>;
  clock: Clock;
}

/** Of one user: enough for eight peers that gather at once, and for restarts after that. */
const CANDIDATES = { burst: 512, perSecond: 64 };

/** Offers, answers and candidates between two people of a call. The server reads no more of them than who and to whom. */
export class SignalService {
  readonly #deps: SignalDeps;
  readonly #candidates: KeyedLimit;

  constructor(deps: SignalDeps) {
    this.#deps = deps;
    this.#candidates = new KeyedLimit(
      (now) => new TokenBucket(CANDIDATES, now),
      () => deps.clock.now(),
    );
  }

  offer(caller: Caller, signal: SessionDescription): null {
    return this.#relay(caller, signal, (data) => ({ event: 'signal:offer', data }));
  }

  answer(caller: Caller, signal: SessionDescription): null {
    return this.#relay(caller, signal, (data) => ({ event: 'signal:answer', data }));
  }

  candidate(caller: Caller, signal: IceCandidate): null {
    this.#candidates.take(caller.userId);
    return this.#relay(caller, signal, (data) => ({ event: 'signal:ice-candidate', data }));
  }

  restart(caller: Caller, signal: IceRestart): null {
    return this.#relay(caller, signal, (data) => ({ event: 'signal:ice-restart', data }));
  }

  #relay<S extends IceRestart>(caller: Caller, signal: S, push: (data: S) => Push): null {
    const { callId, toUserId } = signal;
    const call = this.#deps.calls.participating(caller, callId);
    const stamped = push({ ...signal, fromUserId: caller.userId });
    const seat = call.seats.find((each) => each.userId === toUserId);
    if (seat !== undefined && toUserId !== caller.userId) this.#deps.calls.table.tell(seat, stamped);
    // A base client may offer while it still rings.
    else if (answerOf(call, toUserId) === 'pending') this.#deps.hub.toUser(toUserId, stamped);
    else throw new CommError('NOT_FOUND', 'No such participant');
    return null;
  }
}
