import { CommError } from '../../protocol/errors.ts';
import type { ClientContext } from '../context.ts';
import type { IdentityChange } from '../events.ts';
import { keepPin, NAMES, peerIn, pinIn, type Account } from './account.ts';
import { readBundle, type Bundle } from './bundle.ts';
import { requestKeys } from './key-requests.ts';
import { locked } from './locks.ts';
import { encodePeer, keepIdentity, needsSession, startWith } from './peer-sessions.ts';
import { secureRandom } from './primitives.ts';
import type { View } from './records.ts';
import { meet } from './trust.ts';

export interface SessionEvents {
  changed(change: IdentityChange): void;
}

/** Makes sure that there are sessions to send on: each is started once, whatever tabs and messages want it at once. */
export class Sessions {
  readonly #context: ClientContext;
  readonly #policy: 'warn' | 'block';
  readonly #events: SessionEvents;

  constructor(context: ClientContext, policy: 'warn' | 'block', events: SessionEvents) {
    this.#context = context;
    this.#policy = policy;
    this.#events = events;
  }

  /**
   * Starts a session with somebody where there is none.
   *
   * @throws CommError `E2EE_NO_KEYS` (none, or unsound ones), `E2EE_IDENTITY_CHANGED`
   */
  async ensure(account: Account, peerId: string): Promise<void> {
    if (await this.#isUsable(account, peerId)) return;
    await this.locked(account, peerId, async () => {
      if (!(await this.#isUsable(account, peerId))) await this.#start(account, peerId, false);
    });
  }

  /** Starts another session, whatever there is. */
  restart(account: Account, peerId: string): Promise<void> {
    return this.#start(account, peerId, true);
  }

  async #isUsable(account: Account, peerId: string): Promise<boolean> {
    const now = this.#context.clock.now();
    return account.records.transact([NAMES.peer(peerId), NAMES.pin(peerId)], (view) => isUsable(view, peerId, now));
  }

  async #start(account: Account, peerId: string, anew: boolean): Promise<void> {
    const bundle = await this.fetch(peerId);
    const now = this.#context.clock.now();
    const names = [NAMES.identity, NAMES.peer(peerId), NAMES.pin(peerId)];
    const change = await account.records.transact(names, (view) => {
      const met = meet(peerId, pinIn(view, peerId), bundle.identityKey, this.#policy);
      const { stale: _stale, ...pin } = met.pin;
      keepPin(view, peerId, pin);
      if (!met.accepted) return met;
      const peer = keepIdentity(peerIn(view, peerId), bundle.identityKey);
      // Looked up only because a server said that the key might be another: the session goes on.
      if (!anew && !needsSession(peer, now)) return met;
      const own = { userId: account.userId, identity: account.identity(view) };
      const step = startWith(peer, own, bundle, secureRandom, now);
      if (!step.ok) throw badKeys(peerId);
      view.put(NAMES.peer(peerId), encodePeer(step.peer));
      return met;
    });
    if (change.change !== undefined) this.#events.changed(change.change);
    if (!change.accepted) throw identityChanged(peerId);
  }

  /** Somebody's keys as the server hands them out, checked. @throws CommError `E2EE_NO_KEYS` */
  async fetch(peerId: string): Promise<Bundle> {
    const response = await requestKeys(this.#context, peerId);
    if (response === undefined) throw new CommError('E2EE_NO_KEYS', `${peerId} has published no keys`);
    const read = readBundle(peerId, response);
    if (!read.ok) throw badKeys(peerId);
    return read.bundle;
  }

  /** Nobody else starts a session with them meanwhile. */
  locked(account: Account, peerId: string, task: () => Promise<void>): Promise<void> {
    return locked(`nkc:${account.userId}:${peerId}`, task);
  }
}

/**
 * Whether there is a session to send on, and nothing against it.
 * @throws CommError `E2EE_IDENTITY_CHANGED`
 */
export function isUsable(view: View, peerId: string, now: number): boolean {
  const pin = pinIn(view, peerId);
  if (pin?.changedTo !== undefined) throw identityChanged(peerId);
  return pin !== undefined && pin.stale !== true && !needsSession(peerIn(view, peerId), now);
}

export function identityChanged(peerId: string): CommError {
  return new CommError('E2EE_IDENTITY_CHANGED', `${peerId} shows another identity key than before`, {
    fix: 'Ask them whether they have a new device, then encryption.acceptIdentity() and messages.retry().',
  });
}

function badKeys(peerId: string): CommError {
  return new CommError('E2EE_NO_KEYS', `The keys that the server hands out for ${peerId} are not sound`);
}
