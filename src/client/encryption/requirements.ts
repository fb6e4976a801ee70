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

  /** Reads all of them: a storage that fails later goes on with what it was seen to hold. */
  async load(): Promise<void> {
    const userId = this.#userId();
    if (userId !== undefined) await this.#storage.list(prefixOf(userId) + NAMES.required(''));
  }

  /**
   * As it was last seen here: how a message waits. `false` before it is known who this is; another tab may have said
   * something else since. {@link holds} is asked when the message is about to leave.
   */
  async has(conversationId: string): Promise<boolean> {
    const key = this.#key(conversationId);
    if (key === undefined) return false;
    return this.#known.get(key) ?? this.#look(key);
  }

  /** As it is stored now, whichever tab has said so. */
  async holds(conversationId: string): Promise<boolean> {
    const key = this.#key(conversationId);
    return key !== undefined && (await this.#look(key));
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

  #look(key: string): Promise<boolean> {
    const looking = this.#storage.get(key).then((value) => value === true);
    this.#known.set(key, looking);
    // Not known is not "no": whoever asks next looks again.
    looking.catch(() => {
      if (this.#known.get(key) === looking) this.#known.delete(key);
    });
    return looking;
  }
}
