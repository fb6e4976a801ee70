/** A token, or how to get one. */
export type Token = string | (() => string | Promise<string>);

/** How often in a row a fresh token may be refused before the user counts as signed out. */
export const MAX_TOKEN_REFUSALS = 3;

/** The app's token: asked for once however many requests wait for it, kept until the server says it has expired. */
export class TokenSource {
  readonly #token: Token | undefined;
  #current: Promise<string> | undefined;
  /** What `#current` came to. */
  #given: string | undefined;
  #refusals = 0;

  constructor(token: Token | undefined) {
    this.#token = token;
  }

  /** @throws what the app's function throws */
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
   * The server refused `token`: the next `get()` asks the app again, unless it has been asked since. False when that makes
   * no sense any more.
   */
  refused(token: string | undefined): boolean {
    if (typeof this.#token !== 'function') return false;
    if (token !== this.#given) return true;
    this.#current = undefined;
    this.#given = undefined;
    this.#refusals += 1;
    return this.#refusals < MAX_TOKEN_REFUSALS;
  }

  /** The next `get()` asks the app again: it may be somebody else by then. */
  forget(): void {
    this.#current = undefined;
    this.#given = undefined;
  }

  accepted(): void {
    this.#refusals = 0;
  }
}
