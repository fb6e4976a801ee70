/** Dependencies of {@link CheckedDeliveries}. */
export interface CheckedDeliveriesDeps {
  /** Whether this process is told by the others who has been removed from a conversation. */
  readonly isTold: () => boolean;
  /** Returns the users with a socket in the conversation's room. */
  readonly usersIn: (conversationId: string) => ReadonlySet<string>;
  /** Returns those of the users who are not members. Rejects if the rows can't be read. */
  readonly formerMembers: (conversationId: string, userIds: readonly string[]) => Promise<readonly string[]>;
  /** Reports an error of a delivery that had to wait. */
  readonly report: (error: unknown) => void;
  /** Removes a user from the room. */
  readonly remove: (userId: string, conversationId: string) => void;
}

interface Delivery {
  readonly deliver: () => void;
  readonly conversationIds: readonly string[];
}

/**
 * Delivers pushes to the sockets of this process. While the others can't tell it who has been removed from a conversation, the
 * members are read before a push to a room, and all deliveries keep their order. A push whose members can't be read is dropped:
 * clients read what they have missed when the others can be reached again.
 */
export class CheckedDeliveries {
  readonly #deps: CheckedDeliveriesDeps;
  #waiting: Delivery[] = [];
  #isChecking = false;

  constructor(deps: CheckedDeliveriesDeps) {
    this.#deps = deps;
  }

  /** @param conversationIds - those whose rooms receive the push */
  run(deliver: () => void, conversationIds: readonly string[] = []): void {
    if (!this.#isChecking && this.#deps.isTold()) return deliver();
    this.#waiting.push({ deliver, conversationIds });
    if (!this.#isChecking) void this.#check();
  }

  async #check(): Promise<void> {
    this.#isChecking = true;
    while (this.#waiting.length > 0) {
      const deliveries = this.#waiting;
      this.#waiting = [];
      const unread = await this.#removeFormerMembers(new Set(deliveries.flatMap((each) => each.conversationIds)));
      for (const { deliver, conversationIds } of deliveries) {
        if (!conversationIds.some((id) => unread.has(id))) this.#deliver(deliver);
      }
    }
    this.#isChecking = false;
  }

  /** An error must not keep back the deliveries that follow. */
  #deliver(deliver: () => void): void {
    try {
      deliver();
    } catch (error) {
      this.#deps.report(error);
    }
  }

  /** @returns the conversations whose members could not be read */
  async #removeFormerMembers(conversationIds: ReadonlySet<string>): Promise<ReadonlySet<string>> {
    const { usersIn, formerMembers, remove } = this.#deps;
    const unread = new Set<string>();
    for (const conversationId of conversationIds) {
      const users = [...usersIn(conversationId)];
      if (users.length === 0) continue;
      try {
        for (const userId of await formerMembers(conversationId, users)) remove(userId, conversationId);
      } catch {
        unread.add(conversationId);
      }
    }
    return unread;
  }
}
