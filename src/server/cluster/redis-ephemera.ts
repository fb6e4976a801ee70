import * as v from 'valibot';
import { BoundedSet } from '../../lib/bounded-map.ts';
import type { Clock } from '../../lib/clock.ts';
import { errorFields, type Logger } from '../../lib/logger.ts';
import { PRESENCE_STATUSES, type PresenceStatus } from '../../protocol/constants.ts';
import {
  derivePresence,
  type Awaitable,
  type DerivedPresence,
  type Device,
  type Ephemera,
  type EphemeraListener,
  type LimitUse,
  type LocalPresence,
  type UserPresence,
} from './ephemera.ts';
import { BEAT, LEAVE, READ_DEVICES, READ_PRESENCE, RENEW, SET_PRESENCE } from './ephemera-scripts.ts';
import type { RedisCommands, RedisScript } from './redis-commands.ts';
import { DEFAULT_PREFIX } from './redis-connection.ts';
import { RedisLimits } from './redis-limits.ts';

/** Options of {@link RedisEphemera}. */
export interface RedisEphemeraOptions {
  /** Sends the commands. */
  readonly redis: RedisCommands;
  /** Id of this process, never used by another one. */
  readonly processId: string;
  /** Begins the names of all keys. @defaultValue `lumen-comm:` */
  readonly prefix?: string | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
  /**
   * Called when another process has ended without closing its part, or is cut off: what it published last may be lost. Only
   * one of the others is told.
   */
  readonly killed?: (() => void) | undefined;
  /** Time in ms between two heartbeats. @defaultValue 10,000 */
  readonly heartbeatMs?: number | undefined;
  /** Time in ms without a heartbeat after which a process has ended. @defaultValue 20,000 */
  readonly deadAfterMs?: number | undefined;
}

const HEARTBEAT_MS = 10_000;
const DEAD_AFTER_MS = 20_000;
/** Time in ms that an answer may take before requests are answered from what this process knows. */
const PATIENCE_MS = 1_000;
/** Grace period in ms of the users of a process that is closed. Their clients connect to another one. */
const LEAVE_MS = 5_000;
/** Users in one command. Redis takes about a microsecond for each. */
const USERS_PER_COMMAND = 500;

const MAX_GONE = 100_000;

/** What this process has set of a user, and what it knows of the other processes. */
interface Own {
  /** As last derived, and the status of the last answer of Redis. */
  status: PresenceStatus;
  confirmed: PresenceStatus | undefined;
  /** Whether Redis may have changed the status in an answer that was lost, so that the others weren't told. */
  isDoubtful: boolean;
  lastSeen: string | undefined;
  /** Statuses of the user's devices in other processes. */
  elsewhere: readonly PresenceStatus[];
}

const statusSchema = v.picklist(PRESENCE_STATUSES);
const numberSchema = v.pipe(v.union([v.string(), v.number()]), v.transform(Number));
const presenceSchema = v.tuple([numberSchema, statusSchema, v.string(), numberSchema, numberSchema, v.string()]);
const devicesSchema = v.array(v.tuple([v.string(), statusSchema, v.number()]));
const beatSchema = v.tupleWithRest([numberSchema, numberSchema, numberSchema], v.string());

/**
 * The ephemera of several processes, in Redis. Each process renews its part with heartbeats; one that doesn't for
 * `deadAfterMs` has ended, and another process takes over its users. Without an answer of Redis a process goes on with what it
 * knows, and sets its part again when Redis is back, which may have lost everything.
 */
export class RedisEphemera implements Ephemera {
  readonly #options: RedisEphemeraOptions;
  readonly #limits: RedisLimits;
  readonly #own = new Map<string, Own>();
  /** Users who have left while Redis couldn't be told. */
  readonly #gone = new BoundedSet<string>(MAX_GONE);
  #listener: EphemeraListener | undefined;
  #processes = 1;
  /** Whether the last command was not answered in time. */
  #isSilent = false;
  #cancelBeat: () => void = () => undefined;
  #renewedAt = Number.NEGATIVE_INFINITY;
  #closed = false;
  /** Commands whose answers may have to be pushed. */
  readonly #answering = new Set<Promise<unknown>>();

