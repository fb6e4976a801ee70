import { toBase64 } from '../../../lib/base64.ts';
import { deferred, type Deferred } from '../../../lib/deferred.ts';
import { isRetryable, retryDelayMs } from '../../../lib/retry.ts';
import type { KeyExchangeResponse } from '../../../protocol/encryption.ts';
import { isCommError } from '../../../protocol/errors.ts';
import type { ClientContext } from '../../context.ts';
import { type Keystore, RECORDS } from '../keystore/keystore.ts';
import { withLock } from '../keystore/with-lock.ts';
import { encodePreKeyState, markDepleted, rotationAt, uploadDelay } from '../nkc1/prekey-state.ts';
import type { LocalParty } from '../nkc1/session-record.ts';
import { otherDeviceError, requestKeys } from './request-keys.ts';

const LOCAL_RECORDS = [RECORDS.identity, RECORDS.preKeys];
const BACKOFF = { baseMs: 15_000, maxMs: 120_000 };
/** Browsers limit timers to 24 days. Checking once a day costs nothing. */
const MAX_TIMER_MS = 86_400_000;

/** Publishes and renews this user's keys, and detects whether this is the user's active device. */
export class PreKeyPublisher {
  readonly #context: ClientContext;
  #ready: Deferred<void> = deferred();
  #isSettled = false;
  #cancelTimer = (): void => undefined;
  /** Consecutive checks that failed with a retryable error. */
  #failures = 0;

  constructor(context: ClientContext) {
    this.#context = context;
  }

  /** Resolves when the keys are published. Rejects with `E2EE_OTHER_DEVICE` if another device of the user is active. */
  get ready(): Promise<void> {
    return this.#ready.promise;
  }

  /** Rejects {@link ready}. */
  failed(error: unknown): void {
    this.#settle((ready) => ready.reject(error));
  }

  /** Cancels the scheduled check. */
  stop(): void {
    this.#failures = 0;
    this.#cancelTimer();
  }

  /** Compares the server's keys with the own ones and uploads if it is due. Call on each connection. */
  check(keystore: Keystore): void {
    this.#cancelTimer();
    this.#check(keystore).catch((error: unknown) => {
      if (isRetryable(error)) {
        if (!this.#context.online()) return;
        const delayMs = retryDelayMs(error, this.#failures, this.#context.random, BACKOFF);
        this.#failures += 1;
        return this.#scheduleCheck(keystore, delayMs);
      }
      if (!isCommError(error) || error.code !== 'E2EE_OTHER_DEVICE') this.#context.report(error);
      this.failed(error);
    });
  }

  /** Call when the server reports that it has no one-time prekeys left. */
  async depleted(keystore: Keystore): Promise<void> {
    await keystore.records.transact(LOCAL_RECORDS, (tx) => {
      tx.put(RECORDS.preKeys, encodePreKeyState(markDepleted(keystore.localParty(tx).preKeys)));
    });
    this.check(keystore);
  }

  /** Replaces the keys on the server, which makes this the active device. */
  async takeOver(keystore: Keystore): Promise<void> {
    await this.#locked(keystore, async () => {
      const published = await requestKeys(this.#context, keystore.userId);
      await this.#upload(keystore, published, true);
    });
    this.#settle((ready) => ready.resolve());
  }

  #check(keystore: Keystore): Promise<void> {
    return this.#locked(keystore, async () => {
      const published = await requestKeys(this.#context, keystore.userId);
      const isOwn = await keystore.records.transact(
        LOCAL_RECORDS,
        (tx) => published && isOwnBundle(published, keystore.localParty(tx)),
      );
      if (isOwn === false) throw otherDeviceError();
      await this.#upload(keystore, published, published === undefined);
      this.#failures = 0;
      this.#settle((ready) => ready.resolve());
    });
  }

  async #upload(keystore: Keystore, published: KeyExchangeResponse | undefined, force: boolean): Promise<void> {
    const now = this.#context.clock.now();
    const isDue = await keystore.records.transact(
      LOCAL_RECORDS,
      (tx) => force || uploadDelay(keystore.localParty(tx).preKeys, now) === 0,
    );
    if (isDue) {
      // Loaded on demand: usually once a week.
      const { uploadPreKeys } = await import('./prekey-upload.ts');
      await uploadPreKeys(this.#context, keystore, published);
    }
    await this.#scheduleNext(keystore);
  }

  async #scheduleNext(keystore: Keystore): Promise<void> {
    const now = this.#context.clock.now();
    const delayMs = await keystore.records.transact(LOCAL_RECORDS, (tx) => {
      const { preKeys } = keystore.localParty(tx);
      return uploadDelay(preKeys, now) ?? rotationAt(preKeys) - now;
    });
    if (!this.#context.online()) return;
    this.#scheduleCheck(keystore, Math.min(Math.max(delayMs, 1_000), MAX_TIMER_MS));
  }

  #scheduleCheck(keystore: Keystore, delayMs: number): void {
    this.#cancelTimer();
    this.#cancelTimer = this.#context.clock.after(delayMs, () => this.check(keystore));
  }

  #locked(keystore: Keystore, task: () => Promise<void>): Promise<void> {
    return withLock(`nkc:${keystore.userId}:keys`, task);
  }

  #settle(settle: (ready: Deferred<void>) => void): void {
    if (this.#isSettled) this.#ready = deferred();
    this.#isSettled = true;
    settle(this.#ready);
  }
}

/** Whether a bundle was published by this device. Another device with the same identity (a backup) has other prekeys. */
function isOwnBundle({ identityKey, signedPreKey }: KeyExchangeResponse, { identity, preKeys }: LocalParty): boolean {
  return (
    identityKey === toBase64(identity.publicKey) &&
    preKeys.signedPreKeys.some(
      ({ id, publicKey }) => id === signedPreKey.keyId && toBase64(publicKey) === signedPreKey.publicKey,
    )
  );
}
