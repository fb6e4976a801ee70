import type { ReadReceipt } from '../../../protocol/messages.ts';
import type { MessageStatus } from '../../../protocol/constants.ts';
import { slowestOther, type Slowest, type SlowestMarkers } from './receipts.ts';
import { isoTime, type ParticipantRow } from './rows.ts';

/**
 * Maximum number of readers listed per message. Further readers of a large group are found by the participants'
 * markers.
 */
const MAX_READERS = 50;

interface Reader extends ReadReceipt {
  readonly seq: number;
}
type Markers = Pick<ParticipantRow, 'user_id' | 'last_read_at' | 'last_read_seq' | 'last_delivered_seq'>;

/** What the status and the readers of a message depend on. */
export interface Sent {
  readonly id: number;
  readonly sender_id: string;
  readonly seq: number;
}
/** The times of receipts, by message and user; see {@link receiptKey}. */
export type ReceiptTimes = ReadonlyMap<string, string>;

/** Returns the key of a receipt in {@link ReceiptTimes}. */
export function receiptKey(messageId: number, userId: string): string {
  return `${messageId} ${userId}`;
}

/** Read and delivery markers of one conversation, prepared once for all messages of a page. */
export class ParticipantMarkers {
  /** In the order in which they joined. */
  readonly #readers: readonly Reader[];
  readonly #furthest: number;
  /** Lowest first. For every sender, the lowest marker of the other participants is one of the first two. */
  readonly #read: SlowestMarkers;
  readonly #delivered: SlowestMarkers;
  /** JSON of each reader, written when it is first needed. */
  readonly #json = new Map<Reader, string>();

  /**
   * @param rows - the participants that can be listed as readers, in the order in which they joined
   * @param slowest - the two lowest markers; absent if `rows` contains all participants
   */
  constructor(
    {
      rows: people,
      slowest,
    }: {
      readonly rows: readonly Markers[];
      readonly slowest?: Slowest | undefined;
    } = { rows: [] },
  ) {
    this.#readers = people.flatMap(({ user_id: userId, last_read_at: at, last_read_seq: seq }) =>
      at === null ? [] : [{ userId, readAt: isoTime(at), seq }],
    );
    this.#furthest = this.#readers.reduce((furthest, { seq }) => Math.max(furthest, seq), 0);
    this.#read = slowest?.read ?? lowestTwo(people, (each) => each.last_read_seq);
    this.#delivered = slowest?.delivered ?? lowestTwo(people, (each) => each.last_delivered_seq);
  }

  /** Returns the status of a message, which is determined by the lowest marker of the other participants. */
  statusOf({ sender_id: senderId, seq }: Sent): MessageStatus {
    if (slowestOther(senderId, this.#read) >= seq) return 'read';
    return slowestOther(senderId, this.#delivered) >= seq ? 'delivered' : 'sent';
  }

  /**
   * Returns the readers of a message. The time is that of a receipt for this message, else the time at which the marker
   * passed it.
   */
  readersOf(message: Sent, receipts: ReceiptTimes): ReadReceipt[] {
    return this.#readersOf(message, receipts, ({ userId, readAt }, named) => ({ userId, readAt: named ?? readAt }));
  }

  /** Returns the JSON of {@link readersOf}. */
  readersJson(message: Sent, receipts: ReceiptTimes): string {
    const readers = this.#readersOf(message, receipts, (reader, named) =>
      named === undefined ? this.#jsonOf(reader) : JSON.stringify({ userId: reader.userId, readAt: named }),
    );
    return `[${readers.join(',')}]`;
  }

  #readersOf<T>(
    { id, sender_id: senderId, seq }: Sent,
    receipts: ReceiptTimes,
    map: (reader: Reader, named: string | undefined) => T,
  ): T[] {
    const readers: T[] = [];
    if (this.#furthest < seq) return readers;
    for (const reader of this.#readers) {
      if (reader.seq < seq || reader.userId === senderId) continue;
      readers.push(map(reader, receipts.size === 0 ? undefined : receipts.get(receiptKey(id, reader.userId))));
      if (readers.length === MAX_READERS) break;
    }
    return readers;
  }

  #jsonOf(reader: Reader): string {
    let json = this.#json.get(reader);
    if (json === undefined) {
      json = JSON.stringify({ userId: reader.userId, readAt: reader.readAt });
      this.#json.set(reader, json);
    }
    return json;
  }
}

function lowestTwo(people: readonly Markers[], markOf: (row: Markers) => number): SlowestMarkers {
  let lowest: Markers | undefined;
  let second: Markers | undefined;
  for (const each of people) {
    if (lowest === undefined || markOf(each) < markOf(lowest)) [lowest, second] = [each, lowest];
    else if (second === undefined || markOf(each) < markOf(second)) second = each;
  }
  return [lowest, second].flatMap((each) =>
    each === undefined ? [] : [{ user_id: each.user_id, mark: markOf(each) }],
  );
}
