import { inPairs, median, type Result } from './measure.ts';
import type { Participant, Room, Side } from './sides.ts';

export interface SocketSizes {
  readonly sequential: number;
  readonly pipelined: number;
  readonly receivers: number;
  readonly fanOut: number;
  readonly connects: number;
  /** Members of a group in which two users write, and into which many connect. */
  readonly members: readonly number[];
  readonly rounds: number;
}

/** The server updates its search index when there were no writes for half a second. */
const REST_MS = 1_200;

type Sides = Readonly<Record<'lumen' | 'baseline', Side>>;

/** Distinct texts of about 200 bytes. */
const contentOf = (index: number): string => `${index} `.padEnd(200, 'The quick brown fox jumps over the lazy dog. ');

/** Time from `send` until the listener of the receiver is called, one message at a time. Returns the median of a round. */
export async function latency(sides: Sides, { sequential, rounds }: SocketSizes): Promise<Result> {
  const pairs = await inBoth(
    sides,
    ['alice', 'bob'],
    async ([alice, bob]) => {
      const inbox = new Inbox(bob);
      return () => sequentially(alice, inbox, Math.ceil(sequential / rounds));
    },
    rounds,
  );
  return { name: `send to receive, one at a time (${sequential} messages)`, unit: 'µs', pairs, target: 1.8 };
}

/** As above, in groups of different sizes of which two members are connected. The relay has no members. */
export async function members(sides: Sides, { members: counts, sequential, rounds }: SocketSizes): Promise<Result[]> {
  const results: Result[] = [];
  for (const count of counts) {
    const pairs = await inBoth(
      sides,
      ['alice', 'bob'],
      async ([alice, bob]) => {
        const inbox = new Inbox(bob);
        return () => sequentially(alice, inbox, Math.ceil(sequential / rounds / 2));
      },
      rounds,
      absent(count - 2),
    );
    results.push({ name: `send to receive in a group of ${count.toLocaleString('en')}`, unit: 'µs', pairs });
  }
  return results;
}

const absent = (count: number): string[] => Array.from({ length: count }, (_, index) => `absent-${index}`);

async function sequentially(alice: Participant, inbox: Inbox, count: number): Promise<number> {
  const times: number[] = [];
  const acknowledged: Promise<unknown>[] = [];
  for (let index = 0; index < count; index += 1) {
    const received = inbox.next(1);
    const start = performance.now();
    acknowledged.push(alice.send(contentOf(index)));
    await received;
    times.push(performance.now() - start);
  }
  await Promise.all(acknowledged);
  return median(times) * 1_000;
}

/** Sends all messages at once. Ends when the receiver has the last one and all sends are acknowledged. */
export async function pipelined(sides: Sides, { pipelined: count, rounds }: SocketSizes): Promise<Result> {
  const pairs = await inBoth(
    sides,
    ['alice', 'bob'],
    async ([alice, bob]) => {
      const inbox = new Inbox(bob);
      return () => atOnce(alice, [inbox], count);
    },
    rounds,
  );
  return { name: `${count} messages at once`, unit: 'ms', pairs, target: 1 };
}

/** As above, with many receivers. */
export async function fanOut(sides: Sides, { receivers, fanOut: count, rounds }: SocketSizes): Promise<Result> {
  const people = ['alice', ...Array.from({ length: receivers }, (_, index) => `receiver-${index}`)];
  const pairs = await inBoth(
    sides,
    people,
    async ([alice, ...others]) => {
      const inboxes = others.map((each) => new Inbox(each));
      return () => atOnce(alice, inboxes, count);
    },
    rounds,
  );
  return { name: `${count} messages to ${receivers} receivers`, unit: 'ms', pairs, target: 0.75 };
}

async function atOnce(alice: Participant, inboxes: readonly Inbox[], count: number): Promise<number> {
  const received = inboxes.map((inbox) => inbox.next(count));
  const start = performance.now();
  const acknowledged = Array.from({ length: count }, (_, index) => alice.send(contentOf(index)));
  await Promise.all([...received, ...acknowledged]);
  return performance.now() - start;
}

/** Connects many users at once, into a group that has no other members and into one of 1,000. Ends when all are in the room and in sync. */
export async function connects(
  sides: Sides,
  { connects: count, members: sizes, rounds }: SocketSizes,
): Promise<Result[]> {
  const people = Array.from({ length: count }, (_, index) => `guest-${index}`);
  const results: Result[] = [];
  for (const size of [count, Math.max(...sizes)]) {
    const lumen = await sides.lumen.room([...people, ...absent(size - count)]);
    const rooms = { lumen, baseline: await sides.baseline.room(people) };
    const pairs = await inPairs(rounds, async (side) => {
      const start = performance.now();
      const entered = await Promise.all(people.map((userId) => rooms[side].enter(userId)));
      const took = performance.now() - start;
      for (const each of entered) each.leave();
      return took;
    });
    const into = size === count ? '' : `, into a group of ${size.toLocaleString('en')}`;
    results.push({ name: `${count} connects at once${into}`, unit: 'ms', pairs, target: 2.2 });
  }
  return results;
}

type Cast = readonly [Participant, Participant, ...Participant[]];

async function inBoth(
  sides: Sides,
  people: readonly string[],
  prepare: (cast: Cast) => Promise<() => Promise<number>>,
  rounds: number,
  others: readonly string[] = [],
): Promise<Result['pairs']> {
  const casts = {
    lumen: await cast(await sides.lumen.room([...people, ...others]), people),
    baseline: await cast(await sides.baseline.room(people), people),
  };
  const measures = { lumen: await prepare(casts.lumen), baseline: await prepare(casts.baseline) };
  const pairs = await inPairs(rounds, (side) => measures[side](), REST_MS);
  for (const each of [...casts.lumen, ...casts.baseline]) each.leave();
  return pairs;
}

async function cast(room: Room, people: readonly string[]): Promise<Cast> {
  const [first, second, ...rest] = await Promise.all(people.map((userId) => room.enter(userId)));
  if (first === undefined || second === undefined) throw new Error('A room has two people at least');
  return [first, second, ...rest];
}

/** Counts the messages that a participant receives. */
class Inbox {
  #missing = 0;
  #done: () => void = () => undefined;

  constructor(participant: Participant) {
    participant.listen(() => {
      this.#missing -= 1;
      if (this.#missing === 0) this.#done();
    });
  }

  /** Resolves when the next `count` messages have arrived. */
  next(count: number): Promise<void> {
    this.#missing = count;
    return new Promise((resolve) => {
      this.#done = resolve;
    });
  }
}
