import type { Clock } from '../../../lib/clock.ts';
import type { Caller } from '../ports.ts';
import type { SharedLimits } from '../../cluster/ephemera.ts';
import { keyedBuckets, type KeyedLimit } from './rate-limit.ts';
import type { RateLimit, ServerLimits } from './server-limits.ts';

const DAY_S = 86_400;

/** Refused requests that a user may cause. A client that waits for `retryAfterMs` causes few. */
const REFUSALS: RateLimit = { burst: 1_000, perSecond: 20 };

/** Joins of running calls by one user. Each is pushed to the participants and to the members of the conversation. */
const JOINS: RateLimit = { burst: 10, perSecond: 0.5 };

/** Reports of messages by one user. */
const REPORTS: RateLimit = { burst: 20, perSecond: 1 / 60 };

/**
 * What each user may cost, over all sockets and REST requests of all processes. Every cost is charged before it arises.
 * Code of the app (`Caller.trusted`) is not charged. Budgets of idle users are evicted.
 *
 * Every method throws a CommError `RATE_LIMITED` with `retryAfterMs` if the budget doesn't suffice.
 */
export class UserBudgets {
  readonly #requests: KeyedLimit;
  readonly #anonymousRequests: KeyedLimit;
  readonly #requestBytes: KeyedLimit;
  readonly #messages: KeyedLimit;
  readonly #messageBytes: KeyedLimit;
  readonly #searches: KeyedLimit;
  readonly #linkPreviews: KeyedLimit;
  readonly #conversations: KeyedLimit;
  readonly #calls: KeyedLimit;
  readonly #callsPerPair: KeyedLimit;
  readonly #joins: KeyedLimit;
  readonly #reports: KeyedLimit;
  readonly #refusals: KeyedLimit;

  /**
   * @param limits - read when a user's budget is created, because the app may configure them later
   * @param shared - shares the budgets with other processes, if there are any
   */
  constructor(limits: Readonly<ServerLimits>, clock: Clock, shared?: SharedLimits) {
    const perKey = (name: string, limitOf: () => RateLimit): KeyedLimit => keyedBuckets(name, limitOf, clock, shared);
    this.#requests = perKey('requests', () => limits.requests);
    this.#anonymousRequests = perKey('anonymousRequests', () => limits.requests);
    this.#requestBytes = perKey('requestBytes', () => limits.requestBytes);
    this.#messages = perKey('messages', () => limits.messages);
    this.#messageBytes = perKey('messageBytes', () => perDay(limits.messageBytesPerDay));
    this.#searches = perKey('searches', () => limits.searches);
    this.#linkPreviews = perKey('linkPreviews', () => limits.linkPreviews);
    this.#conversations = perKey('conversations', () => limits.conversationsCreated);
    this.#calls = perKey('calls', () => limits.callsPerCaller);
    this.#callsPerPair = perKey('callsPerPair', () => limits.callsPerPair);
    this.#joins = perKey('joins', () => JOINS);
    this.#reports = perKey('reports', () => REPORTS);
    this.#refusals = perKey('refusals', () => REFUSALS);
  }

  /** Charges a request. @param work - in units of a small request; more than the burst counts as the burst */
  chargeRequest({ userId, trusted }: Caller, work = 1): void {
    if (trusted !== true) this.#requests.take(userId, work);
  }

  /** Charges a request that needs no user. @param address - of the peer @param work - as of {@link chargeRequest} */
  chargeAnonymousRequest(address: string, work = 1): void {
    this.#anonymousRequests.take(address, work);
  }

  /** Charges received bytes. */
  chargeBytes({ userId, trusted }: Caller, bytes: number): void {
    if (trusted !== true && bytes > 0) this.#requestBytes.take(userId, bytes);
  }

  /** Charges a message to store, with the size of its content in bytes. */
  chargeMessage({ userId, trusted }: Caller, bytes: number): void {
    if (trusted === true) return;
    this.#messages.take(userId);
    if (bytes > 0) this.#messageBytes.take(userId, bytes);
  }

  /** Charges content to store, in bytes. */
  chargeStoredBytes({ userId, trusted }: Caller, bytes: number): void {
    if (trusted !== true && bytes > 0) this.#messageBytes.take(userId, bytes);
  }

  /** Charges a search. */
  chargeSearch({ userId, trusted }: Caller): void {
    if (trusted !== true) this.#searches.take(userId);
  }

  /** Charges a page that the server requests for a link preview. */
  chargeLinkPreview({ userId, trusted }: Caller): void {
    if (trusted !== true) this.#linkPreviews.take(userId);
  }

  /** Charges a new conversation. */
  chargeConversation({ userId, trusted }: Caller): void {
    if (trusted !== true) this.#conversations.take(userId);
  }

  /** Charges a new call. Each callee is charged too, so that no user is called again and again. */
  chargeCall(caller: Caller, calleeIds: readonly string[]): void {
    if (caller.trusted === true) return;
    this.#calls.take(caller.userId);
    for (const calleeId of calleeIds) this.chargeInvitation(caller, calleeId);
  }

  /** Charges an invitation to a running call. */
  chargeInvitation({ userId, trusted }: Caller, calleeId: string): void {
    // JSON keeps pairs of ids distinct.
    if (trusted !== true) this.#callsPerPair.take(JSON.stringify([userId, calleeId]));
  }

  /** Charges joining a running call. */
  chargeJoin({ userId, trusted }: Caller): void {
    if (trusted !== true) this.#joins.take(userId);
  }

  /** Charges a report, with the bytes that are stored of it. */
  chargeReport({ userId, trusted }: Caller, bytes: number): void {
    if (trusted === true) return;
    this.#reports.take(userId);
    this.#messageBytes.take(userId, bytes);
  }

  /** Counts a refused request. @returns false if the user ignores the refusals and should be disconnected */
  tolerateRefusal({ userId }: Caller): boolean {
    return this.#refusals.tryTake(userId) === 0;
  }
}

function perDay(burst: number): RateLimit {
  return { burst, perSecond: burst / DAY_S };
}
