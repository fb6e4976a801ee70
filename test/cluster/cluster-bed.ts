import { setTimeout as pause } from 'node:timers/promises';
import { seededRandom, type Random } from '../../src/lib/seeded-random.ts';
import { readPostgres, type Stored } from '../faults/checks.ts';
import type { ServerBed, StartBed, Storm } from '../faults/server-bed.ts';
import { CallUsers } from './call-users.ts';
import { Cluster, type Member } from './cluster.ts';

/** What a fault needs. */
interface FaultContext {
  readonly cluster: Cluster;
  /** A process that the fault may be about. */
  readonly member: Member;
  readonly random: Random;
  /** Records that something was wrong. */
  readonly problem: (text: string) => void;
}

const MAX_PROCESSES = 4;
const MIN_FAULTS = 3;
/** Three heartbeats of the bus, after which a silent line counts as lost, and one more. */
const SILENCE_MS = 8_000;

/** Each fault and its end. */
export const FAULTS: Readonly<Record<string, (context: FaultContext) => Promise<void>>> = {
  async 'process killed'({ member, random }) {
    await member.server.kill();
    await pause(random.between(0, 500));
    await member.server.restart();
  },
  async 'process drained'({ member, random, problem }) {
    const code = await member.server.kill('SIGTERM');
    if (code !== 0) problem(`${member.name} ended with ${code} after SIGTERM`);
    await pause(random.between(0, 500));
    await member.server.restart();
  },
  async 'process added'({ cluster, member, random }) {
    if (cluster.members.length < MAX_PROCESSES) await cluster.add();
    // One of those that are left is away for a while, so that clients move to the new one.
    await member.server.kill();
    await pause(random.between(200, 1_000));
    await member.server.restart();
  },
  async 'Redis restarted'({ cluster, random }) {
    await cluster.redis.stop();
    await pause(random.between(0, 1_000));
    await cluster.redis.start();
  },
  async 'Redis cut off'({ member }) {
    member.redisLine.cut();
    return Promise.resolve();
  },
  async 'Redis silent'({ member, random }) {
    member.redisLine.kill();
    await pause(random.between(200, SILENCE_MS));
    member.redisLine.heal();
  },
  async 'Redis slow'({ member, random }) {
    member.redisLine.resume();
    await pause(random.between(500, 2_000));
    member.redisLine.heal();
  },
  async 'Postgres restarted'({ cluster, random }) {
    await cluster.postgres.stop(random.chance(0.5) ? 'immediate' : 'fast');
    await pause(random.between(0, 500));
    await cluster.postgres.start();
  },
};

/** Faults of a line to Redis that is slow. */
const SLOW_LINE = { delay: 1, delayMs: [20, 200], split: 0.5 } as const;

/** Three processes on one Postgres and one Redis. The first device of each user prefers another process than the second. */
export const startClusterBed: StartBed = async (directory, seed) => {
  const cluster = await Cluster.start({ seed, faults: SLOW_LINE, files: directory });
  try {
    const origins = await Promise.all(cluster.members.map((_, at) => cluster.balance(at)));
    const originAt = (at: number): string => origins[at % origins.length] ?? '';
    const calls = await CallUsers.start(cluster, seededRandom(seed).fork('calls'), originAt);
    return new ClusterBed(cluster, originAt, calls);
  } catch (error) {
    await cluster[Symbol.asyncDispose]();
    throw error;
  }
};

class ClusterBed implements ServerBed {
  /** A message takes several round trips to Postgres. */
  readonly workload = 0.3;
  readonly figures: Record<string, number> = {};
  readonly #cluster: Cluster;
  readonly #originAt: (at: number) => string;
  readonly #calls: CallUsers;
  readonly #problems: string[] = [];
  /** In the order in which they were first asked for. */
  readonly #users: string[] = [];

  constructor(cluster: Cluster, originAt: (at: number) => string, calls: CallUsers) {
    this.#cluster = cluster;
    this.#originAt = originAt;
    this.#calls = calls;
  }

  get url(): string {
    return this.#originAt(0);
  }

  originOf(user: string, isFirst: boolean): string {
    if (!this.#users.includes(user)) this.#users.push(user);
    return this.#originAt(this.#users.indexOf(user) + (isFirst ? 0 : 1));
  }

  async injectFaults(storm: Storm, random: Random, log: (line: string) => void): Promise<void> {
    const calls = this.#calls;
    const faults = { over: false };
    const running = calls.run(faults);
    try {
      await this.#injectFaults(storm, random, log);
    } finally {
      faults.over = true;
      await running;
    }
    await calls.check();
    this.#problems.push(...calls.problems);
    for (const [name, value] of Object.entries(calls.figures)) this.figures[name] = (this.figures[name] ?? 0) + value;
  }

  async #injectFaults(storm: Storm, random: Random, log: (line: string) => void): Promise<void> {
    const cluster = this.#cluster;
    const count = random.between(4, 7);
    for (let at = 0; at < count; at += 1) {
      await pause(random.between(150, 1_500));
      this.#noteCrashes();
      if (storm.over && at >= MIN_FAULTS) return;
      const [name, fault] = random.pick(Object.entries(FAULTS));
      log(name);
      const member = random.pick(cluster.members);
      await fault({ cluster, member, random, problem: (text) => void this.#problems.push(text) });
      this.figures[name] = (this.figures[name] ?? 0) + 1;
    }
  }

  /** A process that has ended by itself would be started again by the next fault that ends it. */
  #noteCrashes(): void {
    for (const { name, server } of this.#cluster.members) {
      if (!server.isRunning) this.#problems.push(`${name} has ended by itself`);
    }
  }

  async read(): Promise<Stored> {
    this.#noteCrashes();
    const { rows, problems } = await readPostgres((sql) => this.#cluster.query(sql));
    return { rows, problems: [...problems, ...this.#problems] };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#calls[Symbol.asyncDispose]();
    await this.#cluster[Symbol.asyncDispose]();
  }
}
