import { deferred } from '../../lib/deferred.ts';
import { Account, type AccountDeps } from './account.ts';

/** Opens the keys of whoever is signed in, once. */
export class Accounts {
  readonly #deps: AccountDeps;
  readonly #userId: () => string | undefined;
  #opening: { readonly userId: string; readonly account: Promise<Account>; failed: boolean } | undefined;
  #known = deferred<string>();

  /** @param userId - who this is, as far as anybody has said */
  constructor(deps: AccountDeps, userId: () => string | undefined) {
    this.#deps = deps;
    this.#userId = userId;
  }

  /** True once it is known whose keys they would be. */
  get isKnown(): boolean {
    return this.#userId() !== undefined;
  }

  /** Waits until it is known who this is. What could not be opened isn't tried again before {@link identified}. */
  async get(): Promise<Account> {
    return this.#open(this.#userId() ?? (await this.#known.promise));
  }

  /** The server has said who this is: what could not be opened before is tried again. */
  async identified(userId: string): Promise<Account> {
    if (this.#opening?.failed === true) this.#opening = undefined;
    const account = this.#open(userId);
    this.#known.resolve(userId);
    return account;
  }

  /** Everything is gone: the next use makes new keys. */
  async erase(): Promise<void> {
    const userId = this.#userId() ?? (await this.#known.promise);
    await Account.erase(this.#deps.storage, userId);
    this.#opening = undefined;
  }

  /** Somebody else is signed in now. */
  forget(): void {
    this.#opening = undefined;
    this.#known = deferred();
  }

  #open(userId: string): Promise<Account> {
    if (this.#opening?.userId === userId) return this.#opening.account;
    const opening = { userId, account: Account.open(this.#deps, userId), failed: false };
    opening.account.catch(() => {
      opening.failed = true;
    });
    this.#opening = opening;
    return opening.account;
  }
}