  constructor(options: RedisEphemeraOptions) {
    this.#options = options;
    this.#limits = new RedisLimits({
      clock: options.clock,
      processId: options.processId,
      deadAfter: this.#deadAfter,
      ask: (script, keys, args) => this.#ask(script, keys, args),
      key: (name) => this.#key(name),
      failed: (error) => this.#warn('failed to tell other processes of used limits', error),
    });
  }

  get connected(): boolean {
    return this.#options.redis.connected && !this.#isSilent;
  }

  get processes(): number {
    return this.#processes;
  }

  listen(listener: EphemeraListener): void {
    this.#listener = listener;
    const { redis } = this.#options;
    redis.onConnected(() => this.#start());
    if (redis.connected) this.#start();
  }

  setPresence(userId: string, presence: LocalPresence): Awaitable<DerivedPresence> {
    const { devices, isLeaving = false, chosen = '', isFresh = false, at = this.#now() } = presence;
    const own = this.#own.get(userId) ?? newOwn();
    const isGone = devices.length === 0 && !isLeaving;
    if (isGone) this.#own.delete(userId);
    else {
      this.#own.set(userId, own);
      this.#gone.delete(userId);
    }
    const deriveAlone = (): DerivedPresence => {
      if (isGone) this.#gone.add(userId);
      return this.#deriveAlone(own, { ...presence, at });
    };
    if (!this.#options.redis.connected) return deriveAlone();
    const entry = devices.map(({ socketId, status, showsWaiting }) => [socketId, status, showsWaiting ? 1 : 0]);
    const text = isGone ? '' : JSON.stringify(entry);
    const { confirmed = 'offline', lastSeen = '' } = own;
    const known = [confirmed, confirmed === 'offline' ? '' : lastSeen];
    return this.#setPresence(userId, [text, userId, chosen, isFresh ? 'fresh' : 'known', at], { known })
      .then(([changed, status, lastSeen, version, isConnected, elsewhere]) => {
        const isChanged = changed === 1 || (own.isDoubtful && status !== own.confirmed);
        own.status = status;
        own.confirmed = status;
        own.isDoubtful = false;
        own.lastSeen = lastSeen === '' ? undefined : lastSeen;
        own.elsewhere = elsewhere.split(',').flatMap((each) => PRESENCE_STATUSES.find((known) => known === each) ?? []);
        return { status, lastSeen: own.lastSeen, version, isChanged, isConnected: isConnected === 1 };
      })
      .catch((error: unknown) => {
        this.#warn('failed to tell other processes of the presence of a user', error);
        own.isDoubtful = true;
        return deriveAlone();
      });
  }

  presenceOf(userIds: readonly string[]): Awaitable<ReadonlyMap<string, UserPresence>> {
    if (userIds.length === 0 || !this.connected) return this.#knownPresence(userIds);
    return this.#readPresence(userIds).catch((error: unknown) => {
      this.#warn('failed to read the presence of users', error);
      return this.#knownPresence(userIds);
    });
  }

  devicesElsewhere(userId: string): Awaitable<readonly Device[]> {
    if (!this.connected) return [];
    return this.#readDevices(userId).catch((error: unknown) => {
      this.#warn('failed to read the devices of a user', error);
      return [];
    });
  }

  spend(use: LimitUse, left: (tokens: number) => void): void {
    this.#limits.spend(use, left);
  }

  count(key: string, value: number): void {
    this.#limits.count(key, value);
  }

  countElsewhere(key: string): number {
    return this.#limits.countElsewhere(key);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#cancelBeat();
    const { redis, processId } = this.#options;
    await Promise.allSettled(this.#answering);
    if (!redis.connected) return;
    const args = [processId, String(LEAVE_MS)];
    await LEAVE.run(redis, [this.#key('processes'), this.#key('dead')], args).catch(() => undefined);
  }

  /** With a connection: joins the processes, and sets everything again. */
  #start(): void {
    this.#isSilent = false;
    this.#renewedAt = this.#options.clock.now();
    void this.#beat();
    this.#listener?.lost([...this.#own.keys()]);
    const { processId } = this.#options;
    for (const userId of this.#gone) {
      this.#removeFrom(processId, userId).catch((error: unknown) => {
        this.#warn('failed to tell other processes that a user has left', error);
      });
    }
    this.#gone.clear();
  }

  async #beat(): Promise<void> {
    this.#cancelBeat();
    if (this.#closed) return;
    const { clock, processId } = this.#options;
    let waitMs = this.#heartbeatMs;
    try {
      const keys = [this.#key('processes'), this.#key('dead'), this.#key(`users:${processId}`)];
      const [processes, untilNextMs, killed, ...ended] = v.parse(
        beatSchema,
        await this.#ask(BEAT, keys, [processId, this.#deadAfter]),
      );
      this.#processes = processes;
      waitMs = Math.min(waitMs, Math.max(1, untilNextMs));
      if (killed > 0) this.#options.killed?.();
      for (const id of ended) void this.#takeOver(id);
      if (clock.now() - this.#renewedAt >= this.#heartbeatMs) await this.#renew();
    } catch (error) {
      this.#warn('failed to send a heartbeat to other processes', error);
    }
    this.#cancelBeat();
    if (!this.#closed) this.#cancelBeat = clock.after(waitMs, () => void this.#beat(), true);
  }

  /** Finds out whether Redis still has what was set, in steps between which other work runs. */
  async #renew(): Promise<void> {
    this.#renewedAt = this.#options.clock.now();
    for (const userIds of chunks([...this.#own.keys()])) {
      const keys = userIds.map((userId) => this.#key(`user:${userId}`));
      const missing = v.parse(v.array(numberSchema), await this.#ask(RENEW, keys, [this.#options.processId]));
      const lost = missing.flatMap((place) => userIds[place - 1] ?? []);
      if (lost.length > 0) this.#listener?.lost(lost);
    }
  }

  /** Removes the devices of a process that has ended. After a failure another process repeats it. */
  async #takeOver(processId: string): Promise<void> {
    const { redis, logger } = this.#options;
    try {
      const list = this.#key(`users:${processId}`);
      const all = v.parse(v.array(v.string()), await redis.command(['SMEMBERS', list]));
      for (const userIds of chunks(all)) {
        await Promise.all(userIds.map((userId) => this.#removeFrom(processId, userId)));
      }
      await redis.command(['DEL', list]);
      await redis.command(['ZREM', this.#key('dead'), processId]);
      logger.info('took over the users of a process that has ended', { ended: processId, users: all.length });
    } catch (error) {
      this.#warn('failed to take over the users of a process that has ended', error);
    }
  }

  async #removeFrom(processId: string, userId: string): Promise<void> {
    const args = ['', userId, '', 'keep', this.#now()];
    const [changed, status, lastSeen, version, connected] = await this.#setPresence(userId, args, { processId });
    const own = this.#own.get(userId);
    if (own !== undefined) Object.assign(own, { status, confirmed: status });
    const isConnected = connected === 1;
    if (changed === 0 && isConnected) return;
    const seen = lastSeen === '' ? undefined : lastSeen;
    this.#listener?.presenceChanged(userId, { status, lastSeen: seen, version, isChanged: changed === 1, isConnected });
  }

  async #setPresence(
    userId: string,
    args: readonly string[],
    { processId = this.#options.processId, known = ['offline', ''] }: { processId?: string; known?: readonly string[] },
  ): Promise<v.InferOutput<typeof presenceSchema>> {
    const keys = [this.#key(`user:${userId}`), this.#key('processes'), this.#key(`users:${processId}`)];
    const all = [processId, ...args, this.#deadAfter, ...known];
    const answer = SET_PRESENCE.run(this.#options.redis, keys, all);
    this.#answering.add(answer);
    try {
      return v.parse(presenceSchema, await answer);
    } finally {
      this.#answering.delete(answer);
    }
  }

  /** Derives the presence from the devices here, and from what was last known of the others. */
  #deriveAlone(own: Own, { devices, isLeaving = false, chosen, at }: LocalPresence): DerivedPresence {
    const statuses = [...devices.map(({ status }) => status), ...own.elsewhere];
    const isConnected = statuses.length > 0 || isLeaving;
    const status = statuses.length === 0 && isLeaving ? own.status : derivePresence(statuses, chosen);
    const isChanged = status !== own.status;
    own.status = status;
    if (isChanged) own.lastSeen = at;
    return { status, lastSeen: own.lastSeen, isChanged, isConnected };
  }

  #knownPresence(userIds: readonly string[]): ReadonlyMap<string, UserPresence> {
    const known = new Map<string, UserPresence>();
    for (const userId of userIds) {
      const own = this.#own.get(userId);
      if (own !== undefined) known.set(userId, { status: own.status, lastSeen: own.lastSeen });
    }
    return known;
  }

  async #readPresence(userIds: readonly string[]): Promise<ReadonlyMap<string, UserPresence>> {
    const known = new Map<string, UserPresence>();
    const answers = chunks(userIds).map(async (asked) => {
      const keys = asked.map((userId) => this.#key(`user:${userId}`));
      const read = v.parse(v.array(v.union([v.string(), v.number()])), await this.#ask(READ_PRESENCE, keys, []));
      for (const [place, userId] of asked.entries()) {
        const [status, seen, version] = read.slice(3 * place, 3 * place + 3);
        known.set(userId, {
          status: v.parse(statusSchema, status),
          lastSeen: seen === '' ? undefined : String(seen),
          version: Number(version),
        });
      }
    });
    await Promise.all(answers);
    return known;
  }

  async #readDevices(userId: string): Promise<readonly Device[]> {
    const keys = [this.#key(`user:${userId}`), this.#key('processes')];
    const read = v.parse(
      v.array(v.string()),
      await this.#ask(READ_DEVICES, keys, [this.#options.processId, this.#deadAfter]),
    );
    return read.flatMap((text) =>
      v
        .parse(devicesSchema, JSON.parse(text))
        .map(([socketId, status, showsWaiting]) => ({ socketId, status, showsWaiting: showsWaiting === 1 })),
    );
  }

  /** Runs a script whose answer a request waits for. Rejects if it takes long, and until an answer arrives, no other one waits. */
  async #ask(script: RedisScript, keys: readonly string[], args: readonly string[]): Promise<unknown> {
    const { redis, clock } = this.#options;
    const answer = script.run(redis, keys, args).then((value) => {
      this.#isSilent = false;
      return value;
    });
    let cancel: () => void = () => undefined;
    const late = new Promise<never>((_, reject) => {
      cancel = clock.after(
        PATIENCE_MS,
        () => {
          this.#isSilent = true;
          reject(new Error('Redis does not answer'));
        },
        true,
      );
    });
    try {
      return await Promise.race([answer, late]);
    } finally {
      cancel();
    }
  }

  get #heartbeatMs(): number {
    return this.#options.heartbeatMs ?? HEARTBEAT_MS;
  }

  get #deadAfter(): string {
    return String(this.#options.deadAfterMs ?? DEAD_AFTER_MS);
  }

  #key(name: string): string {
    return `${this.#options.prefix ?? DEFAULT_PREFIX}${name}`;
  }

  #now(): string {
    return new Date(this.#options.clock.now()).toISOString();
  }

  /** A lost connection is reported by the part that keeps it. */
  #warn(what: string, error: unknown): void {
    const { redis, logger } = this.#options;
    if (redis.connected && !this.#closed) logger.warn(what, errorFields(error));
  }
}

function newOwn(): Own {
  return { status: 'offline', confirmed: undefined, isDoubtful: false, lastSeen: undefined, elsewhere: [] };
}

function chunks(userIds: readonly string[]): string[][] {
  const all: string[][] = [];
  for (let at = 0; at < userIds.length; at += USERS_PER_COMMAND) all.push(userIds.slice(at, at + USERS_PER_COMMAND));
  return all;
}
