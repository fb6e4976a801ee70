import { KeyedQueue } from '../../../lib/keyed-queue.ts';
import { isRetryable } from '../../../lib/retry.ts';
import type { Conversation } from '../../../protocol/conversations.ts';
import type { CommStorage } from '../../../storage/comm-storage.ts';
import type { EncryptionOptions } from '../../options.ts';

/** Prefix of the storage keys, without a user id: the requirement holds whichever user the server names. */
const PREFIX = 'e2ee/required/';

/** What {@link RequiredConversations} needs of other parts. */
export interface RequirementPorts {
  /** Returns a conversation from memory or from the server. */
  conversation(conversationId: string): Promise<Pick<Conversation, 'type'>>;
  report(error: unknown): void;
}

/**
 * The conversations in which messages are encrypted or not sent: those that the app has set, and those of the option
 * `required`. Stored unencrypted, because it must be readable while the keystore is locked. An attacker who can modify the
 * storage could delete an encrypted entry as well.
 */
export class RequiredConversations {
  readonly #storage: CommStorage;
  readonly #rule: EncryptionOptions['required'];
  readonly #ports: RequirementPorts;
  readonly #cache = new Map<string, Promise<boolean>>();
  /** Conversations to which the option has applied. */
  readonly #selected = new Set<string>();
  readonly #queue = new KeyedQueue<string>();

  constructor(storage: CommStorage, rule: EncryptionOptions['required'], ports: RequirementPorts) {
    this.#storage = storage;
    this.#rule = rule;
    this.#ports = ports;
  }

  /** Returns the ids of all stored conversations. A storage that falls back to memory later keeps what was read. */
  async list(): Promise<string[]> {
    const entries = await this.#storage.list(PREFIX);
    return entries.map(([key]) => decodeURIComponent(key.slice(PREFIX.length)));
  }

  /**
   * The value as this tab last read it, which decides how a message is queued. Calls for one conversation resolve in order.
   * Another tab may have changed it since; {@link isRequired} decides when the message leaves.
   */
  lastKnown(conversationId: string): Promise<boolean> {
    return this.#queue.run(conversationId, () =>
      this.#evaluate(conversationId, (key) => this.#cache.get(key) ?? this.#read(key)),
    );
  }

  /**
   * Reads the stored value and evaluates the option.
   *
   * @param isExact - rejects with a retryable error if the conversation can't be loaded for now, which is `true` otherwise
   */
  isRequired(conversationId: string, isExact?: boolean): Promise<boolean> {
    return this.#evaluate(conversationId, (key) => this.#read(key), isExact);
  }

  /** Returns the stored value, or `true` if the option is known to apply. Never asks the server. */
  async isKnownRequired(conversationId: string): Promise<boolean> {
    const key = PREFIX + encodeURIComponent(conversationId);
    return this.#rule === true || this.#selected.has(conversationId) || (await this.#read(key));
  }

  /** Stores the value for all tabs. */
  async set(conversationId: string, required: boolean): Promise<void> {
    const key = PREFIX + encodeURIComponent(conversationId);
    const writes = new Map([[key, required ? true : undefined]]);
    await this.#storage.transact([], () => ({ writes, result: undefined }));
    this.#cache.set(key, Promise.resolve(required));
  }

  /** Forgets what this tab has read. */
  clear(): void {
    this.#cache.clear();
  }

  async #evaluate(
    conversationId: string,
    readStored: (key: string) => Promise<boolean>,
    isExact = false,
  ): Promise<boolean> {
    const rule = this.#rule;
    if (rule === true || (await readStored(PREFIX + encodeURIComponent(conversationId)))) return true;
    if (rule === undefined) return false;
    try {
      const conversation = await this.#ports.conversation(conversationId);
      if (rule === 'direct') {
        // Stored, so that the server can't turn the conversation into a group later.
        if (conversation.type === 'direct') await this.set(conversationId, true);
        return conversation.type === 'direct';
      }
      // A function without a clear answer must not turn encryption off.
      const answer: unknown = rule(conversation as Conversation);
      if (answer === false) return false;
      this.#selected.add(conversationId);
      return true;
    } catch (error) {
      if (isExact && isRetryable(error)) throw error;
      this.#ports.report(error);
      return true;
    }
  }

  #read(key: string): Promise<boolean> {
    // Any value: that of a later version must not turn encryption off.
    const reading = this.#storage.get(key).then((value) => value !== undefined);
    this.#cache.set(key, reading);
    // A failed read must not count as "not required": the next call reads again.
    reading.catch(() => {
      if (this.#cache.get(key) === reading) this.#cache.delete(key);
    });
    return reading;
  }
}
