import pg from 'pg';
import type { CommClient } from 'lumen-comm';
import { inPairs, type Result } from './measure.ts';
import type { ServerProcess } from './process.ts';
import { parentOf, processorMsBelow } from './processor-time.ts';
import { commClient, type Participant, type Side } from './sides.ts';

/** For each process, so that each has as much to commit together as one alone. */
const CONVERSATIONS = 8;
const MEMBERS = 8;

/** Several servers on one Postgres and one Redis, and a relay. */
export interface Processes {
  readonly servers: readonly ServerProcess[];
  readonly relay: ServerProcess;
  readonly relaySide: Side;
  /** URL of the database. */
  readonly database: string;
}

export interface ProcessesSizes {
  readonly actions: number;
  readonly rounds: number;
}

/** Processor time per message of all server processes together, in µs, and of Postgres. */
interface Costs {
  readonly servers: Result;
  readonly postgres: Result;
}

/**
 * Processor time per message to 8 members, in 8 conversations for each process at the same time. The members of a conversation are connected to one
 * process, or to all in turns. The baseline is the time of the relay per message that it sends to as many users.
 */
export async function processes(
  given: Processes,
  where: 'on one' | 'spread',
  sizes: ProcessesSizes,
): Promise<Result[]> {
  const { servers } = given;
  const place = (conversation: number, member: number): ServerProcess | undefined =>
    servers[(where === 'on one' ? conversation : conversation + member) % servers.length];
  await using senders = await Senders.connect(
    CONVERSATIONS * servers.length,
    (conversation, member) => place(conversation, member)?.url ?? '',
  );
  const relayed = await relaySenders(given.relaySide);
  const { servers: ofServers, postgres } = await costs(given, senders, relayed, sizes);
  for (const each of relayed) each.leave();
  const title = servers.length === 1 ? '1 process' : `${servers.length} processes, members ${where}`;
  return [
    { ...ofServers, name: `processor time per message: ${title}` },
    { ...postgres, name: `processor time of Postgres per message: ${title}` },
  ];
}

/**
 * Processor time of a process without members of the busy conversations, and with a connected user, while the others exchange
 * messages. The baseline is the time of the processes that have the members.
 */
export async function withoutMembers(given: Processes, { actions, rounds }: ProcessesSizes): Promise<Result> {
  const [idle, ...busy] = given.servers;
  if (idle === undefined || busy.length === 0) throw new Error('Two processes are needed');
  await using stranger = commClient(idle.url, 'stranger');
  await stranger.connect();
  await using senders = await Senders.connect(CONVERSATIONS, (_, member) => busy[member % busy.length]?.url ?? '');
  const pairs: { lumen: number; baseline: number }[] = [];
  for (let round = -1; round < rounds; round += 1) {
    const before = [await usageOf([idle]), await usageOf(busy)] as const;
    const count = await senders.sendAll(Math.ceil(actions / rounds));
    const [lumen, baseline] = [(await usageOf([idle])) - before[0], (await usageOf(busy)) - before[1]];
    if (round >= 0) pairs.push({ lumen: (lumen * 1_000) / count, baseline: (baseline * 1_000) / count });
  }
  return { name: 'processor time per message: a process without members, to those with them', unit: 'µs', pairs };
}

async function costs(
  { servers, relay, database }: Processes,
  senders: Senders,
  relayed: readonly Participant[],
  { actions, rounds }: ProcessesSizes,
): Promise<Costs> {
  const each = Math.ceil(actions / rounds);
  const postgres = await postmasterOf(database);
  const ofPostgres: number[] = [];
  const pairs = await inPairs(rounds, async (side) => {
    const measured = side === 'lumen' ? servers : [relay];
    const before = [await usageOf(measured), processorMsBelow(postgres)] as const;
    const count = await (side === 'lumen' ? senders.sendAll(each * servers.length) : sendInTurns(relayed, each));
    if (side === 'lumen') ofPostgres.push(((processorMsBelow(postgres) - before[1]) * 1_000) / count);
    return (((await usageOf(measured)) - before[0]) * 1_000) / count;
  });
  // Without the warm-up round.
  const counted = ofPostgres.slice(-rounds);
  return {
    servers: { name: '', unit: 'µs', pairs },
    postgres: {
      name: '',
      unit: 'µs',
      pairs: pairs.map(({ baseline }, at) => ({ lumen: counted[at] ?? Number.NaN, baseline })),
    },
  };
}

