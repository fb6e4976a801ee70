import { toBase64 } from '../../lib/base64.ts';
import { deferred, type Deferred } from '../../lib/deferred.ts';
import type { KeyExchangeResponse } from '../../protocol/encryption.ts';
import { CommError, isCommError } from '../../protocol/errors.ts';
import type { ClientContext } from '../context.ts';
import { NAMES, type Account } from './account.ts';
import { requestKeys } from './key-requests.ts';
import { locked } from './locks.ts';
import type { Own } from './peer-sessions.ts';
import { encodePreKeys, markDepleted, markPublished, rotationAt, uploadDue, type PreKeys } from './prekeys.ts';
import { secureRandom } from './primitives.ts';

const RECORDS = [NAMES.identity, NAMES.preKeys];
const RETRY_AFTER_MS = 15_000;
/** Timers of browsers don't go further than 24 days; nobody is online that long without a new connection. */
const MAX_TIMER_MS = 86_400_000;

/** Publishes the own keys, renews them, and finds out whether this is the user's active device. */
export class Publisher {
  readonly #context: ClientContext;
  #ready: Deferred<void> = deferred();
  #isSettled = false;
  #cancel = (): void => undefined;

  constructor(context: ClientContext) {
    this.#context = context;
  }

  /** Resolves when the keys are published; rejects with `E2EE_OTHER_DEVICE`. */
  get ready(): Promise<void> {
    return this.#ready.promise;
  }

  failed(error: unknown): void {
    this.#settle((ready) => ready.reject(error));
  }

  stop(): void {
    this.#cancel();
  }

  /** Somebody else is signed in now. */
  forget(): void {
    this.stop();
    if (this.#isSettled) this.#ready = deferred();
    this.#isSettled = false;
  }

  /** With each connection: looks at what the server holds, and uploads what is due. */
  check(account: Account): void {
    this.#cancel();
    this.#check(account).catch((error: unknown) => {
      if (isCommError(error) && error.retryable) {
        if (this.#context.online()) this.#cancel = this.#context.clock.after(RETRY_AFTER_MS, () => this.check(account));
        return;
      }
      if (!isCommError(error) || error.code !== 'E2EE_OTHER_DEVICE') this.#context.report(error);
      this.failed(error);
    });
  }

  /** The server says that others have taken all one-time keys. */
  async depleted(account: Account): Promise<void> {
    await account.records.transact(RECORDS, (view) => {
      view.put(NAMES.preKeys, encodePreKeys(markDepleted(account.own(view).preKeys)));
    });
    this.check(account);
  }

  /** Publishes whatever the server holds: this is the active device from here on. */
  async takeOver(account: Account): Promise<void> {
    await this.#locked(account, async () => {
      const held = await requestKeys(this.#context, account.userId);
      await this.#upload(account, held?.identityKey ?? null, true);
    });
    this.#settle((ready) => ready.resolve());
  }

  #check(account: Account): Promise<void> {
    return this.#locked(account, async () => {
      const held = await requestKeys(this.#context, account.userId);
      const isOurs = await account.records.transact(RECORDS, (view) => held && holdsOurs(held, account.own(view)));
      if (isOurs === false) throw otherDevice();
      await this.#upload(account, held?.identityKey ?? null, held === undefined);
      this.#settle((ready) => ready.resolve());
    });
  }

  /** The private halves are stored before anybody can see the public ones. */
  async #upload(account: Account, replaces: string | null, anyway: boolean): Promise<void> {
    const { records, userId } = account;
    const now = this.#context.clock.now();
    const isDue = (preKeys: PreKeys): boolean => anyway || uploadDue(preKeys, now) === 0;
    if (await records.transact(RECORDS, (view) => isDue(account.own(view).preKeys))) {
      // Once a week, as a rule.
      const { prepareUpload } = await import('./uploading.ts');
      const prepared = await records.transact(RECORDS, (view) => {
        const { preKeys, identity } = account.own(view);
        const step = prepareUpload(preKeys, identity, secureRandom, now);
        view.put(NAMES.preKeys, encodePreKeys(step.keys));
        return step;
      });
      const bundle = { ...prepared.bundle, userId, uploadedAt: new Date(now).toISOString(), replaces };
      await this.#context.requester.request('encryption:upload-keys', bundle).catch((error: unknown) => {
        throw isCommError(error) && error.code === 'CONFLICT' ? otherDevice() : error;
      });
      await records.transact(RECORDS, (view) => {
        const { preKeys } = account.own(view);
        view.put(NAMES.preKeys, encodePreKeys(markPublished(preKeys, prepared.upload)));
      });
    }
    await this.#scheduleNext(account);
  }

  async #scheduleNext(account: Account): Promise<void> {
    const now = this.#context.clock.now();
    const dueMs = await account.records.transact(RECORDS, (view) => {
      const { preKeys } = account.own(view);
      return uploadDue(preKeys, now) ?? rotationAt(preKeys) - now;
    });
    if (!this.#context.online()) return;
    this.#cancel();
    this.#cancel = this.#context.clock.after(Math.min(Math.max(dueMs, 1_000), MAX_TIMER_MS), () => this.check(account));
  }

  #locked(account: Account, task: () => Promise<void>): Promise<void> {
    return locked(`nkc:${account.userId}:keys`, task);
  }

  #settle(settle: (ready: Deferred<void>) => void): void {
    if (this.#isSettled) this.#ready = deferred();
    this.#isSettled = true;
    settle(this.#ready);
  }
}

/** Published from here: the same identity on another device, by a backup, has other prekeys. */
function holdsOurs({ identityKey, signedPreKey }: KeyExchangeResponse, { identity, preKeys }: Own): boolean {
  return (
    identityKey === toBase64(identity.publicKey) &&
    preKeys.signed.some(
      ({ id, publicKey }) => id === signedPreKey.keyId && toBase64(publicKey) === signedPreKey.publicKey,
    )
  );
}

function otherDevice(): CommError {
  return new CommError('E2EE_OTHER_DEVICE', 'Another device of this user has published its keys', {
    fix: 'Call encryption.takeOver(), or import() with a backup of it.',
  });
}
