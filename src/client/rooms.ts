import type { Clock } from '../lib/clock.ts';
import type { Lazy } from '../lib/lazy.ts';
import type { Conversation } from '../protocol/conversations.ts';
import { isCommError } from '../protocol/errors.ts';
import { fields } from '../transport/fields.ts';
import { readConversation } from '../transport/rows.ts';
import type { ClientContext } from './context.ts';
import type { Reader } from './reader.ts';

/** Joins, and takes in what the server says of the conversation; a base server says nothing. */
export async function enterRoom(
  context: ClientContext,
  reader: Lazy<Reader>,
  id: string,
): Promise<Conversation | undefined> {
  // Loaded first: what is pushed behind the answer must find it taken in.
  const { directory, inbox } = await reader();
  const answer: unknown = await context.requester.request('conversation:join', { conversationId: id });
  const joined = readConversation(fields(answer)?.['conversation']);
  if (joined === undefined && inbox.find(id) !== undefined) return undefined;
  inbox.apply({ kind: 'known', conversation: joined ?? (await directory.get(id)) });
  return joined;
}

/** Each join answers with a whole conversation, and all of them share one line. */
const AT_ONCE = 8;
const AGAIN_MS = 5_000;

/** Joins again after a reconnect, for as long as the line stands. */
export class Rooms {
  readonly #clock: Clock;
  readonly #enter: (id: string) => Promise<void>;
  readonly #report: (error: unknown) => void;
  #cancel = (): void => undefined;

  constructor(clock: Clock, enter: (id: string) => Promise<void>, report: (error: unknown) => void) {
    this.#clock = clock;
    this.#enter = enter;
    this.#report = report;
  }

  /**
   * A conversation that is gone is told by `sync`. One whose join fails for now is tried again later: the others need not
   * wait for it.
   *
   * @param isCurrent - false once the line is lost
   */
  async enterAgain(ids: readonly string[], isCurrent: () => boolean): Promise<void> {
    const waiting = [...ids];
    const later: string[] = [];
    const lane = async (): Promise<void> => {
      for (let id = waiting.shift(); id !== undefined && isCurrent(); id = waiting.shift()) {
        try {
          await this.#enter(id);
        } catch (error) {
          if (!isCommError(error)) throw error;
          if (error.retryable) later.push(id);
        }
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, lane));
    if (later.length === 0 || !isCurrent()) return;
    this.#cancel = this.#clock.after(AGAIN_MS, () => void this.enterAgain(later, isCurrent).catch(this.#report));
  }

  lineLost(): void {
    this.#cancel();
  }
}