async function usageOf(servers: readonly ServerProcess[]): Promise<number> {
  const usages = await Promise.all(servers.map((server) => server.usage()));
  return usages.reduce((sum, { processorMs }) => sum + processorMs, 0);
}

/** Sends messages in all conversations at the same time, one after the other in each. Returns their number. */
async function sendInTurns(senders: readonly Pick<Participant, 'send'>[], count: number): Promise<number> {
  const each = Math.ceil(count / senders.length);
  await Promise.all(
    senders.map(async (sender) => {
      for (let index = 0; index < each; index += 1) await sender.send(textOf(index));
    }),
  );
  return each * senders.length;
}

async function relaySenders(relay: Side): Promise<Participant[]> {
  const senders: Participant[] = [];
  for (let conversation = 0; conversation < CONVERSATIONS; conversation += 1) {
    const members = await relay.room([]);
    const all: Participant[] = [];
    for (let at = 0; at < MEMBERS; at += 1) all.push(await members.enter(`member-${at}`));
    const [first] = all;
    if (first === undefined) continue;
    senders.push({ ...first, leave: () => all.forEach((each) => each.leave()) });
  }
  return senders;
}

/** The members of the conversations. The first of each sends. */
class Senders implements AsyncDisposable {
  readonly #clients: CommClient[] = [];
  readonly #senders: Pick<Participant, 'send'>[] = [];
  /** Messages that have not reached all members. */
  #missing = 0;
  #arrived = (): void => undefined;

  static async connect(count: number, urlOf: (conversation: number, member: number) => string): Promise<Senders> {
    const senders = new Senders();
    for (let conversation = 0; conversation < count; conversation += 1) {
      await senders.#add(conversation, (member) => urlOf(conversation, member));
    }
    return senders;
  }

  async #add(conversation: number, urlOf: (member: number) => string): Promise<void> {
    const run = crypto.randomUUID();
    const userIds = Array.from({ length: MEMBERS }, (_, at) => `${run}-${conversation}-${at}`);
    const [first, ...others] = userIds.map((userId, at) => commClient(urlOf(at), userId));
    if (first === undefined) return;
    await first.connect();
    const { id } = await first.conversations.create({ type: 'group', name: 'Bench', participantIds: userIds.slice(1) });
    await Promise.all(others.map((client) => client.connect()));
    for (const client of others) {
      client.on('message:new', () => {
        this.#missing -= 1;
        if (this.#missing === 0) this.#arrived();
      });
    }
    this.#clients.push(first, ...others);
    this.#senders.push({ send: (content) => first.messages.send({ conversationId: id, content }) });
  }

  /** Sends until all members have all messages. */
  async sendAll(count: number): Promise<number> {
    const each = Math.ceil(count / this.#senders.length);
    this.#missing = each * this.#senders.length * (MEMBERS - 1);
    const all = new Promise<void>((resolve) => (this.#arrived = resolve));
    await Promise.all([sendInTurns(this.#senders, count), all]);
    return each * this.#senders.length;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const client of this.#clients) await client[Symbol.asyncDispose]();
  }
}

/** Returns the id of the process that has started those of the connections. */
async function postmasterOf(database: string): Promise<number> {
  const client = new pg.Client({ connectionString: database });
  await client.connect();
  try {
    const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
    return parentOf(rows[0]?.pid ?? 0);
  } finally {
    await client.end();
  }
}

const textOf = (index: number): string => `message ${index}`.padEnd(100, ' and more');
