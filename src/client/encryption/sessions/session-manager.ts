import { CommError } from '../../../protocol/errors.ts';
import type { ClientContext } from '../../context.ts';
import { getSessionRecord, getTrust, type Keystore, RECORDS } from '../keystore/keystore.ts';
import type { RecordTransaction } from '../keystore/record-store.ts';
import { withLock } from '../keystore/with-lock.ts';
import type { IdentityChange } from '../nkc1/identity-trust.ts';
import { needsSession } from '../nkc1/session-record.ts';

/** What {@link SessionManager} reports. */
export interface SessionEvents {
  identityChanged(change: IdentityChange): void;
}

/** Ensures that outbound sessions exist. Each is started once, even if several tabs and messages need it at the same time. */
export class SessionManager {
  readonly #context: ClientContext;
  readonly #policy: 'warn' | 'block';
  readonly #events: SessionEvents;

  constructor(context: ClientContext, policy: 'warn' | 'block', events: SessionEvents) {
    this.#context = context;
    this.#policy = policy;
    this.#events = events;
  }

  /**
   * Starts a session with a peer if there is none.
   *
   * @throws CommError `E2EE_NO_KEYS` if the peer has published no or invalid keys, `E2EE_IDENTITY_CHANGED`, `STORAGE`
   */
  async ensure(keystore: Keystore, peerId: string): Promise<void> {
    keystore.requireStored();
    if (await this.#isUsable(keystore, peerId)) return;
    await this.lock(keystore, peerId, async () => {
      if (!(await this.#isUsable(keystore, peerId))) await this.#start(keystore, peerId, false);
    });
  }

  /**
   * Starts another session, even if there is one. Requires the {@link lock}. Throws as {@link ensure} does.
   *
   * @returns the id of the session, which may not be the primary one; `undefined` if the key of the bundle was rejected
   */
  restart(keystore: Keystore, peerId: string): Promise<string | undefined> {
    return this.#start(keystore, peerId, true);
  }

  /** Runs a task while no other tab starts a session with the peer. */
  lock(keystore: Keystore, peerId: string, task: () => Promise<void>): Promise<void> {
    return withLock(`nkc:${keystore.userId}:${peerId}`, task);
  }

  async #isUsable(keystore: Keystore, peerId: string): Promise<boolean> {
    const now = this.#context.clock.now();
    return keystore.records.transact(
      [RECORDS.session(peerId), RECORDS.trust(peerId)],
      (tx) =>
        // A key that is not accepted may have been a lie: the bundle is fetched again.
        getTrust(tx, peerId)?.changedTo === undefined && isSessionUsable(tx, peerId, now),
    );
  }

  async #start(keystore: Keystore, peerId: string, restart: boolean): Promise<string | undefined> {
    keystore.requireStored();
    // Loaded on demand: a session lasts as long as the devices do.
    const { startSession } = await import('./start-session.ts');
    const options = { restart, policy: this.#policy };
    const { change, accepted, sessionId } = await startSession(this.#context, keystore, peerId, options);
    if (change !== undefined) this.#events.identityChanged(change);
    // The session under the pinned key stays in use if the user has rejected the key of the bundle.
    if (!accepted && !(await this.#isUsable(keystore, peerId))) throw identityChangedError(peerId);
    return sessionId;
  }
}

/**
 * Whether there is a session to send on and the peer's identity is up to date. The transaction must declare `session` and
 * `trust`.
 *
 * @throws CommError `E2EE_IDENTITY_CHANGED`
 */
export function isSessionUsable(tx: RecordTransaction, peerId: string, now: number): boolean {
  const trust = getTrust(tx, peerId);
  if (trust?.changedTo !== undefined) throw identityChangedError(peerId);
  return trust !== undefined && trust.stale !== true && !needsSession(getSessionRecord(tx, peerId), now);
}

/** Creates the error for a peer whose new identity key is not accepted. */
function identityChangedError(peerId: string): CommError {
  return new CommError('E2EE_IDENTITY_CHANGED', `The identity key of ${peerId} has changed`, {
    fix: 'Ask them, then call encryption.acceptIdentity() or rejectIdentity(), and messages.retry().',
  });
}
