/** A token, or a function that returns one. */
export type Token = string | (() => string | Promise<string>);

/** Consecutive rejected tokens after which the user is considered signed out. */
export const MAX_TOKEN_REFUSALS = 3;

/** Caches the app's token until the server rejects it. Concurrent callers share one call of the app's function. */
export class TokenSource {
  readonly #token: Token | undefined;
  #current: Promise<string> | undefined;
  /** The token that `#current` resolved with. */
  #given: string | undefined;
  #refusals = 0;

  constructor(token: Token | undefined) {
    this.#token = token;
  }

  /** Returns the current token, or `undefined` without one. @throws what the app's function throws */
  async get(): Promise<string | undefined> {
    if (typeof this.#token !== 'function') return this.#token;
    const ask = this.#token;
    this.#current ??= Promise.resolve().then(ask);
    const asked = this.#current;
    try {
      const token = await asked;
      if (this.#current === asked) this.#given = token;
      return token;
    } catch (error) {
      if (this.#current === asked) this.#current = undefined;
      throw error;
    }
  }

  /**
   * Reports that the server rejected `token`. The next `get()` requests a new one, unless that has happened since.
   *
   * @returns whether a retry makes sense: `false` for a fixed token and after {@link MAX_TOKEN_REFUSALS} rejections
   */
  refused(token: string | undefined): boolean {
    if (typeof this.#token !== 'function') return false;
    if (token !== this.#given) return true;
    this.#current = undefined;
    this.#given = undefined;
    this.#refusals += 1;
    return this.#refusals < MAX_TOKEN_REFUSALS;
  }

  /** Discards the cached token, because the user may change. */
  forget(): void {
    this.#current = undefined;
    this.#given = undefined;
  }

  /** Reports that the server accepted a token, which resets the count of rejections. */
  accepted(): void {
    this.#refusals = 0;
  }
}
