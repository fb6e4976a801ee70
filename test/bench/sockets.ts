import { inPairs, median, type Result } from './measure.ts';
import type { Participant, Room, Side } from './sides.ts';

export interface SocketSizes {
  readonly sequential: number;
  readonly pipelined: number;
  readonly receivers: number;
  readonly fanOut: number;
  readonly connects: number;
  readonly rounds: number;
}

/** The server brings its search index up to date when nothing has been written for half a second. */
const REST_MS = 1_200;

type Sides = Readonly<Record<'ours' | 'floor', Side>>;

/** About 200 bytes, each different. */
const contentOf = (index: number): string => `${index} `.padEnd(200, 'The quick brown fox jumps over the lazy dog. ');

/** From sending until the other's listener has it; one at a time. A round's figure is the median of its messages. */
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
  return { name: `send to receive, one at a time (${sequential} messages)`, unit: 'µs', pairs, aim: 1.5 };
}

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

/** All sent at once: until the receiver has the last one and every acknowledgement is in. */
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
  return { name: `${count} messages at once`, unit: 'ms', pairs, aim: 1.3 };
}

/** The same with many receivers. */
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
  return { name: `${count} messages to ${receivers} receivers`, unit: 'ms', pairs, aim: 1.1 };
}

async function atOnce(alice: Participant, inboxes: readonly Inbox[], count: number): Promise<number> {
  const received = inboxes.map((inbox) => inbox.next(count));
  const start = performance.now();
  const acknowledged = Array.from({ length: count }, (_, index) => alice.send(contentOf(index)));
  await Promise.all([...received, ...acknowledged]);
  return performance.now() - start;
}

/** Everybody at once, until each is in the room and in step. */
export async function connects(sides: Sides, { connects: count, rounds }: SocketSizes): Promise<Result> {
  const people = Array.from({ length: count }, (_, index) => `guest-${index}`);
  const rooms = { ours: await sides.ours.room(people), floor: await sides.floor.room(people) };
  const pairs = await inPairs(rounds, async (side) => {
    const start = performance.now();
    const entered = await Promise.all(people.map((userId) => rooms[side].enter(userId)));
    const took = performance.now() - start;
    for (const each of entered) each.leave();
    return took;
  });
  return { name: `${count} connects at once`, unit: 'ms', pairs };
}

type Cast = readonly [Participant, Participant, ...Participant[]];

async function inBoth(
  sides: Sides,
  people: readonly string[],
  prepare: (cast: Cast) => Promise<() => Promise<number>>,
  rounds: number,
): Promise<Result['pairs']> {
  const casts = {
    ours: await cast(await sides.ours.room(people), people),
    floor: await cast(await sides.floor.room(people), people),
  };
  const measures = { ours: await prepare(casts.ours), floor: await prepare(casts.floor) };
  const pairs = await inPairs(rounds, (side) => measures[side](), REST_MS);
  for (const each of [...casts.ours, ...casts.floor]) each.leave();
  return pairs;
}

async function cast(room: Room, people: readonly string[]): Promise<Cast> {
  const [first, second, ...rest] = await Promise.all(people.map((userId) => room.enter(userId)));
  if (first === undefined || second === undefined) throw new Error('A room has two people at least');
  return [first, second, ...rest];
}

/** Counts what somebody receives. */
class Inbox {
  #missing = 0;
  #done: () => void = () => undefined;

  constructor(participant: Participant) {
    participant.listen(() => {
      this.#missing -= 1;
      if (this.#missing === 0) this.#done();
    });
  }

  /** Resolves when the next `count` messages are there. */
  next(count: number): Promise<void> {
    this.#missing = count;
    return new Promise((resolve) => {
      this.#done = resolve;
    });
  }
}
