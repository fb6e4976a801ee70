import { BoundedMap } from '../../lib/bounded-map.ts';

/** Channels whose last number a publisher remembers. A forgotten one makes its subscribers read the rows once. */
const MAX_CHANNELS = 100_000;
/** Publishers that a subscriber remembers per channel: processes, including those that have ended. */
const MAX_PUBLISHERS = 64;

/**
 * Numbers the messages of one publisher. Each message names the number before it on the same channel, so that a subscriber
 * sees a hole without a counter per channel that would have to be kept for ever.
 */
export class PublishedSequence {
  readonly #publisherId: string;
  readonly #last: BoundedMap<string, number>;
  #number = 0;

  /** @param publisherId - id of the process, without spaces */
  constructor(publisherId: string, maxChannels = MAX_CHANNELS) {
    this.#publisherId = publisherId;
    this.#last = new BoundedMap(maxChannels);
  }

  /** Returns the payload with the header of the channel's next message. Without a payload, it only closes a gap. */
  next(channel: string, payload = ''): string {
    this.#number += 1;
    const before = this.#last.get(channel) ?? 0;
    // Set as the newest key, so that busy channels are not evicted.
    this.#last.delete(channel);
    this.#last.set(channel, this.#number);
    return `${this.#publisherId} ${this.#number} ${before} ${payload}`;
  }
}

/** What a message is to a subscriber. */
export interface ReceivedMessage {
  readonly publisherId: string;
  /** Without a payload, the message only tells the number. */
  readonly payload: string;
  /** `hole`: messages before this one were lost. `repeated`: this one or a later one was received before. */
  readonly order: 'next' | 'hole' | 'repeated';
}

/** Bounded, because anything can be published on the channels. */
const HEADER = /^(\S{1,100}) (\d{1,15}) (\d{1,15}) /;

/** Tracks which messages were received on subscribed channels. */
export class ReceivedSequences {
  readonly #last = new Map<string, Map<string, number>>();

  /** Returns the parsed message; `undefined` for one without a header. */
  receive(channel: string, message: string): ReceivedMessage | undefined {
    const header = HEADER.exec(message);
    if (header === null) return undefined;
    const [{ length }, publisherId = '', number, before] = header;
    const publishers = this.#last.get(channel) ?? new BoundedMap<string, number>(MAX_PUBLISHERS);
    this.#last.set(channel, publishers);
    const last = publishers.get(publisherId);
    const isRepeated = last !== undefined && Number(number) <= last;
    if (!isRepeated) publishers.set(publisherId, Number(number));
    // The first message of a publisher continues what was published before the subscription.
    const isNext = last === undefined || Number(before) === last;
    const order = isRepeated ? 'repeated' : isNext ? 'next' : 'hole';
    return { publisherId, payload: message.slice(length), order };
  }

  /** Forgets a channel, or all of them: the next message of each publisher is its first. */
  forget(channel?: string): void {
    if (channel === undefined) this.#last.clear();
    else this.#last.delete(channel);
  }
}
