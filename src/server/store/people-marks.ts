import type { ReadReceipt } from '../../protocol/messages.ts';
import type { MessageStatus } from '../../protocol/vocabulary.ts';
import { isoTime, type MessageRow, type ParticipantRow } from './rows.ts';

/** Readers of one message that are named; a group's other readers are found in the participants' marks. */
const MAX_READERS = 50;

interface Reader extends ReadReceipt {
  readonly seq: number;
}

/** How far the people of one conversation are, looked at once for all the messages of a page. */
export class Marks {
  /** In the order they joined. */
  readonly #readers: readonly Reader[];
  readonly #furthest: number;
  readonly #read: Slowest;
  readonly #delivered: Slowest;

  constructor(people: readonly ParticipantRow[]) {
    this.#readers = people.flatMap(({ user_id: userId, last_read_at: at, last_read_seq: seq }) =>
      at === null ? [] : [{ userId, readAt: isoTime(at), seq }],
    );
    this.#furthest = this.#readers.reduce((furthest, { seq }) => Math.max(furthest, seq), 0);
    this.#read = new Slowest(people, (each) => each.last_read_seq);
    this.#delivered = new Slowest(people, (each) => each.last_delivered_seq);
  }

  /** How far the slowest of the others is. */
  statusOf({ sender_id: senderId, seq }: MessageRow): MessageStatus {
    if (this.#read.but(senderId) >= seq) return 'read';
    return this.#delivered.but(senderId) >= seq ? 'delivered' : 'sent';
  }

  /** The time is that of the receipt where this very message was named, else of the mark that passed it. */
  readersOf({ id, sender_id: senderId, seq }: MessageRow, receipts: ReadonlyMap<string, string>): ReadReceipt[] {
    const readers: ReadReceipt[] = [];
    if (this.#furthest < seq) return readers;
    for (const { userId, readAt, seq: readSeq } of this.#readers) {
      if (readSeq < seq || userId === senderId) continue;
      const named = receipts.size === 0 ? undefined : receipts.get(`${id} ${userId}`);
      readers.push({ userId, readAt: named ?? readAt });
      if (readers.length === MAX_READERS) break;
    }
    return readers;
  }
}

/** The two who are furthest behind: whoever the sender is, the slowest of the others is one of them. */
class Slowest {
  readonly #userId: string | undefined;
  readonly #mark: number;
  readonly #next: number;

  constructor(people: readonly ParticipantRow[], markOf: (row: ParticipantRow) => number) {
    const [first, second] = people.toSorted((a, b) => markOf(a) - markOf(b));
    this.#userId = first?.user_id;
    this.#mark = first === undefined ? 0 : markOf(first);
    this.#next = second === undefined ? 0 : markOf(second);
  }

  /** 0 where there is nobody else. */
  but(userId: string): number {
    return this.#userId === userId ? this.#next : this.#mark;
  }
}
