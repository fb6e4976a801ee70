import type { Clock } from '../../lib/clock.ts';
import type { RandomSource } from '../../lib/random.ts';
import { retry } from '../../lib/retry.ts';
import type { Conversation, Head, SyncResult } from '../../protocol/conversations.ts';

export interface ResyncBacklogPorts {
  readonly clock: Clock;
  readonly random: RandomSource;
  /** Returns the `rev` up to which a conversation has been received; `undefined` for a new one. */
  cursor(conversationId: string): number | undefined;
  request(cursors: Record<string, number>): Promise<SyncResult>;
  apply(result: SyncResult): void;
  /** A conversation that is new to the user. Called before its changes are applied. */
  gained(conversation: Conversation, joinedAt: Head | undefined): void;
  /** The rest of the backlog will not arrive on this connection. */
  gaveUp(): void;
  report(error: unknown): void;
}

/** Conversations per request. Each of them that has no room in the response costs a line there. */
const BATCH_SIZE = 100;

/**
 * Requests the changes that had no room in the response to `sync`, in the background: the client counts as connected
 * before they have arrived. One request at a time, so that other requests have room on a slow connection.
 */
export class ResyncBacklog {
  readonly #ports: ResyncBacklogPorts;
  /** Conversations to request; for new ones with the `rev` to start from. */
  #outstanding = new Map<string, number>();
  /** New conversations of which only the head is known so far, with the position where the user joined. */
  readonly #unreported = new Map<string, Head | undefined>();
  #run = new AbortController();

  constructor(ports: ResyncBacklogPorts) {
    this.#ports = ports;
  }

  /**
   * Returns what has to be requested after this response to `sync`. Removes new conversations from its `heads`: they are
   * followed once they have been reported, and count as new until then, also after a reconnect.
   *
   * @param followed - the position in each conversation before the resync
   * @param sent - the cursors in the request, which has room for a limited number
   */
  outstandingIn(
    { heads, gained, joined }: SyncResult,
    followed: ReadonlyMap<string, Head>,
    sent: Readonly<Record<string, number>>,
    isFirst: boolean,
  ): Map<string, number> {
    const outstanding = new Map<string, number>();
    this.#unreported.clear();
    for (const { id, head } of gained) {
      const start = joined?.[id];
      if (!isFirst && !followed.has(id) && start !== undefined && start.rev !== head?.rev)
        outstanding.set(id, start.rev);
    }
    for (const [id, { rev }] of Object.entries(heads)) {
      const known = followed.get(id)?.rev;
      const isOld = isFirst || (joined !== undefined && !Object.hasOwn(joined, id));
      if (known === undefined ? isOld : !Object.hasOwn(sent, id) && known === rev) continue;
      outstanding.set(id, known === undefined ? (joined?.[id]?.rev ?? rev) : rev);
      if (known !== undefined) continue;
      this.#unreported.set(id, joined?.[id]);
      delete heads[id];
    }
    return outstanding;
  }

  /** Starts the requests. Replaces an earlier run. @param done - called when all changes have arrived */
  start(outstanding: ReadonlyMap<string, number>, done: () => void): void {
    this.stop();
    const { signal } = (this.#run = new AbortController());
    this.#outstanding = new Map(outstanding);
    retry(() => this.#requestAll(signal), this.#ports, { signal }).then(
      (isComplete) => {
        if (!signal.aborted && isComplete) done();
      },
      (error: unknown) => {
        if (signal.aborted) return;
        this.#giveUp();
        this.#ports.report(error);
      },
    );
  }

  /** Forgets the new conversations: another user has signed in. */
  clear(): void {
    this.#unreported.clear();
  }

  /** Returns true for a new conversation that has not been reported yet. */
  has(conversationId: string): boolean {
    return this.#unreported.has(conversationId);
  }

  stop(): void {
    this.#run.abort();
  }

  /** @returns whether everything has arrived */
  async #requestAll(signal: AbortSignal): Promise<boolean> {
    while (this.#outstanding.size > 0) {
      const result = await this.#ports.request(this.#nextBatch());
      if (signal.aborted) return false;
      // A response has room for at least one conversation. A server that sends none is not asked again.
      const before = this.#outstanding.size;
      for (const { conversationId } of result.conversations) this.#outstanding.delete(conversationId);
      for (const id of result.lost) this.#outstanding.delete(id);
      if (this.#outstanding.size === before) {
        this.#giveUp();
        return false;
      }
      this.#reportGained(result);
      this.#ports.apply(result);
    }
    return true;
  }

  #giveUp(): void {
    this.#unreported.clear();
    this.#ports.gaveUp();
  }

  #reportGained({ conversations }: SyncResult): void {
    for (const { conversationId, conversation } of conversations) {
      const joinedAt = this.#unreported.get(conversationId);
      if (this.#unreported.delete(conversationId)) this.#ports.gained(conversation, joinedAt);
    }
  }

  #nextBatch(): Record<string, number> {
    const batch = [...this.#outstanding].slice(0, BATCH_SIZE);
    return Object.fromEntries(batch.map(([id, rev]) => [id, this.#ports.cursor(id) ?? rev]));
  }
}
