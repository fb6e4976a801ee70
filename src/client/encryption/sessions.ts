import { CommError } from '../../protocol/errors.ts';
import type { ClientContext } from '../context.ts';
import type { IdentityChange } from '../events.ts';
import { NAMES, peerIn, pinIn, type Account } from './account.ts';
import { locked } from './locks.ts';
import { needsSession } from './peer-sessions.ts';
import type { View } from './records.ts';

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
    // A session lasts for as long as the devices do.
    const { startSession } = await import('./starting.ts');
    const { change, accepted } = await startSession(this.#context, account, peerId, { anew, policy: this.#policy });
    if (change !== undefined) this.#events.changed(change);
    if (!accepted) throw identityChanged(peerId);
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
    fix: 'Ask them whether it is theirs, then encryption.acceptIdentity() and messages.retry().',
  });
}
