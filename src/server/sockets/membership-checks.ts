/** Dependencies of {@link MembershipChecks}. */
export interface MembershipChecksDeps {
  /** Returns those of the users who are not members. Rejects if the rows can't be read. */
  readonly formerMembers: (conversationId: string, userIds: readonly string[]) => Promise<readonly string[]>;
  /** Adds a user to the room. */
  readonly join: (userId: string, conversationId: string) => void;
  /** Removes a user from the room. */
  readonly remove: (userId: string, conversationId: string) => void;
  /** Called with users whose clients may have been told something else than the rows say. */
  readonly contradicted: (userIds: readonly string[]) => void;
}

/**
 * Compares what other processes tell about members with the rows. The messages of two processes arrive in any order: a user who was
 * added by one and removed by the other could stay in the room as a former member, or be kept out of it as a member.
 */
export class MembershipChecks {
  readonly #deps: MembershipChecksDeps;
  /** By conversation, then user: whether the user is a member, as told last. */
  #told = new Map<string, Map<string, boolean>>();

  constructor(deps: MembershipChecksDeps) {
    this.#deps = deps;
  }

  /** Checks what was told about a user, together with what else is told in this task. */
  told(conversationId: string, userId: string, isMember: boolean): void {
    if (this.#told.size === 0) queueMicrotask(() => this.#check());
    const users = this.#told.get(conversationId);
    if (users === undefined) this.#told.set(conversationId, new Map([[userId, isMember]]));
    else users.set(userId, isMember);
  }

  #check(): void {
    const { contradicted } = this.#deps;
    for (const [conversationId, users] of this.#told) {
      // Without an answer the clients read again what they are members of.
      this.#correct(conversationId, users).catch(() => contradicted([...users.keys()]));
    }
    this.#told = new Map();
  }

  async #correct(conversationId: string, users: ReadonlyMap<string, boolean>): Promise<void> {
    const { formerMembers, join, remove, contradicted } = this.#deps;
    const former = new Set(await formerMembers(conversationId, [...users.keys()]));
    const wrong = [...users].filter(([userId, isMember]) => isMember === former.has(userId));
    for (const [userId] of wrong) {
      if (former.has(userId)) remove(userId, conversationId);
      else join(userId, conversationId);
    }
    if (wrong.length > 0) contradicted(wrong.map(([userId]) => userId));
  }
}
