import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { startFaultProxy, type FaultProxy } from '../../src/server/testing/fault-proxy.ts';
import { seededRandom, type Random } from '../../src/lib/seeded-random.ts';
import { Actor } from './actor.ts';
import { checkAcknowledged, checkComplete, checkOrder, checkTold, compare, Truth } from './checks.ts';
import { RemoteActor } from './remote-actor.ts';
import type { ActorPlan, ActorReport } from './report.ts';
import { startSingleServer, type ServerBed, type StartBed, type Storm } from './server-bed.ts';
import { ToldBook } from './told.ts';

export interface Outcome {
  seed: number;
  problems: string[];
  figures: Record<string, number>;
}

const NAMES = ['ann', 'bob', 'cat', 'dan'] as const;
type Name = (typeof NAMES)[number];
interface Device {
  readonly name: string;
  readonly user: Name;
  readonly isFirst: boolean;
}
/** Each user's first device has the faults and kills, the second one keeps nothing. */
const DEVICES = NAMES.flatMap((user): Device[] => [
  { name: user, user, isFirst: true },
  { name: `${user}'s second`, user, isFirst: false },
]);
/** Users who are removed from the club and come back. */
const EXPELLED = ['bob', 'dan'] as const;
/** Actions of a first device; about three quarters are messages. */
const OPERATIONS = 330;
const SECOND_OPERATIONS = 80;
const EXPULSIONS = 6;
const LEAST_MESSAGES = 1_000;
/** Distance of the message numbers of two devices, and of two lives of a killed client. */
const NUMBERS_APART = 100_000;
/** Far more than a slow machine takes. */
const SETTLED_WITHIN_MS = 180_000;
const EQUAL_WITHIN_MS = 120_000;
/** Longest time in ms between two comparisons. */
const MAX_WAIT_MS = 5_000;
const LINE_FAULTS = { cut: 0.012, stall: 0.03, stallMs: [20, 400], delay: 0.2, delayMs: [1, 15], split: 0.4 } as const;
/** Additional frame faults for `dan`. */
const FRAME_FAULTS = {
  drop: 0.003,
  duplicate: 0.03,
  delay: 0.05,
  reorder: 0.03,
  cut: 0.002,
  kill: 0.001,
  killMs: 700,
} as const;

type Conversations = Record<Name, string[]> & { mentionable: Record<string, readonly string[]> };
type AnyActor = Actor | RemoteActor;

// Caches compiled code for the processes that are started repeatedly.
process.env['NODE_COMPILE_CACHE'] ??= path.join(tmpdir(), 'lumen-comm-compile-cache');

/**
 * Four users with two devices each act in five conversations under faults: connections are cut, stalled and split at random bytes, servers
 * fail as their bed decides, and the process of one client is killed (SIGKILL) and restarted on its file. After the faults have
 * ended, every client must have all changes, once and in order. Two users are removed or banned from one conversation and added
 * again.
 *
 * @param startBed - starts the servers. @defaultValue one server on a SQLite file
 */
