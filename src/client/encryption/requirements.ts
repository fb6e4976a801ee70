import type { CommStorage } from '../../storage/comm-storage.ts';
import { NAMES, prefixOf } from './account.ts';

/**
 * Conversations whose messages are encrypted or not sent. Stored as it is: it has to be known while the keys can't be
 * opened, and whoever may change what is stored here could delete a sealed one as well.
 */
export class Requirements {
  readonly #storage: CommStorage;
  readonly #userId: () => string | undefined;
  readonly #known = new Map<string, Promise<boolean>>();

  constructor(storage: CommStorage, userId: () => string | undefined) {
    this.#storage = storage;
    this.#userId = userId;
  }

  /** `false` before it is known who this is: it is asked again when the message is about to leave. */
  async has(conversationId: string): Promise<boolean> {
    const key = this.#key(conversationId);
    if (key === undefined) return false;
    const known = this.#known.get(key) ?? this.#load(key);
    this.#known.set(key, known);
    return known;
  }

  async set(conversationId: string, required: boolean): Promise<void> {
    const key = this.#key(conversationId);
    if (key === undefined) throw new TypeError('It is not known yet whose conversation this is: connect first');
    const writes = new Map([[key, required ? true : undefined]]);
    await this.#storage.transact([], () => ({ writes, result: undefined }));
    this.#known.set(key, Promise.resolve(required));
  }

  clear(): void {
    this.#known.clear();
  }

  #key(conversationId: string): string | undefined {
    const userId = this.#userId();
    return userId === undefined ? undefined : prefixOf(userId) + NAMES.required(conversationId);
  }

  async #load(key: string): Promise<boolean> {
    try {
      return (await this.#storage.get(key)) === true;
    } catch (error) {
      // Not known is not "no": whoever asks next looks again.
      this.#known.delete(key);
      throw error;
    }
  }
}
