import type { Clock } from '../../../lib/clock.ts';
import type { Logger } from '../../../lib/logger.ts';
import type { ServerHooks } from '../../hooks.ts';
import { askHook } from '../ask-hook.ts';
import type { Caller } from '../ports.ts';
import { mayNotContact } from '../errors.ts';

const HOOK_TIMEOUT_MS = 2_000;

/** Asks the hook `mayContact`. Without one, every user may contact every other. */
export class ContactPolicy {
  readonly #hooks: Readonly<ServerHooks>;
  readonly #clock: Clock;
  readonly #logger: Logger;

  /** @param hooks - read with each question, because the app may set them later */
  constructor(hooks: Readonly<ServerHooks>, clock: Clock, logger: Logger) {
    this.#hooks = hooks;
    this.#clock = clock;
    this.#logger = logger;
  }

  /** Whether the app has set the hook. */
  get isSet(): boolean {
    return this.#hooks.mayContact !== undefined;
  }

  /**
   * Requires that the caller may contact these users. Code of the app may contact all users.
   *
   * @throws CommError `FORBIDDEN`, the error of the hook, or `INTERNAL` if the hook fails or doesn't answer
   */
  async require({ userId, trusted }: Caller, userIds: readonly string[]): Promise<void> {
    if (trusted === true || (await this.#mayContact(userId, userIds))) return;
    throw mayNotContact();
  }

  /** Returns those of the users whom the caller may contact. Their order stays the same. */
  async filter({ userId }: Caller, userIds: readonly string[]): Promise<readonly string[]> {
    if (await this.#mayContact(userId, userIds)) return userIds;
    const allowed: string[] = [];
    for (const id of userIds) if (userIds.length > 1 && (await this.#mayContact(userId, [id]))) allowed.push(id);
    return allowed;
  }

  async #mayContact(callerId: string, userIds: readonly string[]): Promise<boolean> {
    const { mayContact } = this.#hooks;
    const others = userIds.filter((id) => id !== callerId);
    if (mayContact === undefined || others.length === 0) return true;
    const call = { name: 'mayContact', timeoutMs: HOOK_TIMEOUT_MS, clock: this.#clock, logger: this.#logger } as const;
    // Only `true`: an app without types may return something else by mistake.
    return (await askHook<unknown>(call, () => mayContact(callerId, others))) === true;
  }
}