export async function runSeed(
  seed: number,
  log: (line: string) => void = () => undefined,
  startBed: StartBed = startSingleServer,
): Promise<Outcome> {
  const directory = await mkdtemp(path.join(tmpdir(), `lumen-comm-faults-${seed}-`));
  try {
    await using bed = await startBed(directory, seed);
    const scenario = new Scenario(seed, directory, bed, log);
    try {
      return await scenario.run();
    } finally {
      await scenario.end();
    }
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

class Scenario {
  readonly #seed: number;
  readonly #directory: string;
  readonly #log: (line: string) => void;
  readonly #random: Random;
  readonly #actors = new Map<string, AnyActor>();
  /** By user and origin: devices of a user that connect to one server share a line. */
  readonly #proxies = new Map<string, FaultProxy>();
  readonly #bed: ServerBed;
  readonly #figures: Record<string, number> = { clientKills: 0 };
  readonly #lostReports: ActorReport[] = [];
  readonly #toldFile: string;
  readonly #plans = new Map<string, ActorPlan>();
  readonly #leaks: string[] = [];
  #club = '';

  constructor(seed: number, directory: string, bed: ServerBed, log: (line: string) => void) {
    this.#seed = seed;
    this.#directory = directory;
    this.#bed = bed;
    this.#toldFile = path.join(directory, 'told to cat');
    this.#log = log;
    this.#random = seededRandom(seed);
  }

  async run(): Promise<Outcome> {
    const startedAt = performance.now();
    const { url } = this.#bed;
    const conversations = await this.#conversations(url);
    for (const device of DEVICES) await this.#startProxy(device);
    await Promise.all(DEVICES.map((device, at) => this.#enter(device, at, conversations)));
    for (const proxy of this.#proxies.values()) proxy.resume();
    this.#log('storm');
    await this.#storm();
    await this.#calm();
    const problems = await this.#check(url, conversations);
    this.#figures['ms'] = Math.round(performance.now() - startedAt);
    return { seed: this.#seed, problems, figures: this.#figures };
  }

  async end(): Promise<void> {
    await Promise.allSettled([...this.#actors.values()].map((actor) => actor.stop()));
    await Promise.allSettled([...this.#proxies.values()].map((proxy) => proxy.close()));
  }

  async #conversations(url: string): Promise<Conversations> {
    const of: Conversations = { ann: [], bob: [], cat: [], dan: [], mentionable: {} };
    const groups: Name[][] = [[...NAMES], ['ann', 'bob', 'cat'], ['bob', 'dan'], ['ann', 'dan'], [...NAMES]];
    for (const [first = 'ann', ...others] of groups) {
      const response = await fetch(`${url}/__nk_comm/conversations`, {
        method: 'POST',
        headers: { 'x-user-id': first, 'content-type': 'application/json' },
        body: JSON.stringify({ type: others.length > 1 ? 'group' : 'direct', participantIds: others }),
      });
      const { id } = (await response.json()) as { id: string };
      for (const name of [first, ...others]) of[name].push(id);
      of.mentionable[id] = [first, ...others];
      this.#club = id;
    }
    of.mentionable[this.#club] = NAMES.filter((name) => !EXPELLED.some((each) => each === name));
    return of;
  }

  #lineOf({ user, isFirst }: Device): string {
    return `${user} ${this.#bed.originOf(user, isFirst)}`;
  }

  async #startProxy(device: Device): Promise<void> {
    const line = this.#lineOf(device);
    if (this.#proxies.has(line)) return;
    const seed = this.#random.fork(device.name).between(0, 2 ** 31);
    const target = this.#bed.originOf(device.user, device.isFirst);
    const proxy = await startFaultProxy({ target, seed, ...LINE_FAULTS });
    proxy.heal();
    this.#proxies.set(line, proxy);
  }

  async #enter(device: Device, at: number, conversations: Conversations): Promise<void> {
    const { name, user } = device;
    const conversationIds = conversations[user];
    const plan: ActorPlan = {
      userId: user,
      seed: this.#random.fork(`acts ${name}`).between(0, 2 ** 31),
      url: this.#proxies.get(this.#lineOf(device))?.url ?? '',
      conversationIds,
      mentionable: conversations.mentionable,
      club: this.#club,
      firstNumber: at * 10 * NUMBERS_APART,
      ...(name === 'ann' && { ownedGroups: conversationIds.slice(1, 2) }),
      ...(name === 'bob' || name === 'cat' ? { database: path.join(this.#directory, `${name}.sqlite`) } : {}),
      ...(name === 'cat' ? { toldFile: this.#toldFile } : {}),
      ...(name === 'dan' ? { frameFaults: FRAME_FAULTS } : {}),
    };
    this.#plans.set(name, plan);
    const actor = name === 'cat' ? new RemoteActor(plan) : new Actor(plan);
    this.#actors.set(name, actor);
    await actor.start();
    if (actor instanceof RemoteActor) await actor.keep();
  }

  /** Runs the actions. The servers fail and a client is killed meanwhile. */
  async #storm(): Promise<void> {
    const works = DEVICES.filter(({ name }) => name !== 'cat').map(({ name, isFirst }) =>
      this.#actors.get(name)?.work(this.#share(isFirst ? OPERATIONS : SECOND_OPERATIONS)),
    );
    const storm = { over: false };
    const worked = Promise.all([...works, this.#workAndDie()]).then(() => {
      storm.over = true;
      this.#log('worked');
    });
    // Together, so that each failure is that of the scenario.
    const faults = this.#bed.injectFaults(storm, this.#random.fork('kills'), this.#log);
    await Promise.all([worked, faults, this.#expel(storm)]);
  }

  /** Returns how many of these actions, or of what they must lead to, the servers of this scenario get. */
  #share(count: number): number {
    return Math.ceil(count * this.#bed.workload);
  }

  /** Removes and bans users and adds them again. What is sent meanwhile must not reach them before they are back. */
  async #expel(storm: Storm): Promise<void> {
    const random = this.#random.fork('expulsions');
    const ann = this.#actors.get('ann');
    if (!(ann instanceof Actor)) throw new Error('ann has no actor');
    for (let round = 0; round < EXPULSIONS && (round < 2 || !storm.over); round += 1) {
      await pause(random.between(0, 500));
      const [user, ban] = [random.pick(EXPELLED), random.chance(0.5)];
      await ann.expel(user, ban);
      const sent = [await ann.tellClub(), await ann.tellClub()];
      await pause(random.between(0, 300));
      for (const name of [user, `${user}'s second`]) {
        const device = this.#actors.get(name) as Actor;
        const leaked = sent.filter((id) => device.hasToldOf(id));
        if (leaked.length > 0) this.#leaks.push(`${name}: told of ${leaked.join(' ')} while not a member`);
      }
      await ann.readmit(user, ban);
      const kind = ban ? 'bans' : 'removals';
      this.#figures[kind] = (this.#figures[kind] ?? 0) + 1;
    }
  }

  async #workAndDie(): Promise<void> {
    const plan = this.#plans.get('cat');
    const first = this.#actors.get('cat');
    if (plan === undefined || !(first instanceof RemoteActor)) throw new Error('cat has no process');
    // Killed after a random number of actions. After a fixed time it would barely have started on a slow machine.
    const operations = this.#share(OPERATIONS);
    const done = this.#random.between(operations / 4, (operations * 3) / 4);
    await first.work(done);
    this.#lostReports.push(await first.report());
    // Never answered, because the process is killed before.
    first.work(operations).catch(() => undefined);
    await pause(this.#random.between(0, 60));
    await first.kill();
    this.#figures['clientKills'] = (this.#figures['clientKills'] ?? 0) + 1;
    this.#log('client killed');
    const next = new RemoteActor({
      ...plan,
      toldFile: undefined,
      firstNumber: plan.firstNumber + NUMBERS_APART,
      seed: plan.seed + 1,
    });
    this.#actors.set('cat', next);
    await next.start();
    await next.work(operations - done);
  }

  async #calm(): Promise<void> {
    for (const proxy of this.#proxies.values()) proxy.heal();
    for (const actor of this.#actors.values()) await actor.heal();
    this.#log('calm');
    const settled = Promise.all([...this.#actors.values()].map((actor) => actor.settled()));
    await within(SETTLED_WITHIN_MS, settled).catch(() => this.#log('not settled'));
    this.#log('settled');
  }

  async #check(url: string, conversations: Conversations): Promise<string[]> {
    let problems = await this.#untilEqual(url, false);
    this.#log('equal');
    // The second devices of the users: their first ones have to be told, and those of all others.
    for (const { name, isFirst } of DEVICES) {
      const actor = this.#actors.get(name);
      if (!isFirst && actor instanceof Actor) await actor.finish();
    }
    if (problems.length === 0) problems = await this.#untilEqual(url, false);
    this.#log('finished');
    for (const actor of this.#actors.values()) await actor.readAll();
    this.#log('read');
    if (problems.length === 0) problems = await this.#untilEqual(url, true);
    const stored = await this.#bed.read();
    const killed = ToldBook.read(this.#toldFile);
    problems.push(...stored.problems, ...this.#leaks);
    for (const { name, user } of DEVICES) {
      const report = await this.#report(name);
      problems.push(...checkAcknowledged(stored.rows, report, name));
      problems.push(...checkTold(report.told, name));
      // What was sent while a user was away is history, of which they are not told.
      const isExpelled = EXPELLED.some((each) => each === user);
      const always = new Set(conversations[user].filter((id) => !isExpelled || id !== this.#club));
      const rows = stored.rows.filter((row) => always.has(row.conversation_id));
      problems.push(...checkComplete(rows, name === 'cat' ? [killed, report.told] : [report.told], name));
      this.#count(report);
    }
    problems.push(...checkTold(killed, 'cat, killed'));
    for (const report of this.#lostReports) {
      problems.push(...checkAcknowledged(stored.rows, report, 'cat, killed'));
      this.#count(report);
    }
    problems.push(...checkOrder(stored.rows, NUMBERS_APART));
    for (const proxy of this.#proxies.values()) {
      for (const [name, value] of Object.entries(proxy.figures)) {
        this.#figures[name] = (this.#figures[name] ?? 0) + Number(value);
      }
    }
    Object.assign(this.#figures, this.#bed.figures, { stored: stored.rows.length });
    if (stored.rows.length < this.#share(LEAST_MESSAGES)) problems.push(`only ${stored.rows.length} messages`);
    return problems;
  }

  /** Waits until every view equals the stored data, and returns the differences that remain after a timeout. */
  async #untilEqual(url: string, whole: boolean): Promise<string[]> {
    const deadline = performance.now() + EQUAL_WITHIN_MS;
    // Each comparison takes from the budget of its user, which the user's devices need to become equal.
    for (let waitMs = 100; ; waitMs = Math.min(waitMs * 1.5, MAX_WAIT_MS)) {
      const problems: string[] = [];
      const isLate = performance.now() > deadline;
      for (const user of NAMES) {
        // Comparing costs processor time that the servers need.
        if (problems.length > 0 && !isLate) break;
        problems.push(...(await this.#differences(url, user, whole)));
      }
      if (problems.length === 0) return problems;
      if (isLate) {
        for (const problem of problems) this.#log(problem);
        return problems;
      }
      await pause(waitMs);
    }
  }

  /** Compares the devices of a user with the stored data. */
  async #differences(url: string, user: Name, whole: boolean): Promise<string[]> {
    // A server may be unavailable for a moment, for example because the machine is busy.
    const truth = await Truth.of(url, user).catch((error: unknown) => String(error));
    if (typeof truth === 'string') return [truth];
    const club = { id: this.#club, leavers: EXPELLED };
    const problems: string[] = [];
    for (const device of DEVICES.filter((each) => each.user === user)) {
      const different = compare(truth, await this.#report(device.name), user, whole, club);
      problems.push(...different.map((problem) => `${device.name}: ${problem}`));
    }
    return problems;
  }

  async #report(name: string): Promise<ActorReport> {
    const report = await this.#actors.get(name)?.report();
    if (report === undefined) throw new Error(`No ${name}`);
    return report;
  }

  #count({ figures }: ActorReport): void {
    for (const [name, value] of Object.entries({ ...figures, ...figures.done, ...figures.frames })) {
      if (typeof value === 'number') this.#figures[name] = (this.#figures[name] ?? 0) + value;
    }
  }
}

async function within<T>(ms: number, work: Promise<T>): Promise<T> {
  const abort = new AbortController();
  try {
    return await Promise.race([
      work,
      pause(ms, undefined, { signal: abort.signal }).then(() => {
        throw new Error(`Not within ${ms} ms`);
      }),
    ]);
  } finally {
    abort.abort();
  }
}
