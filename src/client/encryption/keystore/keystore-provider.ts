import { deferred } from '../../../lib/deferred.ts';
import { Keystore, type KeystoreDeps } from './keystore.ts';

/** Opens the keystore of the signed-in user, once. */
export class KeystoreProvider {
  readonly #deps: KeystoreDeps;
  readonly #userId: () => string | undefined;
  #opening: { readonly userId: string; readonly keystore: Promise<Keystore>; failed: boolean } | undefined;
  readonly #identified = deferred<string>();

  /** @param userId - returns the user's id as soon as it is known */
  constructor(deps: KeystoreDeps, userId: () => string | undefined) {
    this.#deps = deps;
    this.#userId = userId;
  }

  /** True once the user's id is known. */
  get isUserKnown(): boolean {
    return this.#userId() !== undefined;
  }

  /** Waits until the user's id is known. After a failure it rejects with the same error until {@link identified}. */
  async get(): Promise<Keystore> {
    return this.#open(this.#userId() ?? (await this.#identified.promise));
  }

  /** Call when the server has reported the user's id. Tries again if opening has failed before. */
  async identified(userId: string): Promise<Keystore> {
    if (this.#opening?.failed === true) this.#opening = undefined;
    const keystore = this.#open(userId);
    this.#identified.resolve(userId);
    return keystore;
  }

  /** Deletes the keystore. The next {@link get} creates another one. */
  async erase(): Promise<void> {
    const userId = this.#userId() ?? (await this.#identified.promise);
    await Keystore.erase(this.#deps.storage, userId);
    this.#opening = undefined;
  }

  /** Opens the keystore again with the next use. */
  forget(): void {
    this.#opening = undefined;
  }

  #open(userId: string): Promise<Keystore> {
    if (this.#opening?.userId === userId) return this.#opening.keystore;
    const opening = { userId, keystore: Keystore.open(this.#deps, userId), failed: false };
    opening.keystore.catch(() => {
      opening.failed = true;
    });
    this.#opening = opening;
    return opening.keystore;
  }
}
