import type { Clock } from '../lib/clock.ts';
import type { Conversation, Head, SyncResult } from '../protocol/conversations.ts';
import { isCommError } from '../protocol/errors.ts';

export interface RestPorts {
  readonly clock: Clock;
  /** How far a conversation is known here; `undefined` for one that is new. */
  cursor(conversationId: string): number | undefined;
  ask(cursors: Record<string, number>): Promise<SyncResult>;
  take(result: SyncResult): void;
  /** One that is new, and hasn't been told of before. */
  gained(conversation: Conversation, joined: Head | undefined): void;
  /** What is owed will not come on this line. */
  gaveUp(): void;
  report(error: unknown): void;
}

/** Conversations asked about at once: what has no room again costs a line in the answer. */
const BATCH = 100;
const AGAIN_MS = 2_000;

/**
 * What the answer to `sync` had no room for, in further ones beside the live stream: being in step doesn't wait for it.
 * One at a time, so that they leave room on a slow line.
 */
export class SyncRest {
  readonly #ports: RestPorts;
  /** By id, the `rev` to ask from where the conversation is new. */
  #owed = new Map<string, number>();
  /** New conversations of which only the head is known so far, and where the user joined them. */
  readonly #untold = new Map<string, Head | undefined>();
  /** Moves with each line: whatever one before has begun is over. */
  #round = 0;
  #cancel = (): void => undefined;

  constructor(ports: RestPorts) {
    this.#ports = ports;
  }

  /**
   * What of an answer's heads has to be asked for. New conversations leave them: followed once they are told of, they count
   * as new until then, whatever happens to the line.
   */
  owedBy(
    { heads, gained, joined }: SyncResult,
    followed: ReadonlyMap<string, Head>,
    asked: Readonly<Record<string, number>>,
    isFirst: boolean,
  ): Map<string, number> {
    const owed = new Map<string, number>();
    this.#untold.clear();
    for (const { id, head } of gained) {
      const start = joined?.[id];
      if (!isFirst && !followed.has(id) && start !== undefined && start.rev !== head?.rev) owed.set(id, start.rev);
    }
    for (const [id, { rev }] of Object.entries(heads)) {
      const known = followed.get(id)?.rev;
      const isOld = isFirst || (joined !== undefined && !Object.hasOwn(joined, id));
      // There may be more cursors than can be sent.
      if (known === undefined ? isOld : !Object.hasOwn(asked, id) && known === rev) continue;
      owed.set(id, known === undefined ? (joined?.[id]?.rev ?? rev) : rev);
      if (known !== undefined) continue;
      this.#untold.set(id, joined?.[id]);
      delete heads[id];
    }
    return owed;
  }

  /** @param done - once all of it is here */
  begin(owed: ReadonlyMap<string, number>, done: () => void): void {
    this.stop();
    this.#owed = new Map(owed);
    void this.#bring(this.#round, done);
  }

  forget(): void {
    this.#untold.clear();
  }

  /** True while it is to be told of as new. */
  isOwed(id: string): boolean {
    return this.#untold.has(id);
  }

  stop(): void {
    this.#round += 1;
    this.#cancel();
  }

  async #bring(round: number, done: () => void): Promise<void> {
    try {
      while (this.#owed.size > 0) {
        const result = await this.#ports.ask(this.#batch());
        if (round !== this.#round) return;
        // Each answer has room for at least one; a server that gives none is not asked for ever.
        const before = this.#owed.size;
        for (const { conversationId } of result.conversations) this.#owed.delete(conversationId);
        for (const id of result.lost) this.#owed.delete(id);
        if (this.#owed.size === before) return this.#giveUp();
        this.#told(result);
        this.#ports.take(result);
      }
      done();
    } catch (error) {
      // A line that is lost meanwhile starts over with the next one.
      if (round !== this.#round) return;
      if (!isCommError(error) || !error.retryable) {
        this.#giveUp();
        return this.#ports.report(error);
      }
      const delayMs = Math.max(error.retryAfterMs ?? 0, AGAIN_MS);
      this.#cancel = this.#ports.clock.after(delayMs, () => void this.#bring(round, done));
    }
  }

  #giveUp(): void {
    this.#untold.clear();
    this.#ports.gaveUp();
  }

  /** Ahead of what was said in it. */
  #told({ conversations }: SyncResult): void {
    for (const { conversationId, conversation } of conversations) {
      const joined = this.#untold.get(conversationId);
      if (this.#untold.delete(conversationId)) this.#ports.gained(conversation, joined);
    }
  }

  #batch(): Record<string, number> {
    const batch = [...this.#owed].slice(0, BATCH);
    return Object.fromEntries(batch.map(([id, rev]) => [id, this.#ports.cursor(id) ?? rev]));
  }
}
